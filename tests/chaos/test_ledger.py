"""The ledger tells a study in which all is well from one in which it is not."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from search_spaces.config import Budget, Range
from search_spaces.spaces import SPACES
from study.spec import StudySpec
from study.storage.claims import SlotStorage
from study.storage.studies import create_study, open_storage
from study.workers.worker import Worker
from tests.chaos.ledger import ledger

NAME = "it"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'it.db'}"


def _study(url: str, base_lr: float) -> SlotStorage:
    """Two slots that train at a fixed rate."""
    budget, space = Budget(epochs=3, train_size=200, val_size=200), SPACES["fixed_rate"]
    spec = StudySpec(
        space="fixed_rate",
        families=space.FAMILIES,
        trials=2,
        budget=budget,
        ranges={"base_lr": Range(low=base_lr, high=base_lr, log=True)},
        pruner="none",
    )
    storage = open_storage(url, create=True)
    create_study(storage, NAME, spec)
    return storage


def _work(storage: SlotStorage) -> list[dict[str, Any]]:
    """An attempt at the first slot that is cut off, then both slots to their ends."""
    torch.set_num_threads(1)
    told: list[dict[str, Any]] = []
    worker = Worker(storage, NAME, torch.device("cpu"), told.append)
    cut_off = worker.study.ask()
    cut_off.set_user_attr("interrupted", True)
    cut_off.set_user_attr("history", [])
    worker.study.tell(cut_off, state=TrialState.FAIL)
    worker.work()
    return told


@pytest.mark.parametrize(("base_lr", "outcome"), [(0.1, "stalled"), (1e6, "diverged")])
def test_a_study_in_which_all_is_well(url: str, base_lr: float, outcome: str) -> None:
    told = _work(_study(url, base_lr))
    assert [each["outcome"] for each in told if each["event"] == "end"] == [outcome] * 2
    found = ledger(url, NAME, repeat=True)
    assert found.faultless, str(found)
    assert (found.slots, found.attempts, found.interrupted) == (2, 3, 1)


def test_a_slot_without_an_end_is_lost(url: str) -> None:
    _study(url, 0.1)
    assert ledger(url, NAME, repeat=True).lost == 2


def test_a_changed_history_is_found(url: str) -> None:
    _work(_study(url, 0.1))
    retried = 2  # the trial, as the database counts from 1
    history = _read(url, retried)
    _write(url, retried, [history[0] | {"train_loss": 2.0}, *history[1:]])
    found = ledger(url, NAME, repeat=True)
    assert (found.different, found.wrong_history) == (1, 0)
    _write(url, retried, [history[0], history[2]])
    found = ledger(url, NAME, repeat=True)
    assert (found.different, found.wrong_history) == (1, 1)
    assert found.told == ("slot 0 (fail, complete) has epochs [0, 2]",)


def _read(url: str, trial_id: int) -> list[dict[str, Any]]:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        query = (
            "SELECT value_json FROM trial_user_attributes WHERE key = 'history' AND trial_id = ?"
        )
        (text,) = database.execute(query, [trial_id]).fetchone()
    found: list[dict[str, Any]] = json.loads(text)
    return found


def _write(url: str, trial_id: int, history: list[dict[str, Any]]) -> None:
    """Behind the back of Optuna, which does not change a trial that has ended."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        query = (
            "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'history' AND trial_id = ?"
        )
        database.execute(query, [json.dumps(history), trial_id])
