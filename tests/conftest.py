"""What many tests need: a tiny task that is learned in milliseconds, and where `gpu` tests skip."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from alembic.config import Config
from alembic.script import ScriptDirectory

from analysis.figures import style
from study.tasks import lenet, plain_lenet
from study.tasks.fashion_mnist import Images, Split
from study.tasks.task import TASKS, Task, TaskData, load_task_data
from tests.postgres import HOW_TO_GET_IT, Server, programs, server

CPU = torch.device("cpu")
torch.set_num_threads(1)  # the images are few; threads would only wait for each other


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(scope="session", autouse=True)
def _migrations_read_once() -> Iterator[None]:
    """Optuna reads its migration scripts again and again whenever a storage is opened, which takes
    most of the time; they do not change."""
    read = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def read_once(config: Config) -> ScriptDirectory:
        location = config.get_main_option("script_location")
        if location not in known:
            known[location] = read(config)
        return known[location]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", read_once)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, one for each process that tests."""
    if programs() is None:
        if os.environ.get("LRSTUDY_POSTGRES") == "required":
            pytest.fail(HOW_TO_GET_IT)
        pytest.skip(HOW_TO_GET_IT)
    with server() as one:
        yield one


def tiny_images(split: Split) -> Images:
    """600 training or 100 test images of 10 classes: a class's own pattern and noise."""
    patterns = np.random.default_rng(0).integers(0, 160, (10, 28, 28))
    count, seed = (600, 1) if split == "train" else (100, 2)
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(count) % 10)
    pixels = patterns[labels] + generator.integers(0, 96, (count, 28, 28))
    return Images(torch.from_numpy(pixels.astype(np.uint8)), torch.from_numpy(labels))


@pytest.fixture
def tiny_task() -> Task:
    """LeNet on the tiny images: 500 for training, 100 for validation, 100 for the test."""
    return Task(
        name="tiny",
        classes=10,
        build=lambda config: lenet.lenet(config.init, config.seed),
        load=tiny_images,
        plain=plain_lenet,
    )


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_task: Task) -> None:
    """Fashion-MNIST is small and learned in milliseconds."""
    monkeypatch.setitem(TASKS, "fashion_mnist", tiny_task)


@pytest.fixture
def tiny_data(tiny_task: Task) -> TaskData:
    """The tiny task's images on the CPU, test images included."""
    return load_task_data(tiny_task, test=True, device=CPU)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn but not rendered, which takes most of the time."""
    empty = {"svg": b'<svg viewBox="0 0 1 1"/>'}  # which a page takes in
    monkeypatch.setattr(style, "render", lambda _, kind, source="": empty.get(kind, b""))
