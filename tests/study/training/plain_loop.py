"""A plain training loop, the oracle of the product's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import Array
from study.tasks.fashion_mnist import Images
from study.tasks.task import Task
from tests.study.training.runs import arrays


@dataclass
class Plain:
    """A run of the plain loop: its network, every update's weights, and running means."""

    model: nn.Module
    path: list[dict[str, npt.NDArray[Any]]]
    losses: list[float]
    accuracies: list[float]


def plain_loop(config: TrialConfig, task: Task, images: Images, rates: Array) -> Plain:
    """Plain SGD in the order and at the rates of the run, as anybody would write it."""
    model = task.build(config)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=1.0,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        foreach=False,
    )
    result = Plain(model, [], [], [])
    size, step = len(images.labels), 0
    for epoch in range(config.epochs):
        loss_sum, correct = 0.0, 0
        order = np.random.default_rng([config.seed, epoch]).permutation(size)
        for first in range(0, size, config.batch_size):
            batch = order[first : first + config.batch_size]
            optimizer.param_groups[0]["lr"] = float(rates[step])
            logits, labels = model(images.pixels[batch]), images.labels[batch]
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            loss_sum += loss.item() * len(batch)
            correct += int((logits.argmax(1) == labels).sum())
            result.path.append(arrays(model))
            step += 1
        result.losses.append(loss_sum / size)
        result.accuracies.append(correct / size)
    return result
