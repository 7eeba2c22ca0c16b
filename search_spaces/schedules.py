"""Learning-rate schedules as pure functions of the optimizer step.

A schedule is frozen data with one method, ``schedule(step, steps_per_epoch)``, that returns the
learning rate of an optimizer step counted from 0. Durations (``horizon``, ``warmup``,
``milestones``, ...) are in epochs of ``steps_per_epoch`` updates; with the default of 1 they are
updates. They are rounded to whole updates once, here. Nothing remembers what was asked before, so
a resumed run needs no scheduler state and a whole curve is one call on ``np.arange(n)``.

Symbols in the formulas: t the step, w the warmup's length, u = t - w the local clock, T the
horizon (it includes the warmup), all in updates. Past T the rate stays at the final value.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, overload

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, model_validator

Array = npt.NDArray[np.float64]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveRate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Duration = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveDuration = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Clock = Literal["epoch", "update"]


class ScheduleConfig(BaseModel):
    """What every schedule has: a base rate and a warmup that may stand in front of any family.

    base_lr: the rate that the family starts from or peaks at, > 0.
    warmup: length in epochs, >= 0.
    warmup_lr: rate at step 0 (linear) or throughout (constant), >= 0.
    warmup_shape: ``linear`` from ``warmup_lr`` to the family's first rate, or ``constant``.
    hold_epochs: change the rate once an epoch, as the chapter does, instead of at every update.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    base_lr: PositiveRate
    warmup: Duration = 0.0
    warmup_lr: Rate = 0.0
    warmup_shape: Literal["linear", "constant"] = "linear"
    hold_epochs: bool = False

    @property
    def end(self) -> float | None:
        """Last moment (epochs) at which a duration of the schedule plays a part, None if open."""
        return None

    @model_validator(mode="after")
    def _warmup_ends_before_the_schedule(self) -> Self:
        if self.end is not None and self.warmup >= self.end:
            raise ValueError(
                f"warmup={self.warmup:g} must be shorter than the schedule, "
                f"which ends at {self.end:g}"
            )
        return self


class Schedule(ScheduleConfig):
    """A schedule in closed form."""

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
        if self.hold_epochs:
            t = np.floor(t / steps_per_epoch) * steps_per_epoch
        w = self._warmup_updates(steps_per_epoch)
        rates = self.after_warmup(np.maximum(t, w), w, steps_per_epoch)
        if w > 0:
            rates = np.where(t < w, self._warmup(t, w, steps_per_epoch), rates)
        return float(rates[0]) if np.ndim(step) == 0 else rates

    def _warmup_updates(self, steps_per_epoch: int) -> int:
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


def updates(epochs: float, steps_per_epoch: int) -> int:
    """A duration in epochs as a whole number of optimizer updates."""
    return round(epochs * steps_per_epoch)


def _progress(t: Array, start: int, end: int) -> Array:
    """Share of the way from start to end, pinned to [0, 1]; a jump where nothing lies between."""
    if end <= start:
        return (t >= end).astype(np.float64)
    return np.clip((t - start) / (end - start), 0.0, 1.0)


def _half_cosine(share: Array) -> Array:
    """From 1 at share 0 to 0 at share 1 along half a cosine."""
    return np.asarray((1.0 + np.cos(np.pi * share)) / 2.0)


def _check_floor(floor: float, base_lr: float) -> None:
    if floor > base_lr:
        raise ValueError(f"floor={floor:g} lies above base_lr={base_lr:g}")


class Constant(Schedule):
    """base_lr."""

    family: Literal["constant"] = "constant"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        return np.full_like(t, self.base_lr)


class Factor(Schedule):
    """max(floor, base_lr * alpha^u): exponential decay, u in epochs or updates (``per``)."""

    family: Literal["factor"] = "factor"
    alpha: Fraction
    floor: Rate = 0.0
    per: Clock = "epoch"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        unit = steps_per_epoch if self.per == "epoch" else 1
        return np.maximum(self.floor, self.base_lr * self.alpha ** ((t - w) / unit))

    @model_validator(mode="after")
    def _floor_is_below(self) -> Self:
        _check_floor(self.floor, self.base_lr)
        return self


