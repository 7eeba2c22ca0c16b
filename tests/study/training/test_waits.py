"""The host waits for the device once an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from search_spaces.schedules.base import ScheduleConfig
from study.tasks.task import Task, TaskData
from study.training.loop import (
    diverged,
    stalled,
    start,
    train,
)
from tests.study.training.runs import COSINE, CPU, PLATEAU, config_of


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations whose result the host must wait for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        aten = torch.ops.aten
        self.count += func.overloadpacket in {aten._local_scalar_dense, aten.nonzero, aten.equal}
        return func(*args, **kwargs or {})


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    """Waits, with the ways that a CPU's tensor reaches the host without an operation."""
    with Waits() as counter:
        for name in ("tolist", "cpu", "numpy", "__array__"):
            method = getattr(Tensor, name)

            def counted(*args: Any, method: Any = method, **kwargs: Any) -> Any:
                counter.count += 1
                return method(*args, **kwargs)

            monkeypatch.setattr(Tensor, name, counted)
        yield counter


@pytest.mark.parametrize("schedule", [COSINE, PLATEAU])
def test_the_host_waits_once_an_epoch(
    schedule: ScheduleConfig, normed_task: Task, tiny_data: TaskData, waits: Waits
) -> None:
    config = config_of(schedule, momentum=0.9)
    state = start(config, normed_task, tiny_data, CPU)
    counts = []
    waits.count = 0
    for record in train(state, tiny_data):
        diverged([record], 10), stalled([record], 10)
        counts.append(waits.count)
        waits.count = 0
    assert counts == [1, 1, 1]


@pytest.mark.parametrize("ask", ["item()", "tolist()", "numpy()", "cpu()", "nonzero()"])
def test_the_count_notices_a_wait(ask: str, waits: Waits) -> None:
    eval(f"torch.ones(3).sum().{ask}")
    assert waits.count == 1
    assert float(torch.ones(1)) == 1.0
    assert waits.count == 2
