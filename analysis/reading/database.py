"""Reads the tables of an Optuna storage with a few plain queries, and changes nothing there.

Optuna's own ``get_trials`` builds an object for each trial, parameter and value; for a thousand
trials that takes seconds where these queries take tenths.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from search_spaces.words.unknown import unknown
from study.storage.urls import StorageError, UnknownStudyError
from study.values import mapping, parsed


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))


def _attributes(owner: str) -> sa.TableClause:
    """Attributes of studies or trials, a user's or Optuna's own."""
    return _table(f"{owner}_attributes", f"{owner.split('_')[0]}_id", "key", "value_json")


STUDIES = _table("studies", "study_id", "study_name")
STUDY_ATTRIBUTES = _attributes("study_user")
SYSTEM_STUDY_ATTRIBUTES = _attributes("study_system")
DIRECTIONS = _table("study_directions", "study_id", "objective", "direction")
TRIALS = sa.table(
    "trials",
    *map(sa.column, ("trial_id", "number", "study_id", "state")),
    sa.column("datetime_start", sa.DateTime),
    sa.column("datetime_complete", sa.DateTime),
)
VALUES = _table("trial_values", "trial_id", "objective", "value", "value_type")
PARAMS = _table("trial_params", "trial_id", "param_name", "param_value", "distribution_json")
ATTRIBUTES = _attributes("trial_user")
SYSTEM_ATTRIBUTES = _attributes("trial_system")
REPORTS = _table(
    "trial_intermediate_values",
    *("trial_id", "step", "intermediate_value", "intermediate_value_type"),
)
_REPORTED = ("intermediate_value", "intermediate_value_type")
_ELSEWHERE = re.compile(r"([a-z][a-z0-9+]*://.+)#(.+)")
_NOT_FINITE = {"INF_POS": np.inf, "INF_NEG": -np.inf, "NAN": np.nan}  # where the value is NULL


def fetch(connection: Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """The rows of a query, one column for each of its columns (also where there is no row). Raises
    StorageError where a moment is none."""
    result = connection.execute(query)
    try:
        rows = result.all()
    except (ValueError, TypeError) as error:
        raise StorageError(f"the data in the storage are damaged: {error}") from None
    return pd.DataFrame(rows, columns=list(result.keys()))


def split_name(name: str, url: str) -> tuple[str, str]:
    """Storage and study of ``URL#NAME``, or of a plain name in the storage ``url``."""
    parts = _ELSEWHERE.fullmatch(name)
    return (parts[1], parts[2]) if parts else (url, name)


def study_id(connection: Connection, name: str) -> int:
    """The id of the study called ``name``; StorageError with the nearest name if there is none."""
    known = fetch(connection, sa.select(STUDIES.c.study_id, STUDIES.c.study_name))
    ids = known.loc[known["study_name"] == name, "study_id"]
    if ids.empty:
        if known.empty:
            raise UnknownStudyError(f"there is no study {name!r}: the storage is empty")
        raise UnknownStudyError(unknown("study", name, sorted(known["study_name"])))
    return int(ids.iloc[0])


def of_study(query: sa.Select[Any], source: sa.TableClause, identity: int) -> sa.Select[Any]:
    """``query`` over a table that has trial ids, kept to the trials of one study."""
    return query.join(TRIALS, TRIALS.c.trial_id == source.c.trial_id).where(
        TRIALS.c.study_id == identity
    )


def study_attributes(
    connection: Connection, key: str, source: sa.TableClause = STUDY_ATTRIBUTES
) -> dict[int, Any]:
    """An attribute of every study that has it, parsed, by study id."""
    query = sa.select(source.c.study_id, source.c.value_json).where(source.c.key == key)
    rows = connection.execute(query)
    return {identity: parsed(text) for identity, text in rows}


def trial_rows(connection: Connection, identity: int) -> pd.DataFrame:
    """Number, state, times, the first value (as it is stored) and the number of reports, by trial
    id."""
    rows = fetch(connection, sa.select(TRIALS).where(TRIALS.c.study_id == identity))
    rows = rows.set_index("trial_id").sort_values("number").rename(columns={"number": "trial"})
    reports = sa.select(REPORTS.c.trial_id, sa.func.count().label("reports"))
    reports = of_study(reports, REPORTS, identity).group_by(REPORTS.c.trial_id)
    value = objectives(connection, identity).reindex(columns=[0])[0].rename("value")
    return rows.join(value).join(fetch(connection, reports).set_index("trial_id"))


