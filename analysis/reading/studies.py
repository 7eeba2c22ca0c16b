"""Which studies a storage has, and what each was asked to do."""

from __future__ import annotations

import pandas as pd
import sqlalchemy as sa

from analysis.reading.database import (
    ATTRIBUTES,
    STUDIES,
    TRIALS,
    fetch,
    study_attributes,
    study_id,
)
from analysis.reading.states import STATES, slot_states, states
from study.records import OutcomeRecord
from study.spec import SPEC_ATTR, StudySpec
from study.storage.opening import connect
from study.storage.studies import parse_spec
from study.study_command import COMMAND_ATTR, kept_words
from study.values import floats, integer, mapping, parsed, text


def names(url: str) -> list[str]:
    """The names of the studies in the storage."""
    with connect(url) as connection:
        return list(fetch(connection, sa.select(STUDIES.c.study_name))["study_name"])


def has_spec(url: str, name: str) -> bool:
    """Whether lrstudy made the study, in whichever version."""
    with connect(url) as connection:
        identity = study_id(connection, name)
        return identity in study_attributes(connection, SPEC_ATTR)


def spec(url: str, name: str) -> StudySpec:
    """What the study was asked to do. Raises StorageError where lrstudy did not make it."""
    with connect(url) as connection:
        identity = study_id(connection, name)
        specs = study_attributes(connection, SPEC_ATTR)
    return parse_spec(name, specs.get(identity))


def made_by(url: str, name: str) -> list[str] | None:
    """The words of the command that makes a study of lrstudy; None where no command does. See
    `study.study_command`."""
    known = spec(url, name)
    with connect(url) as connection:
        stored = study_attributes(connection, COMMAND_ATTR)
        return kept_words(known, stored.get(study_id(connection, name)))


def studies(url: str) -> pd.DataFrame:
    """A row per study of the storage: name, space (None if another program's), attempts (at its
    trials, of any state), planned (trials asked for; None if another program's), and how many of
    these have each of STATES, see `slot_states`."""
    keys = list(OutcomeRecord.model_fields)
    outcomes = [ATTRIBUTES.alias(key) for key in keys]
    query = sa.select(
        TRIALS.c.study_id,
        TRIALS.c.number.label("trial"),
        TRIALS.c.state,
        *(attribute.c.value_json.label(attribute.name) for attribute in outcomes),
    )
    for attribute in outcomes:
        same = (attribute.c.trial_id == TRIALS.c.trial_id) & (attribute.c.key == attribute.name)
        query = query.outerjoin(attribute, same)
    with connect(url) as connection:
        listed = fetch(connection, sa.select(STUDIES.c.study_id, STUDIES.c.study_name))
        rows = fetch(connection, query)
        stored = study_attributes(connection, SPEC_ATTR)
    for key in keys:
        rows[key] = [parsed(each) if isinstance(each, str) else None for each in rows[key]]
    rows = rows.assign(state=states(rows), slot=floats([integer(each) for each in rows["slot"]]))
    specs = {identity: mapping(stored.get(identity)) for identity in listed["study_id"]}
    planned = {identity: integer(values.get("trials")) for identity, values in specs.items()}
    counts = [slot_states(rows[rows["study_id"] == each], planned[each]) for each in specs]
    head = pd.DataFrame(
        {
            "name": listed["study_name"].to_numpy(),
            "space": [text(values.get("space")) for values in specs.values()],
            "attempts": [int((rows["study_id"] == each).sum()) for each in specs],
            "planned": pd.array(list(planned.values()), "Int64"),
        }
    )
    return pd.concat([head, pd.DataFrame(counts, columns=list(STATES), dtype=int)], axis=1)
