"""Tasks: the stratified split and the tensors that training sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import TrialConfig
from search_spaces.schedules.decays import Constant
from study.tasks.fashion_mnist import Images, Split
from study.tasks.split import stratified_order
from study.tasks.task import TASKS, Task, TaskData, first_images, load_task_data

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

CPU = torch.device("cpu")
Labels = npt.NDArray[np.int64]
label_arrays = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(
    lambda values: np.array(values, dtype=np.int64)
)
seeds = st.integers(0, 2**32)


# ---------------------------------------------------------------- the stratified order


@given(label_arrays, seeds)
def test_every_image_stands_in_the_order_once(labels: Labels, seed: int) -> None:
    order = stratified_order(labels, seed)
    assert sorted(order.tolist()) == list(range(len(labels)))
    assert order.tolist() == stratified_order(labels, seed).tolist()


@given(label_arrays, seeds, st.data())
def test_every_part_has_the_classes_in_their_proportions(
    labels: Labels, seed: int, draw: st.DataObject
) -> None:
    order = stratified_order(labels, seed)
    first = draw.draw(st.integers(0, len(labels) - 1))
    part = labels[order[first : draw.draw(st.integers(first + 1, len(labels)))]]
    classes, sizes = np.unique(labels, return_counts=True)
    for label, size in zip(classes, sizes, strict=True):
        share = size / len(labels)
        assert abs((part == label).sum() - share * len(part)) <= 1 + len(classes) * share + 1e-9


@given(st.integers(1, 10), st.integers(1, 20), st.integers(0, 20), seeds)
def test_classes_of_equal_size_have_equal_parts(
    classes: int, images: int, rounds: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.arange(classes * images) % classes)
    start = labels[stratified_order(labels, seed)[: min(rounds, images) * classes]]
    assert np.bincount(start, minlength=classes).tolist() == [min(rounds, images)] * classes


def test_another_seed_gives_another_order() -> None:
    labels = np.arange(100, dtype=np.int64) % 10
    assert stratified_order(labels, 1).tolist() != stratified_order(labels, 2).tolist()


def test_the_split_of_all_studies_is_this_one() -> None:
    """Studies of different dates can be compared only while it stays."""
    images = Images(torch.zeros(60, 28, 28, dtype=torch.uint8), torch.arange(60) % 10)
    images.pixels[:, 0, 0] = torch.arange(60)
    task = replace(TASKS["fashion_mnist"], load=lambda _split: images)
    val = load_task_data(task, device=CPU).val
    assert val is not None
    numbers = (val.pixels[:, 0, 0, 0] * 255).round().int()
    assert numbers.tolist() == [
        1,
        12,
        13,
        19,
        24,
        27,
        30,
        48,
        55,
        56,
    ]


# ---------------------------------------------------------------- loading


def rows(images: Images | None) -> list[bytes]:
    """Each image and its label as something that can be looked up."""
    assert images is not None
    pixels = (images.pixels * 255).round().to(torch.uint8)
    pairs = zip(pixels, images.labels, strict=True)
    return [image.numpy().tobytes() + bytes([int(label)]) for image, label in pairs]


def raw(task: Task, split: Split) -> list[bytes]:
    pixels, labels = task.load(split)
    pairs = zip(pixels, labels, strict=True)
    return [image.numpy().tobytes() + bytes([int(label)]) for image, label in pairs]


def never_the_test(task: Task) -> Task:
    def load(split: Split) -> Images:
        if split == "test":
            raise AssertionError("the test images were asked for")
        return task.load(split)

    return replace(task, load=load)


def test_tensors_in_the_unit_interval(tiny_data: TaskData) -> None:
    for images, count in ((tiny_data.train, 500), (tiny_data.val, 100), (tiny_data.test, 100)):
        assert images is not None
        assert images.pixels.shape == (count, 1, 28, 28)
        assert images.labels.shape == (count,)
        assert (images.pixels.dtype, images.labels.dtype) == (torch.float32, torch.int64)
        assert images.pixels.device == images.labels.device == CPU
        assert 0.0 <= images.pixels.min() < images.pixels.max() <= 1.0


def test_bytes_become_255ths() -> None:
    levels = torch.arange(256, dtype=torch.uint8).repeat(4)[: 28 * 28].reshape(1, 28, 28)
    images = Images(levels, torch.zeros(1, dtype=torch.int64))
    task = replace(TASKS["fashion_mnist"], load=lambda _split: images)
    pixels = load_task_data(task, validation=False, device=CPU).train.pixels
    assert pixels.flatten().tolist() == (levels.flatten().numpy() / np.float32(255)).tolist()


def test_training_and_validation_images_are_the_files_divided(
    tiny_task: Task, tiny_data: TaskData
) -> None:
    train, val = rows(tiny_data.train), rows(tiny_data.val)
    assert not set(train) & set(val)
    assert sorted(train + val) == sorted(raw(tiny_task, "train"))
    assert rows(tiny_data.test) == raw(tiny_task, "test")
    assert tiny_data.val is not None
    assert torch.bincount(tiny_data.val.labels).tolist() == [10] * 10
    assert torch.bincount(tiny_data.train.labels).tolist() == [50] * 10


@pytest.mark.parametrize(("size", "larger"), [(1, 2), (10, 250), (250, 499), (499, 500)])
def test_a_smaller_set_is_part_of_a_larger_one(tiny_task: Task, size: int, larger: int) -> None:
    small = load_task_data(tiny_task, train_size=size, val_size=min(size, 100), device=CPU)
    large = load_task_data(tiny_task, train_size=larger, device=CPU)
    assert rows(small.train) == rows(large.train)[:size]
    assert rows(small.val) == rows(large.val)[:size]
    assert len(rows(small.train)) == size


@pytest.mark.parametrize("size", [1, 10, 499, 500, None])
def test_the_first_images_are_those_of_a_study_of_that_size(
    tiny_task: Task, tiny_data: TaskData, size: int | None
) -> None:
    smaller = load_task_data(tiny_task, train_size=size, test=True, device=CPU)
    found = first_images(tiny_data, size)
    for mine, theirs in zip(vars(found).values(), vars(smaller).values(), strict=True):
        assert rows(mine) == rows(theirs)
    assert len(rows(tiny_data.train)) == 500


def test_all_images_are_for_training_without_validation(tiny_task: Task) -> None:
    found = load_task_data(never_the_test(tiny_task), validation=False, device=CPU)
    assert found.val is None
    assert found.test is None
    assert sorted(rows(found.train)) == sorted(raw(tiny_task, "train"))


def test_the_test_images_are_loaded_only_when_asked_for(tiny_task: Task) -> None:
    task = never_the_test(tiny_task)
    assert load_task_data(task, device=CPU).test is None
    with pytest.raises(AssertionError, match="the test images were asked for"):
        load_task_data(task, test=True, device=CPU)


OUT_OF_RANGE: list[tuple[dict[str, Any], str]] = [
    ({"train_size": 0}, "train_size=0 must lie between 1 and 500"),
    ({"train_size": 501}, "train_size=501 must lie between 1 and 500"),
    ({"train_size": -1}, "train_size=-1 must lie between 1 and 500"),
    ({"val_size": 0}, "val_size=0 must lie between 1 and 100"),
    ({"val_size": 101}, "val_size=101 must lie between 1 and 100"),
    ({"train_size": 601, "validation": False}, "train_size=601 must lie between 1 and 600"),
]


@pytest.mark.parametrize(("sizes", "message"), OUT_OF_RANGE)
def test_sizes_out_of_range(tiny_task: Task, sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="must lie between") as caught:
        load_task_data(tiny_task, device=CPU, **sizes)
    assert str(caught.value) == message


@pytest.mark.gpu
def test_images_lie_on_the_device(tiny_task: Task, tiny_data: TaskData) -> None:
    kind = "cuda" if torch.cuda.is_available() else "mps"
    found = load_task_data(tiny_task, test=True, device=torch.device(kind))
    for mine, theirs in zip(vars(found).values(), vars(tiny_data).values(), strict=True):
        assert (mine.pixels.device.type, mine.labels.device.type) == (kind, kind)
        torch.testing.assert_close(mine.pixels.cpu(), theirs.pixels)
        assert torch.equal(mine.labels.cpu(), theirs.labels)


# ---------------------------------------------------------------- Fashion-MNIST


def test_fashion_mnist_has_lenet_and_ten_classes() -> None:
    task = TASKS["fashion_mnist"]
    assert (task.name, task.classes, task.worst_score) == ("fashion_mnist", 10, 0.1)
    config = TrialConfig(schedule=Constant(base_lr=0.1), epochs=1, seed=4, init="xavier_uniform")
    first, again = task.build(config), task.build(config)
    other = task.build(config.model_copy(update={"init": "default"}))
    assert torch.equal(*(each.get_parameter("fc1.weight") for each in (first, again)))
    assert not torch.equal(*(each.get_parameter("fc1.weight") for each in (first, other)))
