"""How far a study is: what became of its trials, their cost, and how long the rest will take."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from analysis.frames import STATES, final_attempts
from analysis.plausible import marked, slot_exists
from analysis.statistics import budget
from study.spec import StudySpec

_ENDED = ("complete", "diverged", "stalled", "pruned")


def progress(trials: pd.DataFrame, spec: StudySpec) -> dict[str, Any]:
    """The facts of a study as JSON values; None where nothing is known yet.

    trials: every attempt, as `analysis.frames.load` gives them; those without a slot of the study
    are not its own. ``states`` counts slots, a slot by its result or else its last attempt;
    ``waiting`` are those not begun. ``best`` is over complete trials alone, and over what is
    `plausible`. ``seconds_left`` is the mean time of ended trials times the slots that are still to
    be run, shared among the trials that run now (at least one).
    """
    trials = trials[slot_exists(trials, spec)]
    slots = final_attempts(trials)
    counts = slots["state"].value_counts().reindex(list(STATES), fill_value=0).astype(int)
    counts["waiting"] = spec.trials - int(counts.drop("waiting").sum())
    left = _open_slots(trials, slots, spec)
    spent = budget(trials).drop(columns="family").sum()
    return {
        "space": spec.space,
        "question": spec.search_space.QUESTION,
        "trials": spec.trials,
        "states": {str(state): int(count) for state, count in counts.items()},
        "best": _best(marked(slots, spec)),
        "epochs": {str(name): int(value) for name, value in spent.items()},
        "slots_left": left,
        "seconds_left": _seconds_left(slots, left, int(counts["running"])),
    }


def best_trial(trials: pd.DataFrame) -> pd.Series | None:
    """The complete trial with the highest value, the earlier one of two; None before the first."""
    complete = trials[trials["state"] == "complete"].sort_values("trial")
    return None if complete.empty else complete.nlargest(1, "value").iloc[0]


def _best(slots: pd.DataFrame) -> dict[str, Any] | None:
    found = best_trial(slots)
    if found is None:
        return None
    return {
        "trial": int(found["trial"]),
        "value": float(found["value"]),
        "family": str(found["family"]),
    }


def _open_slots(trials: pd.DataFrame, slots: pd.DataFrame, spec: StudySpec) -> int:
    """Slots that have no result and did not fail for good."""
    failures = trials.loc[trials["state"] == "failed", "slot"].value_counts()
    ended = set(slots.loc[slots["state"].isin(_ENDED), "slot"])
    given_up = set(failures.index[failures > spec.max_retries]) - ended
    return spec.trials - len(ended) - len(given_up)


def _seconds_left(slots: pd.DataFrame, left: int, running: int) -> float | None:
    seconds = float(slots.loc[slots["state"].isin(_ENDED), "seconds"].mean())
    return None if math.isnan(seconds) else left * seconds / max(1, running)
