"""Preset: how much a study spends, unless the user says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.config import Budget, Range


@dataclass(frozen=True)
class Preset:
    """Trials of every family, the budget of each, and over how many replicates they are spread.

    replicates: number of training seeds that the trials of a family share in turn; None gives
        every trial of a family its own (and the same ones to each family).
    """

    trials_per_family: int
    budget: Budget
    replicates: int | None = 2


QUICK_BUDGET = Budget(epochs=6, train_size=10_000, val_size=5_000)
STANDARD_BUDGET = Budget(epochs=30)


def log_range(low: float, high: float, unit: str = "") -> Range:
    """A range sampled evenly on the logarithmic scale."""
    return Range(low=low, high=high, log=True, unit=unit)
