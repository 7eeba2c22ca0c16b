"""Question 1: what is the best model that a constant learning rate can give?"""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.schedules.decays import Constant
from search_spaces.space import Preset, log_range, quick, sample, standard

EXERCISE: int | None = 1
QUESTION = "What is the best model that a fixed learning rate can give?"
FAMILIES: tuple[str, ...] = ("constant",)
PRESETS: dict[str, Preset] = {"quick": quick(16), "standard": standard(60)}
REFERENCE: str | None = None
COMPARED: str | None = None
DESIGNED = False
SAMPLES_WEIGHTS = False
# Half octaves near the best rate, where its peak is measured; wider apart towards divergence.
_FACTORS = (0.25, 0.5, 0.5**0.5, 1.0, 2.0**0.5, 2.0, 4.0)


def ranges(budget: Budget) -> Ranges:
    """From rates that hardly move the weights to rates that diverge."""
    return {"base_lr": log_range(0.003, 3.0)}


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """A constant rate."""
    return {"schedule": Constant(base_lr=sample(trial, "base_lr", ranges))}


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """The chapter's constant 0.3."""
    return [{"base_lr": 0.3}]


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """Rates around the best one, up to four times as large."""
    return [
        Arm(family=family, parameters={"base_lr": values["base_lr"] * factor})
        for family, values in best.items()
        for factor in _FACTORS
    ]
