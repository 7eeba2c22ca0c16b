"""TrialConfig: everything that decides the numbers of one training run."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search_spaces.schedules.base import Rate
from search_spaces.schedules.durations import CLOSE
from search_spaces.schedules.families import AnySchedule
from search_spaces.weight_sampling import WeightSampling
from search_spaces.words.phrases import count

MOST_EPOCHS = 1_000_000


class TrialConfig(BaseModel):
    """One training run: schedule, optimizer and budget. Frozen, validated, JSON round trip.

    schedule: its durations are in epochs.
    epochs: training length E, 1 to 10^6; the schedule's horizon T is another number.
    batch_size: images an update, >= 1.
    seed: decides initial weights, the order of the images, and noise; runs with equal seeds share
        them.
    momentum: 0 <= momentum < 1; 0 where the schedule moves it.
    weight_sampling: how weights are sampled along the run; None: it predicts with its last ones.
    Raises pydantic.ValidationError where a value is out of range or the warmup exceeds training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: AnySchedule
    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)]
    seed: Annotated[int, Field(ge=0)]
    batch_size: Annotated[int, Field(ge=1)] = 256
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    weight_decay: Rate = 0.0
    init: Literal["default", "xavier_uniform"] = "default"
    weight_sampling: WeightSampling | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.schedule.warmup > self.epochs:
            raise ValueError(
                f"a warmup of {count(self.schedule.warmup, 'epoch')} is longer than training "
                f"({self.epochs})"
            )
        highest = max(self.momentum, self.schedule.highest_momentum)
        if self.momentum > 0 and self.schedule.highest_momentum > 0:
            raise ValueError("the schedule moves the momentum: leave momentum at 0")
        if self.nesterov and highest == 0.0:
            raise ValueError("nesterov needs a momentum above 0")
        if self.weight_sampling is not None:
            self._check(self.weight_sampling)
        return self

    def _check(self, sampling: WeightSampling) -> None:
        begin = 0.0 if sampling.cycle is None else self.schedule.first_cycle
        if begin + sampling.burn_in + sampling.thinning > self.epochs + CLOSE:
            raise ValueError(
                f"burn_in={sampling.burn_in:g} and thinning={sampling.thinning:g} leave a run of "
                f"{count(self.epochs, 'epoch')} without a sample"
            )
        momentum = max(self.momentum, self.schedule.highest_momentum)
        if sampling.temperature > 0 and momentum > 0:
            raise ValueError("a temperature above 0 needs a momentum of 0")
        if sampling.prior_precision > 0 and self.weight_decay > 0:
            raise ValueError("prior_precision is a weight decay: set only one of the two")


class Range(BaseModel):
    """The interval that a parameter is sampled from; a fixed parameter has low == high.

    log: sampled evenly on the logarithmic scale (low must then be above 0).
    unit: unit of the bounds for a person to read, e.g. "epochs".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    log: bool = False
    unit: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"the range {self.low:g}:{self.high:g} is inverted")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must start above 0, not at {self.low:g}")
        return self

    @property
    def fixed(self) -> bool:
        """Whether only one value is possible."""
        return self.low == self.high


class Budget(BaseModel):
    """What one trial may spend.

    epochs: training length, 1 to 10^6.
    train_size, val_size: training and validation images, None for all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 30
    train_size: Annotated[int, Field(ge=1)] | None = None
    val_size: Annotated[int, Field(ge=1)] | None = None


Ranges = dict[str, Range]
Parameters = dict[str, Any]


class Arm(BaseModel):
    """A configuration that is trained as it is, on several seeds, instead of being sampled.

    family, parameters: as the space's `suggest` takes them.
    budget: its own length and size, None for the study's.
    role: a candidate came from a search and may be chosen; a grid run answers the question.
    origin: number of the search's trial that a candidate repeats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    parameters: dict[str, float]
    budget: Budget | None = None
    role: Literal["candidate", "grid"] = "grid"
    origin: Annotated[int, Field(ge=0)] | None = None

    def same_run(self, other: Arm) -> bool:
        """Whether both train the same configuration."""
        mine, others = (a.model_dump(exclude={"role", "origin"}) for a in (self, other))
        return mine == others
