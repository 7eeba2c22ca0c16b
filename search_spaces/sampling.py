"""Asks an Optuna trial for a parameter of a space."""

from __future__ import annotations

from optuna.trial import BaseTrial

from search_spaces.config import Ranges


def suggest(trial: BaseTrial, name: str, ranges: Ranges) -> float:
    """The trial's value of a parameter, from the range of that name (log scale where it says)."""
    chosen = ranges[name]
    return trial.suggest_float(name, chosen.low, chosen.high, log=chosen.log)
