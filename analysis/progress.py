"""How far a study is: what became of its trials, their cost, and how long the rest will take."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pandas as pd

from analysis.estimators.outcomes import budget
from analysis.reading.frames import column_of
from analysis.reading.plausible import UNUSABLE, left_out, marked, slot_exists
from analysis.reading.states import RESULTS, TERMINAL, final_attempts, slot_states
from study.spec import StudySpec
from study.storage.slots import settled
from study.storage.studies import describe


def progress(trials: pd.DataFrame, spec: StudySpec) -> dict[str, Any]:
    """The facts of a study as JSON values; None where nothing is known yet.

    trials: every attempt, as `reading.frames.load` gives them; those without a slot of the study
    are not its own. ``states``: see `slot_states`; what contradicts the study is ``unusable``.
    ``best`` is over complete trials alone, and over what is `plausible`; in a later stage or a
    fixed design it is the highest mean over seeds, of the configurations that may be chosen, and
    its ``trial`` None. ``left_out`` says of each trial that is not plausible why. ``seconds_left``
    is the mean time of ended trials times the slots that are still to be run, shared among the
    trials that run now (at least one).
    """
    judged, with_slot = marked(trials, spec), slot_exists(trials, spec)
    trials = trials[with_slot]
    slots = final_attempts(trials)
    counts = slot_states(judged, spec.trials)
    left = open_slots(trials, slots, spec)
    spent = budget(trials).drop(columns="family").sum()
    return {
        "space": spec.space,
        "question": spec.question,
        "plan": None if spec.plan is None else spec.plan.model_dump(mode="json"),
        "trials": spec.trials,
        "states": counts,
        "best": _best(final_attempts(judged[with_slot]), spec),
        "left_out": left_out(judged),
        "epochs": {str(name): int(value) for name, value in spent.items()},
        "slots_left": left,
        "seconds_left": _seconds_left(slots, left, counts["running"]),
    }


def best_trial(trials: pd.DataFrame) -> pd.Series | None:
    """The complete trial with the highest value, the earlier one of two; None before the first."""
    complete = trials[trials["state"] == "complete"].sort_values("trial")
    return None if complete.empty else complete.nlargest(1, "value").iloc[0]


def best_so_far(trials: pd.DataFrame, spec: StudySpec) -> tuple[float, str] | None:
    """The highest score so far and the configuration that has it in a few words, None before the
    first one."""
    best = best_trial(marked(trials, spec))
    if best is None:
        return None
    columns = {name: column_of(name) for name in spec.ranges}
    sampled = {name: best[each] for name, each in columns.items() if pd.notna(best.get(each))}
    return float(best["value"]), describe(str(best["family"]), sampled)


def _best(slots: pd.DataFrame, spec: StudySpec) -> dict[str, Any] | None:
    if spec.arms:
        return _highest_mean(slots[slots["arm"].isin(_chosen_from(spec))], "arm")
    if spec.designed:
        return _highest_mean(slots, "family")
    best = best_trial(slots)
    if best is None:
        return None
    return {
        "trial": int(best["trial"]),
        "value": float(best["value"]),
        "family": str(best["family"]),
    }


def _chosen_from(spec: StudySpec) -> list[int]:
    """Arms that may be chosen: runs of the question's design are not."""
    return [index for index, arm in enumerate(spec.arms) if arm.role == "candidate"]


def _highest_mean(slots: pd.DataFrame, by: str) -> dict[str, Any] | None:
    """Where every configuration has several seeds, the one with the highest mean of what ended."""
    ended = slots[slots["state"].isin(RESULTS)].dropna(subset=["value"])
    if ended.empty:
        return None
    top = ended[ended[by] == ended.groupby(by, sort=False)["value"].mean().idxmax()]
    return {
        "trial": None,
        "value": float(top["value"].mean()),
        "family": str(top["family"].iloc[0]),
        "seeds": len(top),
    }


def open_slots(trials: pd.DataFrame, slots: pd.DataFrame, spec: StudySpec) -> int:
    """Slots that are still to be run: they did not end, nor fail for good. One whose trial is not
    counted has ended."""
    ended = slots.loc[slots["state"].isin((*TERMINAL, UNUSABLE)), "slot"]
    failed = trials.loc[trials["state"] == "failed", "slot"]
    return spec.trials - len(settled(spec, {*ended}, Counter(failed)))


def _seconds_left(slots: pd.DataFrame, left: int, running: int) -> float | None:
    if left == 0:
        return 0.0
    seconds = float(slots.loc[slots["state"].isin(TERMINAL), "seconds"].mean())
    return None if math.isnan(seconds) else left * seconds / max(1, running)
