"""Runs the workers of a study as Ray tasks: Ray places them, and starts those again that are lost.

Whoever may look at Ray sees the command line of its driver, environments and errors of its tasks.
What is needed to reach the storage is therefore an argument of the tasks, which Ray does not show.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, TaskCancelledError
from ray.util.queue import Queue

from search_spaces.words.phrases import count
from study import devices
from study.files import reason
from study.storage.hints import STORAGE_VARIABLE
from study.storage.urls import database_file, parse_url
from study.training.checkpoints import DIRECTORY_VARIABLE
from study.workers.local import Ending, Event, OnEvent, WorkersFailed, signals_to
from study.workers.worker import run

# Of Ray's objects on this machine: the workers hand over a few words at a time.
_OBJECT_BYTES = 100 * 2**20
_POLL_SECONDS = 0.2
# Of each worker; more than a long study loses, and what is killed at every start ends some time.
_RESTARTS = 100
_REACH_SECONDS = 5.0
# Settings of a study and of its database that all workers share.
_SHARED = ("LRSTUDY_", "PG")


def reach(address: str) -> None:
    """Raises WorkersFailed where nothing listens at HOST:PORT; Ray would end this process."""
    host, _, port = address.rpartition(":")
    if not host:  # auto
        return
    try:
        socket.create_connection((host, int(port)), _REACH_SECONDS).close()
    except OSError as error:
        raise WorkersFailed(f"cannot reach Ray at {address}: {reason(error)}") from None
    except (ValueError, OverflowError) as error:
        raise WorkersFailed(f"cannot reach Ray at {address}: {error}") from None


def launch(
    url: str,
    name: str,
    *,
    workers: int,
    gpus: float,
    address: str | None,
    on_event: OnEvent,
    timeout: float | None = None,
    checkpoints: Path | None = None,
) -> Ending:
    """Run workers until no trial is left to run, or until they were stopped before.

    gpus: the share of a GPU, 0 to 1, that a worker has; 0: it trains on the CPU. address: of a
    running Ray, None: one of this machine alone is started. timeout: seconds after which the
    workers are asked to leave. Ctrl-C or SIGTERM asks them to finish their epoch and leave; a
    second one ends them at once. Other workers of the study go on. Raises WorkersFailed.
    """
    endings: list[Ending] = []
    try:
        with _connected(address), signals_to(lambda *_: endings.append("stopped")):
            _warn_of_no_room(gpus)
            events = Queue(actor_options={"num_cpus": 0})
            environment = _environment(url, checkpoints)
            task = ray.remote(
                num_cpus=1,
                num_gpus=gpus,
                max_retries=_RESTARTS,
                max_calls=1,  # a process of its own, as every worker has
                runtime_env={"env_vars": devices.WORKER_ENVIRONMENT},
            )(work)
            device = "auto" if gpus else "cpu"
            tasks = {task.remote(i, name, device, environment, events): i for i in range(workers)}
            errors = _watch(tasks, events, on_event, endings, timeout)
    except KeyboardInterrupt:  # before Ray was there
        return "stopped"
    except RayError as error:
        raise WorkersFailed(f"Ray failed: {_last_line(error)}") from None
    if endings:
        return endings[0]
    if len(errors) == workers:
        raise WorkersFailed(errors[0])
    return "done"


def work(
    index: int, name: str, device: str, environment: Mapping[str, str], events: Queue
) -> str | None:
    """A worker as a Ray task; what went wrong in one line, None if nothing did."""
    os.environ.update(environment)

    def tell(event: Event) -> None:
        try:
            events.put({"worker": index, **event})
        except RayActorError:
            raise BrokenPipeError from None

    return run(name, device, tell)


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Ray at an address, or a small one of this machine that ends with the block."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet |= {"include_dashboard": False, "object_store_memory": _OBJECT_BYTES}
    try:
        ray.init(address or "local", **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise WorkersFailed(f"cannot start or reach Ray: {_last_line(error)}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _warn_of_no_room(gpus: float) -> None:
    """A cluster may grow, so that the workers wait; a person should know for what."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if not any(node.get("CPU", 0) >= 1 and node.get("GPU", 0) >= gpus for node in nodes):
        print(
            f"lrstudy: no node of Ray has a CPU core and {count(gpus, 'GPU')}: "
            "the workers wait for one",
            file=sys.stderr,
        )


def _environment(url: str, checkpoints: Path | None) -> dict[str, str]:
    """What a worker needs to know, wherever it runs."""
    file = database_file(parse_url(url))
    shared = {key: text for key, text in os.environ.items() if key.startswith(_SHARED)}
    shared[STORAGE_VARIABLE] = url if file is None else f"sqlite:///{file.absolute()}"
    if checkpoints is not None:
        shared[DIRECTORY_VARIABLE] = str(checkpoints)
    return shared


def _watch(
    tasks: dict[Any, int],
    events: Queue,
    on_event: OnEvent,
    endings: list[Ending],
    timeout: float | None,
) -> list[str]:
    """Hand on what the workers say until all have ended; the errors of those that failed."""
    deadline = None if timeout is None else time.monotonic() + timeout
    errors: list[str] = []
    known: set[int] = set()
    passed_on = 0
    while tasks:
        if deadline is not None and time.monotonic() > deadline and not endings:
            endings.append("timeout")
        if passed_on < len(endings):
            passed_on = len(endings)
            for each in tasks:
                ray.cancel(each, force=passed_on > 1)
        ended, _ = ray.wait(list(tasks), num_returns=len(tasks), timeout=_POLL_SECONDS)
        for event in events.get_nowait_batch(events.qsize()):
            _hand_on(event, known, on_event)
        on_event({"event": "tick"})
        for each in ended:
            index, error = tasks.pop(each), _error(each)
            if error is not None and not endings:
                errors.append(error)
                on_event({"event": "lost", "worker": index, "killed": False, "error": error})
    return errors


def _hand_on(event: Event, known: set[int], on_event: OnEvent) -> None:
    """One event; a worker that gets ready a second time was lost before."""
    if event["event"] == "ready":
        index = event["worker"]
        if index in known:
            error = "Ray has started it again"
            on_event({"event": "lost", "worker": index, "killed": True, "error": error})
        known.add(index)
    on_event(event)


def _error(task: Any) -> str | None:
    """What went wrong in a task that has ended; None if nothing did, or it was cancelled."""
    try:
        return ray.get(task)  # type: ignore[no-any-return]
    except TaskCancelledError:
        return None
    except RayError as error:
        return _last_line(error)


def _last_line(error: BaseException) -> str:
    """Of its message; Ray's are long, and the cause stands last."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
