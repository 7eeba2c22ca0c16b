"""Tasks: what is learned. A network, a data set, and the fixed split of its training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from search_spaces.config import TrialConfig
from search_spaces.words.unknown import unknown
from study.tasks import fashion_mnist, lenet, plain_lenet
from study.tasks.fashion_mnist import Images, Split
from study.tasks.split import SPLIT_SEED, VALIDATION_SHARE, stratified_order


@dataclass(frozen=True)
class Task:
    """A classification task.

    build: the untrained network of a run, on the CPU, a function of the configuration alone.
    load: the labelled images of a split as (n, height, width) uint8 and (n,) int64.
    plain: a module that needs PyTorch alone, whose ``network()`` has the parameters and the
        predictions of ``build``: what is exported; None: the export needs lrstudy.
    """

    name: str
    classes: int
    build: Callable[[TrialConfig], nn.Module]
    load: Callable[[Split], Images]
    plain: ModuleType | None = None

    @property
    def worst_score(self) -> float:
        """Accuracy of a guess: the result of a run that diverged."""
        return 1.0 / self.classes


@dataclass(frozen=True)
class TaskData:
    """The images of a study on the training device: pixels (n, 1, height, width) float32 in
    [0, 1], labels (n,) int64. None where a study has no such images."""

    train: Images
    val: Images | None = None
    test: Images | None = None


def _load_fashion_mnist(split: Split) -> Images:
    return fashion_mnist.load(fashion_mnist.find([split]), split)


TASKS = {
    "fashion_mnist": Task(
        name="fashion_mnist",
        classes=10,
        build=lambda config: lenet.lenet(config.init, config.seed),
        load=_load_fashion_mnist,
        plain=plain_lenet,
    )
}


def find_task(name: str) -> Task:
    """The task of that name. Raises ValueError naming the nearest one."""
    if name not in TASKS:
        raise ValueError(unknown("task", name, TASKS))
    return TASKS[name]


def load_task_data(
    task: Task,
    *,
    train_size: int | None = None,
    val_size: int | None = None,
    validation: bool = True,
    test: bool = False,
    device: torch.device,
) -> TaskData:
    """The task's images as tensors on the device.

    With ``validation`` one training image in six is kept apart, by a fixed stratified split;
    without it all are for training. train_size, val_size: only so many, >= 1, stratified, a
    smaller number being part of a larger one; None for all. The test files are opened only for
    ``test``. Raises ValueError where a size is out of range, DataError where the data are missing.
    """
    images = task.load("train")
    order = stratified_order(images.labels.numpy(), SPLIT_SEED)
    held_out = len(order) // VALIDATION_SHARE if validation else 0
    train = _first(order[held_out:], train_size, "train_size")
    val = _first(order[:held_out], val_size, "val_size") if validation else None
    return TaskData(
        train=_on_device(images, train, device),
        val=None if val is None else _on_device(images, val, device),
        test=_on_device(task.load("test"), slice(None), device) if test else None,
    )


def first_images(data: TaskData, train_size: int | None) -> TaskData:
    """The same data with the first ``train_size`` training images, which is what `load_task_data`
    gives for that size; all of them for None."""
    if train_size is None:
        return data
    train = Images(data.train.pixels[:train_size], data.train.labels[:train_size])
    return replace(data, train=train)


def _first(indices: npt.NDArray[np.int64], size: int | None, name: str) -> npt.NDArray[np.int64]:
    if size is not None and not 1 <= size <= len(indices):
        raise ValueError(f"{name}={size} must lie between 1 and {len(indices)}")
    return indices[:size]


def _on_device(
    images: Images, chosen: npt.NDArray[np.int64] | slice, device: torch.device
) -> Images:
    """Images scaled to [0, 1] with a channel dimension."""
    pixels = images.pixels[chosen].to(device).unsqueeze(1).to(torch.float32) / 255.0
    return Images(pixels, images.labels[chosen].to(device))
