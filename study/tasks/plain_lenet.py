"""LeNet with ReLU and max-pooling, as the chapter writes it: images (n, 1, 28, 28), logits (n, 10).

Needs PyTorch alone.
"""

from collections import OrderedDict

from torch import nn


def network() -> nn.Sequential:
    """The network, untrained."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(1, 6, kernel_size=5, padding=2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(kernel_size=2, stride=2),
        conv2=nn.Conv2d(6, 16, kernel_size=5),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(kernel_size=2, stride=2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(16 * 5 * 5, 120),
        relu3=nn.ReLU(),
        fc2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        fc3=nn.Linear(84, 10),
    )
    return nn.Sequential(layers)
