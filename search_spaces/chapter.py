"""The chapter's five runs: a fixed design, no search.

Each run stands there twice. ``as-intended`` is the schedule that the text describes, held for each
epoch. ``as-published`` is what its PyTorch program really trained: a custom scheduler is applied
after each epoch, so epoch k trains at s(k - 1) and the first one at the optimizer's own rate; the
multi-factor scheduler was stepped 30 times for a plot before training, which left a constant 0.125.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.schedules.base import Schedule, ScheduleConfig
from search_spaces.schedules.decays import Constant, InversePower, MultiFactor
from search_spaces.schedules.given import Table
from search_spaces.schedules.horizon import Cosine
from search_spaces.space import STANDARD_BUDGET, Preset

EXERCISE: int | None = None
QUESTION = "What did the chapter's five runs train, and are its published figures met?"
RUNS = ("constant", "square_root", "multi_factor", "cosine", "warmup_cosine")
VARIANTS = ("as-published", "as-intended")
FAMILIES: tuple[str, ...] = tuple(f"{run}/{variant}" for run in RUNS for variant in VARIANTS)
PRESETS: dict[str, Preset] = {
    "quick": Preset(1, Budget(epochs=30, train_size=6_000), replicates=None),
    "standard": Preset(3, STANDARD_BUDGET, replicates=None),
}
REFERENCE: str | None = None
COMPARED: str | None = None
DESIGNED = True
SAMPLES_WEIGHTS = False
# The rate that the optimizer was made with; it trains the first epoch of a custom scheduler's run.
_OPTIMIZER_LR = {"square_root": 0.1, "cosine": 0.3, "warmup_cosine": 0.3}


def ranges(budget: Budget) -> Ranges:
    """Nothing is sampled."""
    return {}


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """The run's schedule in the variant that the family's name gives."""
    return {"schedule": _schedule(trial, family, budget, ranges)}


def _schedule(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> ScheduleConfig:
    run, variant = family.split("/")
    return intended(run) if variant == "as-intended" else published(run, budget.epochs)


def intended(run: str) -> Schedule:
    """The schedule that the text describes."""
    schedules = {
        "constant": Constant(base_lr=0.3),
        "square_root": InversePower(base_lr=0.1, hold_epochs=True),
        "multi_factor": MultiFactor(base_lr=0.5, alpha=0.5, milestones=(15, 30)),
        "cosine": Cosine(base_lr=0.3, final_lr=0.01, horizon=20, hold_epochs=True),
        "warmup_cosine": Cosine(base_lr=0.3, final_lr=0.01, horizon=20, warmup=5, hold_epochs=True),
    }
    return schedules[run]


def published(run: str, epochs: int) -> Schedule:
    """The rates at which the chapter's PyTorch program trained each epoch."""
    if run == "constant":
        return intended(run)
    if run == "multi_factor":
        return Constant(base_lr=0.125)
    rates = (_OPTIMIZER_LR[run], *intended(run)(np.arange(epochs - 1)).tolist())
    return Table(base_lr=max(rates), rates=rates)


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """None: the design is fixed."""
    return []


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """None: the design is fixed."""
    return []
