"""Schedules that rise again: warm restarts and one cycle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from search_spaces.schedules.base import Array, PositiveDuration, Rate, Schedule
from search_spaces.schedules.durations import cycle_times, moments, updates
from search_spaces.schedules.horizon import ToHorizon, half_cosine, progress, span
from search_spaces.schedules.searched import FINAL_FRACTION, Searched, Searches

_MOST_CYCLES = 1000


class CosineRestarts(Schedule):
    """SGDR: half a cosine down to final_lr, again and again.

    Cycle k begins at the rounded exact time warmup + cycle (1 + m + ... + m^(k - 1)), so that it
    shows base_lr.

    cycle: length of the first cycle.
    multiplier: each next cycle is so many times as long.
    final_lr: the rate at the end of each cycle.

    >>> CosineRestarts(base_lr=0.4, cycle=2)(np.arange(6)).round(3).tolist()
    [0.4, 0.2, 0.4, 0.2, 0.4, 0.2]
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 + cos(pi share of the cycle)) / 2"
    REFERENCE = "Loshchilov & Hutter 2017, SGDR, eq. 5"
    EXAMPLE = "cosine_restarts:base=0.3,cycle=4,multiplier=2"
    PHRASE = (
        "cosines from {base_lr} to {final_lr}, the first {cycle_epochs} long, "
        "each next one {multiplier} times as long"
    )
    CODE = """\
first = max(cycle, 0.5 / steps_per_epoch)
start, lengths, length = w, 1.0, 1.0
while t >= updates(warmup + first * lengths):
    start = updates(warmup + first * lengths)
    length *= multiplier
    lengths += length
share = (t - start) / (updates(warmup + first * lengths) - start)
return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * share)) / 2"""
    SEARCHED: ClassVar[Searches] = {**Schedule.SEARCHED, "final_lr": FINAL_FRACTION}

    LEFT_OUT: ClassVar[Mapping[str, str]] = {
        "cycle": "so long that cycles=N of them, 3 where it is left out, fill training"
    }
    COUNTED = ("cycles",)

    family: Literal["cosine_restarts"] = "cosine_restarts"
    cycle: PositiveDuration
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    final_lr: Rate = 0.0

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        filled = dict(fields)
        cycles = filled.pop("cycles", None if "cycle" in fields else 3)
        if cycles is None:
            return filled
        if "cycle" in fields or not isinstance(cycles, int) or not 1 <= cycles <= _MOST_CYCLES:
            raise ValueError("cycles must be a whole number from 1 to 1,000, without cycle")
        multiplier = filled.get("multiplier", 1.0)
        _, length = span({"horizon": epochs, **filled})
        if isinstance(multiplier, int | float) and multiplier >= 1:
            length /= sum(float(multiplier) ** k for k in range(cycles))
        return {"cycle": length, **filled}

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        share = self.cycle_progress(t, steps_per_epoch)
        return self.final_lr + (self.base_lr - self.final_lr) * half_cosine(share)

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


def _on_the_way(share: float, fields: Mapping[str, Any], epochs: float) -> float:
    warmup, length = span({"horizon": epochs, **fields})
    return warmup + share * length


Momentum = Annotated[float, Field(ge=0, lt=1)]
_PEAK = Searched("peak_fraction", 0.1, 0.5, usual=0.3, log=False, to_field=_on_the_way)


class OneCycle(ToHorizon):
    """Up from start_lr to base_lr, then down to final_lr.

    peak: moment of the highest rate, counted from 0, between the warmup and the horizon.
    start_lr: the first rate.
    shape: ``cosine``, or ``linear`` (triangular).
    max_momentum: momentum at both ends, which falls to base_momentum at the peak, in the same
        shape; 0 leaves the momentum to the trial.
    base_momentum: momentum at the peak, at most max_momentum.

    >>> cycle = OneCycle(base_lr=0.4, peak=2, horizon=4, shape="linear", max_momentum=0.9)
    >>> cycle(np.arange(6)).round(3).tolist()
    [0.0, 0.2, 0.4, 0.2, 0.0, 0.0]
    >>> cycle.momentum(np.arange(6)).round(3).tolist()
    [0.9, 0.45, 0.0, 0.45, 0.9, 0.9]
    """

    FORMULA = "start_lr + (base_lr - start_lr) s up to the peak, base_lr + (final_lr - base_lr) s"
    REFERENCE = "Smith & Topin 2018, Super-convergence"
    EXAMPLE = "one_cycle:base=0.5,start=0.02,peak=10"
    PHRASE = (
        "one cycle from {start_lr} up to {base_lr} at epoch {peak}, "
        "down to {final_lr} at epoch {horizon}"
    )
    LEFT_OUT: ClassVar[Mapping[str, str]] = {
        **ToHorizon.LEFT_OUT,
        "peak": "three tenths of the way from warmup to horizon",
    }
    CODE = """\
top, end = updates(peak), updates(horizon)
start, target = (start_lr, base_lr) if t < top else (base_lr, final_lr)
share = progress(t, w, top) if t < top else progress(t, top, end)
if shape == "cosine":
    share = (1 - math.cos(math.pi * share)) / 2
return start + (target - start) * share"""
    MOMENTUM_CODE = """\
top, end = updates(peak), updates(horizon)
share = 1 - progress(t, w, top) if t < top else progress(t, top, end)
if shape == "cosine":
    share = (1 - math.cos(math.pi * share)) / 2
return base_momentum + (max_momentum - base_momentum) * share"""
    SEARCHED: ClassVar[Searches] = {**ToHorizon.SEARCHED, "peak": _PEAK}

    family: Literal["one_cycle"] = "one_cycle"
    peak: PositiveDuration
    start_lr: Rate = 0.0
    shape: Literal["cosine", "linear"] = "cosine"
    max_momentum: Momentum = 0.0
    base_momentum: Momentum = 0.0

    @classmethod
    def on_the_way(cls, warmup: float, span: float) -> dict[str, float]:
        return {"peak": warmup + 0.3 * span}

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        top, end = updates(self.peak, steps_per_epoch), updates(self.horizon, steps_per_epoch)
        rising, falling = progress(t, w, top), progress(t, top, end)
        if self.shape == "cosine":
            rising, falling = 1.0 - half_cosine(rising), 1.0 - half_cosine(falling)
        up = self.start_lr + (self.base_lr - self.start_lr) * rising
        down = self.base_lr + (self.final_lr - self.base_lr) * falling
        return np.where(t < top, up, down)

    @property
    def highest_momentum(self) -> float:
        return self.max_momentum

    def momentum_after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        top, end = updates(self.peak, steps_per_epoch), updates(self.horizon, steps_per_epoch)
        share = np.where(t < top, 1.0 - progress(t, w, top), progress(t, top, end))
        if self.shape == "cosine":
            share = 1.0 - half_cosine(share)
        return np.asarray(self.base_momentum + (self.max_momentum - self.base_momentum) * share)

    @model_validator(mode="after")
    def _momentum_falls(self) -> Self:
        if self.base_momentum > self.max_momentum:
            raise ValueError(
                f"base_momentum={self.base_momentum:g} lies above "
                f"max_momentum={self.max_momentum:g}"
            )
        return self

    @model_validator(mode="after")
    def _peak_fits(self) -> Self:
        if not self.warmup <= self.peak <= self.horizon:
            raise ValueError(
                f"peak={self.peak:g} must lie between the end of the warmup ({self.warmup:g}) "
                f"and the horizon ({self.horizon:g})"
            )
        return self
