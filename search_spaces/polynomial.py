"""Question 2: how does convergence change with the exponent of a polynomial decay?"""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.schedules.decays import InversePower
from search_spaces.schedules.horizon import Polynomial
from search_spaces.space import Preset, log_range, quick, sample, standard

EXERCISE: int | None = 2
QUESTION = "How does convergence change with the exponent of the decay?"
FAMILIES: tuple[str, ...] = ("polynomial", "inverse_power")
PRESETS: dict[str, Preset] = {"quick": quick(12), "standard": standard(60)}
REFERENCE: str | None = None
COMPARED: str | None = None
DESIGNED = False
SAMPLES_WEIGHTS = False
_EXPONENTS = (0.5, 1.0, 2.0, 4.0)
_FACTORS = (0.25, 0.5, 1.0, 2.0)


def ranges(budget: Budget) -> Ranges:
    """The exponent is the polynomial's power and the inverse power's alpha alike."""
    return {"base_lr": log_range(0.03, 2.0), "exponent": log_range(0.25, 4.0)}


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """Polynomial decay to 0 at the end of training, or base_lr (1 + epochs)^(-exponent)."""
    base_lr, exponent = sample(trial, "base_lr", ranges), sample(trial, "exponent", ranges)
    if family == "inverse_power":
        return {"schedule": InversePower(base_lr=base_lr, alpha=exponent)}
    horizon = budget.epochs
    return {"schedule": Polynomial(base_lr=base_lr, exponent=exponent, horizon=horizon)}


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """The chapter's square root; for polynomial the power 2 of the scheduler the exercise names."""
    if family == "inverse_power":
        return [{"base_lr": 0.1, "exponent": 0.5}]
    return [{"base_lr": 0.3, "exponent": 2.0}]


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """Exponents of the polynomial, crossed with rates around the best: a larger exponent lowers the
    mean rate, which only the crossing can tell apart from the shape of the decay."""
    return [
        Arm(
            family="polynomial",
            parameters={"base_lr": best["polynomial"]["base_lr"] * factor, "exponent": exponent},
        )
        for exponent in _EXPONENTS
        for factor in _FACTORS
        if "polynomial" in best
    ]
