"""What another program left in an Optuna storage, under the names of `study.trials_dataframe()`.

``params_NAME``, ``user_attrs_KEY`` and ``system_attrs_KEY`` hold what is stored, so that no name
of another program meets a column of lrstudy and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import NoneType
from typing import Any

import pandas as pd
from sqlalchemy.engine import Connection

from analysis.reading.database import (
    SYSTEM_ATTRIBUTES,
    SYSTEM_STUDY_ATTRIBUTES,
    attributes,
    directions,
    objectives,
    params,
    reports,
    study_attributes,
    study_id,
    trial_rows,
)
from study.storage.opening import connect

PARAM, USER, SYSTEM = "params_", "user_attrs_", "system_attrs_"
PREFIXES = (PARAM, USER, SYSTEM)
_METRIC_NAMES = "study:metric_names"


def load(url: str, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trials and intermediate values of a study that lrstudy did not make.

    trials: study, trial, state, value (or values_0, values_1, ... where the study has several
        objectives; values_NAME where it names them), start and complete (UTC), seconds, then
        params_NAME, user_attrs_KEY and system_attrs_KEY.
    curves: a row per intermediate value: study, trial, state, step, intermediate_value.
    Raises StorageError.
    """
    with connect(url) as connection:
        identity = study_id(connection, name)
        rows = trial_rows(connection, identity)
        scores = _scores(connection, identity, rows)
        told = reports(connection, identity)
        found = {
            PARAM: params(connection, identity),
            USER: attributes(connection, identity),
            SYSTEM: attributes(connection, identity, source=SYSTEM_ATTRIBUTES),
        }
    trials = pd.DataFrame({"study": name, "trial": rows["trial"], "state": states(rows)})
    trials = trials.join(scores).join(moments(rows))
    for prefix, each in found.items():
        trials = trials.join(prefixed(prefix, each, rows.index))
    curves = trials[["study", "trial", "state"]].merge(
        told, left_index=True, right_on="trial_id", validate="one_to_many"
    )
    curves = curves.drop(columns="trial_id")
    return trials.reset_index(drop=True), curves.reset_index(drop=True)


def _scores(connection: Connection, identity: int, rows: pd.DataFrame) -> pd.DataFrame:
    """What the trials scored: ``value``, or a column for each of several objectives."""
    count = len(directions(connection, identity))
    if count <= 1:
        return rows[["value"]]
    names = study_attributes(connection, _METRIC_NAMES, SYSTEM_STUDY_ATTRIBUTES).get(identity)
    if not isinstance(names, list) or len({str(each) for each in names}) != count:
        names = range(count)
    scores = objectives(connection, identity).reindex(index=rows.index, columns=range(count))
    return scores.set_axis([f"values_{each}" for each in names], axis=1)


def states(rows: pd.DataFrame) -> pd.Series:
    """Optuna's state in lrstudy's words: complete, pruned, failed, running, waiting."""
    return rows["state"].astype(str).str.lower().replace("fail", "failed")


def moments(rows: pd.DataFrame) -> pd.DataFrame:
    """start and complete (UTC; NaT for what no calendar has) and the seconds between them; NaN
    where it completed before it started."""
    sides = {
        side: pd.to_datetime(rows[f"datetime_{side}"], utc=True, errors="coerce")
        for side in ("start", "complete")
    }
    seconds = (sides["complete"] - sides["start"]).dt.total_seconds()
    return pd.DataFrame(sides).assign(seconds=seconds.where(seconds >= 0))


def prefixed(
    prefix: str,
    found: Mapping[int, Mapping[str, Any]],
    index: pd.Index,
    besides: Collection[str] = (),
) -> pd.DataFrame:
    """A column ``prefix + name`` for each name that a trial has, but for some, by trial id."""
    names = dict.fromkeys(name for each in found.values() for name in each if name not in besides)
    columns = {
        f"{prefix}{name}": natural([found.get(trial, {}).get(name) for trial in index])
        for name in names
    }
    return pd.DataFrame({name: pd.Series(each, index) for name, each in columns.items()}, index)


def natural(values: list[Any]) -> pd.api.extensions.ExtensionArray | list[Any] | pd.Series:
    """The values in the narrowest type that holds each of them as it is: Int64, boolean, float or
    text; else as objects."""
    kinds = set(map(type, values)) - {NoneType}
    if kinds == {int} and all(abs(each) < 2**63 for each in values if each is not None):
        return pd.array(values, "Int64")
    if kinds == {bool}:
        return pd.array(values, "boolean")
    if kinds == {float}:
        return pd.array(values, float)
    if kinds == {str}:
        return pd.array(values, "str")
    return pd.array(values, object)
