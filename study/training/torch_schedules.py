"""What a schedule needs torch for: its step-driven schedulers as tables, and reduce on plateau."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError, create_model
from torch.optim import lr_scheduler

from search_spaces.schedules.base import Array, Schedule, ScheduleConfig, clock_updates
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.durations import updates
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.problems import first_problem
from search_spaces.schedules.sequence import Then
from search_spaces.words.unknown import unknown

_REFUSED = {
    "ReduceLROnPlateau": "follows the validation loss; use the schedule 'plateau'",
    "SequentialLR": "needs scheduler objects, which a configuration cannot hold",
    "ChainedScheduler": "needs scheduler objects, which a configuration cannot hold",
    "LambdaLR": "needs a function, which a configuration cannot hold; use the schedule 'table'",
    "MultiplicativeLR": "needs a function, which a configuration cannot hold; "
    "use the schedule 'table'",
}
_CLASSES = {
    name: cls
    for name, cls in vars(lr_scheduler).items()
    if inspect.isclass(cls)
    and issubclass(cls, lr_scheduler.LRScheduler)
    and cls is not lr_scheduler.LRScheduler
    and not name.startswith("_")
    and name not in _REFUSED
}
_ROUNDING = 1e-12
# What torch imports for its annotations alone.
_NAMES = {"Callable": Callable, "Iterable": Iterable}


def closed_form(schedule: ScheduleConfig, epochs: int, steps_per_epoch: int) -> Schedule:
    """The schedule as a pure function of the step, for a run of this many epochs.

    A ``Schedule`` is returned as it is. A ``TorchScheduler`` is recorded once, from a dummy
    optimizer at ``base_lr``, and becomes a ``Table`` with the same warmup, after whose end torch's
    clock starts (milestones and horizons of a ``Schedule`` count from 0). Only rates are recorded:
    momentum belongs to the trial. Two classes do not start from the optimizer's rate: CyclicLR
    receives ``base_lr`` as its own argument of that name, OneCycleLR knows its ``max_lr`` alone.
    Raises ValueError, in one line, for an unknown class or wrong arguments, and for a ``Plateau``,
    which depends on the validation loss.
    """
    if isinstance(schedule, Then):
        return _closed_parts(schedule, epochs, steps_per_epoch)
    if isinstance(schedule, Schedule):
        return schedule
    if not isinstance(schedule, TorchScheduler):
        raise ValueError(
            f"the schedule {schedule.family!r} has no closed form: it follows the loss"
        )
    unit = clock_updates(schedule.per, steps_per_epoch)
    remaining = epochs * steps_per_epoch - updates(schedule.warmup, steps_per_epoch)
    rates = _record(schedule, max(1, -(-remaining // unit)))
    try:
        return Table(rates=rates, base_lr=schedule.base_lr, per=schedule.per, **_start(schedule))
    except ValidationError as error:
        reason = first_problem(error)
        raise ValueError(f"{schedule.scheduler} gives no usable rates: {reason}") from None


def _closed_parts(schedule: Then, epochs: int, steps_per_epoch: int) -> Then:
    """The sequence with the torch schedulers among its parts as tables, each of its own length."""
    starts = [0.0, *schedule.boundaries, max(epochs, schedule.boundaries[-1] + 1)]
    lengths = [math.ceil(end - start) for start, end in pairwise(starts)]
    closed = (
        closed_form(part, length, steps_per_epoch)
        for part, length in zip(schedule.parts, lengths, strict=True)
    )
    return schedule.model_copy(update={"parts": tuple(closed)})


def _record(schedule: TorchScheduler, count: int) -> tuple[float, ...]:
    """The first ``count`` rates of the torch scheduler, one for each ``step()``."""
    cls = _scheduler_class(schedule.scheduler)
    arguments = _checked_arguments(cls, schedule)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=schedule.base_lr)
    try:
        scheduler = cls(optimizer, **arguments)
        rates = [float(optimizer.param_groups[0]["lr"])]
        optimizer.step()  # torch warns where a scheduler steps before its optimizer ever did
        for _ in range(count - 1):
            scheduler.step()
            rates.append(float(optimizer.param_groups[0]["lr"]))
    except ArithmeticError:
        zeros = " or ".join(
            name for name, value in arguments.items() if value == 0 and value is not False
        )
        reason = f"with 0 as {zeros}" if zeros else "with these arguments"
        raise ValueError(f"{schedule.scheduler} has no rates {reason}") from None
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{schedule.scheduler} refuses these arguments: {reason}") from None
    # Where a rate should end at 0, torch's rounding may leave it a little below.
    return tuple(0.0 if -_ROUNDING * schedule.base_lr < rate < 0 else rate for rate in rates)


def _scheduler_class(name: str) -> Any:
    if name in _REFUSED:
        raise ValueError(f"{name} {_REFUSED[name]}")
    if name not in _CLASSES:
        raise ValueError(unknown("torch scheduler", name, _CLASSES))
    return _CLASSES[name]


def _checked_arguments(cls: Any, schedule: TorchScheduler) -> dict[str, Any]:
    """The scheduler's arguments; ValueError where one is unknown, missing or has no effect here."""
    parameters = dict(inspect.signature(cls).parameters)
    del parameters["optimizer"], parameters["last_epoch"]
    for name in schedule.arguments:
        if name not in parameters:
            raise ValueError(unknown(f"argument of {schedule.scheduler}", name, parameters))
    arguments = dict(schedule.arguments)
    if "base_lr" in parameters:
        arguments.setdefault("base_lr", schedule.base_lr)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise ValueError(f"{schedule.scheduler} needs the argument {name!r}")
    arguments = _typed(cls, arguments)
    if "cycle_momentum" in parameters and arguments.get("cycle_momentum") is not False:
        raise ValueError(
            f"{schedule.scheduler} would change the momentum, which stays as it is in a trial; "
            "say so with cycle_momentum=false"
        )
    return arguments


