"""Schedules that go on for ever: a constant rate, and decays without a horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from search_spaces.schedules.base import (
    Array,
    Clock,
    Fraction,
    Positive,
    PositiveDuration,
    Rate,
    Schedule,
    clock_updates,
)
from search_spaces.schedules.durations import updates
from search_spaces.schedules.searched import ALPHA, DECAY, EXPONENT, Searches


def check_floor(floor: float, base_lr: float) -> None:
    """Raises ValueError where the lowest rate is above the highest."""
    if floor > base_lr:
        raise ValueError(f"floor={floor:g} lies above base_lr={base_lr:g}")


class Constant(Schedule):
    """The same rate throughout.

    >>> Constant(base_lr=0.3)(np.arange(6)).round(3).tolist()
    [0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    """

    FORMULA = "base_lr"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "constant:base=0.3"
    PHRASE = "a constant rate of {base_lr}"
    CODE = "return base_lr"

    family: Literal["constant"] = "constant"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        return np.full_like(t, self.base_lr)


class Factor(Schedule):
    """Exponential decay: times alpha every epoch or update.

    alpha: factor of each epoch or update; above 1 the rate grows.
    floor: the lowest rate.
    per: the unit of u.

    >>> Factor(base_lr=0.4, alpha=0.5)(np.arange(6)).round(3).tolist()
    [0.4, 0.2, 0.1, 0.05, 0.025, 0.012]
    """

    FORMULA = "max(floor, base_lr alpha^u)"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "factor:base=0.3,alpha=0.9"
    PHRASE = "exponential decay from {base_lr}, times {alpha} every {per}"
    CODE = "return max(floor, base_lr * alpha ** ((t - w) / unit))"
    SEARCHED: ClassVar[Searches] = {**Schedule.SEARCHED, "alpha": DECAY}

    family: Literal["factor"] = "factor"
    alpha: Positive
    floor: Rate = 0.0
    per: Clock = "epoch"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        unit = clock_updates(self.per, steps_per_epoch)
        return np.maximum(self.floor, self.base_lr * self.alpha ** ((t - w) / unit))

    @model_validator(mode="after")
    def _floor_is_below(self) -> Self:
        check_floor(self.floor, self.base_lr)
        return self


class MultiFactor(Schedule):
    """Steps down: times alpha at each milestone.

    alpha: factor at each milestone.
    milestones: moments counted from 0 (not from the warmup's end), increasing, after the warmup.

    >>> steps = MultiFactor(base_lr=0.4, alpha=0.5, milestones=(2, 4))
    >>> steps(np.arange(6)).round(3).tolist()
    [0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
    """

    FORMULA = "base_lr alpha^(number of milestones <= t)"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "multi_factor:base=0.5,alpha=0.5,milestones=15/25"
    PHRASE = "{base_lr}, times {alpha} at epoch {milestones}"
    LEFT_OUT: ClassVar[Mapping[str, str]] = {"milestones": "half and three quarters of training"}
    CODE = "return base_lr * alpha ** sum(t >= updates(m) for m in milestones)"
    SEARCHED: ClassVar[Searches] = {**Schedule.SEARCHED, "alpha": ALPHA}

    family: Literal["multi_factor"] = "multi_factor"
    alpha: Fraction
    milestones: tuple[PositiveDuration, ...]

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        return {"milestones": (0.5 * epochs, 0.75 * epochs), **fields}

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

    >>> InversePower(base_lr=0.4, alpha=1)(np.arange(6)).round(3).tolist()
    [0.4, 0.2, 0.133, 0.1, 0.08, 0.067]
    """

    FORMULA = "base_lr (1 + beta u)^-alpha"
    REFERENCE = "Zhang et al. 2023, Dive into Deep Learning, 12.11"
    EXAMPLE = "inverse_power:base=0.1"
    PHRASE = "inverse power decay {base_lr} (1 + {beta} t)^-{alpha}, t in {per}s"
    CODE = "return base_lr * (1 + beta * (t - w) / unit) ** -alpha"
    SEARCHED: ClassVar[Searches] = {**Schedule.SEARCHED, "alpha": replace(EXPONENT, usual=0.5)}

    family: Literal["inverse_power"] = "inverse_power"
    alpha: Positive = 0.5
    beta: Positive = 1.0
    per: Clock = "epoch"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        unit = clock_updates(self.per, steps_per_epoch)
        return np.asarray(self.base_lr * (1.0 + self.beta * (t - w) / unit) ** -self.alpha)


class Power(Schedule):
    """A constant rate, then decay as a power of time.

    start: when the decay starts, counted from the end of the warmup.
    exponent: of the decay; -b in the paper, which found 0.51 and counts tokens.

    >>> Power(base_lr=0.4, start=2, exponent=1)(np.arange(6)).round(3).tolist()
    [0.4, 0.4, 0.4, 0.267, 0.2, 0.16]
    """

    FORMULA = "base_lr min(1, (u / start)^-exponent)"
    REFERENCE = "Shen et al. 2024, Power Scheduler"
    EXAMPLE = "power:base=0.3,start=3"
    PHRASE = "{base_lr}, falling as time to the power -{exponent} after {start_epochs}"
    LEFT_OUT: ClassVar[Mapping[str, str]] = {"start": "a tenth of training"}
    CODE = "return base_lr * max(1, (t - w) / max(1, updates(start))) ** -exponent"
    SEARCHED: ClassVar[Searches] = {**Schedule.SEARCHED, "exponent": replace(EXPONENT, usual=0.51)}

    family: Literal["power"] = "power"
    start: PositiveDuration
    exponent: Positive = 0.51

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        return {"start": 0.1 * epochs, **fields}

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        times = (t - w) / max(1, updates(self.start, steps_per_epoch))
        return np.asarray(self.base_lr * np.maximum(1.0, times) ** -self.exponent)
