"""The cost of a study: arithmetic on a clock that the test holds."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from study import devices
from study.spec import StudySpec
from study.tasks.task import TASKS, Task, TaskData
from study.training.loop import TrainingState, train
from study.trials.objective import load_data
from study.workers import estimate as module
from study.workers.estimate import Cost, estimate

TRAIN_SECONDS = 3.0  # what an epoch of the timed steps takes on the test's clock
EVALUATION_SECONDS = 2.0


@pytest.fixture
def timed(tiny_task: Task, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tiny task under a clock of the test; how many images each timed training saw."""
    seen: list[int] = []

    def timed_train(state: TrainingState, data: TaskData) -> Iterator[Any]:
        seen.append(len(data.train.labels))
        for record in train(state, data):
            seconds = 100.0 if record.epoch == 0 else TRAIN_SECONDS  # the first epoch warms up
            yield types.SimpleNamespace(seconds=seconds)

    clock = itertools.count(0.0, EVALUATION_SECONDS)
    monkeypatch.setattr(module, "train", timed_train)
    monkeypatch.setattr(module, "time", types.SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setitem(TASKS, "tiny", tiny_task)
    return seen


def spec(**fields: Any) -> StudySpec:
    search = {
        "space": "fixed_rate",
        "task": "tiny",
        "families": ["constant"],
        "trials": 7,
        "budget": {"epochs": 4},
        "ranges": {"base_lr": {"low": 0.1, "high": 1.0}},
    }
    return StudySpec.model_validate(search | fields)


def test_a_search(timed: list[int]) -> None:
    # 500 images are fewer than 20 batches, so that all are timed; 2 x 100 evaluated an epoch
    seconds = 4 * (TRAIN_SECONDS + 2 * EVALUATION_SECONDS)
    cost = estimate(spec(), "cpu", 1)
    assert (cost.trials, cost.epochs, cost.train_images, cost.workers) == (7, 4, 500, 1)
    assert cost.seconds_per_trial == pytest.approx(seconds)
    assert cost.hours == pytest.approx(7 * seconds / 3600)
    assert timed == [500]


def test_a_part_of_the_images_and_a_few_batches(timed: list[int]) -> None:
    smaller = {"epochs": 4, "train_size": 300, "val_size": 50}
    cost = estimate(spec(budget=smaller, optimizer={"batch_size": 8}), "cpu", 1)
    assert timed == [160]
    assert cost.train_images == 300
    epoch = 300 / 160 * TRAIN_SECONDS + 2 * EVALUATION_SECONDS
    assert cost.seconds_per_trial == pytest.approx(4 * epoch)


def test_a_design_evaluates_the_test_images_once(timed: list[int]) -> None:
    families = ["constant/as-intended", "cosine/as-published"]
    chapter = spec(space="chapter", families=families, trials=4, ranges={})
    cost = estimate(chapter, "cpu", 1)
    assert timed == [600]
    assert cost.train_images == 600
    # evaluation was timed on the 600 training images: 2 x 100 of them are a third of it
    seconds = 4 * TRAIN_SECONDS + EVALUATION_SECONDS / 3
    assert cost.seconds_per_trial == pytest.approx(seconds)
    assert cost.hours == pytest.approx(4 * seconds / 3600)


ARMS = [
    {"family": "constant", "parameters": {"base_lr": 0.5}},
    {
        "family": "constant",
        "parameters": {"base_lr": 0.5},
        "budget": {"epochs": 1, "train_size": 100},
    },
]
LATER: dict[str, Any] = {
    "arms": ARMS,
    "source": "it",
    "trials": 6,
    "pruner": "none",
    "replicates": None,
}


def test_every_arm_costs_by_its_own_budget(timed: list[int]) -> None:
    cost = estimate(spec(stage="confirm", **LATER), "cpu", 1)
    long = 4 * (TRAIN_SECONDS + 2 * EVALUATION_SECONDS)
    short = TRAIN_SECONDS / 5 + 2 * EVALUATION_SECONDS
    assert cost.seconds_per_trial == pytest.approx((long + short) / 2)
    assert cost.hours == pytest.approx(3 * (long + short) / 3600)
    assert (cost.trials, cost.epochs) == (6, 4)


@pytest.mark.parametrize(("train_on", "images", "sets"), [("train", 500, 3), ("all", 600, 2)])
def test_the_test_stage_reads_the_test_images_with_each_set_of_weights(
    timed: list[int], train_on: str, images: int, sets: int
) -> None:
    """With all images for training there is no best epoch, nor any validation."""
    cost = estimate(spec(stage="test", train_on=train_on, **LATER | {"arms": ARMS[:1]}), "cpu", 1)
    assert timed == [images]
    # evaluation was timed on the 100 validation images, or on the 600 that are all for training
    each = EVALUATION_SECONDS if train_on == "train" else EVALUATION_SECONDS / 6
    validation = 4 * 2 * each if train_on == "train" else 0
    assert cost.seconds_per_trial == pytest.approx(4 * TRAIN_SECONDS + validation + sets * each)
    assert cost.train_images == images


@pytest.mark.parametrize(("workers", "rounds"), [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1), (8, 1)])
def test_the_last_round_may_be_short(
    timed: list[int], monkeypatch: pytest.MonkeyPatch, workers: int, rounds: int
) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 8)
    cost = estimate(spec(budget={"epochs": 1, "train_size": 20, "val_size": 10}), "cpu", workers)
    assert cost.hours * 3600 / cost.seconds_per_trial == pytest.approx(rounds)
    assert cost.at_once == cost.workers == workers


@pytest.mark.parametrize("workers", [2, 3, 5000])
def test_more_workers_than_cores_are_no_faster(
    timed: list[int], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 2)
    cost = estimate(spec(), "cpu", workers)
    assert cost.hours == pytest.approx(4 * cost.seconds_per_trial / 3600)  # 7 trials in 4 rounds
    assert (cost.workers, cost.at_once) == (workers, 2)
    elsewhere = estimate(spec(), "cpu", workers, at_once=workers)
    assert elsewhere.hours == pytest.approx(-(-7 // workers) * cost.seconds_per_trial / 3600)


@pytest.mark.parametrize("workers", [1, 2])
def test_several_workers_are_timed_with_one_thread_each(
    timed: list[int], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    threads = torch.get_num_threads()
    used: list[int] = []

    def loading(*arguments: Any) -> TaskData:
        used.append(torch.get_num_threads())
        return load_data(*arguments)

    monkeypatch.setattr(module, "load_data", loading)
    torch.set_num_threads(2)
    try:
        estimate(spec(budget={"epochs": 1, "train_size": 20}), "cpu", workers)
        assert used == [1 if workers > 1 else 2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_clock_of_the_machine(tiny_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "tiny", tiny_task)
    cost = estimate(spec(), "cpu", 1)
    assert cost.seconds_per_trial > 0
    assert cost.hours == pytest.approx(7 * cost.seconds_per_trial / 3600)


def test_a_device_that_is_not_there(timed: list[int]) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(ValueError, match="device 'gpu' is not available here; there are: auto, "):
        estimate(spec(), "gpu", 2)
    assert torch.get_num_threads() == threads


def test_json_has_the_fields_by_name() -> None:
    values: dict[str, Any] = {
        "trials": 6,
        "epochs": 2,
        "train_images": 500,
        "workers": 2,
        "at_once": 2,
        "seconds_per_trial": 1.5,
        "hours": 0.00125,
    }
    assert Cost(**values).to_json() == values
