"""A trial's state in lrstudy's words, and the attempt that stands for each trial."""

from __future__ import annotations

import pandas as pd

from study.storage.states import ENDED, UNFINISHED, attempt_outcome

STATES = (*ENDED, *UNFINISHED)
RESULTS = ("complete", "diverged", "stalled")
TERMINAL = ENDED


def slot_states(attempts: pd.DataFrame, trials: int | None) -> dict[str, int]:
    """How many of a study's trials have each state: the one of their final attempt, ``waiting``
    where there was none. They add up to ``trials``; attempts without a slot of these do not count.

    trials: asked for; None: of another program, each of whose attempts is a trial.
    """
    states = list(dict.fromkeys([*STATES, *attempts["state"]]))
    final = attempts if trials is None else final_attempts(attempts[has_slot(attempts, trials)])
    counts = final["state"].value_counts().reindex(states, fill_value=0)
    counts["waiting"] += 0 if trials is None else max(0, trials - len(final))
    return {str(state): int(count) for state, count in counts.items()}


def has_slot(attempts: pd.DataFrame, trials: int) -> pd.Series:
    """Whether each attempt has a slot of a study of so many trials."""
    slots = attempts["slot"]
    return slots.between(0, trials - 1) & (slots % 1 == 0)


def final_attempts(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per slot: its result (complete, diverged, stalled or pruned), else its last attempt.

    Retries share a slot, so that counting trials would count a slot more than once. A trial
    without a slot (of another program) stands for itself.
    """
    decided = trials["state"].isin(TERMINAL)
    ordered = trials.assign(_decided=decided, _slot=trials["slot"].fillna(-1.0 - trials["trial"]))
    ordered = ordered.sort_values(["_decided", "trial"]).drop_duplicates("_slot", keep="last")
    return ordered.sort_values("trial").drop(columns=["_decided", "_slot"]).reset_index(drop=True)


def states(rows: pd.DataFrame) -> pd.Series:
    """The state of each attempt, see `study.storage.states.attempt_outcome`.

    rows: state as Optuna writes it; outcome, interrupted: the attributes that say how it ended.
    """
    optunas = rows["state"].astype(str).str.lower()
    outcomes = map(attempt_outcome, optunas, rows["outcome"], rows["interrupted"].eq(True))
    return pd.Series(list(outcomes), rows.index, dtype=object)
