"""SlotStorage hands out the slots of a study: exact totals with any number of workers.

Everything that rests on private functions of Optuna's storage stands in this module. A slot is
claimed in the transaction that creates its trial, under the lock that Optuna takes on the study's
row (SQLite: BEGIN IMMEDIATE). That transaction also gives up trials whose worker is gone, so
nothing can be lost between the two: a slot is free if no trial of it runs or has ended well.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import json_to_distribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import orm

from study.spec import SPEC_ATTR, StudySpec
from study.storage.outages import PatientStorage, patient

# A live worker signs eight times in this time; a silent one is given up after it, or at once where
# its process can be seen to be dead. All workers of a study should have the same.
GRACE_VARIABLE = "LRSTUDY_GRACE_SECONDS"
GRACE_SECONDS = 120.0
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
    attrs: dict[str, Any]

    @property
    def slot(self) -> int:
        """The slot, or -1 for a trial that was not created here."""
        found = self.attrs.get("slot")
        return found if isinstance(found, int) else -1

    @property
    def failed_by_itself(self) -> bool:
        """Whether the trial failed, other than by losing its worker."""
        return self.state == TrialState.FAIL and not self.attrs.get("interrupted")


# Names one call that creates a trial, however often it is repeated.
_CLAIM: ContextVar[str | None] = ContextVar("claim", default=None)


class SlotStorage(PatientStorage):
    """RDBStorage whose `create_new_trial` claims the lowest free slot, or raises NoFreeSlot.

    The new trial carries the user attributes slot, attempt, family, replicate, seed, baseline, arm
    (where the study has arms), host, pid, born and claim, and its first heartbeat, all written in
    the creating transaction. A further attempt at a slot has the parameters of the earlier ones.
    """

    @patient
    def create_whole_study(self, name: str, attrs: dict[str, Any]) -> None:
        """A study to be maximised that has its user attributes from the first moment on: on a full
        disk, or after a kill, there is no study without them. Raises DuplicatedStudyError."""
        direction = models.StudyDirectionModel(objective=0, direction=StudyDirection.MAXIMIZE)
        study = models.StudyModel(study_name=name, directions=[direction])
        try:
            with _create_scoped_session(self.scoped_session) as session:
                session.add(study)
                session.flush()
                attribute = partial(models.StudyUserAttributeModel, study_id=study.study_id)
                for key, value in attrs.items():
                    session.add(attribute(key=key, value_json=json.dumps(value)))
        except sa.exc.IntegrityError:
            raise DuplicatedStudyError from None

    def _create_new_trial(
        self, study_id: int, template_trial: optuna.trial.FrozenTrial | None = None
    ) -> optuna.trial.FrozenTrial:
        token = _CLAIM.set(uuid.uuid4().hex)
        try:
            return super()._create_new_trial(study_id, template_trial)
        finally:
            _CLAIM.reset(token)

    def _get_prepared_new_trial(
        self,
        study_id: int,
        template_trial: optuna.trial.FrozenTrial | None,
        session: orm.Session,
    ) -> models.TrialModel:
        spec = _read_spec(session, study_id)
        if spec is not None and template_trial is None:
            silences = _silences(session, study_id)
            found = [self._reap(session, each, silences) for each in _attempts(session, study_id)]
            slot = _free_slot(spec, found)
            template_trial = _slot_trial(spec, slot, found, _params(session, slot, found))
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        session.add(models.TrialHeartbeatModel(trial_id=trial.trial_id))
        return trial

    def _reap(
        self, session: orm.Session, attempt: Attempt, silences: dict[int, timedelta]
    ) -> Attempt:
        """The attempt; if it runs and its worker is gone it is failed first, as interrupted."""
        silent = silences.get(attempt.trial_id)
        if attempt.state != TrialState.RUNNING or not _worker_is_gone(attempt, silent):
            return attempt
        self._set_trial_attr_without_commit(
            session, models.TrialUserAttributeModel, attempt.trial_id, "interrupted", True
        )
        row = session.get_one(models.TrialModel, attempt.trial_id)
        row.state = TrialState.FAIL
        row.datetime_complete = _now()
        return replace(attempt, state=TrialState.FAIL, attrs=attempt.attrs | {"interrupted": True})


def _slot_trial(
    spec: StudySpec, slot: int, found: list[Attempt], params: dict[str, Any]
) -> optuna.trial.FrozenTrial:
    """A running trial for the slot; ``params`` are fixed, the others will be sampled."""
    attrs = {
        "slot": slot,
        "attempt": sum(each.slot == slot for each in found),
        "family": spec.family(slot),
        "replicate": spec.replicate(slot),
        "seed": spec.training_seed(slot),
        "baseline": spec.baseline(slot) is not None,
        **({"arm": slot % len(spec.arms)} if spec.arms else {}),
        "host": process_space(),
        "pid": os.getpid(),
        "born": born(os.getpid()),
        "claim": _CLAIM.get(),
    }
    return optuna.trial.FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=_now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs=attrs,
        # Where Optuna's own enqueued trials keep what is not to be sampled.
        system_attrs={"fixed_params": params} if params else {},
        intermediate_values={},
    )


def _params(session: orm.Session, slot: int, found: Sequence[Attempt]) -> dict[str, Any]:
    """The parameters that earlier attempts at a slot had: a retry is the same trial again."""
    earlier = [each.trial_id for each in found if each.slot == slot]
    if not earlier:
        return {}
    param = models.TrialParamModel
    rows = session.execute(
        sa.select(param.param_name, param.param_value, param.distribution_json)
        .where(param.trial_id.in_(earlier))
        .order_by(param.trial_id)
    )
    return {name: json_to_distribution(text).to_external_repr(value) for name, value, text in rows}


def _now() -> datetime:
    """The naive local time that Optuna itself writes for start and completion."""
    return datetime.now()


def _free_slot(spec: StudySpec, found: Sequence[Attempt]) -> int:
    """The lowest free slot of those that failed least often.

    A slot that failed waits for the others: one bad configuration does not look like a bad study,
    and a bad study stops before it has used up the attempts of any slot.
    """
    running = {each.slot for each in found if each.state == TrialState.RUNNING}
    free = set(range(spec.trials)) - running - slots_done(spec, found)
    if not free:
        raise NoFreeSlot(len(running))
    failures = _failures(found)
    return min(free, key=lambda slot: (failures[slot], slot))


def slots_done(spec: StudySpec, found: Sequence[Attempt]) -> set[int]:
    """Slots that need no further attempt: ended well, or failed for good."""
    return _ended_well(spec, found) | slots_failed(spec, found)


def slots_failed(spec: StudySpec, found: Sequence[Attempt]) -> set[int]:
    """Slots that failed for good: by themselves, and more than ``max_retries`` times."""
    failures = _failures(found)
    given_up = {slot for slot in range(spec.trials) if failures[slot] > spec.max_retries}
    return given_up - _ended_well(spec, found)


def _ended_well(spec: StudySpec, found: Sequence[Attempt]) -> set[int]:
    ended = {each.slot for each in found if each.state in _ENDED_WELL}
    return ended & set(range(spec.trials))  # trials that were added by other means have no slot


def _failures(found: Sequence[Attempt]) -> Counter[int]:
    """How often each slot failed by itself."""
    return Counter(each.slot for each in found if each.failed_by_itself)


@patient
def complete_trial_ids(storage: SlotStorage, study_id: int) -> list[int]:
    """Which trials of a study ran to their end, in the order of creation."""
    trial = models.TrialModel
    query = (
        sa.select(trial.trial_id)
        .where(trial.study_id == study_id, trial.state == TrialState.COMPLETE)
        .order_by(trial.trial_id)
    )
    try:
        with storage.scoped_session() as session:
            return list(session.scalars(query))
    finally:
        storage.scoped_session.remove()


@patient
def attempts(storage: SlotStorage, name: str) -> list[Attempt]:
    """Every trial of a study, in the order of creation."""
    study_id = storage.get_study_id_from_name(name)
    try:
        with storage.scoped_session() as session:
            return _attempts(session, study_id)
    finally:
        storage.scoped_session.remove()


def _read_spec(session: orm.Session, study_id: int) -> StudySpec | None:
    attr = models.StudyUserAttributeModel
    query = sa.select(attr.value_json).where(attr.study_id == study_id, attr.key == SPEC_ATTR)
    text = session.execute(query).scalar_one_or_none()
    return None if text is None else StudySpec.model_validate_json(text)


def _attempts(session: orm.Session, study_id: int) -> list[Attempt]:
    """The study's trials with the few attributes that a claim needs, in two queries."""
    trial, attr = models.TrialModel, models.TrialUserAttributeModel
    rows = session.execute(
        sa.select(trial.trial_id, trial.state)
        .where(trial.study_id == study_id)
        .order_by(trial.trial_id)
    ).all()
    wanted = ("slot", "interrupted", "outcome", "host", "pid", "born", "claim")
    attrs: dict[int, dict[str, Any]] = {trial_id: {} for trial_id, _ in rows}
    query = (
        sa.select(attr.trial_id, attr.key, attr.value_json)
        .join(trial, trial.trial_id == attr.trial_id)
        .where(trial.study_id == study_id, attr.key.in_(wanted))
    )
    for trial_id, key, text in session.execute(query):
        attrs[trial_id][key] = json.loads(text)
    return [Attempt(trial_id, state, attrs[trial_id]) for trial_id, state in rows]


