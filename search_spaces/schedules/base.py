"""Learning-rate schedules as pure functions of the optimizer step.

A schedule is frozen data with one method, ``schedule(step, steps_per_epoch)``, that returns the
learning rate of an optimizer step counted from 0. Durations (``horizon``, ``warmup``,
``milestones``, ...) are in epochs of ``steps_per_epoch`` updates; with the default of 1 they are
updates. A moment is rounded to whole updates once, from its exact time (`schedules.durations`).
Nothing remembers what was asked before, so a resumed run needs no scheduler state and a whole curve
is one call on ``np.arange(n)``.

Symbols in the formulas: t the step, w the warmup's length, u = t - w the local clock, T the
horizon (it includes the warmup), all in updates. Past T the rate stays at the final value.

A family is one class, which says of itself all that others show or use. Its docstring begins with
one line for people and has a line ``name: meaning`` for every parameter of its own; ``CODE`` is its
part of the code that users paste. A class that names its ``family`` is registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, overload

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from search_spaces.schedules.durations import updates
from search_spaces.schedules.searched import BASE_LR, WARMUP, Searches

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """The unit of a parameter, for people to read."""

    name: str


NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[NonNegative, Unit("learning rate")]
PositiveRate = Annotated[Positive, Unit("learning rate")]
Duration = Annotated[NonNegative, Unit("epochs")]
PositiveDuration = Annotated[Positive, Unit("epochs")]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Clock = Literal["epoch", "update"]


FAMILIES: dict[str, type[ScheduleConfig]] = {}
"""Every family by name, in the order in which their classes were made."""


def clock_updates(per: Clock, steps_per_epoch: int) -> int:
    """Updates in one unit of a clock."""
    return steps_per_epoch if per == "epoch" else 1


class ScheduleConfig(BaseModel):
    """What every schedule has: a base rate and a warmup that may stand in front of any family.

    base_lr: the rate that the family starts from or peaks at.
    warmup: its length.
    warmup_lr: rate at step 0 (linear) or throughout (constant).
    warmup_shape: ``linear`` from ``warmup_lr`` to the family's first rate, or ``constant``.
    hold_epochs: change the rate once an epoch, as the chapter does, instead of at every update:
        an epoch has the rate of its first update, warmup included. In an epoch that the warmup ends
        within, the rate rises with every update as if it was not held, up to the family's first
        rate, which the rest of the epoch has.

    >>> from lrstudy import Cosine
    >>> Cosine(base_lr=0.4, horizon=6, warmup=2)(np.arange(6)).round(3).tolist()
    [0.0, 0.2, 0.4, 0.341, 0.2, 0.059]
    >>> held = Cosine(base_lr=0.4, horizon=3, hold_epochs=True)
    >>> held(np.arange(6), steps_per_epoch=2).round(3).tolist()
    [0.4, 0.4, 0.3, 0.3, 0.1, 0.1]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    FORMULA: ClassVar[str]
    """The rate of update t, in the symbols above."""
    REFERENCE: ClassVar[str]
    EXAMPLE: ClassVar[str]
    """As `parse_schedule` reads it, for a run of 30 epochs."""
    PHRASE: ClassVar[str]
    """The schedule in words, with its parameters in braces."""
    LEFT_OUT: ClassVar[Mapping[str, str]] = {}
    """What a parameter without a default is where it is left out, in words."""
    COUNTED: ClassVar[tuple[str, ...]] = ()
    """What only text has, and `fill_in` turns into parameters."""
    SEARCHED: ClassVar[Searches] = {"base_lr": BASE_LR, "warmup": WARMUP}
    """What a study samples where the text of a schedule leaves a field out."""
    NEEDED: ClassVar[tuple[str, ...]] = ("FORMULA", "REFERENCE", "EXAMPLE", "PHRASE")
    """What every family must say of itself."""

    family: str
    base_lr: PositiveRate
    warmup: Duration = 0.0
    warmup_lr: Rate = 0.0
    warmup_shape: Literal["linear", "constant"] = "linear"
    hold_epochs: bool = False

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        """Registers a class that names its ``family``; one without is what several families share.

        Raises TypeError where something is missing, or another class has the name.
        """
        name = cls.model_fields["family"].default
        if not isinstance(name, str):
            return
        known = FAMILIES.get(name)
        if known and issubclass(cls, known):  # it did not name another one
            return
        if missing := [each for each in cls.NEEDED if not hasattr(cls, each)]:
            raise TypeError(f"the schedule family {name!r} has no {' and no '.join(missing)}")
        if known and _place(known) != _place(cls):  # a cell of a notebook may run again
            raise TypeError(f"the schedule family {name!r} is there already: {_place(known)}")
        FAMILIES[name] = cls

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        """The fields, not yet validated, with those that a run of so many epochs decides where they
        are left out."""
        return dict(fields)

    @property
    def end(self) -> float | None:
        """Last moment (epochs) at which a duration of the schedule plays a part, None if open."""
        return None

    @property
    def highest_momentum(self) -> float:
        """Of the momentum that the schedule moves with the rate; 0 where it leaves it alone."""
        return 0.0

    @property
    def first_cycle(self) -> float:
        """When the cycles of a cyclical schedule begin (epochs)."""
        return 0.0

    @model_validator(mode="after")
    def _warmup_ends_before_the_schedule(self) -> Self:
        if self.end is not None and self.warmup >= self.end:
            raise ValueError(
                f"warmup={self.warmup:g} must be shorter than the schedule, "
                f"which ends at {self.end:g}"
            )
        return self


