"""Launches worker processes on this machine, watches them, and stops them cleanly."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from study import devices
from study.worker import STORAGE_VARIABLE

Event = dict[str, Any]
OnEvent = Callable[[Event], None]
_POLL_SECONDS = 0.2


class WorkersFailed(Exception):  # noqa: N818 - reads as what happened
    """No worker is left though trials are; the message is the last worker's own line."""


@dataclass
class Process:
    """A worker process with what it said last on standard error."""

    index: int
    popen: subprocess.Popen[str]
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=20))


def default_workers(device: torch.device, trials: int) -> int:
    """Workers when the user names no number: one a core on a CPU (at most 8), else one."""
    if device.type != "cpu":
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), 8, trials))


def launch(
    url: str,
    name: str,
    *,
    workers: int,
    device: str,
    on_event: OnEvent,
    timeout: float | None = None,
) -> bool:
    """Run worker processes until the study is done; True then, False if it was stopped before.

    timeout: seconds after which the workers are asked to leave. Ctrl-C or SIGTERM asks them to
    finish their epoch and leave; a second one ends them at once. Raises WorkersFailed.
    """
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    asked = threading.Event()
    processes = [_spawn(index, url, name, device, workers, events) for index in range(workers)]
    with _stop_on_signals(processes, asked):
        _watch(processes, events, on_event, asked, timeout)
    if asked.is_set():
        return False
    failed = [each for each in processes if each.popen.returncode != 0]
    if failed and len(failed) == len(processes):
        raise WorkersFailed(_last_words(failed[0]))
    return True


def _watch(
    processes: list[Process],
    events: queue.SimpleQueue[Event],
    on_event: OnEvent,
    asked: threading.Event,
    timeout: float | None,
) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    while any(each.popen.poll() is None for each in processes) or not events.empty():
        try:
            on_event(events.get(timeout=_POLL_SECONDS))
        except queue.Empty:
            on_event({"event": "tick"})
        if deadline is not None and time.monotonic() > deadline and not asked.is_set():
            asked.set()
            _tell(processes, signal.SIGTERM)


def _spawn(
    index: int,
    url: str,
    name: str,
    device: str,
    workers: int,
    events: queue.SimpleQueue[Event],
) -> Process:
    """Start a worker in a session of its own, so that Ctrl-C reaches the launcher alone."""
    environment = os.environ | {STORAGE_VARIABLE: url} | _cpu_environment(workers)
    popen = subprocess.Popen(
        [sys.executable, "-m", "study.worker", name, device],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    process = Process(index, popen)
    for read in (_forward_events, _keep_errors):
        threading.Thread(target=read, args=(process, events), daemon=True).start()
    return process


def _cpu_environment(workers: int) -> dict[str, str]:
    """One thread a process when there are several; a lone worker may use every core."""
    environment = dict(devices.WORKER_ENVIRONMENT)
    if workers == 1:
        environment["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))
    return environment


def _forward_events(process: Process, events: queue.SimpleQueue[Event]) -> None:
    assert process.popen.stdout is not None  # noqa: S101 - opened as a pipe
    for line in process.popen.stdout:
        events.put({"worker": process.index, **json.loads(line)})


def _keep_errors(process: Process, _events: queue.SimpleQueue[Event]) -> None:
    assert process.popen.stderr is not None  # noqa: S101 - opened as a pipe
    process.errors.extend(line.rstrip() for line in process.popen.stderr if line.strip())


def _last_words(process: Process) -> str:
    code = process.popen.returncode
    return process.errors[-1] if process.errors else f"a worker ended with status {code}"


def _tell(processes: list[Process], number: int) -> None:
    for each in processes:
        if each.popen.poll() is None:
            each.popen.send_signal(number)


@contextmanager
def _stop_on_signals(processes: list[Process], asked: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the workers to leave, the second one ends them."""

    def handle(_number: int, _frame: Any) -> None:
        _tell(processes, signal.SIGKILL if asked.is_set() else signal.SIGTERM)
        asked.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _tell(processes, signal.SIGTERM)  # after an error in the launcher: leave no orphans
