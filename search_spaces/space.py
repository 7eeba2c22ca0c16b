"""SearchSpace: the contract that each of them keeps; its presets; how a parameter is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Range, Ranges
from search_spaces.recipes import CHAPTERS, RecipeName


@dataclass(frozen=True)
class Preset:
    """Trials of every family, the budget of each, and over how many replicates they are spread.

    replicates: number of training seeds that the trials of a family share in turn; None gives
        every trial of a family its own (and the same ones to each family).
    recipe: what it trains with unless another one is asked for.
    optimizer: fields of TrialConfig that differ from the recipe's.
    """

    trials_per_family: int
    budget: Budget
    replicates: int | None = 2
    optimizer: Parameters = field(default_factory=dict)
    recipe: RecipeName = CHAPTERS


STANDARD_BUDGET = Budget(epochs=30)


def quick(trials_per_family: int) -> Preset:
    """Minutes on a CPU. Small batches give a short run enough updates to learn something: at the
    chapter's 256 images, LeNet hardly leaves chance in the first two hundred. With momentum seeds
    differ less, so that few of them resolve a pair."""
    budget = Budget(epochs=6, train_size=10_000, val_size=5_000)
    return Preset(trials_per_family, budget, recipe="momentum")


def standard(trials_per_family: int) -> Preset:
    """The chapter's 30 epochs, on the 50,000 images that are not for validation."""
    return Preset(trials_per_family, STANDARD_BUDGET)


def log_range(low: float, high: float, unit: str = "") -> Range:
    """A range sampled evenly on the logarithmic scale."""
    return Range(low=low, high=high, log=True, unit=unit)


def sample(trial: BaseTrial, name: str, ranges: Ranges) -> float:
    """The trial's value of a parameter, from the range of that name (log scale where it says)."""
    chosen = ranges[name]
    return trial.suggest_float(name, chosen.low, chosen.high, log=chosen.log)


class SearchSpace(Protocol):
    """What a module must have to be a search space.

    EXERCISE: its number among the exercises of the CHAPTER, None where it is none of them.
    QUESTION: what the space is there to answer.
    FAMILIES: schedule families; each gets the same number of trials.
    PRESETS: trials and budget by preset name.
    REFERENCE: the family that is compared with each other one; None: none.
    COMPARED: a parameter of its grid. The test stage also trains each of its values, with the other
        parameters at their best there on validation images; None: the families alone are tested.
    DESIGNED: whether the runs are fixed beforehand, so that nothing is sampled but the seed; the
        runs then use all training images and read the test images once, at the end.
    SAMPLES_WEIGHTS: whether runs sample weights and are judged by what these predict together.
    """

    EXERCISE: int | None
    QUESTION: str
    FAMILIES: tuple[str, ...]
    PRESETS: dict[str, Preset]
    REFERENCE: str | None
    COMPARED: str | None
    DESIGNED: bool
    SAMPLES_WEIGHTS: bool

    def ranges(self, budget: Budget) -> Ranges:
        """Parameters with their default ranges; durations in epochs of the budget."""

    def suggest(self, trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
        """What of a trial's configuration the space decides, as fields of TrialConfig: its schedule
        and, where it samples weights, how; parameters sampled from the ranges."""

    def baselines(self, family: str, budget: Budget) -> list[Parameters]:
        """Known good parameters of a family; they are tried first."""

    def grid(self, best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
        """Runs that answer the question around the best parameters that a search found, by
        family."""
