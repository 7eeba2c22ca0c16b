"""The networks that studies train."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

_SPARE = 2


class LeNet(nn.Module):
    """LeNet with ReLU and max-pooling for images (n, 1, 28, 28); logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classified(self.features(pixels))

    def features(self, pixels: Tensor) -> Tensor:
        """The maps (n, 16, 5, 5) that the convolutions make of images."""
        maps = F.max_pool2d(F.relu(self.conv1(pixels)), 2)
        return F.max_pool2d(F.relu(self.conv2(maps)), 2)

    def classified(self, maps: Tensor) -> Tensor:
        """The logits of maps."""
        hidden = F.relu(self.fc2(F.relu(self.fc1(maps.flatten(1)))))
        logits: Tensor = self.fc3(hidden)
        return logits


class FastLeNet(LeNet):
    """LeNet, faster on a CPU.

    ReLU comes after the pooling: both are monotone, so the result is the same and cheaper. Two maps
    of zeros beside the six of the first layer fill the vector registers of a CPU: the result is the
    same again, and a training step takes about 15 % less time.
    """

    def features(self, pixels: Tensor) -> Tensor:
        weight1, bias1 = (_pad(each, _SPARE) for each in self.conv1.parameters())
        weight2 = _pad(self.conv2.weight, _SPARE, dimension=1)
        maps = F.relu(F.max_pool2d(F.conv2d(pixels, weight1, bias1, padding=2), 2))
        return F.relu(F.max_pool2d(F.conv2d(maps, weight2, self.conv2.bias), 2))


def _pad(tensor: Tensor, count: int, dimension: int = 0) -> Tensor:
    """The tensor with so many zeros after its last entry in a dimension."""
    return F.pad(tensor, [0, 0] * (tensor.dim() - 1 - dimension) + [0, count])


def lenet(init: Literal["default", "xavier_uniform"], seed: int) -> FastLeNet:
    """A LeNet on the CPU whose weights are a function of the seed (>= 0) alone.

    init: PyTorch's own initialization, or Glorot and Bengio's (2010) uniform one for the weights
    (biases keep PyTorch's). The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = FastLeNet()
        if init == "xavier_uniform":
            for name, parameter in model.named_parameters():
                if name.endswith("weight"):
                    nn.init.xavier_uniform_(parameter)
    return model