def objectives(connection: Connection, identity: int) -> pd.DataFrame:
    """What each trial scored, a column for each objective (0, 1, ...), by trial id."""
    columns = (VALUES.c.trial_id, VALUES.c.objective, VALUES.c.value, VALUES.c.value_type)
    scores = fetch(connection, of_study(sa.select(*columns), VALUES, identity))
    scores["value"] = _stored(scores["value"], scores["value_type"])
    return scores.pivot_table("value", "trial_id", "objective", aggfunc="first")


def reports(connection: Connection, identity: int) -> pd.DataFrame:
    """The intermediate values of all trials: trial_id, step, intermediate_value."""
    columns = sa.select(*(REPORTS.c[name] for name in ("trial_id", "step", *_REPORTED)))
    reported = fetch(connection, of_study(columns, REPORTS, identity))
    kinds = reported.pop("intermediate_value_type")
    reported["intermediate_value"] = _stored(reported["intermediate_value"], kinds)
    return reported.sort_values(["trial_id", "step"])


def _stored(values: pd.Series, kinds: pd.Series) -> pd.Series:
    """Numbers as Optuna stores them: those that are not finite by their kind."""
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    return numbers.fillna(kinds.map(_NOT_FINITE).astype(float))


def attributes(
    connection: Connection,
    identity: int,
    keys: Collection[str] | None = None,
    *,
    besides: Sequence[str] = (),
    source: sa.TableClause = ATTRIBUTES,
) -> dict[int, dict[str, Any]]:
    """The attributes of those keys (None: of all ``besides`` some), parsed, by trial id."""
    columns = (source.c.trial_id, source.c.key, source.c.value_json)
    query = of_study(sa.select(*columns), source, identity)
    wanted = source.c.key.not_in(besides) if keys is None else source.c.key.in_(keys)
    by_trial: dict[int, dict[str, Any]] = {}
    for trial, key, text in connection.execute(query.where(wanted)):
        by_trial.setdefault(trial, {})[key] = parsed(text)
    return by_trial


def params(connection: Connection, identity: int) -> dict[int, dict[str, Any]]:
    """The sampled parameters as they were sampled, by trial id: an integer, a float, or the choice
    of a categorical one, of whatever type; None where the storage holds none."""
    columns = (PARAMS.c.trial_id, PARAMS.c.param_name, PARAMS.c.param_value)
    query = of_study(sa.select(*columns, PARAMS.c.distribution_json), PARAMS, identity)
    by_trial: dict[int, dict[str, Any]] = {}
    kinds: dict[str, Any] = {}
    for trial, name, value, text in connection.execute(query):
        if text not in kinds:
            kinds[text] = mapping(parsed(text))
        by_trial.setdefault(trial, {})[name] = _sampled(value, kinds[text])
    return by_trial


def distributions(connection: Connection, identity: int) -> dict[str, dict[str, Any]]:
    """The distribution of each parameter, as Optuna writes it in JSON: of its first trial."""
    columns = (PARAMS.c.param_name, PARAMS.c.distribution_json)
    query = of_study(sa.select(*columns), PARAMS, identity).order_by(PARAMS.c.trial_id)
    found: dict[str, dict[str, Any]] = {}
    for name, text in connection.execute(query):
        if name not in found:
            found[name] = mapping(parsed(text))
    return found


def directions(connection: Connection, identity: int) -> list[str]:
    """``minimize`` or ``maximize`` for each objective of a study."""
    query = sa.select(DIRECTIONS.c.direction).where(DIRECTIONS.c.study_id == identity)
    found = connection.execute(query.order_by(DIRECTIONS.c.objective))
    return [str(direction).lower() for (direction,) in found]


def _sampled(value: Any, kind: dict[str, Any]) -> Any:
    """The value of a parameter from the number that is stored and its distribution."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    choices = mapping(kind.get("attributes")).get("choices")
    if isinstance(choices, list):
        return choices[int(value)] if 0 <= value < len(choices) else None
    whole = "Int" in str(kind.get("name")) and float(value).is_integer()
    return int(value) if whole else value
