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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from search_spaces.words.phrases import count
from study import devices
from study.storage.hints import STORAGE_VARIABLE
from study.training.checkpoints import DIRECTORY_VARIABLE

Event = dict[str, Any]
OnEvent = Callable[[Event], None]
Ending = Literal["done", "stopped", "timeout", "asked"]
# -P: not the working directory's own study.py
WORKER = (sys.executable, "-P", "-m", "study.workers.worker")
_POLL_SECONDS = 0.2


class WorkersFailed(Exception):  # noqa: N818 - reads as what happened
    """No worker is left though trials are; the message is the last worker's own line."""


@dataclass
class Process:
    """A worker process, the thread that follows it to its end, and its last lines of standard
    error."""

    index: int
    popen: subprocess.Popen[str]
    follower: threading.Thread | None = None
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def followed(self) -> bool:
        """Whether it may still say something."""
        return self.follower is not None and self.follower.is_alive()


def place(device: str, workers: int | None, per_device: int | None, trials: int) -> list[str]:
    """The device of each worker. Raises ValueError where the device is not there, or has no room.

    workers: their number on this machine; per_device: the most on one device. Without both, a GPU
    has one worker and the CPU one a core (at most 8); there are never more than trials unless they
    are asked for. Several GPUs are filled in turn.
    """
    there = devices.all_of(device)
    room = per_device or (1 if there[0] != "cpu" else min(devices.cores(), 8))
    wanted = workers or max(1, min(room * len(there), trials))
    if per_device is not None and wanted > room * len(there):
        raise ValueError(
            f"{count(wanted, 'worker')} cannot be placed on {', '.join(there)} with at most "
            f"{per_device} each"
        )
    return [there[index % len(there)] for index in range(wanted)]


def launch(
    url: str,
    name: str,
    *,
    places: Sequence[str],
    on_event: OnEvent,
    timeout: float | None = None,
    checkpoints: Path | None = None,
) -> Ending:
    """Run worker processes until no trial is left to run, or until they were stopped before.

    places: the device of each worker. timeout: seconds after which the workers are asked to leave.
    Ctrl-C or SIGTERM asks them to finish their epoch and leave; a second one ends them at once. A
    worker that was killed is replaced, unless it was before it finished an epoch: what kills it
    then would kill the next one too. Raises WorkersFailed.
    """
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    endings: list[Ending] = []
    processes: list[Process] = []

    def spawn(index: int) -> Process:
        return _spawn(index, url, name, places, checkpoints, events)

    with _stop_on_signals(processes, endings):
        for index in range(len(places)):
            processes.append(spawn(index))  # noqa: PERF401 - a signal must find it
        if endings:  # while they were started
            _tell(processes, signal.SIGTERM)
        _watch(processes, events, on_event, endings, timeout, spawn)
    if endings:
        return endings[0]
    if all(each.popen.returncode != 0 for each in processes):
        raise WorkersFailed(_last_words(processes[0]))
    return "done"


def _watch(
    processes: list[Process],
    events: queue.SimpleQueue[Event],
    on_event: OnEvent,
    endings: list[Ending],
    timeout: float | None,
    spawn: Callable[[int], Process],
) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    useful: set[int] = set()  # workers that have finished an epoch since they were started
    while any(each.followed for each in processes) or not events.empty():
        try:
            event = events.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            event = {"event": "tick"}
        if event["event"] == "epoch":
            useful.add(event["worker"])
        if event["event"] != "lost" or not endings:  # who is asked to leave may be lost
            on_event(event)
        if (
            event["event"] == "lost"
            and event["killed"]
            and event["worker"] in useful
            and not endings
        ):
            useful.discard(event["worker"])
            processes[event["worker"]] = spawn(event["worker"])
            if endings:  # while it was started
                _tell(processes, signal.SIGTERM)
        if deadline is not None and time.monotonic() > deadline and not endings:
            endings.append("timeout")
            _tell(processes, signal.SIGTERM)


def _spawn(
    index: int,
    url: str,
    name: str,
    places: Sequence[str],
    checkpoints: Path | None,
    events: queue.SimpleQueue[Event],
) -> Process:
    """Start a worker in a session of its own, so that Ctrl-C reaches the launcher alone."""
    environment = os.environ | {STORAGE_VARIABLE: url} | _cpu_environment(len(places))
    if checkpoints is not None:
        environment[DIRECTORY_VARIABLE] = str(checkpoints)
    popen = subprocess.Popen(
        [*WORKER, name, places[index]],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    process = Process(index, popen)
    process.follower = threading.Thread(target=_follow, args=(process, events), daemon=True)
    process.follower.start()
    return process


def _cpu_environment(workers: int) -> dict[str, str]:
    """One thread a process when there are several; a lone worker may use every core."""
    environment = dict(devices.WORKER_ENVIRONMENT)
    if workers == 1:
        environment["OMP_NUM_THREADS"] = str(devices.cores())
    return environment


def _follow(process: Process, events: queue.SimpleQueue[Event]) -> None:
    """Hand on what a worker says until it ends; that it failed is an event too."""
    errors = threading.Thread(target=_keep_errors, args=(process,), daemon=True)
    with process.popen:  # closes the pipes and asks for the exit status
        errors.start()
        assert process.popen.stdout is not None  # noqa: S101 - opened as a pipe
        for line in process.popen.stdout:
            events.put({"worker": process.index, **json.loads(line)})
        errors.join()
    if process.popen.returncode != 0:
        killed = process.popen.returncode < 0
        event = {"event": "lost", "worker": process.index, "killed": killed}
        events.put({**event, "error": _last_words(process)})


def _keep_errors(process: Process) -> None:
    assert process.popen.stderr is not None  # noqa: S101 - opened as a pipe
    process.errors.extend(line.rstrip() for line in process.popen.stderr if line.strip())


def _last_words(process: Process) -> str:
    code = process.popen.returncode
    if code < 0:  # what it said before has nothing to do with it
        return f"it was killed by signal {-code}"
    return process.errors[-1] if process.errors else f"a worker ended with status {code}"


def _tell(processes: list[Process], number: int) -> None:
    for each in processes:
        if each.popen.poll() is None:
            each.popen.send_signal(number)


@contextmanager
def _stop_on_signals(processes: list[Process], endings: list[Ending]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the workers to leave, the second one ends them."""

    def handle(_number: int, _frame: Any) -> None:
        _tell(processes, signal.SIGKILL if endings else signal.SIGTERM)
        endings.append("stopped")

    with signals_to(handle):
        try:
            yield
        finally:
            _tell(processes, signal.SIGTERM)  # after an error in the launcher: leave no orphans


@contextmanager
def signals_to(handle: Callable[[int, Any], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call ``handle`` while the block runs."""
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
