"""Which kernel a study gets, and what is said where it cannot be had."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from study.tasks.lenet import lenet
from study.training.kernels.choice import (
    best_kernel,
    check_kernel,
    numba_problem,
    with_kernel,
)

CPU = torch.device("cpu")
HAS_NUMBA = numba_problem() is None
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="needs numba")


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)


def test_lenet_on_a_cpu_has_numba_where_it_is_there() -> None:
    model = lenet("default", 0)
    assert best_kernel(model, ["cpu", "cpu"]) == ("numba" if HAS_NUMBA else "torch")
    assert best_kernel(model, ["cuda:0"]) == "torch"
    assert best_kernel(model, ["cpu", "mps"]) == "torch"
    assert best_kernel(nn.Linear(2, 2), ["cpu"]) == "torch"


@pytest.mark.usefixtures("without_numba")
def test_without_numba_torch_trains() -> None:
    assert best_kernel(lenet("default", 0), ["cpu"]) == "torch"
    check_kernel("torch", CPU)
    with pytest.raises(ValueError, match=r"pip install 'lrstudy\[fast\]'") as error:
        check_kernel("numba", CPU)
    assert "\n" not in str(error.value)


@needs_numba
def test_numba_needs_a_cpu() -> None:
    check_kernel("numba", CPU)
    with pytest.raises(ValueError, match="needs --device cpu, not cuda:1"):
        check_kernel("numba", torch.device("cuda:1"))


def test_torchs_kernel_leaves_the_model_as_it_is() -> None:
    model = nn.Linear(2, 2)
    assert with_kernel(model, "torch") is model


@needs_numba
def test_numbas_kernel_has_the_weights_of_the_model_and_draws_no_random_numbers() -> None:
    model, before = lenet("default", 4), torch.get_rng_state()
    fast = with_kernel(model, "numba")
    assert torch.equal(torch.get_rng_state(), before)
    assert [name for name, _ in fast.named_parameters()] == list(model.state_dict())
    for mine, theirs in zip(fast.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.requires_grad
        assert mine.device == CPU


@needs_numba
def test_numbas_kernel_is_for_lenet_alone() -> None:
    with pytest.raises(ValueError, match="made for LeNet, not for Linear"):
        with_kernel(nn.Linear(2, 2), "numba")
