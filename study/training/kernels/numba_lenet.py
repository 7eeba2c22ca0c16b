"""LeNet whose convolutions run on kernels that numba compiled: the same network, faster on a CPU.

Where a number is not finite, PyTorch's own code takes over: a NaN is where PyTorch has it. So it
does for everything the kernels are not made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from study.tasks.lenet import FastLeNet
from study.training.kernels import convolution, gradients


class NumbaLeNet(FastLeNet):
    """LeNet on the CPU in float32; elsewhere it is `FastLeNet`."""

    def features(self, pixels: Tensor) -> Tensor:
        weights = [*self.conv1.parameters(), *self.conv2.parameters()]
        if not _fits(pixels, weights):
            return super().features(pixels)
        tracked = torch.is_grad_enabled() and any(each.requires_grad for each in weights)
        made = _forward(pixels, weights, keep=tracked)
        if made is None:
            return super().features(pixels)
        if not tracked:
            return made[0]
        out: Tensor = _Features.apply(super().features, made, pixels, *weights)
        return out


def _fits(pixels: Tensor, weights: Sequence[Tensor]) -> bool:
    """Whether the kernels are made for these."""
    return (
        pixels.dim() == 4
        and pixels.shape[1:] == (1, 28, 28)
        and not pixels.requires_grad
        and all(
            type(each) in (Tensor, torch.nn.Parameter)
            and each.device.type == "cpu"
            and each.dtype == torch.float32
            for each in (pixels, *weights)
        )
        and not torch.is_autocast_enabled("cpu")
    )


def _forward(pixels: Tensor, weights: Sequence[Tensor], *, keep: bool) -> list[Tensor] | None:
    """The maps (n, 16, 5, 5), and what `gradients.backward` needs of n images; None where not all
    is finite."""
    images = len(pixels)
    kept = images if keep else 1
    maps, notes = (torch.empty(kept * convolution.MAPS) for _ in range(2))
    last_notes, out = (torch.empty(images, 16, 5, 5) for _ in range(2))
    arrays = [_flat(each) for each in (pixels, *weights, maps, notes, last_notes, out)]
    return [out, maps, notes, last_notes] if convolution.forward(*arrays) else None


def _flat(tensor: Tensor) -> Any:
    """The tensor's numbers in a row, copied only where they lie otherwise."""
    return tensor.detach().contiguous().view(-1).numpy()


class _Features(torch.autograd.Function):
    """Maps that were made of images, as a function of the weights."""

    @staticmethod
    def forward(
        ctx: Any, plain: Any, made: list[Tensor], pixels: Tensor, *weights: Tensor
    ) -> Tensor:
        out, *noted = made
        ctx.plain = plain
        ctx.save_for_backward(pixels, *weights, *noted)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        pixels, weight1, bias1, weight2, bias2, *noted = ctx.saved_tensors
        weights = [weight1, bias1, weight2, bias2]
        found = [torch.empty(each.shape) for each in weights]
        arrays = [_flat(each) for each in (pixels, *noted, gradient, weight2, *found)]
        if not gradients.backward(*arrays):
            with torch.enable_grad():
                found = list(torch.autograd.grad(ctx.plain(pixels), weights, gradient))
        return None, None, None, *found