def grace_seconds() -> float:
    """After how many seconds of silence a running trial is given up. Raises ValueError."""
    text = os.environ.get(GRACE_VARIABLE)
    if text is None:
        return GRACE_SECONDS
    with suppress(ValueError):
        if 1 <= float(text) < float("inf"):
            return float(text)
    raise ValueError(f"{GRACE_VARIABLE} must be a number of seconds from 1 on, not {text!r}")


def heartbeat_seconds() -> float:
    """How often a live worker signs."""
    return grace_seconds() / 8


def _silences(session: orm.Session, study_id: int) -> dict[int, timedelta]:
    """How long ago each running trial gave its last sign, by the clock of the database."""
    beat, trial = models.TrialHeartbeatModel, models.TrialModel
    query = (
        sa.select(beat.trial_id, beat.heartbeat, sa.func.now())
        .join(trial, trial.trial_id == beat.trial_id)
        .where(trial.study_id == study_id, trial.state == TrialState.RUNNING)
    )
    return {
        trial_id: now.replace(tzinfo=None) - last.replace(tzinfo=None)
        for trial_id, last, now in session.execute(query)
    }


def _worker_is_gone(attempt: Attempt, silent: timedelta | None) -> bool:
    """Whether its process is dead, or silent for too long, or is this one, which asks for another
    trial because it never learned of that one. silent: None for a trial that is not ours: our
    trials are born with a sign."""
    if _CLAIM.get() is not None and attempt.attrs.get("claim") == _CLAIM.get():
        return True
    pid, here = attempt.attrs.get("pid"), attempt.attrs.get("host") == process_space()
    if here and isinstance(pid, int) and not _alive(pid, attempt.attrs.get("born")):
        return True
    return silent is not None and silent > timedelta(seconds=grace_seconds())


@cache
def process_space() -> str:
    """Names the host and process-id name space: within one, a pid says whether a worker lives."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # not Linux: the host's name alone has to do
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def born(pid: int) -> str | None:
    """When a process began, in clock ticks since the machine did: a later process that has the
    same pid was born later. "dead" if it has ended but nobody asked for its status yet, None where
    the system does not say (it is gone, or this is not Linux).
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "dead" if state in "ZX" else fields[18]


def _alive(pid: int, birth: str | None) -> bool:
    """Whether the process that had this pid and birth lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, whose birth may be hidden
        return True
    return born(pid) == birth
