"""Question 3: how does cosine compare with the other schedules?"""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.decays import Constant, Factor, InversePower, MultiFactor
from search_spaces.schedules.horizon import Cosine, Polynomial
from search_spaces.space import Preset, log_range, quick, sample, standard

EXERCISE: int | None = 3
QUESTION = (
    "How does cosine compare with the other schedules on vision problems, for example ImageNet?"
)
FAMILIES: tuple[str, ...] = (
    "constant",
    "factor",
    "multi_factor",
    "inverse_power",
    "polynomial",
    "cosine",
)
PRESETS: dict[str, Preset] = {"quick": quick(4), "standard": standard(30)}
REFERENCE: str | None = "cosine"
COMPARED: str | None = None
DESIGNED = False
SAMPLES_WEIGHTS = False
# multi-factor halves of training, as in the chapter (15 of 30 epochs) and in common recipes.
_MILESTONES = (0.5, 0.75)
# Smaller problems: share of the training images and of the epochs. The full one is a candidate's.
_RUNGS = ((0.25, 1.0), (0.5, 1.0), (1.0, 0.5))


def ranges(budget: Budget) -> Ranges:
    """Every family has base_lr; each decaying one has one parameter more, for equal dimensions.

    final_fraction: last rate over base_lr (factor, cosine); exponent: power (polynomial) or alpha
    (inverse power); alpha: factor at each milestone (multi-factor).
    """
    return {
        "base_lr": log_range(0.03, 2.0),
        "final_fraction": log_range(0.001, 0.5),
        "exponent": log_range(0.25, 4.0),
        "alpha": log_range(0.05, 0.7),
    }


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """The family's schedule over the whole of training."""
    return {"schedule": _schedule(trial, family, budget, ranges)}


def _schedule(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> ScheduleConfig:
    base_lr, epochs = sample(trial, "base_lr", ranges), budget.epochs
    match family:
        case "constant":
            return Constant(base_lr=base_lr)
        case "factor":
            fraction = sample(trial, "final_fraction", ranges)
            return Factor(base_lr=base_lr, alpha=fraction ** (1 / epochs))
        case "multi_factor":
            milestones = tuple(share * epochs for share in _MILESTONES)
            alpha = sample(trial, "alpha", ranges)
            return MultiFactor(base_lr=base_lr, alpha=alpha, milestones=milestones)
        case "inverse_power":
            return InversePower(base_lr=base_lr, alpha=sample(trial, "exponent", ranges))
        case "polynomial":
            exponent = sample(trial, "exponent", ranges)
            return Polynomial(base_lr=base_lr, exponent=exponent, horizon=epochs)
        case _:
            final_lr = base_lr * sample(trial, "final_fraction", ranges)
            return Cosine(base_lr=base_lr, final_lr=final_lr, horizon=epochs)


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """The chapter's own values, where it has that family."""
    known: dict[str, Parameters] = {
        "constant": {"base_lr": 0.3},
        "factor": {"base_lr": 0.3, "final_fraction": 1 / 30},
        "multi_factor": {"base_lr": 0.5, "alpha": 0.5},
        "inverse_power": {"base_lr": 0.1, "exponent": 0.5},
        "polynomial": {"base_lr": 0.3, "exponent": 1.0},
        "cosine": {"base_lr": 0.3, "final_fraction": 1 / 30},
    }
    return [known[family]]


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """A ladder of problem sizes: each family's best on fewer images, and for fewer epochs. Whether
    cosine gains or loses with the size of the problem is the part of the question about ImageNet
    that a small data set can speak to. Needs a known number of training images."""
    if budget.train_size is None:
        return []
    rungs = [
        Budget(
            epochs=max(1, round(budget.epochs * epochs)),
            train_size=max(1, round(budget.train_size * images)),
            val_size=budget.val_size,
        )
        for images, epochs in _RUNGS
    ]
    return [
        Arm(family=family, parameters=values, budget=rung)
        for rung in rungs
        if rung != budget  # half of one epoch is one epoch
        for family, values in best.items()
    ]
