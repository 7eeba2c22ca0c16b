"""Diverged and stalled runs."""

from __future__ import annotations

import math
from typing import Any

import pytest

from search_spaces.schedules.decays import Constant
from study.records import EpochRecord
from study.tasks.task import Task, TaskData
from study.training.loop import (
    DIVERGED_ABOVE,
    STALLED_BELOW,
    diverged,
    stalled,
)
from tests.study.training.runs import config_of, run


def record_of(epoch: int = 0, **fields: Any) -> EpochRecord:
    measured: dict[str, Any] = {
        "first_lr": 0.1,
        "last_lr": 0.1,
        "train_loss": 1.0,
        "train_accuracy": 0.5,
        "val_loss": 1.0,
        "val_accuracy": 0.5,
        "averaged_val_loss": 1.0,
        "averaged_val_accuracy": 0.5,
        "weight_norm": {},
        "distance": {},
        "seconds": 1.0,
    }
    return EpochRecord(epoch=epoch, **measured | fields)


LIMIT = DIVERGED_ABOVE * math.log(10)
NO_VAL = {"val_loss": None, "val_accuracy": None}


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, False),
        (NO_VAL, False),
        ({"train_loss": LIMIT}, False),
        ({"train_loss": math.nextafter(LIMIT, math.inf)}, True),
        ({"train_loss": 1e30} | NO_VAL, True),
        ({"train_loss": math.nan}, True),
        ({"train_loss": math.inf}, True),
        ({"train_loss": math.nan} | NO_VAL, True),
        ({"val_loss": math.nan}, True),
        ({"val_loss": math.inf}, True),
        ({"weight_norm": {"conv1": 1.0, "fc3": math.nan}} | NO_VAL, True),
        ({"weight_norm": {"conv1": math.inf}}, True),
    ],
)
def test_divergence_at_its_edges(fields: dict[str, Any], verdict: bool) -> None:
    assert diverged([record_of(), record_of(1, **fields)], 10) is verdict
    assert diverged([record_of(0, **fields)], 10) is verdict


def test_divergence_is_that_of_the_last_epoch() -> None:
    assert not diverged([], 10)
    assert not diverged([record_of(train_loss=math.nan), record_of(1)], 10)
    assert diverged([record_of(train_loss=3.0)], 2)  # 4 ln 2 = 2.77
    assert not diverged([record_of(train_loss=3.0)], 10)


EDGE = 0.1 + STALLED_BELOW * (1 - 0.1)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, False),
        ({"val_accuracy": 0.1}, True),
        ({"val_accuracy": EDGE}, False),
        ({"val_accuracy": math.nextafter(EDGE, 0)}, True),
        ({"val_accuracy": 0.0}, True),
        ({"val_accuracy": 0.5, "train_accuracy": 0.1}, False),
        ({"val_accuracy": 0.1, "train_accuracy": 0.5}, True),
        (NO_VAL | {"train_accuracy": 0.1}, True),
        (NO_VAL | {"train_accuracy": 0.5}, False),
        ({"val_accuracy": 0.1, "train_loss": math.nan}, False),
        ({"val_accuracy": 0.1, "train_loss": LIMIT}, True),
    ],
)
def test_stalling_at_its_edges(fields: dict[str, Any], verdict: bool) -> None:
    assert stalled([record_of(), record_of(1, **fields)], 10) is verdict


def test_a_run_that_exploded_did_not_stall() -> None:
    assert not stalled([], 10)
    chance = record_of(1, val_accuracy=0.1)
    assert stalled([record_of(val_accuracy=0.1), chance], 10)
    assert not stalled([record_of(train_loss=math.inf), chance], 10)
    assert stalled([record_of(val_accuracy=0.51)], 2)


@pytest.mark.parametrize(
    ("network", "rate", "outcome"),
    [
        ("tiny_task", 1e6, "diverged"),
        ("tiny_task", 1e30, "diverged"),
        ("tiny_task", 1e-9, "stalled"),
        ("normed_task", 0.1, "finished"),
    ],
)
@pytest.mark.parametrize("validated", [True, False])
def test_real_runs_diverge_stall_and_learn(
    network: str,
    rate: float,
    outcome: str,
    validated: bool,
    tiny_data: TaskData,
    request: pytest.FixtureRequest,
) -> None:
    data = tiny_data if validated else TaskData(train=tiny_data.train)
    task = request.getfixturevalue(network)
    _, records = run(config_of(Constant(base_lr=rate)), task, data)
    assert diverged(records, 10) is (outcome == "diverged")
    assert stalled(records, 10) is (outcome == "stalled")
    if outcome == "finished":
        assert records[-1].train_accuracy > 0.9
        assert records[-1].train_loss < records[0].train_loss / 2


def test_a_run_that_exploded_can_be_written_down(tiny_task: Task, tiny_data: TaskData) -> None:
    _, records = run(config_of(Constant(base_lr=1e30), epochs=2), tiny_task, tiny_data)
    written = records[-1].to_json()
    assert written["train_loss"] is None
    assert written["val_loss"] is None
    assert set(written["weight_norm"].values()) == {None}
