"""Short runs of the training loop, and how two are compared."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.given import Plateau, Table
from search_spaces.schedules.horizon import Cosine
from study.records import EpochRecord
from study.tasks.task import Task, TaskData
from study.training.loop import (
    TrainingState,
    start,
    train,
)

CPU = torch.device("cpu")
COSINE = Cosine(base_lr=0.2, final_lr=0.01, horizon=2, warmup=0.5)
NO_RATE = Table(base_lr=1.0, rates=(0.0,))


PLATEAU = Plateau(base_lr=0.2, alpha=0.5, patience=0, threshold=0.99, warmup=0.5)


def config_of(schedule: ScheduleConfig | None = None, **fields: Any) -> TrialConfig:
    """Three epochs of 500 images in batches of 64: seven full ones and one of 52."""
    schedule = Constant(base_lr=0.1) if schedule is None else schedule
    return TrialConfig(schedule=schedule, **{"epochs": 3, "seed": 5, "batch_size": 64} | fields)


def normed(config: TrialConfig) -> nn.Module:
    """A small network with batch normalization, and smooth: where ReLU switches, a rounding error
    becomes a jump of the gradient."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=5, stride=4, bias=False),
            nn.BatchNorm2d(4),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(4 * 6 * 6, 10),
        )


def run(config: TrialConfig, task: Task, data: TaskData) -> tuple[TrainingState, list[EpochRecord]]:
    state = start(config, task, data, CPU)
    return state, list(train(state, data))


def timeless(records: list[EpochRecord]) -> list[dict[str, Any]]:
    """All that is measured but the time."""
    return [asdict(record) | {"seconds": 0.0} for record in records]


def arrays(module: nn.Module) -> dict[str, npt.NDArray[Any]]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def assert_same_weights(first: nn.Module, second: nn.Module) -> None:
    theirs = second.state_dict()
    assert first.state_dict().keys() == theirs.keys()
    for name, value in first.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def through_a_file(state: TrainingState) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state.state_dict(), buffer)
    buffer.seek(0)
    saved: dict[str, Any] = torch.load(buffer, weights_only=True)
    return saved
