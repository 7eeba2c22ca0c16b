"""The schedule families: a class each. `schedules.base` says what all of them have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from search_spaces.schedules.base import (
    Array,
    Clock,
    Fraction,
    Positive,
    PositiveDuration,
    Rate,
    Schedule,
    ScheduleConfig,
)
from search_spaces.schedules.durations import CLOSE, cycle_times, moments, updates
from search_spaces.schedules.plain import plain


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
    """The same rate throughout."""

    FORMULA = "base_lr"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "constant:base=0.3"
    PHRASE = "a constant rate of {base_lr}"

    family: Literal["constant"] = "constant"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        return np.full_like(t, self.base_lr)


class Factor(Schedule):
    """Exponential decay: times alpha every epoch or update.

    alpha: factor of each epoch or update.
    floor: the lowest rate.
    per: the unit of u.
    """

    FORMULA = "max(floor, base_lr alpha^u)"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "factor:base=0.3,alpha=0.9"
    PHRASE = "exponential decay from {base_lr}, times {alpha} every {per}"

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
    """Steps down: times alpha at each milestone.

    alpha: factor at each milestone.
    milestones: moments counted from 0 (not from the warmup's end), increasing, after the warmup.
    """

    FORMULA = "base_lr alpha^(number of milestones <= t)"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "multi_factor:base=0.5,alpha=0.5,milestones=15/25"
    PHRASE = "{base_lr}, times {alpha} at epoch {milestones}"

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
    """Decay as an inverse power of time: square root by default.

    alpha: the power.
    beta: how fast time runs.
    per: the unit of u.
    """

    FORMULA = "base_lr (1 + beta u)^-alpha"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "inverse_power:base=0.1"
    PHRASE = "inverse power decay {base_lr} (1 + {beta} t)^-{alpha}, t in {per}s"

    family: Literal["inverse_power"] = "inverse_power"
    alpha: Positive = 0.5
    beta: Positive = 1.0
    per: Clock = "epoch"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        unit = steps_per_epoch if self.per == "epoch" else 1
        return np.asarray(self.base_lr * (1.0 + self.beta * (t - w) / unit) ** -self.alpha)


class _ToHorizon(Schedule):
    """A schedule that reaches ``final_lr`` at ``horizon`` and stays there.

    horizon: moment T at which final_lr is reached, counted from 0, the warmup included.
    final_lr: the rate from there on.
    """

    LEFT_OUT: ClassVar[Mapping[str, str]] = {"horizon": "the epochs of training"}

    horizon: PositiveDuration
    final_lr: Rate = 0.0

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        return {"horizon": epochs, **fields}

    @property
    def end(self) -> float:
        return self.horizon


def _span(fields: Mapping[str, Any]) -> tuple[float, float]:
    """Length of the warmup, and from there to the horizon; (0, 1) where they do not fit, for their
    own validation to say so."""
    warmup, horizon = fields.get("warmup", 0.0), fields["horizon"]
    if not all(isinstance(each, int | float) for each in (warmup, horizon)):
        return 0.0, 1.0
    return (warmup, horizon - warmup) if 0 <= warmup < horizon else (0.0, 1.0)


class Polynomial(_ToHorizon):
    """Polynomial decay to final_lr; with exponent 1, a line.

    exponent: of the decay; a larger one falls earlier.
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 - u / (T - w))^exponent"
    REFERENCE = "Liu, Rabinovich & Berg 2015, ParseNet: the poly policy"
    EXAMPLE = "polynomial:base=0.3,exponent=2"
    PHRASE = "polynomial decay from {base_lr} to {final_lr} at epoch {horizon}, exponent {exponent}"

    family: Literal["polynomial"] = "polynomial"
    exponent: Positive = 1.0

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        left = 1.0 - _progress(t, w, updates(self.horizon, steps_per_epoch))
        return np.asarray(self.final_lr + (self.base_lr - self.final_lr) * left**self.exponent)


