"""Schedules that end at a horizon: decays along a power, half a cosine, a cooldown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from search_spaces.schedules.base import Array, Positive, PositiveDuration, Rate, Schedule
from search_spaces.schedules.durations import CLOSE, updates
from search_spaces.schedules.searched import EXPONENT, FINAL_FRACTION, Searched, Searches


def progress(t: Array, start: int, end: int) -> Array:
    """Share of the way from start to end, pinned to [0, 1]; a jump where nothing lies between."""
    if end <= start:
        return (t >= end).astype(np.float64)
    return np.clip((t - start) / (end - start), 0.0, 1.0)


def half_cosine(share: Array) -> Array:
    """From 1 at share 0 to 0 at share 1 along half a cosine."""
    return np.asarray((1.0 + np.cos(np.pi * share)) / 2.0)


class ToHorizon(Schedule):
    """A schedule that reaches ``final_lr`` at ``horizon`` and stays there.

    horizon: moment T at which final_lr is reached, counted from 0, the warmup included.
    final_lr: the rate from there on.
    """

    LEFT_OUT: ClassVar[Mapping[str, str]] = {"horizon": "the epochs of training"}

    horizon: PositiveDuration
    final_lr: Rate = 0.0

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        filled = {"horizon": epochs, **fields}
        return {**cls.on_the_way(*span(filled)), **filled}

    @classmethod
    def on_the_way(cls, warmup: float, span: float) -> dict[str, float]:
        """Parameters that lie between the warmup and the horizon, ``span`` epochs later, where they
        are left out."""
        return {}

    @property
    def end(self) -> float:
        return self.horizon


def span(fields: Mapping[str, Any]) -> tuple[float, float]:
    """Length of the warmup, and from there to the horizon; (0, 1) where they do not fit, for their
    own validation to say so."""
    warmup, horizon = fields.get("warmup", 0.0), fields["horizon"]
    if not all(isinstance(each, int | float) for each in (warmup, horizon)):
        return 0.0, 1.0
    return (warmup, horizon - warmup) if 0 <= warmup < horizon else (0.0, 1.0)


def _of_the_span(share: float, fields: Mapping[str, Any], epochs: float) -> float:
    return share * span({"horizon": epochs, **fields})[1]


_COOLDOWN = Searched("cooldown_fraction", 0.05, 0.8, usual=0.2, to_field=_of_the_span)


class Polynomial(ToHorizon):
    """Polynomial decay to final_lr; with exponent 1, a line.

    exponent: of the decay; a larger one falls earlier.

    >>> Polynomial(base_lr=0.4, exponent=2, horizon=4)(np.arange(6)).round(3).tolist()
    [0.4, 0.225, 0.1, 0.025, 0.0, 0.0]
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 - u / (T - w))^exponent"
    REFERENCE = "Liu, Rabinovich & Berg 2015, ParseNet: the poly policy"
    EXAMPLE = "polynomial:base=0.3,exponent=2"
    PHRASE = "polynomial decay from {base_lr} to {final_lr} at epoch {horizon}, exponent {exponent}"
    CODE = """\
left = 1 - progress(t, w, updates(horizon))
return final_lr + (base_lr - final_lr) * left**exponent"""
    SEARCHED: ClassVar[Searches] = {**ToHorizon.SEARCHED, "exponent": EXPONENT}

    family: Literal["polynomial"] = "polynomial"
    exponent: Positive = 1.0

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        left = 1.0 - progress(t, w, updates(self.horizon, steps_per_epoch))
        return np.asarray(self.final_lr + (self.base_lr - self.final_lr) * left**self.exponent)


