"""Question 4: how long should warmup last?"""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Range, Ranges
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.horizon import Cosine, Polynomial
from search_spaces.space import Preset, log_range, quick, sample, standard

EXERCISE: int | None = 4
QUESTION = "How long should warmup last?"
FAMILIES: tuple[str, ...] = ("constant", "polynomial", "cosine")
PRESETS: dict[str, Preset] = {"quick": quick(8), "standard": standard(60)}
REFERENCE: str | None = None
COMPARED: str | None = "warmup"
DESIGNED = False
SAMPLES_WEIGHTS = False
_SHARES = (0.0, 0.25, 0.5, 1.0)  # of the longest warmup
_FACTORS = (0.5, 1.0, 2.0, 4.0)
_GRID_FAMILIES = ("cosine", "polynomial", "constant")  # the first that the search has


def ranges(budget: Budget) -> Ranges:
    """Warmup up to a third of training; rates up to where only warmup keeps them usable."""
    longest = _longest(budget)
    return {"base_lr": log_range(0.1, 5.0), "warmup": Range(low=0, high=longest, unit="epochs")}


def _longest(budget: Budget) -> float:
    return budget.epochs / 3


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """Linear warmup from 0, then constant, linear decay to 0, or cosine to base_lr / 30."""
    return {"schedule": _schedule(trial, family, budget, ranges)}


def _schedule(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> ScheduleConfig:
    base_lr, warmup = sample(trial, "base_lr", ranges), sample(trial, "warmup", ranges)
    if family == "constant":
        return Constant(base_lr=base_lr, warmup=warmup)
    if family == "polynomial":
        return Polynomial(base_lr=base_lr, warmup=warmup, horizon=budget.epochs)
    return Cosine(base_lr=base_lr, warmup=warmup, horizon=budget.epochs, final_lr=base_lr / 30)


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """The chapter's 0.3 without warmup, and with 5 of 30 epochs of it."""
    return [{"base_lr": 0.3, "warmup": 0.0}, {"base_lr": 0.3, "warmup": budget.epochs / 6}]


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """Lengths of warmup crossed with rates from half to four times the best, under one schedule:
    how long warmup should last depends on the rate."""
    family = next((name for name in _GRID_FAMILIES if name in best), None)
    if family is None:
        return []
    base_lr = best[family]["base_lr"]
    return [
        Arm(
            family=family,
            parameters={"base_lr": base_lr * factor, "warmup": _longest(budget) * share},
        )
        for share in _SHARES
        for factor in _FACTORS
    ]
