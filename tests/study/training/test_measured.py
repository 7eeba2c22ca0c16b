"""What an epoch measures: validation, averages, norms."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from study.tasks.fashion_mnist import Images
from study.tasks.task import Task, TaskData
from study.training.evaluation import evaluate
from study.training.loop import (
    scores,
    start,
    train,
)
from tests.study.training.runs import CPU, NO_RATE, arrays, assert_same_weights, config_of, run


@pytest.mark.parametrize("network", ["tiny_task", "normed_task"])
def test_validation_is_of_the_weights_after_the_epoch(
    network: str, tiny_data: TaskData, request: pytest.FixtureRequest
) -> None:
    task, val = request.getfixturevalue(network), tiny_data.val
    assert val is not None
    state = start(config_of(), task, tiny_data, CPU)
    for record in train(state, tiny_data):
        measured = (
            (state.model, record.val_loss, record.val_accuracy),
            (state.averaged, record.averaged_val_loss, record.averaged_val_accuracy),
        )
        for model, loss, accuracy in measured:
            judge = task.build(state.config).eval()
            judge.load_state_dict(model.state_dict())
            with torch.no_grad():
                logits = judge(val.pixels).double().numpy()
            losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(100), val.labels.numpy()]
            assert loss == pytest.approx(losses.mean(), rel=1e-5)
            assert accuracy == pytest.approx((logits.argmax(1) == val.labels.numpy()).mean())
        assert record.seconds > 0


def test_counts_of_the_average_are_those_of_the_model(
    normed_task: Task, tiny_data: TaskData
) -> None:
    state, _ = run(config_of(), normed_task, tiny_data)
    for model in (state.model, state.averaged):
        assert model.get_buffer("1.num_batches_tracked").item() == 24
    assert not torch.equal(
        *(model.get_buffer("1.running_mean") for model in (state.model, state.averaged))
    )


def test_without_validation_data_there_is_no_validation(
    tiny_task: Task, tiny_data: TaskData
) -> None:
    only = TaskData(train=tiny_data.train)
    state, records = run(config_of(), tiny_task, only)
    for record in records:
        found = [value for name, value in asdict(record).items() if "val_" in name]
        assert found == [None] * 4
    with_val, others = run(config_of(), tiny_task, tiny_data)
    assert_same_weights(state.model, with_val.model)
    for name in ("train_loss", "train_accuracy", "weight_norm", "distance"):
        assert [getattr(r, name) for r in records] == [getattr(r, name) for r in others]


def test_norms_and_distances_by_layer(tiny_task: Task, tiny_data: TaskData) -> None:
    before = arrays(tiny_task.build(config_of()))
    state = start(config_of(), tiny_task, tiny_data, CPU)
    for record in train(state, tiny_data):
        now = arrays(state.model)
        assert list(record.weight_norm) == ["conv1", "conv2", "fc1", "fc2", "fc3"]
        assert list(record.distance) == list(record.weight_norm)
        for layer, norm in record.weight_norm.items():
            own = [name for name in now if name.startswith(layer)]
            assert len(own) == 2
            flat = np.concatenate([now[name].ravel() for name in own]).astype(np.float64)
            way = flat - np.concatenate([before[name].ravel() for name in own])
            assert norm == pytest.approx(float(np.linalg.norm(flat)), rel=1e-5)
            assert record.distance[layer] == pytest.approx(float(np.linalg.norm(way)), rel=1e-5)


class Bare(nn.Module):
    """A network whose parameters belong to no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((784, 10), 0.5))

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.flatten(1) @ self.weight


def test_a_network_without_layers(tiny_task: Task, tiny_data: TaskData) -> None:
    task = replace(tiny_task, build=lambda _config: Bare())
    _, records = run(config_of(NO_RATE, epochs=1), task, tiny_data)
    assert list(records[0].weight_norm) == ["network"]
    assert records[0].weight_norm["network"] == pytest.approx(0.5 * math.sqrt(7840), rel=1e-6)
    assert records[0].distance == {"network": 0.0}


def test_a_rate_of_zero_changes_nothing(tiny_task: Task, tiny_data: TaskData) -> None:
    state, records = run(config_of(NO_RATE), tiny_task, tiny_data)
    for model in (state.model, state.averaged):
        assert_same_weights(model, tiny_task.build(state.config))
    assert [set(record.distance.values()) for record in records] == [{0.0}] * 3
    assert len({record.val_loss for record in records}) == 1
    assert records[0].val_loss == records[0].averaged_val_loss


@pytest.mark.parametrize("was_training", [True, False])
def test_evaluation(normed_task: Task, tiny_data: TaskData, was_training: bool) -> None:
    assert tiny_data.val is not None
    assert tiny_data.test is not None
    parts = (tiny_data.train, tiny_data.val, tiny_data.test)
    images = Images(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
    state, _ = run(config_of(epochs=1, batch_size=500), normed_task, tiny_data)
    before = arrays(state.model)
    found = evaluate(state.model.train(was_training), images)
    assert state.model.training is was_training
    for name, value in arrays(state.model).items():
        np.testing.assert_array_equal(value, before[name])
    with torch.no_grad():
        logits = state.model.eval()(images.pixels)
    correct = (logits.argmax(1) == images.labels).numpy()
    assert found.correct.dtype == np.bool_
    assert found.correct.tolist() == correct.tolist()
    assert 0 < found.accuracy < 1
    assert found.accuracy == pytest.approx(correct.mean(), rel=1e-6)
    expected = F.cross_entropy(logits, images.labels, reduction="none")
    assert found.loss == pytest.approx(expected.mean().item(), rel=1e-5)
    losses, right = scores(state.model, images)
    torch.testing.assert_close(losses, expected)
    assert right.tolist() == correct.tolist()