def _typed(cls: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the types that the class names; ValueError where one is of another."""
    hints = get_type_hints(cls.__init__, localns=_NAMES)
    fields: dict[str, Any] = {name: (_kind(hints[name]), ...) for name in arguments}
    try:
        checked: dict[str, Any] = create_model(cls.__name__, **fields)(**arguments).model_dump()
    except ValidationError as error:
        raise ValueError(f"{cls.__name__}: {first_problem(error)}") from None
    return checked


def _kind(hint: Any) -> Any:
    """What one group of parameters needs: one number where torch takes a list of them, too."""
    if get_origin(hint) is Iterable:
        return list[get_args(hint)[0]]  # type: ignore[misc]
    return float if float in get_args(hint) else hint


def _start(schedule: ScheduleConfig) -> dict[str, Any]:
    """The fields that say how a schedule starts, whatever its family."""
    return schedule.model_dump(include={"warmup", "warmup_lr", "warmup_shape", "hold_epochs"})


@dataclass(frozen=True, slots=True)
class PlateauState:
    """What reduce on plateau remembers between epochs; ``dataclasses.asdict`` of it is JSON.

    rate: the current rate after the warmup; best: the last value that counted as an improvement,
    None before the first; bad_epochs: epochs since then; cooling: epochs that are left of a
    cooldown; epoch: epochs seen. The others are those of the ``Plateau`` it started from.

    Rules of torch's ReduceLROnPlateau; a value that is nan is no improvement. Epochs that lie
    wholly or partly in the warmup are not judged: their values neither count as bad epochs nor set
    ``best``. warmup: in epochs, of whole updates.
    """

    rate: float
    alpha: float
    patience: int
    threshold: float
    floor: float
    warmup: float
    best: float | None = None
    bad_epochs: int = 0
    epoch: int = 0
    mode: Literal["min", "max"] = "min"
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    eps: float = 1e-8
    cooling: int = 0

    @classmethod
    def start(cls, plateau: Plateau, steps_per_epoch: int) -> PlateauState:
        """The state before the first epoch."""
        own = Plateau.model_fields.keys() - ScheduleConfig.model_fields.keys()
        fields = plateau.model_dump(include=own)
        warmup = updates(plateau.warmup, steps_per_epoch) / steps_per_epoch
        return cls(rate=plateau.base_lr, warmup=warmup, **fields)

    def after_epoch(self, value: float) -> PlateauState:
        """The state after an epoch that ended with this validation loss, or accuracy."""
        seen = replace(self, epoch=self.epoch + 1)
        if self.epoch < self.warmup:
            return seen
        if self._is_better(value):
            seen = replace(seen, best=float(value), bad_epochs=0)
        else:
            seen = replace(seen, bad_epochs=self.bad_epochs + 1)
        if self.cooling:
            seen = replace(seen, cooling=self.cooling - 1, bad_epochs=0)
        if seen.bad_epochs <= self.patience:
            return seen
        lower = max(self.rate * self.alpha, self.floor)
        rate = lower if self.rate - lower > self.eps else self.rate
        return replace(seen, rate=rate, bad_epochs=0, cooling=self.cooldown)

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return value < math.inf if self.mode == "min" else value > -math.inf
        sign = -1.0 if self.mode == "min" else 1.0
        if self.threshold_mode == "rel":
            limit = self.best * (1.0 + sign * self.threshold)
        else:
            limit = self.best + sign * self.threshold
        return value < limit if self.mode == "min" else value > limit


def plateau_rates(
    plateau: Plateau, state: PlateauState, steps: npt.NDArray[Any], steps_per_epoch: int
) -> Array:
    """Rates of the given steps (the shape of ``steps``) while ``state`` holds.

    The warmup rises to ``base_lr`` as in front of any other schedule; after it the rate is
    ``state.rate``.
    """
    held = Constant(base_lr=state.rate, **_start(plateau))
    return np.asarray(held(steps, steps_per_epoch))
