"""Which kernel trains a study: PyTorch's, or LeNet's own on a CPU where numba is installed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from study.records import Kernel
from study.tasks.lenet import FastLeNet

WITHOUT_NUMBA = "pip install 'lrstudy[fast]'"


def best_kernel(model: nn.Module, devices: Iterable[str]) -> Kernel:
    """The fastest kernel for a model on these devices, as far as it is here."""
    on_cpu = all(torch.device(each).type == "cpu" for each in devices)
    return "numba" if on_cpu and has_kernel(model) and numba_problem() is None else "torch"


def has_kernel(model: nn.Module) -> bool:
    """Whether there is another kernel than PyTorch's for a model."""
    return type(model) is FastLeNet


def numba_problem() -> str | None:
    """Why numba cannot be used here, None where it can."""
    try:
        import numba
    except ImportError as error:  # not there, or not for this numpy
        return str(error)
    del numba
    return None


def check_kernel(kernel: Kernel, device: torch.device) -> None:
    """Raises ValueError, in one line, where a kernel cannot be had on a device of this machine."""
    if kernel == "torch":
        return
    if device.type != "cpu":
        raise ValueError(
            f"the study trains with the kernel {kernel!r}, which needs --device cpu, not {device}"
        )
    if (problem := numba_problem()) is not None:
        raise ValueError(
            f"the study trains with the kernel {kernel!r}, which cannot be had here ({problem}): "
            f"{WITHOUT_NUMBA}"
        )


def with_kernel(model: nn.Module, kernel: Kernel) -> nn.Module:
    """The model with its parameters, computed by that kernel; see `check_kernel`.

    Raises ValueError where the kernel is not made for such a model.
    """
    if kernel == "torch":
        return model
    if not has_kernel(model):
        raise ValueError(f"the kernel {kernel!r} is made for LeNet, not for {type(model).__name__}")
    from study.training.kernels.numba_lenet import NumbaLeNet

    with torch.device("meta"):  # the weights are the model's own
        fast = NumbaLeNet()
    fast.load_state_dict(model.state_dict(), assign=True)
    return fast
