"""One thread for every run, and a smooth network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from study.tasks.task import Task
from tests.study.training.runs import normed


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a worker, and faster on images this few."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def normed_task(tiny_task: Task) -> Task:
    return replace(tiny_task, name="normed", build=normed)
