"""Who works on a study at the moment: a row for each running trial."""

from __future__ import annotations

from typing import Any

import pandas as pd
import sqlalchemy as sa

from analysis.reading.database import ATTRIBUTES, TRIALS, fetch, study_id
from study.records import TrialRecord
from study.storage.opening import connect
from study.values import integer, mapping, parsed

HEARTBEATS = sa.table(
    "trial_heartbeats", sa.column("trial_id"), sa.column("heartbeat", sa.DateTime)
)
COLUMNS = ["trial", "host", "pid", "device", "family", "epoch", "epochs", "silent"]


def running(url: str, name: str) -> pd.DataFrame:
    """The running trials of a study: trial, host, pid, device, family, epoch (trained so far),
    epochs (asked for), silent (seconds since the worker's last sign, by the database's clock).

    What is not known, or of another program, is None or NaN. Raises StorageError.
    """
    with connect(url) as connection:
        is_running = (TRIALS.c.study_id == study_id(connection, name)) & (
            sa.cast(TRIALS.c.state, sa.String) == "RUNNING"
        )
        signs = sa.select(
            TRIALS.c.trial_id, TRIALS.c.number, HEARTBEATS.c.heartbeat, sa.func.now().label("now")
        ).join_from(TRIALS, HEARTBEATS, TRIALS.c.trial_id == HEARTBEATS.c.trial_id, isouter=True)
        rows = fetch(connection, signs.where(is_running).order_by(TRIALS.c.number))
        # Not those that run now: one may have ended since.
        these = ATTRIBUTES.c.trial_id.in_(rows["trial_id"].tolist())
        query = sa.select(ATTRIBUTES.c.trial_id, ATTRIBUTES.c.key, ATTRIBUTES.c.value_json)
        query = query.where(these, ATTRIBUTES.c.key.in_(TrialRecord.model_fields))
        known: dict[int, dict[str, Any]] = {}
        for trial, key, written in connection.execute(query):
            known.setdefault(trial, {})[key] = parsed(written)
    sides = [pd.to_datetime(rows[side], utc=True) for side in ("now", "heartbeat")]
    silent = (sides[0] - sides[1]).dt.total_seconds().clip(lower=0)
    facts = [_facts(known.get(trial, {})) for trial in rows["trial_id"]]
    frame = pd.DataFrame(facts, columns=COLUMNS[1:-1]).assign(trial=rows["number"], silent=silent)
    return frame[COLUMNS]


def _facts(known: dict[str, Any]) -> dict[str, Any]:
    record = TrialRecord.model_validate(known)
    return {
        "host": record.host.partition(" ")[0] if record.host else None,
        "pid": record.pid,
        "device": record.device,
        "family": record.family,
        "epoch": len(record.history) if isinstance(record.history, list) else 0,
        "epochs": integer(mapping(record.config).get("epochs")),
    }
