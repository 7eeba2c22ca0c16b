"""Every trial has one outcome, however often it was tried."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from analysis.reading.states import slot_states
from search_spaces.config import Budget
from search_spaces.spaces import SPACES
from study.records import ClaimRecord
from study.spec import StudySpec
from study.storage.slots import Attempt, slots_done, slots_failed
from study.storage.states import ENDED, UNFINISHED, attempt_outcome, outcomes

TRIALS = 5
SPACE = SPACES["fixed_rate"]
SPEC = StudySpec(
    space="fixed_rate",
    trials=TRIALS,
    budget=Budget(epochs=6),
    families=SPACE.FAMILIES,
    ranges=SPACE.ranges(Budget(epochs=6)),
)
STATES: dict[str, tuple[TrialState, dict[str, Any]]] = {
    "complete": (TrialState.COMPLETE, {"outcome": "finished"}),
    "diverged": (TrialState.COMPLETE, {"outcome": "diverged"}),
    "stalled": (TrialState.COMPLETE, {"outcome": "stalled"}),
    "pruned": (TrialState.PRUNED, {}),
    "failed": (TrialState.FAIL, {}),
    "interrupted": (TrialState.FAIL, {"interrupted": True}),
    "running": (TrialState.RUNNING, {}),
}
# Slots of the study, one beyond it, and attempts of another program that have none.
HISTORIES = st.lists(
    st.tuples(st.sampled_from([*range(TRIALS + 1), None]), st.sampled_from(list(STATES))),
    max_size=20,
)


def attempts(history: list[tuple[int | None, str]]) -> list[Attempt]:
    return [
        Attempt(number, STATES[state][0], ClaimRecord(slot=slot, **STATES[state][1]))
        for number, (slot, state) in enumerate(history)
    ]


@given(HISTORIES)
def test_outcomes_add_up_to_the_trials(history: list[tuple[int | None, str]]) -> None:
    found = attempts(history)
    of_slot = outcomes(SPEC, found)
    assert list(of_slot) == list(range(TRIALS))
    assert set(of_slot.values()) <= {*ENDED, *UNFINISHED}
    ended = {slot for slot, outcome in of_slot.items() if outcome in ENDED}
    assert ended == slots_done(SPEC, found) - slots_failed(SPEC, found)


@given(HISTORIES)
def test_the_report_counts_as_the_display_does(history: list[tuple[int | None, str]]) -> None:
    frame = pd.DataFrame(
        [
            {"trial": number, "slot": slot, "state": state}
            for number, (slot, state) in enumerate(history)
        ],
        columns=["trial", "slot", "state"],
    ).astype({"slot": float})
    counts = {state: n for state, n in slot_states(frame, TRIALS).items() if n}
    assert counts == Counter(outcomes(SPEC, attempts(history)).values())
    assert sum(counts.values()) == TRIALS


@given(st.sampled_from(list(STATES)))
def test_an_attempt_is_named_as_it_ended(state: str) -> None:
    kind, attrs = STATES[state]
    said = attempt_outcome(kind.name.lower(), attrs.get("outcome"), attrs.get("interrupted"))
    assert said == state
