"""Preset: how much a study spends, unless the user says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from search_spaces.config import Budget, Parameters, Range


@dataclass(frozen=True)
class Preset:
    """Trials of every family, the budget of each, and over how many replicates they are spread.

    replicates: number of training seeds that the trials of a family share in turn; None gives
        every trial of a family its own (and the same ones to each family).
    optimizer: fields of TrialConfig that differ from their defaults.
    """

    trials_per_family: int
    budget: Budget
    replicates: int | None = 2
    optimizer: Parameters = field(default_factory=dict)


STANDARD_BUDGET = Budget(epochs=30)


def quick(trials_per_family: int) -> Preset:
    """Minutes on a CPU. Small batches give a short run enough updates to learn something: at the
    chapter's 256 images, LeNet hardly leaves chance in the first two hundred."""
    budget = Budget(epochs=6, train_size=10_000, val_size=5_000)
    return Preset(trials_per_family, budget, optimizer={"batch_size": 64})


def standard(trials_per_family: int) -> Preset:
    """The chapter's 30 epochs, on the 50,000 images that are not for validation."""
    return Preset(trials_per_family, STANDARD_BUDGET)


def log_range(low: float, high: float, unit: str = "") -> Range:
    """A range sampled evenly on the logarithmic scale."""
    return Range(low=low, high=high, log=True, unit=unit)
