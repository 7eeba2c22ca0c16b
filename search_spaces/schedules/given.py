"""Schedules whose rates are given: by a table, by a class of torch, by the validation loss."""

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
    NonNegative,
    Rate,
    Schedule,
    ScheduleConfig,
    clock_updates,
)
from search_spaces.schedules.decays import check_floor
from search_spaces.schedules.plain import plain
from search_spaces.schedules.searched import ALPHA, Searches

Rates = Annotated[tuple[Rate, ...], Field(min_length=1)]
_RATES: TypeAdapter[tuple[float, ...]] = TypeAdapter(Rates)
_PER_BATCH = ("OneCycleLR", "CyclicLR")


class Table(Schedule):
    """Explicit rates, one for each epoch or update.

    base_lr: plays no part.
    rates: from the end of the warmup on; the last one stays.
    per: what each rate is for.

    >>> Table(rates=(0.1, 0.3, 0.2))(np.arange(6)).round(3).tolist()
    [0.1, 0.3, 0.2, 0.2, 0.2, 0.2]
    """

    FORMULA = "rates[u], the last one where there are no more"
    REFERENCE = "search_spaces/chapter.py: what the chapter's programs really trained"
    EXAMPLE = "table:rates=0.1/0.2/0.3/0.3/0.2/0.1/0.05"
    PHRASE = "a table of {rates_count}, one for each {per}"
    LEFT_OUT: ClassVar[Mapping[str, str]] = {"base_lr": "the highest of the rates"}
    CODE = "return rates[min(int((t - w) // unit), len(rates) - 1)]"
    SEARCHED: ClassVar[Searches] = {}

    family: Literal["table"] = "table"
    rates: Rates
    per: Clock = "epoch"

    def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
        unit = clock_updates(self.per, steps_per_epoch)
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


class TorchScheduler(ScheduleConfig):
    """Any step-driven class of torch.optim.lr_scheduler.

    `training.torch_schedules` makes it a table. Its calls of ``step()`` begin after ``warmup``: a
    milestone of a native schedule counts from 0, one of MultiStepLR from the warmup's end.

    scheduler: name of the class.
    arguments: its keyword arguments, each written as a parameter of its own.
    per: how often ``step()`` is called; every update for OneCycleLR and CyclicLR, which torch
        documents for that.

    >>> from study.training.torch_schedules import closed_form
    >>> halved = {"step_size": 2, "gamma": 0.5}
    >>> steps = TorchScheduler(base_lr=0.4, scheduler="StepLR", arguments=halved)
    >>> closed_form(steps, epochs=6, steps_per_epoch=1)(np.arange(6)).round(3).tolist()
    [0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
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
    threshold: improvement that counts.
    floor: the lowest rate.
    mode: ``min`` follows the validation loss, ``max`` the validation accuracy.
    threshold_mode: whether the threshold is relative to the best, or an absolute difference.
    cooldown: epochs after a reduction in which none counts as without improvement.
    eps: a reduction by no more than this is left out.

    >>> from study.training.torch_schedules import PlateauState
    >>> state = PlateauState.start(Plateau(base_lr=0.4, alpha=0.5, patience=1), steps_per_epoch=1)
    >>> for loss in (0.9, 0.7, 0.7, 0.7):  # of the validation images; it fell once
    ...     state = state.after_epoch(loss)
    >>> state.rate
    0.2
    """

    FORMULA = "max(floor, base_lr alpha^(number of reductions so far))"
    REFERENCE = "torch.optim.lr_scheduler.ReduceLROnPlateau, whose rules it keeps"
    EXAMPLE = "plateau:base=0.3,alpha=0.5,patience=4"
    PHRASE = (
        "{base_lr}, times {alpha} when the validation {watched} has not improved for more than "
        "{patience_epochs}"
    )
    SEARCHED: ClassVar[Searches] = {**ScheduleConfig.SEARCHED, "alpha": ALPHA}

    family: Literal["plateau"] = "plateau"
    alpha: Fraction = 0.1
    patience: Annotated[int, Field(ge=0)] = 3
    threshold: NonNegative = 1e-4
    floor: Rate = 0.0
    mode: Literal["min", "max"] = "min"
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: Annotated[int, Field(ge=0)] = 0
    eps: NonNegative = 1e-8

    @property
    def watched(self) -> str:
        """What it follows, of the validation images."""
        return "loss" if self.mode == "min" else "accuracy"

    @model_validator(mode="after")
    def _can_improve(self) -> Self:
        check_floor(self.floor, self.base_lr)
        if self.threshold_mode == "rel" and self.threshold >= 1:
            raise ValueError(f"a relative threshold must be below 1, not {self.threshold:g}")
        return self
