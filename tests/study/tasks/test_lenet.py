"""LeNet against the chapter's layers, and its initial weights as a function of the seed."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from study.tasks.lenet import lenet
from tests.chapter_lenet import chapter_lenet

INITS: list[Literal["default", "xavier_uniform"]] = ["default", "xavier_uniform"]


def chapter_like(model: nn.Module) -> nn.Sequential:
    """The chapter's network with the model's weights."""
    net = chapter_lenet()
    weights = zip(net.state_dict(), model.state_dict().values(), strict=True)
    net.load_state_dict(dict(weights))
    return net


def test_the_chapters_parameters() -> None:
    assert {name: tuple(p.shape) for name, p in lenet("default", 0).named_parameters()} == {
        "conv1.weight": (6, 1, 5, 5),
        "conv1.bias": (6,),
        "conv2.weight": (16, 6, 5, 5),
        "conv2.bias": (16,),
        "fc1.weight": (120, 400),
        "fc1.bias": (120,),
        "fc2.weight": (84, 120),
        "fc2.bias": (84,),
        "fc3.weight": (10, 84),
        "fc3.bias": (10,),
    }
    assert not list(lenet("default", 0).buffers())


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_chapters_function_and_gradient(memory: torch.memory_format) -> None:
    """ReLU after the pooling, and whatever else is faster, changes nothing but the rounding."""
    model = lenet("default", 3)
    reference = chapter_like(model)
    model = model.to(memory_format=memory)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(37, 1, 28, 28, generator=generator)
    pixels[0] = 0.0
    logits, expected = model(pixels), reference(pixels)
    assert logits.shape == (37, 10)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)
    for output in (logits, expected):
        torch.autograd.backward(output.logsumexp(1).sum())
    for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("init", INITS)
def test_equal_seeds_give_equal_weights(init: Literal["default", "xavier_uniform"]) -> None:
    first = lenet(init, 7).state_dict()
    torch.rand(5)  # moves the global random state
    second, other = lenet(init, 7).state_dict(), lenet(init, 8).state_dict()
    for name, value in first.items():
        assert torch.equal(value, second[name])
        assert not torch.equal(value, other[name])


@pytest.mark.parametrize("init", INITS)
def test_the_global_random_state_is_left_alone(init: Literal["default", "xavier_uniform"]) -> None:
    before = torch.random.get_rng_state()
    lenet(init, 7)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_default_weights_are_those_of_pytorch() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        expected = list(chapter_lenet().parameters())
    for mine, theirs in zip(lenet("default", 11).parameters(), expected, strict=True):
        assert torch.equal(mine, theirs)


def test_xavier_weights_fill_their_bounds() -> None:
    model, plain = lenet("xavier_uniform", 0), lenet("default", 0)
    # inputs and outputs of each weight (Glorot and Bengio 2010, eq. 16)
    fans = {
        "conv1": (25, 150),
        "conv2": (150, 400),
        "fc1": (400, 120),
        "fc2": (120, 84),
        "fc3": (84, 10),
    }
    for name, (inputs, outputs) in fans.items():
        bound = math.sqrt(6 / (inputs + outputs))
        weight: Tensor = model.get_submodule(name).weight  # type: ignore[assignment]
        assert 0.95 * bound < weight.abs().max().item() <= bound
        # mean square of a uniform distribution, to within 5 standard errors
        spread = (weight.square().mean() / (bound**2 / 3)).item()
        assert abs(spread - 1) < 5 * math.sqrt(0.8 / weight.numel())
        bias: Tensor = model.get_submodule(name).bias  # type: ignore[assignment]
        assert torch.equal(bias, plain.get_submodule(name).bias)  # type: ignore[arg-type]