class Cosine(_ToHorizon):
    """Half a cosine down to final_lr at the horizon."""

    FORMULA = "final_lr + (base_lr - final_lr) (1 + cos(pi u / (T - w))) / 2"
    REFERENCE = "Loshchilov & Hutter 2017, SGDR, eq. 5 with one cycle"
    EXAMPLE = "cosine:base=0.3,final=0.01,warmup=5"
    PHRASE = "a cosine from {base_lr} to {final_lr} at epoch {horizon}"

    family: Literal["cosine"] = "cosine"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        share = _progress(t, w, updates(self.horizon, steps_per_epoch))
        return self.final_lr + (self.base_lr - self.final_lr) * _half_cosine(share)


class CosineRestarts(Schedule):
    """SGDR: half a cosine down to final_lr, again and again.

    Cycle k begins at the rounded exact time warmup + cycle (1 + m + ... + m^(k - 1)), so that it
    shows base_lr.

    cycle: length of the first cycle.
    multiplier: each next cycle is so many times as long.
    final_lr: the rate at the end of each cycle.
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 + cos(pi share of the cycle)) / 2"
    REFERENCE = "Loshchilov & Hutter 2017, SGDR, eq. 5"
    EXAMPLE = "cosine_restarts:base=0.3,cycle=4,multiplier=2"
    PHRASE = (
        "cosines from {base_lr} to {final_lr}, the first {cycle_epochs} long, "
        "each next one {multiplier} times as long"
    )

    family: Literal["cosine_restarts"] = "cosine_restarts"
    cycle: PositiveDuration
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    final_lr: Rate = 0.0

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        share = self.cycle_progress(t, steps_per_epoch)
        return self.final_lr + (self.base_lr - self.final_lr) * _half_cosine(share)

    @property
    def first_cycle(self) -> float:
        return self.warmup

    def cycle_progress(self, t: Array, steps_per_epoch: int) -> Array:
        """Share in [0, 1) of its cycle that lies before each update t >= the warmup's."""
        last = int(t.max(initial=0.0))
        times = cycle_times(self.warmup, self.cycle, last, steps_per_epoch, self.multiplier)
        starts = moments(times, steps_per_epoch)
        n = np.searchsorted(starts, t, side="right")
        return np.asarray((t - starts[n - 1]) / (starts[n] - starts[n - 1]))