class Cosine(ToHorizon):
    """Half a cosine down to final_lr at the horizon.

    >>> Cosine(base_lr=0.4, horizon=4)(np.arange(6)).round(3).tolist()
    [0.4, 0.341, 0.2, 0.059, 0.0, 0.0]
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 + cos(pi u / (T - w))) / 2"
    REFERENCE = "Loshchilov & Hutter 2017, SGDR, eq. 5 with one cycle"
    EXAMPLE = "cosine:base=0.3,final=0.01,warmup=5"
    PHRASE = "a cosine from {base_lr} to {final_lr} at epoch {horizon}"
    CODE = """\
share = progress(t, w, updates(horizon))
return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * share)) / 2"""
    SEARCHED: ClassVar[Searches] = {**ToHorizon.SEARCHED, "final_lr": FINAL_FRACTION}

    family: Literal["cosine"] = "cosine"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        share = progress(t, w, updates(self.horizon, steps_per_epoch))
        return self.final_lr + (self.base_lr - self.final_lr) * half_cosine(share)


class Rex(ToHorizon):
    """Reflected exponential: slow at first, steep at the end.

    beta: how far the curve bends above a line, which 0 is.

    >>> Rex(base_lr=0.4, horizon=4)(np.arange(6)).round(3).tolist()
    [0.4, 0.343, 0.267, 0.16, 0.0, 0.0]
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 - s) / (1 - beta s), s = u / (T - w)"
    REFERENCE = "Chen, Wolfe & Kyrillidis 2022, REX, with beta = 1/2"
    EXAMPLE = "rex:base=0.3"
    PHRASE = "a reflected exponential from {base_lr} to {final_lr} at epoch {horizon}"
    CODE = """\
share = progress(t, w, updates(horizon))
return final_lr + (base_lr - final_lr) * (1 - share) / (1 - beta * share)"""

    family: Literal["rex"] = "rex"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        share = progress(t, w, updates(self.horizon, steps_per_epoch))
        left = (1.0 - share) / (1.0 - self.beta * share)
        return np.asarray(self.final_lr + (self.base_lr - self.final_lr) * left)


class WarmupStableDecay(ToHorizon):
    """A constant rate, then a cooldown that ends at the horizon.

    cooldown: its length d, at most horizon - warmup.
    cooldown_shape: ``linear``, or ``sqrt`` for 1 - sqrt(s) in place of 1 - s.

    >>> WarmupStableDecay(base_lr=0.4, horizon=4, cooldown=2)(np.arange(6)).round(3).tolist()
    [0.4, 0.4, 0.4, 0.2, 0.0, 0.0]
    """

    FORMULA = "final_lr + (base_lr - final_lr) (1 - s), s = share of the last d before T, else 0"
    REFERENCE = "Haegele et al. 2024, Scaling laws and compute-optimal training"
    EXAMPLE = "warmup_stable_decay:base=0.3,warmup=3,cooldown=6"
    PHRASE = (
        "{base_lr}, then a {cooldown_shape} cooldown to {final_lr} over the "
        "last {cooldown} of {horizon_epochs}"
    )
    LEFT_OUT: ClassVar[Mapping[str, str]] = {
        **ToHorizon.LEFT_OUT,
        "cooldown": "a fifth of the time from warmup to horizon",
    }
    CODE = """\
end = updates(horizon)
share = progress(t, max(w, updates(horizon - cooldown)), end)
left = 1 - (share if cooldown_shape == "linear" else math.sqrt(share))
return final_lr + (base_lr - final_lr) * left"""
    SEARCHED: ClassVar[Searches] = {**ToHorizon.SEARCHED, "cooldown": _COOLDOWN}

    family: Literal["warmup_stable_decay"] = "warmup_stable_decay"
    cooldown: PositiveDuration
    cooldown_shape: Literal["linear", "sqrt"] = "linear"

    @classmethod
    def on_the_way(cls, warmup: float, span: float) -> dict[str, float]:
        return {"cooldown": 0.2 * span}

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        end = updates(self.horizon, steps_per_epoch)
        start = max(w, updates(self.horizon - self.cooldown, steps_per_epoch))
        share = progress(t, start, end)
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