def _place(cls: type) -> str:
    """Where a class is defined."""
    return f"{cls.__module__}.{cls.__qualname__}"


class Schedule(ScheduleConfig):
    """A schedule in closed form."""

    NEEDED = (*ScheduleConfig.NEEDED, "CODE")
    CODE: ClassVar[str]
    """Python statements that return the rate of update t >= w, for `study.export`: parameters have
    their names, w is the warmup, ``updates(epochs)`` a moment, ``progress(t, start, end)`` a share
    in [0, 1], ``unit`` the updates in what ``per`` says; math is imported."""
    MOMENTUM_CODE: ClassVar[str] = ""
    """The same for the momentum of a family that moves it."""

    @overload
    def __call__(self, step: int, steps_per_epoch: int = 1) -> float: ...
    @overload
    def __call__(self, step: npt.NDArray[Any], steps_per_epoch: int = 1) -> Array: ...
    def __call__(self, step: int | npt.NDArray[Any], steps_per_epoch: int = 1) -> float | Array:
        """Learning rate at ``step`` (an int, or an array of any shape: an array of that shape).

        Steps before 0 have the rate of step 0. Raises ValueError if steps_per_epoch < 1.
        """
        if steps_per_epoch < 1:
            raise ValueError(f"steps_per_epoch must be at least 1, not {steps_per_epoch}")
        # A single step goes through the same array code, so that it has exactly the same rate.
        t = np.maximum(np.atleast_1d(np.asarray(step, dtype=np.float64)), 0.0)
        w = self.warmup_updates(steps_per_epoch)
        if self.hold_epochs:
            t = _held(t, w, steps_per_epoch)
        rates = self.after_warmup(np.maximum(t, w), w, steps_per_epoch)
        if w > 0:
            rates = np.where(t < w, self._warmup(t, w, steps_per_epoch), rates)
        return float(rates[0]) if np.ndim(step) == 0 else rates

    def momentum(self, step: npt.NDArray[Any], steps_per_epoch: int = 1) -> Array:
        """Momentum at each step of an array, in its shape; ``highest_momentum`` throughout where
        the schedule does not move it."""
        t = np.maximum(np.asarray(step, dtype=np.float64), 0.0)
        w = self.warmup_updates(steps_per_epoch)
        if self.hold_epochs:
            t = _held(t, w, steps_per_epoch)
        return self.momentum_after_warmup(np.maximum(t, w), w, steps_per_epoch)

    def momentum_after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        """Momentum at updates t >= w; the warmup has that of its end."""
        return np.full_like(t, self.highest_momentum)

    def warmup_updates(self, steps_per_epoch: int) -> int:
        """The warmup in updates; rounding never makes it as long as the whole schedule."""
        w = updates(self.warmup, steps_per_epoch)
        return w if self.end is None else min(w, max(0, updates(self.end, steps_per_epoch) - 1))

    def _warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        """b + (target - b) t / w, target being the family's first rate; or the constant b."""
        target = self.after_warmup(np.array([float(w)]), w, steps_per_epoch)
        slope = float(target[0]) - self.warmup_lr if self.warmup_shape == "linear" else 0.0
        return self.warmup_lr + slope * t / w

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        """Rate at updates t >= w, where w is the warmup's length in updates."""
        raise TypeError(f"{type(self).__name__} has no closed form")


def _held(t: Array, w: int, steps_per_epoch: int) -> Array:
    """The update whose rate an update has where rates are held for whole epochs."""
    start = np.floor(t / steps_per_epoch) * steps_per_epoch
    warming = np.where(w < start + steps_per_epoch, t, start)
    return np.where(t < w, warming, np.maximum(start, w))
