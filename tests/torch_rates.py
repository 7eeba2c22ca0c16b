"""The rates that an optimizer has under a scheduler of torch: an oracle for ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from search_spaces.schedules.base import Array

Make = Callable[[torch.optim.Optimizer], Any]


def torch_rates(make: Make, count: int, base_lr: float) -> Array:
    """The first ``count`` rates that the scheduler gives an optimizer which begins at base_lr."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base_lr)
    scheduler = make(optimizer)
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates, dtype=np.float64)
