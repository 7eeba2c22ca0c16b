"""The search spaces by name, and the contract that each of them keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from optuna.trial import BaseTrial

from search_spaces import chapter, cosine, fixed_rate, langevin, polynomial, warmup
from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.presets import Preset
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.words.unknown import unknown

# Zhang et al., Dive into Deep Learning, section 12.11, at its exercises.
CHAPTER = "https://d2l.ai/chapter_optimization/lr-scheduler.html#exercises"


class SearchSpace(Protocol):
    """What a module must have to be a search space.

    EXERCISE: its number among the exercises of the CHAPTER, None where it is none of them.
    QUESTION: what the space is there to answer.
    FAMILIES: schedule families; each gets the same number of trials.
    PRESETS: trials and budget by preset name.
    DESIGNED: whether the runs are fixed beforehand, so that nothing is sampled but the seed; the
        runs then use all training images and read the test images once, at the end.
    """

    EXERCISE: int | None
    QUESTION: str
    FAMILIES: tuple[str, ...]
    PRESETS: dict[str, Preset]
    DESIGNED: bool

    def ranges(self, budget: Budget) -> Ranges:
        """Parameters with their default ranges; durations in epochs of the budget."""

    def suggest_schedule(
        self, trial: BaseTrial, family: str, budget: Budget, ranges: Ranges
    ) -> ScheduleConfig:
        """The schedule of a trial of that family, its parameters sampled from the ranges."""

    def baselines(self, family: str, budget: Budget) -> list[Parameters]:
        """Known good parameters of a family; they are tried first."""

    def grid(self, best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
        """Runs that answer the question around the best parameters that a search found, by
        family."""


SPACES: dict[str, SearchSpace] = {
    "fixed_rate": fixed_rate,
    "polynomial": polynomial,
    "cosine": cosine,
    "warmup": warmup,
    "langevin": langevin,
    "chapter": chapter,
}


def suggest_config(
    space: str, trial: BaseTrial, family: str, budget: Budget, ranges: Ranges
) -> Parameters:
    """What of a trial's configuration the space decides, as fields of TrialConfig: its schedule
    and, in the space langevin, how it samples weights."""
    chosen = find_space(space)
    fields: Parameters = {"schedule": chosen.suggest_schedule(trial, family, budget, ranges)}
    if space == "langevin":
        sampling = langevin.suggest_weight_sampling(trial, family, budget, ranges)
        fields["weight_sampling"] = sampling
    return fields


def find_space(name: str) -> SearchSpace:
    """The space of that name. Raises ValueError naming the nearest one."""
    if name not in SPACES:
        raise ValueError(unknown("search space", name, SPACES))
    return SPACES[name]
