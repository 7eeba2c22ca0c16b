"""Question 2: how does convergence change with the exponent of a polynomial decay?"""

from __future__ import annotations

from optuna.trial import BaseTrial

from search_spaces.config import Budget, Parameters, Ranges
from search_spaces.presets import Preset, log_range, quick, standard
from search_spaces.sampling import suggest
from search_spaces.schedules import InversePower, Polynomial, ScheduleConfig

QUESTION = "How does convergence change with the exponent of the decay?"
FAMILIES: tuple[str, ...] = ("polynomial", "inverse_power")
PRESETS: dict[str, Preset] = {"quick": quick(12), "standard": standard(60)}
DESIGNED = False


def ranges(budget: Budget) -> Ranges:
    """The exponent is the polynomial's power and the inverse power's alpha alike."""
    return {"base_lr": log_range(0.03, 2.0), "exponent": log_range(0.25, 4.0)}


def suggest_schedule(
    trial: BaseTrial, family: str, budget: Budget, ranges: Ranges
) -> ScheduleConfig:
    """Polynomial decay to 0 at the end of training, or base_lr (1 + epochs)^(-exponent)."""
    base_lr, exponent = suggest(trial, "base_lr", ranges), suggest(trial, "exponent", ranges)
    if family == "inverse_power":
        return InversePower(base_lr=base_lr, alpha=exponent)
    return Polynomial(base_lr=base_lr, exponent=exponent, horizon=budget.epochs)


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """The chapter's square root; for polynomial the power 2 of the scheduler the exercise names."""
    if family == "inverse_power":
        return [{"base_lr": 0.1, "exponent": 0.5}]
    return [{"base_lr": 0.3, "exponent": 2.0}]
