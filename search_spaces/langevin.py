"""Question 5: how are optimization and sampling connected? Langevin dynamics."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Range, Ranges
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.cycles import CosineRestarts
from search_spaces.schedules.decays import Constant, InversePower
from search_spaces.space import STANDARD_BUDGET, Preset, log_range, sample
from search_spaces.weight_sampling import WeightSampling

EXERCISE: int | None = 5
QUESTION = "How are optimization and sampling connected?"
FAMILIES: tuple[str, ...] = ("sgd", "sgld", "swa", "snapshots", "cyclical")
PRESETS: dict[str, Preset] = {
    "quick": Preset(
        8,
        Budget(epochs=12, train_size=10_000, val_size=5_000),
        optimizer={"batch_size": 64},
    ),
    "standard": Preset(30, STANDARD_BUDGET),
}
REFERENCE: str | None = "sgd"
COMPARED: str | None = None
DESIGNED = False
SAMPLES_WEIGHTS = True
CYCLES = 3
_TEMPERATURES = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def ranges(budget: Budget) -> Ranges:
    """Every family has base_lr and prior_precision (1 / variance of the weights' normal prior).

    temperature: of the noise (sgld, cyclical; the others have none). gamma: exponent of the decay
    (sgd, sgld), above 1/2 and at most 1 as Welling & Teh ask. burn_in: epochs before the first
    sample (sgld, swa); cyclical burns in for the same share of each cycle.
    """
    shares = Range(low=0.2 * budget.epochs, high=0.8 * budget.epochs, unit="epochs")
    return {
        "base_lr": log_range(0.01, 1.0),
        "prior_precision": log_range(0.1, 100.0),
        "temperature": log_range(1e-5, 1.0),
        "gamma": Range(low=0.5, high=1.0),
        "burn_in": shares,
    }


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """The schedule of a family, and how it samples weights."""
    return {
        "schedule": _schedule(trial, family, budget, ranges),
        "weight_sampling": _weight_sampling(trial, family, budget, ranges),
    }


def _schedule(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> ScheduleConfig:
    """base_lr (1 + epochs)^(-gamma) for sgd and sgld, a constant rate for swa, and equal cosine
    cycles for snapshots and cyclical."""
    base_lr = sample(trial, "base_lr", ranges)
    if family == "swa":
        return Constant(base_lr=base_lr)
    if family in ("snapshots", "cyclical"):
        return CosineRestarts(base_lr=base_lr, cycle=_cycle(budget))
    return InversePower(base_lr=base_lr, alpha=sample(trial, "gamma", ranges))


def _weight_sampling(
    trial: BaseTrial, family: str, budget: Budget, ranges: Ranges
) -> WeightSampling:
    """sgd: the last weights alone. sgld: noise, and a sample an epoch (at least 4) after the
    burn-in, counted by step size. swa: the mean of the weights. snapshots: the end of each cycle
    (Huang et al. 2017). cyclical: noise and samples after each cycle's burn-in."""
    precision = sample(trial, "prior_precision", ranges)
    if family == "sgd":
        return WeightSampling(prior_precision=precision, thinning=budget.epochs)
    if family == "snapshots":
        cycle = _cycle(budget)
        return WeightSampling(prior_precision=precision, cycle=cycle, thinning=cycle)
    burn_in = sample(trial, "burn_in", ranges)
    if family == "swa":
        thinning = min(1.0, (budget.epochs - burn_in) / 4)
        return WeightSampling(
            prior_precision=precision, burn_in=burn_in, thinning=thinning, average="weights"
        )
    temperature = sample(trial, "temperature", ranges)
    if family == "sgld":
        return WeightSampling(
            temperature=temperature,
            prior_precision=precision,
            burn_in=burn_in,
            thinning=min(1.0, (budget.epochs - burn_in) / 4),
            by_step_size=True,
        )
    cycle = _cycle(budget)
    burn_in = burn_in / budget.epochs * cycle
    return WeightSampling(
        temperature=temperature,
        prior_precision=precision,
        cycle=cycle,
        burn_in=burn_in,
        thinning=min(1.0, (cycle - burn_in) / 2),
        explore=True,
    )


def _cycle(budget: Budget) -> float:
    return budget.epochs / CYCLES


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """The chapter's square root for sgd; the posterior itself (T = 1, a standard normal prior) for
    sgld and cyclical; the last quarter of a constant rate for swa."""
    known: dict[str, Parameters] = {
        "sgd": {"base_lr": 0.1, "gamma": 0.5},
        "sgld": {"base_lr": 0.1, "gamma": 0.55, "temperature": 1.0, "burn_in": budget.epochs / 2},
        "swa": {"base_lr": 0.1, "burn_in": 0.75 * budget.epochs},
        "snapshots": {"base_lr": 0.1},
        "cyclical": {"base_lr": 0.1, "temperature": 1.0, "burn_in": budget.epochs / 2},
    }
    return [known[family] | {"prior_precision": 1.0}]


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """The best sgld's run at temperatures from 0 to 1, everything else the same."""
    if "sgld" not in best:
        return []
    return [
        Arm(family="sgld", parameters={**best["sgld"], "temperature": temperature})
        for temperature in _TEMPERATURES
    ]
