"""How fast a training step is with each kernel, in one process, in turn, on one thread.

A step is what the training loop does with a batch. The medians of many steps are compared, so that
a noisy machine does not decide.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from search_spaces.config import TrialConfig
from search_spaces.schedules.decays import Constant
from search_spaces.spaces import SPACES
from study.records import Kernel
from study.tasks.lenet import lenet
from study.tasks.task import TASKS, TaskData, load_task_data
from study.training import loop
from study.training.kernels.choice import numba_problem, with_kernel

CPU = torch.device("cpu")
TASK = TASKS["fashion_mnist"]
KERNELS: tuple[Kernel, ...] = ("torch", "numba")
BATCHES = (64, 256)
STEPS, EPOCHS = 40, 5
# Multiply-adds an image in each layer: output elements times inputs of each.
CONV1, CONV2, DENSE = 28 * 28 * 6 * 25, 10 * 10 * 16 * 150, 400 * 120 + 120 * 84 + 84 * 10
# Backward costs twice the forward pass, except that the images need no gradient.
FLOP_PER_IMAGE = 2 * (3 * (CONV1 + CONV2 + DENSE) - CONV1)
"""Of a step that computes every product; what is left out counts as if it were not."""

Work = Callable[[], object]


def measure() -> dict[str, Any]:
    """Steps and whole quick epochs of both kernels; without numba, that it is not there."""
    if (problem := numba_problem()) is not None:
        return {"numba": problem}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        peak = peak_gflops()
        return {
            "peak_gflops_one_thread": round(peak, 1),
            **{f"step_of_{batch}": _steps(batch, peak) for batch in BATCHES},
            "quick_epoch": _epochs(),
        }
    finally:
        torch.set_num_threads(threads)


def slower(found: dict[str, Any]) -> list[str]:
    """What takes longer with numba's kernel than with torch's, by its name."""
    return [
        name
        for name, measured in found.items()
        if isinstance(measured, dict) and measured["numba_vs_torch"] < 1
    ]


def _steps(batch: int, peak: float) -> dict[str, float]:
    images = load_task_data(TASK, train_size=batch, val_size=1, device=CPU).train

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        loss = F.cross_entropy(model(images.pixels), images.labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()

    works: list[Work] = []
    for kernel in KERNELS:
        model = with_kernel(lenet("default", 0), kernel).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, fused=True)
        works.append(partial(step, model, optimizer))
    flop = FLOP_PER_IMAGE * batch
    return _compared(works, STEPS, lambda seconds: {"share_of_matmul_peak": flop / seconds / peak})


def _epochs() -> dict[str, float]:
    """Of the images of the preset quick in batches of 64, evaluation of both weights included."""
    preset = SPACES["fixed_rate"].PRESETS["quick"]
    sizes = preset.budget.model_dump(include={"train_size", "val_size"})
    data = load_task_data(TASK, **sizes, device=CPU)
    running = [_running(kernel, data, {"batch_size": 64}) for kernel in KERNELS]
    return _compared([partial(next, each) for each in running], EPOCHS)


def _running(kernel: Kernel, data: TaskData, optimizer: Any) -> Iterator[object]:
    config = TrialConfig(schedule=Constant(base_lr=0.1), epochs=100, seed=0, **optimizer)
    return loop.train(loop.start(config, TASK, data, CPU, kernel), data)


def _compared(
    works: list[Work], rounds: int, more: Callable[[float], dict[str, float]] = lambda _: {}
) -> dict[str, float]:
    """Median seconds of each kernel, their ratio, and its spread over the rounds; one round warms
    up. more: further numbers of the seconds with 1e9 operations to a GFLOP."""
    warmed = [[seconds(work) for work in works] for _ in range(rounds + 1)][1:]
    torchs, numbas = (statistics.median(each) for each in zip(*warmed, strict=True))
    ratios = sorted(slow / fast for slow, fast in warmed)
    return {
        "torch_ms": round(1e3 * torchs, 2),
        "numba_ms": round(1e3 * numbas, 2),
        "numba_vs_torch": round(torchs / numbas, 2),
        "lowest": round(ratios[0], 2),
        "highest": round(ratios[-1], 2),
        **{name: round(value, 3) for name, value in more(numbas * 1e9).items()},
    }


def seconds(work: Work) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak_gflops() -> float:
    """The best that torch.mm reaches with float32 on this thread."""

    def rate(n: int) -> float:
        a, b = torch.rand(n, n), torch.rand(n, n)
        return 2 * n**3 / min(seconds(partial(torch.mm, a, b)) for _ in range(5)) / 1e9

    return max(rate(n) for n in (256, 512, 1024, 2048))