class WarmupStableDecay(_ToHorizon):
    """A constant rate, then a cooldown that ends at the horizon.

    cooldown: its length d, at most horizon - warmup.
    cooldown_shape: ``linear``, or ``sqrt`` for 1 - sqrt(s) in place of 1 - s.
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 - s), s = share of the last d before T, else 0"
    REFERENCE = "Haegele et al. 2024, Scaling laws and compute-optimal training"
    EXAMPLE = "warmup_stable_decay:base=0.3,warmup=3,cooldown=6"
    PHRASE = (
        "{base_lr}, then a {cooldown_shape} cooldown to {final_lr} over the "
        "last {cooldown} of {horizon_epochs}"
    )
    LEFT_OUT: ClassVar[Mapping[str, str]] = {
        **_ToHorizon.LEFT_OUT,
        "cooldown": "a fifth of the time from warmup to horizon",
    }

    family: Literal["warmup_stable_decay"] = "warmup_stable_decay"
    cooldown: PositiveDuration
    cooldown_shape: Literal["linear", "sqrt"] = "linear"

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        filled = super().fill_in(fields, epochs)
        return {"cooldown": 0.2 * _span(filled)[1], **filled}

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        end = updates(self.horizon, steps_per_epoch)
        start = max(w, updates(self.horizon - self.cooldown, steps_per_epoch))
        share = _progress(t, start, end)
        left = 1.0 - (share if self.cooldown_shape == "linear" else np.sqrt(share))
        return np.asarray(self.final_lr + (self.base_lr - self.final_lr) * left)

    @model_validator(mode="after")
    def _cooldown_fits(self) -> Self:
        if self.cooldown > self.horizon - self.warmup + CLOSE:
            raise ValueError(
                f"cooldown={self.cooldown:g} does not fit between the end of the warmup "
                f"({self.warmup:g}) and the horizon ({self.horizon:g})"
            )
        return self


class OneCycle(_ToHorizon):
    """Up from start_lr to base_lr, then down to final_lr.

    peak: moment of the highest rate, counted from 0, between the warmup and the horizon.
    start_lr: the first rate.
    shape: ``cosine``, or ``linear`` (triangular).
    """

    FORMULA = "start_lr + (base_lr - start_lr) s up to the peak, base_lr + (final_lr - base_lr) s"
    REFERENCE = "Smith & Topin 2018, Super-convergence"
    EXAMPLE = "one_cycle:base=0.5,start=0.02,peak=10"
    PHRASE = (
        "one cycle from {start_lr} up to {base_lr} at epoch {peak}, "
        "down to {final_lr} at epoch {horizon}"
    )
    LEFT_OUT: ClassVar[Mapping[str, str]] = {
        **_ToHorizon.LEFT_OUT,
        "peak": "three tenths of the way from warmup to horizon",
    }

    family: Literal["one_cycle"] = "one_cycle"
    peak: PositiveDuration
    start_lr: Rate = 0.0
    shape: Literal["cosine", "linear"] = "cosine"

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        filled = super().fill_in(fields, epochs)
        warmup, span = _span(filled)
        return {"peak": warmup + 0.3 * span, **filled}

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


Rates = Annotated[tuple[Rate, ...], Field(min_length=1)]
_RATES: TypeAdapter[tuple[float, ...]] = TypeAdapter(Rates)


class Table(Schedule):
    """Explicit rates, one for each epoch or update.

    base_lr: plays no part.
    rates: from the end of the warmup on; the last one stays.
    per: what each rate is for.
    """

    FORMULA = "rates[u], the last one where there are no more"
    REFERENCE = "search_spaces/chapter.py: what the chapter's programs really trained"
    EXAMPLE = "table:rates=0.1/0.2/0.3/0.3/0.2/0.1/0.05"
    PHRASE = "a table of {rates_count}, one for each {per}"
    LEFT_OUT: ClassVar[Mapping[str, str]] = {"base_lr": "the highest of the rates"}

    family: Literal["table"] = "table"
    rates: Rates
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
        try:
            rates = _RATES.validate_python(data.get("rates"))
        except ValidationError:  # which the field itself reports: this base_lr is never seen
            return {**data, "base_lr": 1.0}
        return {**data, "rates": rates, "base_lr": max(rates) or 1.0}


_PER_BATCH = ("OneCycleLR", "CyclicLR")


class TorchScheduler(ScheduleConfig):
    """Any step-driven class of torch.optim.lr_scheduler.

    `training.torch_schedules` makes it a table. Its calls of ``step()`` begin after ``warmup``: a
    milestone of a native schedule counts from 0, one of MultiStepLR from the warmup's end.

    scheduler: name of the class.
    arguments: its keyword arguments, each written as a parameter of its own.
    per: how often ``step()`` is called; every update for OneCycleLR and CyclicLR, which torch
        documents for that.
    """

    FORMULA = "what the class gives the optimizer at base_lr after u calls of step()"
    REFERENCE = "the documentation of torch.optim.lr_scheduler"
    EXAMPLE = "torch:base=0.3,scheduler=StepLR,step_size=8,gamma=0.3"
    PHRASE = "torch's {scheduler} from {base_lr}, stepped every {per}"

    family: Literal["torch"] = "torch"
    scheduler: str
    arguments: Annotated[dict[str, JsonValue], BeforeValidator(plain)] = Field(default_factory=dict)
    per: Clock = "epoch"

    @property
    def first_cycle(self) -> float:
        return self.warmup

    @model_validator(mode="before")
    @classmethod
    def _per_batch_where_torch_says_so(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "per" in data or data.get("scheduler") not in _PER_BATCH:
            return data
        return {**data, "per": "update"}


class Plateau(ScheduleConfig):
    """Lower whenever the validation loss no longer improves.

    Feedback, not a function of t.

    alpha: factor of each reduction.
    patience: epochs without improvement that are waited for; one more, and the rate falls.
    threshold: relative improvement that counts.
    floor: the lowest rate.
    """

    FORMULA = "max(floor, base_lr alpha^(number of reductions so far))"
    REFERENCE = "torch.optim.lr_scheduler.ReduceLROnPlateau, whose rules it keeps"
    EXAMPLE = "plateau:base=0.3,alpha=0.5,patience=4"
    PHRASE = (
        "{base_lr}, times {alpha} when the validation loss has not improved for more than "
        "{patience_epochs}"
    )

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