class MultiFactor(Schedule):
    """base_lr * alpha^(number of milestones <= t): piecewise constant.

    milestones: moments counted from 0 (not from the warmup's end), increasing, after the warmup.
    """

    family: Literal["multi_factor"] = "multi_factor"
    alpha: Fraction
    milestones: tuple[PositiveDuration, ...]

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        at = np.array([updates(m, steps_per_epoch) for m in self.milestones], dtype=np.float64)
        return np.asarray(self.base_lr * self.alpha ** np.searchsorted(at, t, side="right"))

    @model_validator(mode="after")
    def _milestones_increase(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must increase, not {list(self.milestones)}")
        if self.milestones and self.milestones[0] < self.warmup:
            raise ValueError(
                f"the first milestone, {self.milestones[0]:g}, lies inside the warmup "
                f"of {self.warmup:g}"
            )
        return self


class InversePower(Schedule):
    """base_lr * (1 + beta u)^(-alpha), u in epochs or updates; the defaults: square root."""

    family: Literal["inverse_power"] = "inverse_power"
    alpha: PositiveRate = 0.5
    beta: PositiveRate = 1.0
    per: Clock = "epoch"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        unit = steps_per_epoch if self.per == "epoch" else 1
        return np.asarray(self.base_lr * (1.0 + self.beta * (t - w) / unit) ** -self.alpha)


class _ToHorizon(Schedule):
    """A schedule that reaches ``final_lr`` at ``horizon`` and stays there."""

    horizon: PositiveDuration
    final_lr: Rate = 0.0

    @property
    def end(self) -> float:
        return self.horizon


class Polynomial(_ToHorizon):
    """final_lr + (base_lr - final_lr) (1 - u / (T - w))^exponent; exponent 1 is linear."""

    family: Literal["polynomial"] = "polynomial"
    exponent: PositiveRate = 1.0

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        left = 1.0 - _progress(t, w, updates(self.horizon, steps_per_epoch))
        return np.asarray(self.final_lr + (self.base_lr - self.final_lr) * left**self.exponent)


class Cosine(_ToHorizon):
    """final_lr + (base_lr - final_lr) (1 + cos(pi u / (T - w))) / 2 (Loshchilov & Hutter 2017)."""

    family: Literal["cosine"] = "cosine"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        share = _progress(t, w, updates(self.horizon, steps_per_epoch))
        return self.final_lr + (self.base_lr - self.final_lr) * _half_cosine(share)


class CosineRestarts(Schedule):
    """SGDR: a cosine from base_lr to final_lr in each cycle (Loshchilov & Hutter 2017, eq. 5).

    cycle: length of the first cycle; each next one is ``multiplier`` (>= 1) times as long.
    """

    family: Literal["cosine_restarts"] = "cosine_restarts"
    cycle: PositiveDuration
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    final_lr: Rate = 0.0

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        u = t - w
        first = max(1, updates(self.cycle, steps_per_epoch))
        starts = self._starts(first, float(u.max(initial=0.0)))
        n = np.searchsorted(starts, u, side="right")
        share = (u - starts[n - 1]) / (starts[n] - starts[n - 1])
        return self.final_lr + (self.base_lr - self.final_lr) * _half_cosine(share)

    def _starts(self, first: int, last: float) -> Array:
        """Starts of the cycles in updates, rounded to whole ones, up to the first after ``last``.

        A cycle that began between two updates would never show base_lr.
        """
        starts, end, length = [0.0], 0.0, float(first)
        while starts[-1] <= last:
            end += length
            starts.append(float(np.rint(end)))
            length *= self.multiplier
        return np.array(starts)


class WarmupStableDecay(_ToHorizon):
    """base_lr until T - d, then a cooldown over the last d to final_lr (Haegele et al. 2024).

    cooldown: its length d, > 0, at most horizon - warmup.
    cooldown_shape: ``linear``, or ``sqrt`` for 1 - sqrt(share).
    """

    family: Literal["warmup_stable_decay"] = "warmup_stable_decay"
    cooldown: PositiveDuration
    cooldown_shape: Literal["linear", "sqrt"] = "linear"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        end = updates(self.horizon, steps_per_epoch)
        start = max(w, end - updates(self.cooldown, steps_per_epoch))
        share = _progress(t, start, end)
        left = 1.0 - (share if self.cooldown_shape == "linear" else np.sqrt(share))
        return np.asarray(self.final_lr + (self.base_lr - self.final_lr) * left)

    @model_validator(mode="after")
    def _cooldown_fits(self) -> Self:
        if self.cooldown > self.horizon - self.warmup:
            raise ValueError(
                f"cooldown={self.cooldown:g} does not fit between the end of the warmup "
                f"({self.warmup:g}) and the horizon ({self.horizon:g})"
            )
        return self


class OneCycle(_ToHorizon):
    """Up from start_lr to base_lr at ``peak``, then down to final_lr (Smith & Topin 2018).

    peak: moment of the highest rate, counted from 0, between the warmup and the horizon.
    shape: ``cosine``, or ``linear`` (triangular).
    """

    family: Literal["one_cycle"] = "one_cycle"
    peak: PositiveDuration
    start_lr: Rate = 0.0
    shape: Literal["cosine", "linear"] = "cosine"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        top, end = updates(self.peak, steps_per_epoch), updates(self.horizon, steps_per_epoch)
        rising, falling = _progress(t, w, top), _progress(t, top, end)
        if self.shape == "cosine":
            rising, falling = 1.0 - _half_cosine(rising), 1.0 - _half_cosine(falling)
        up = self.start_lr + (self.base_lr - self.start_lr) * rising
        down = self.base_lr + (self.final_lr - self.base_lr) * falling
        return np.where(t < top, up, down)

    @model_validator(mode="after")
    def _peak_fits(self) -> Self:
        if not self.warmup <= self.peak <= self.horizon:
            raise ValueError(
                f"peak={self.peak:g} must lie between the end of the warmup ({self.warmup:g}) "
                f"and the horizon ({self.horizon:g})"
            )
        return self


class Table(Schedule):
    """Explicit rates, one for each epoch or update (``per``) after the warmup; the last one stays.

    base_lr plays no part; where it is left out it is the highest of the rates.
    """

    family: Literal["table"] = "table"
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    per: Clock = "epoch"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        unit = steps_per_epoch if self.per == "epoch" else 1
        index = np.floor((t - w) / unit).astype(np.int64)
        return np.asarray(np.array(self.rates)[np.minimum(index, len(self.rates) - 1)])

    @model_validator(mode="before")
    @classmethod
    def _base_lr_is_the_highest(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "base_lr" in data:
            return data
        if not isinstance(data.get("rates"), list | tuple):
            return data
        # Rates that are no numbers are for the field itself to report.
        numbers = [rate for rate in data["rates"] if isinstance(rate, int | float)]
        return {**data, "base_lr": max(numbers, default=1.0)}


class TorchScheduler(ScheduleConfig):
    """Any step-driven class of torch.optim.lr_scheduler; `study.torch_schedules` makes it a table.

    scheduler: class name; arguments: its keyword arguments; per: how often ``step()`` is called.
    """

    family: Literal["torch"] = "torch"
    scheduler: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    per: Clock = "epoch"


class Plateau(ScheduleConfig):
    """Feedback, not a function of t: the rate is multiplied by alpha when the validation loss has
    not improved for more than ``patience`` epochs (torch's ReduceLROnPlateau).

    threshold: relative improvement that counts; floor: lowest rate.
    """

    family: Literal["plateau"] = "plateau"
    alpha: Fraction = 0.1
    patience: Annotated[int, Field(ge=0)] = 3
    threshold: Annotated[float, Field(ge=0, lt=1)] = 1e-4
    floor: Rate = 0.0

    @model_validator(mode="after")
    def _floor_is_below(self) -> Self:
        _check_floor(self.floor, self.base_lr)
        return self


AnySchedule = Annotated[
    Constant
    | Factor
    | MultiFactor
    | InversePower
    | Polynomial
    | Cosine
    | CosineRestarts
    | WarmupStableDecay
    | OneCycle
    | Table
    | TorchScheduler
    | Plateau,
    Field(discriminator="family"),
]
schedule_adapter: TypeAdapter[Any] = TypeAdapter(AnySchedule)
FAMILIES: dict[str, type[ScheduleConfig]] = {
    str(cls.model_fields["family"].default): cls
    for cls in (
        Constant,
        Factor,
        MultiFactor,
        InversePower,
        Polynomial,
        Cosine,
        CosineRestarts,
        WarmupStableDecay,
        OneCycle,
        Table,
        TorchScheduler,
        Plateau,
    )
}
