"""Which slot is free, and when one is done: pure rules over the attempts at a study's slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import TrialState

from study.records import ClaimRecord
from study.spec import StudySpec

_ENDED_WELL = (TrialState.COMPLETE, TrialState.PRUNED)


class NoFreeSlot(Exception):  # noqa: N818 - an outcome of asking, not an error
    """Every slot is done or being worked on; `running` of them are."""

    def __init__(self, running: int) -> None:
        super().__init__(f"no free slot, {running} running")
        self.running = running


@dataclass(frozen=True)
class Attempt:
    """A trial as the claim sees it."""

    trial_id: int
    state: TrialState
    record: ClaimRecord

    @property
    def slot(self) -> int:
        """The slot, or -1 for a trial that was not created here."""
        return -1 if self.record.slot is None else self.record.slot

    @property
    def failed_by_itself(self) -> bool:
        """Whether the trial failed, other than by losing its worker."""
        return self.state == TrialState.FAIL and not self.record.interrupted


def free_slot(spec: StudySpec, attempts: Sequence[Attempt]) -> int:
    """The lowest free slot of those that failed least often.

    A slot that failed waits for the others: one bad configuration does not look like a bad study,
    and a bad study stops before it has used up the attempts of any slot.
    """
    running = {each.slot for each in attempts if each.state == TrialState.RUNNING}
    free = set(range(spec.trials)) - running - slots_done(spec, attempts)
    if not free:
        raise NoFreeSlot(len(running))
    failures = _failures(attempts)
    return min(free, key=lambda slot: (failures[slot], slot))


def slots_done(spec: StudySpec, attempts: Sequence[Attempt]) -> set[int]:
    """Slots that need no further attempt: ended well, or failed for good."""
    return settled(spec, _ended_well(spec, attempts), _failures(attempts))


def settled(spec: StudySpec, ended: set[int], failures: Mapping[int, int]) -> set[int]:
    """The rule: slots that ended well, and those that failed by themselves more than
    ``max_retries`` times. failures: how often each slot did; 0 where it is missing."""
    most = spec.max_retries
    return ended | {slot for slot in range(spec.trials) if failures.get(slot, 0) > most}


def slots_left(spec: StudySpec, attempts: Sequence[Attempt]) -> int:
    """How many slots still need an attempt."""
    return spec.trials - len(slots_done(spec, attempts))


def slots_failed(spec: StudySpec, attempts: Sequence[Attempt]) -> set[int]:
    """Slots that failed for good: by themselves, and more than ``max_retries`` times."""
    return slots_done(spec, attempts) - _ended_well(spec, attempts)


def _ended_well(spec: StudySpec, attempts: Sequence[Attempt]) -> set[int]:
    ended = {each.slot for each in attempts if each.state in _ENDED_WELL}
    return ended & set(range(spec.trials))  # trials that were added by other means have no slot


def _failures(attempts: Sequence[Attempt]) -> Counter[int]:
    """How often each slot failed by itself."""
    return Counter(each.slot for each in attempts if each.failed_by_itself)
