"""SlotStorage hands out the slots of a study: exact totals with any number of workers.

A slot is claimed in the transaction that creates its trial, under the lock that Optuna takes on the
study's row (SQLite: BEGIN IMMEDIATE). That transaction also gives up trials whose worker is gone,
so nothing can be lost between the two: a slot is free if no trial of it runs or has ended well.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
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

from study.records import ClaimRecord, attributes
from study.spec import SPEC_ATTR, StudySpec
from study.storage import liveness
from study.storage.outages import PatientStorage, patient
from study.storage.slots import Attempt, free_slot

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
            attempts = [
                self._reap(session, each, silences) for each in _attempts(session, study_id)
            ]
            slot = free_slot(spec, attempts)
            template_trial = _slot_trial(spec, slot, attempts, _params(session, slot, attempts))
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        session.add(models.TrialHeartbeatModel(trial_id=trial.trial_id))
        return trial

    def _reap(
        self, session: orm.Session, attempt: Attempt, silences: dict[int, timedelta]
    ) -> Attempt:
        """The attempt; if it runs and its worker is gone it is failed first, as interrupted."""
        silent = silences.get(attempt.trial_id)
        if attempt.state != TrialState.RUNNING or not liveness.worker_is_gone(
            attempt, silent, _CLAIM.get()
        ):
            return attempt
        for key, value in attributes(interrupted=True).items():
            self._set_trial_attr_without_commit(
                session, models.TrialUserAttributeModel, attempt.trial_id, key, value
            )
        row = session.get_one(models.TrialModel, attempt.trial_id)
        row.state = TrialState.FAIL
        row.datetime_complete = _now()
        record = attempt.record.model_copy(update=attributes(interrupted=True))
        return replace(attempt, state=TrialState.FAIL, record=record)


def _slot_trial(
    spec: StudySpec, slot: int, attempts: list[Attempt], params: dict[str, Any]
) -> optuna.trial.FrozenTrial:
    """A running trial for the slot; ``params`` are fixed, the others will be sampled."""
    attrs = attributes(
        slot=slot,
        attempt=sum(each.slot == slot for each in attempts),
        family=spec.family(slot),
        replicate=spec.replicate(slot),
        seed=spec.training_seed(slot),
        baseline=spec.baseline(slot) is not None,
        **({"arm": spec.arm_place(slot)} if spec.arms else {}),
        host=liveness.process_space(),
        pid=os.getpid(),
        born=liveness.born(os.getpid()),
        claim=_CLAIM.get(),
    )
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


def _params(session: orm.Session, slot: int, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """The parameters that earlier attempts at a slot had: a retry is the same trial again."""
    earlier = [each.trial_id for each in attempts if each.slot == slot]
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
    attrs: dict[int, dict[str, Any]] = {trial_id: {} for trial_id, _ in rows}
    query = (
        sa.select(attr.trial_id, attr.key, attr.value_json)
        .join(trial, trial.trial_id == attr.trial_id)
        .where(trial.study_id == study_id, attr.key.in_(ClaimRecord.model_fields))
    )
    for trial_id, key, text in session.execute(query):
        attrs[trial_id][key] = json.loads(text)
    return [
        Attempt(trial_id, state, ClaimRecord.model_validate(attrs[trial_id]))
        for trial_id, state in rows
    ]


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
