"""Schedules in sequence."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from search_spaces.schedules.base import (
    FAMILIES,
    Array,
    PositiveDuration,
    Schedule,
)
from search_spaces.schedules.durations import updates
from search_spaces.schedules.families import AnySchedule, schedule_adapter


class Then(Schedule):
    """Schedules one after another, each with a clock of its own.

    base_lr: that of the first part, and of every part that leaves it out.
    parts: at least two schedules in closed form or of torch; their durations count from where they
        begin.
    boundaries: when each part but the first begins, counted from 0; ``until=`` in text.

    >>> from lrstudy import Constant, Cosine
    >>> both = Then(parts=(Constant(base_lr=0.4), Cosine(base_lr=0.4, horizon=4)), boundaries=(2,))
    >>> both(np.arange(6)).round(3).tolist()
    [0.4, 0.4, 0.4, 0.341, 0.2, 0.059]
    """

    FORMULA = "part k at t - its start, from boundary k on"
    REFERENCE = "torch.optim.lr_scheduler.SequentialLR"
    EXAMPLE = "constant:base=0.3,until=10 then cosine:final=0.01"
    PHRASE = "{parts_words}"
    LEFT_OUT: ClassVar[Mapping[str, str]] = {"base_lr": "that of the first part"}
    CODE = """\
start, part = w, parts[0]
for boundary, later in zip(boundaries, parts[1:], strict=True):
    if t >= updates(boundary):
        start, part = updates(boundary), later
return part(t - start)"""

    family: Literal["then"] = "then"
    parts: Annotated[tuple[AnySchedule, ...], Field(min_length=2)]
    boundaries: tuple[PositiveDuration, ...]

    @classmethod
    def fill_in(cls, fields: Mapping[str, Any], epochs: float) -> dict[str, Any]:
        starts = [0.0, *fields["boundaries"], epochs]
        if not all(isinstance(each, int | float) for each in starts):
            return dict(fields)
        lengths = [end - start for start, end in pairwise(starts)]
        parts = [
            FAMILIES[part["family"]].fill_in(part, length if length > 0 else epochs)
            for part, length in zip(fields["parts"], lengths, strict=True)
        ]
        return {**fields, "parts": parts}

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        starts = np.array([w, *(updates(each, steps_per_epoch) for each in self.boundaries)])
        place = np.searchsorted(starts[1:], t, side="right")
        rates = np.empty_like(t)
        for k, part in enumerate(self.parts):
            if not isinstance(part, Schedule):
                raise TypeError(f"{part.family} has no closed form")
            rates[place == k] = part(t[place == k] - starts[k], steps_per_epoch)
        return rates

    @model_validator(mode="before")
    @classmethod
    def _one_base_rate(cls, data: Any) -> Any:
        parts = data.get("parts") if isinstance(data, dict) else None
        if not isinstance(parts, list | tuple) or not parts:
            return data
        base_lr = data.get("base_lr", _base_lr(parts[0]))
        if base_lr is None:
            return data
        return {
            **data,
            "base_lr": base_lr,
            "parts": [_with_base(part, base_lr) for part in parts],
        }

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if len(self.boundaries) != len(self.parts) - 1:
            raise ValueError(f"{len(self.parts)} parts have {len(self.parts) - 1} boundaries")
        starts = [self.warmup, *self.boundaries]
        if any(late <= early for early, late in pairwise(starts)):
            raise ValueError(f"boundaries must increase, not {list(self.boundaries)}")
        for part in self.parts:
            if part.family == "plateau":
                raise ValueError("a part cannot follow the validation loss")
            if part.highest_momentum > 0:
                raise ValueError("a part cannot move the momentum")
        return self


def _base_lr(part: Any) -> Any:
    """The base rate of the first part; None where there is none, or the part itself is wrong."""
    if not isinstance(part, dict) or "base_lr" in part:
        return part.get("base_lr") if isinstance(part, dict) else getattr(part, "base_lr", None)
    try:
        return schedule_adapter.validate_python(part).base_lr
    except ValidationError:
        return None


def _with_base(part: Any, base_lr: Any) -> Any:
    """The fields of a part with the base rate where they have none and need one."""
    if not isinstance(part, dict) or "base_lr" in part:
        return part
    family = FAMILIES.get(str(part.get("family")))
    return part if family is None or "base_lr" in family.LEFT_OUT else {"base_lr": base_lr, **part}
