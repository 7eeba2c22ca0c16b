"""How fast training is: one and two workers of the harness against the chapter's own loop.

Every contestant trains LeNet on the same 50,000 images and evaluates 10,000 others after each epoch
(the harness twice: raw and averaged weights). After a round that warms them up they take turns for
a few more, so that a noisy machine does not decide; medians are reported, and the spread of each
round's ratio.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

from search_spaces.config import TrialConfig
from search_spaces.schedules.decays import Constant
from study.devices import WORKER_ENVIRONMENT, describe
from study.records import Kernel
from study.tasks.fashion_mnist import Images
from study.tasks.task import TASKS, TaskData, load_task_data
from study.training import loop
from study.training.evaluation import scores
from study.training.kernels.choice import numba_problem
from tests.benchmarks.bench_kernels import FLOP_PER_IMAGE, peak_gflops, seconds
from tests.chapter_lenet import chapter_lenet

CPU = torch.device("cpu")
TASK = TASKS["fashion_mnist"]
ROUNDS = int(os.environ.get("LRSTUDY_BENCH_ROUNDS", "5"))
BATCH = 256
KERNEL: Kernel = "torch" if numba_problem() else "numba"


def measure() -> dict[str, Any]:
    """Images a second of each contestant, their ratios, and where a step's time goes."""
    spawn = multiprocessing.get_context("spawn")
    chapter = _start(spawn, _chapter, {})
    workers = [_start(spawn, _harness, WORKER_ENVIRONMENT) for _ in range(2)]
    size, *_ = [connection.recv() for connection in (chapter, *workers)]
    contestants = {"chapter": [chapter], "one_worker": workers[:1], "two_workers": workers}
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(1 + ROUNDS):
        for name, connections in contestants.items():
            rates[name].append(len(connections) * size / _seconds(connections))
    workers[0].send("anatomy")
    anatomy = workers[0].recv()
    for connection in (chapter, *workers):
        connection.send("stop")
    return _summary({name: each[1:] for name, each in rates.items()}, anatomy)


def _start(spawn: Any, target: Callable[[Connection], None], extra: dict[str, str]) -> Connection:
    """A process of its own, started with more environment variables, behind a connection."""
    here, there = spawn.Pipe()
    before = dict(os.environ)
    os.environ.update(extra)
    try:
        spawn.Process(target=target, args=(there,), daemon=False).start()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return here


def _seconds(connections: list[Connection]) -> float:
    """Wall-clock time until each of them has trained and evaluated an epoch."""
    began = time.perf_counter()
    for connection in connections:
        connection.send("epoch")
    for connection in connections:
        connection.recv()
    return time.perf_counter() - began


def _serve(connection: Connection, size: int, commands: dict[str, Callable[[], Any]]) -> None:
    connection.send(size)
    while (command := connection.recv()) != "stop":
        connection.send(commands[command]())


def _summary(rates: dict[str, list[float]], anatomy: dict[str, float]) -> dict[str, Any]:
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "processor": describe(CPU),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "kernel": KERNEL,
        "rounds": ROUNDS,
        "images_per_second": {name: round(rate) for name, rate in median.items()},
        "rounds_images_per_second": {name: [round(r) for r in v] for name, v in rates.items()},
        "one_worker_vs_chapter": _ratio(rates["one_worker"], rates["chapter"]),
        "two_workers_vs_chapter": _ratio(rates["two_workers"], rates["chapter"]),
        "two_workers_vs_one": _ratio(rates["two_workers"], rates["one_worker"]),
        **{name: round(value, 4) for name, value in anatomy.items()},
    }


def _ratio(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Of the medians; the lowest and the highest of a round."""
    rounds = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    median = statistics.median(ours) / statistics.median(theirs)
    found = {"ratio": median, "lowest": rounds[0], "highest": rounds[-1]}
    return {name: round(value, 2) for name, value in found.items()}


def _harness(connection: Connection) -> None:
    """A worker of the harness: one thread, data as tensors."""
    torch.set_num_threads(1)
    data = load_task_data(TASK, device=CPU)
    config = TrialConfig(schedule=Constant(base_lr=0.1), epochs=1000, seed=0, batch_size=BATCH)
    state = loop.start(config, TASK, data, CPU, KERNEL)
    epochs = loop.train(state, data)
    commands = {
        "epoch": lambda: next(epochs).seconds,
        "anatomy": lambda: _anatomy(state, data, epochs),
    }
    _serve(connection, len(data.train.labels), commands)


def _anatomy(state: loop.TrainingState, data: TaskData, epochs: Iterator[Any]) -> dict[str, float]:
    """Where an epoch's time goes, as shares of it, and how near the step is to the peak."""
    if data.val is None:
        raise ValueError("the benchmark needs validation images")
    epoch = next(epochs).seconds
    averages, weights = (loop.floating(m) for m in (state.averaged, state.model))
    average = state.steps_per_epoch * _best(lambda: torch._foreach_lerp_(averages, weights, 1e-9))
    evaluation = _best(lambda: scores(state.averaged, data.val))
    step_rate = len(data.train.labels) / (epoch - 2 * evaluation)
    return {
        "share_averaging": average / epoch,
        "share_averaged_evaluation": evaluation / epoch,
        "step_gflops": FLOP_PER_IMAGE * step_rate / 1e9,
        "peak_gflops_one_thread": (peak := peak_gflops()),
        "share_of_matmul_peak": FLOP_PER_IMAGE * step_rate / 1e9 / peak,
    }


def _best(work: Callable[[], Any], repeats: int = 5) -> float:
    """The shortest of a few timings, in seconds."""
    return min(seconds(work) for _ in range(repeats))


class _Pictures(Dataset[tuple[Tensor, int]]):
    """A data set as torchvision's: every image becomes a PIL image, then a tensor."""

    def __init__(self, images: Images) -> None:
        self.pixels, self.labels = (images.pixels * 255).to(torch.uint8).squeeze(1), images.labels
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.pixels[index].numpy())
        return self.transform(picture), int(self.labels[index])


def _chapter(connection: Connection) -> None:
    """The loop as a reader of the chapter writes it."""
    data = load_task_data(TASK, device=CPU)
    if data.val is None:
        raise ValueError("the benchmark needs validation images")
    net = chapter_lenet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    # This process was spawned, and so would be its loaders: a user's own program forks them.
    options: dict[str, Any] = {"num_workers": 4, "multiprocessing_context": "fork"}
    train = DataLoader(_Pictures(data.train), BATCH, shuffle=True, **options)
    test = DataLoader(_Pictures(data.val), BATCH, shuffle=False, **options)
    size = len(data.train.labels)
    _serve(connection, size, {"epoch": lambda: _chapter_epoch(net, optimizer, train, test)})


def _chapter_epoch(
    net: nn.Module, optimizer: torch.optim.Optimizer, train: DataLoader[Any], test: DataLoader[Any]
) -> tuple[float, float, float]:
    """Train loss, train accuracy and test accuracy of one epoch."""
    loss = nn.CrossEntropyLoss()
    total, right, seen = 0.0, 0.0, 0
    for pixels, labels in train:
        net.train()
        optimizer.zero_grad()
        logits = net(pixels)
        error = loss(logits, labels)
        error.backward()
        optimizer.step()
        with torch.no_grad():
            total += float(error * len(labels))
            right += _right(logits, labels)
            seen += len(labels)
    net.eval()
    with torch.no_grad():
        tested = sum(_right(net(pixels), labels) for pixels, labels in test)
    return total / seen, right / seen, tested


def _right(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(dim=1) == labels).sum())
