"""How long a study will take, from a few timed steps of training and evaluation."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from search_spaces.config import TrialConfig
from search_spaces.schedules.decays import Constant
from study import devices
from study.spec import StudySpec
from study.tasks.fashion_mnist import Images
from study.tasks.task import TaskData, find_task
from study.training.evaluation import scores
from study.training.loop import TrainingState, start, train
from study.trials.objective import load_data

_BATCHES = 20
_EVALUATED = 2_000


@dataclass(frozen=True)
class Cost:
    """What a study costs if nothing is pruned.

    epochs: of the longest trials. workers: as many as were asked for; at_once: as many of them as
    make it faster. seconds_per_trial: of one worker, on average; hours: of all workers together,
    until the last one ends.
    """

    trials: int
    epochs: int
    train_images: int
    workers: int
    at_once: int
    seconds_per_trial: float
    hours: float

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def estimate(spec: StudySpec, device: str, workers: int, at_once: int | None = None) -> Cost:
    """Time a few steps on the device, with one thread if there are several workers.

    at_once: how many workers at most are taken not to slow each other down; default: one a core of
    this machine, on a GPU too, where each needs one to feed it. Raises ValueError where the device
    is not there, DataError where the data are missing.
    """
    most = devices.cores() if at_once is None else at_once
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if workers > 1 else threads)
    try:
        return _cost(spec, devices.resolve(device), workers, min(workers, most))
    finally:
        torch.set_num_threads(threads)


def _cost(spec: StudySpec, device: torch.device, workers: int, at_once: int) -> Cost:
    data = load_data(spec, device)
    train_images = len(data.train.labels)
    # Raw and averaged weights: on the validation images each epoch, on the test images at the end,
    # there with the best epoch's as well where there is validation.
    validated = 0 if data.val is None else 2 * len(data.val.labels)
    tested = 0 if data.test is None else (2 if data.val is None else 3) * len(data.test.labels)
    train = _seconds_per_train_image(spec, data, device)
    evaluate = _seconds_per_evaluated_image(spec, data, device)
    each = [
        budget.epochs * ((budget.train_size or train_images) * train + validated * evaluate)
        + tested * evaluate
        for budget in map(spec.slot_budget, range(spec.shares))
    ]
    seconds = sum(each) / len(each)
    rounds = -(-spec.trials // at_once)
    return Cost(
        trials=spec.trials,
        epochs=spec.budget.epochs,
        train_images=train_images,
        workers=workers,
        at_once=at_once,
        seconds_per_trial=seconds,
        hours=rounds * seconds / 3600,
    )


def _seconds_per_train_image(spec: StudySpec, data: TaskData, device: torch.device) -> float:
    """Of a second epoch over a few batches: the first one warms up."""
    config = TrialConfig(schedule=Constant(base_lr=0.01), epochs=2, seed=0, **spec.optimizer)
    few = TaskData(train=_first(data.train, _BATCHES * config.batch_size))
    last = list(train(_start(spec, config, few, device), few))[-1]
    return last.seconds / len(few.train.labels)


def _seconds_per_evaluated_image(spec: StudySpec, data: TaskData, device: torch.device) -> float:
    config = TrialConfig(schedule=Constant(base_lr=0.01), epochs=1, seed=0, **spec.optimizer)
    model = _start(spec, config, data, device).model
    few = _first(data.val or data.train, _EVALUATED)
    for _ in range(2):  # the first round warms up
        began = time.perf_counter()
        scores(model, few)[0].sum().item()
        seconds = time.perf_counter() - began
    return seconds / len(few.labels)


def _start(
    spec: StudySpec, config: TrialConfig, data: TaskData, device: torch.device
) -> TrainingState:
    return start(config, find_task(spec.task), data, device, spec.kernel)


def _first(images: Images, count: int) -> Images:
    return Images(images.pixels[:count], images.labels[:count])
