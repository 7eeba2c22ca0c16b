"""Who works on a study: the running trials and their workers' last signs."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages._rdb import models
from optuna.trial import TrialState, create_trial

from analysis.reading import presence
from analysis.reading.presence import COLUMNS, running
from search_spaces.config import Budget
from search_spaces.spaces import SPACES
from study.spec import StudySpec
from study.storage.studies import create_study, open_storage


def _storage(tmp_path: Any) -> tuple[str, Any]:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    space, budget = SPACES["fixed_rate"], Budget(epochs=6)
    spec = StudySpec(
        space="fixed_rate",
        families=space.FAMILIES,
        trials=4,
        budget=budget,
        ranges=space.ranges(budget),
    )
    storage = open_storage(url, create=True)
    create_study(storage, "it", spec)
    return url, storage


def test_a_running_trial_shows_its_worker(tmp_path: Any) -> None:
    url, storage = _storage(tmp_path)
    study = optuna.load_study(study_name="it", storage=storage)
    done, mine = study.ask(), study.ask()
    study.tell(done, 0.5)
    mine.set_user_attr("device", "cuda:1")
    mine.set_user_attr("config", {"epochs": 6})
    mine.set_user_attr("history", [{"epoch": 0}, {"epoch": 1}])
    with storage.scoped_session() as session:
        beat = models.TrialHeartbeatModel
        row = session.execute(sa.select(beat).where(beat.trial_id == mine._trial_id)).scalar_one()
        row.heartbeat = row.heartbeat - timedelta(seconds=100)
        session.commit()
    (row,) = running(url, "it").to_dict("records")
    silent = row.pop("silent")
    assert 100 <= silent < 160
    assert row == {
        "trial": 1,
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "device": "cuda:1",
        "family": "constant",
        "epoch": 2,
        "epochs": 6,
    }


def test_without_running_trials_there_is_no_row_but_every_column(tmp_path: Any) -> None:
    url, _ = _storage(tmp_path)
    found = running(url, "it")
    assert list(found.columns) == COLUMNS
    assert found.empty


def test_what_another_program_left_is_missing(tmp_path: Any) -> None:
    url, storage = _storage(tmp_path)
    study = optuna.load_study(study_name="it", storage=storage)
    odd = {"config": [1], "history": "x", "pid": None, "host": None}
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=odd))
    with storage.scoped_session() as session:
        session.execute(sa.delete(models.TrialHeartbeatModel))
        session.commit()
    (row,) = running(url, "it").to_dict("records")
    assert (row["epoch"], row["host"], row["pid"]) == (0, None, None)
    assert row["epochs"] is None
    assert row["silent"] != row["silent"]


def test_a_trial_that_ends_while_it_is_read_still_has_its_worker(
    tmp_path: Any, monkeypatch: Any
) -> None:
    url, storage = _storage(tmp_path)
    study = optuna.load_study(study_name="it", storage=storage)
    mine = study.ask()
    fetch = presence.fetch

    def fetch_and_end(*asked: Any) -> Any:
        found = fetch(*asked)
        study.tell(mine, 0.5)
        return found

    monkeypatch.setattr(presence, "fetch", fetch_and_end)
    (row,) = running(url, "it").to_dict("records")
    assert row["pid"] == os.getpid()
    assert study.trials[0].state == TrialState.COMPLETE
