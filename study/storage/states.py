"""What became of a study's trials: each is counted once, however often it was tried.

A trial is a slot of the study, an attempt a trial of Optuna. A trial's outcome is its result; where
it has none yet, how its last attempt stands. The outcomes of a study add up to its trials.
"""

from __future__ import annotations

from collections.abc import Sequence

from study.spec import StudySpec
from study.storage.slots import Attempt

ENDED = ("complete", "diverged", "stalled", "pruned")
UNFINISHED = ("failed", "interrupted", "running", "waiting")


def attempt_outcome(state: str, outcome: object, interrupted: object) -> str:
    """An attempt's outcome: one of ENDED, or failed, interrupted, running, waiting.

    state: Optuna's, in lower case. outcome, interrupted: the trial's attributes of these names.
    """
    if state == "complete" and outcome in ("diverged", "stalled"):
        return str(outcome)
    if state == "fail":
        return "interrupted" if interrupted is True else "failed"
    return state


def outcomes(spec: StudySpec, attempts: Sequence[Attempt]) -> dict[int, str]:
    """The outcome of every trial by slot; ``waiting`` where it was not begun. An attempt that has
    no slot of the study counts for none.

    attempts: all of them in the order of creation. A trial that failed is tried again, unless it
    did so more than ``max_retries`` times; one that was interrupted goes on.
    """
    of_slot = dict.fromkeys(range(spec.trials), "waiting")
    for each in attempts:
        if each.slot in of_slot:
            outcome = attempt_outcome(
                each.state.name.lower(), each.record.outcome, each.record.interrupted
            )
            if outcome in ENDED or of_slot[each.slot] not in ENDED:
                of_slot[each.slot] = outcome
    return of_slot
