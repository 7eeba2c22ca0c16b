"""How many workers one PostgreSQL server holds: workers that do all that a trial does but train.

Each of 1, 4, 16 and 64 processes asks for trials, draws their parameters, reports 30 epochs with a
history that grows, asks the pruner and whether to stop, signs a heartbeat, and tells a score, as
fast as it can: `python -m tests.benchmarks.bench_distributed`, or `make bench-distributed`. A real
worker trains between its calls, and so asks far less of the server. Server and clients share this
machine's cores; the seconds of processor time of both are told apart. Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import threading
import time
from dataclasses import dataclass, field, fields
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa

from search_spaces.config import Budget
from search_spaces.spaces import SPACES
from study.records import EpochRecord
from study.spec import StudySpec
from study.storage.claims import SlotStorage
from study.storage.slots import NoFreeSlot
from study.storage.studies import create_study, is_stopping, open_storage
from study.trials.pruners import make_pruner
from study.trials.sampler import FAMILY_PARAM, SlotSampler
from tests.postgres import Server, server

WORKERS = (1, 4, 16, 64)
TRIALS, TRIALS_EACH = 12, 2  # at least so many in all, and for each worker
EPOCHS = 30
SPACE = "warmup"  # family, base rate and warmup: three parameters
LAYERS = ("conv1", "conv2", "dense1", "dense2", "dense3")
_MOST_SECONDS = 300.0  # to wait for a worker, which may have failed
_SAMPLE_SECONDS = 0.2


@dataclass
class Timings:
    """Seconds of every call of one worker, of its whole trials, and of its processor."""

    ask: list[float] = field(default_factory=list)
    report: list[float] = field(default_factory=list)
    tell: list[float] = field(default_factory=list)
    trial: list[float] = field(default_factory=list)
    processor: float = 0.0


def measure(workers: tuple[int, ...] = WORKERS, trials: int = TRIALS) -> dict[str, Any]:
    """What each number of workers gets from a server of its own, and what a trial's calls are
    worth beside its training."""
    with server() as postgres:
        runs = {count: _run(postgres, count, max(trials, TRIALS_EACH * count)) for count in workers}
    return {
        "cores": os.cpu_count(),
        "epochs": EPOCHS,
        "workers": runs,
        "storage_beside_training": _share(runs[min(workers)]["trial_seconds"]),
    }


def _run(postgres: Server, workers: int, least: int) -> dict[str, Any]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = postgres.create(f"workers{workers}")
    spec = _spec(least)
    create_study(storage := open_storage(url, create=True), SPACE, spec)
    storage.engine.dispose()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__ if __name__ != "__main__" else __spec__.name])
    ready, found = context.Barrier(workers + 1), context.Queue()
    crew = [_start(context, url, spec, ready, found) for _ in range(workers)]
    ready.wait(_MOST_SECONDS)
    with _Connections(postgres, url) as connections:
        before, began = _server_seconds(postgres), time.perf_counter()
        timings = [found.get(timeout=_MOST_SECONDS) for _ in crew]
        seconds = time.perf_counter() - began
        for each in crew:
            each.join()
        connections.wait_for_none()
        server_seconds = _server_seconds(postgres) - before
    _check(url, spec, crew)
    return _summary(spec.trials, seconds, timings) | {
        "connections": connections.most,
        "server_processor_ms_per_trial": round(1000 * server_seconds / spec.trials, 1),
    }


def _spec(least: int) -> StudySpec:
    """The project's own sampler and pruner, with as many trials as its families can share."""
    space, budget = SPACES[SPACE], Budget(epochs=EPOCHS)
    families = len(space.FAMILIES)
    return StudySpec(
        space=SPACE,
        trials=-(-least // families) * families,
        budget=budget,
        families=space.FAMILIES,
        ranges=space.ranges(budget),
    )


def _start(context: ForkServerContext, url: str, spec: StudySpec, ready: Any, found: Any) -> Any:
    process = context.Process(target=_work, args=(url, spec.model_dump_json(), ready, found))
    process.start()
    return process


def _work(url: str, spec_json: str, ready: Any, found: Any) -> None:
    """A worker: trials until none is left."""
    if "torch" in sys.modules:
        raise RuntimeError("64 workers with torch do not fit into memory")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec, timings = StudySpec.model_validate_json(spec_json), Timings()
    storage = open_storage(url)
    study = optuna.load_study(
        study_name=SPACE, storage=storage, sampler=SlotSampler(spec), pruner=make_pruner(spec)
    )
    ready.wait(_MOST_SECONDS)
    began = time.process_time()
    try:
        while True:
            _trial(study, storage, spec, timings)
    except NoFreeSlot:  # nobody dies here: what runs elsewhere will end
        timings.processor = time.process_time() - began
    found.put(timings)
    storage.engine.dispose()


def _trial(study: optuna.Study, storage: SlotStorage, spec: StudySpec, timings: Timings) -> None:
    """All calls of one trial, in the order of `study.trials.objective`."""
    began = time.perf_counter()
    trial = study.ask()
    family = trial.suggest_categorical(FAMILY_PARAM, spec.families)
    spec.suggest(trial, family, spec.budget)
    timings.ask.append(time.perf_counter() - began)
    signing = threading.Thread(target=storage.record_heartbeat, args=(trial._trial_id,))
    signing.start()
    records: list[dict[str, Any]] = []
    for epoch in range(EPOCHS):
        records.append(_record(epoch).to_json())
        reported = time.perf_counter()
        trial.set_user_attr("history", records)
        trial.report(1 - 0.9 / (epoch + 2), epoch)
        timings.report.append(time.perf_counter() - reported)
        if trial.should_prune() or is_stopping(storage, study._study_id):
            raise RuntimeError("trials that are all alike are not stopped")
    signing.join()
    told = time.perf_counter()
    study.tell(trial, 0.9)
    timings.tell.append(time.perf_counter() - told)
    timings.trial.append(time.perf_counter() - began)


def _record(epoch: int) -> EpochRecord:
    """As long as a real one."""
    numbers = np.random.default_rng(epoch).random(len(LAYERS)).tolist()
    layers = dict(zip(LAYERS, numbers, strict=True))
    values: dict[str, Any] = {each.name: numbers[0] for each in fields(EpochRecord)}
    return EpochRecord(**values | {"epoch": epoch, "weight_norm": layers, "distance": layers})


def _summary(trials: int, seconds: float, timings: list[Timings]) -> dict[str, Any]:
    milliseconds: dict[str, dict[str, float]] = {}
    for call in ("ask", "report", "tell"):
        every = 1000 * np.concatenate([getattr(each, call) for each in timings])
        milliseconds[call] = {f"p{p}": round(float(np.percentile(every, p)), 1) for p in (50, 99)}
    client = 1000 * sum(each.processor for each in timings) / trials
    return {
        "trials": trials,
        "trials_per_second": round(trials / seconds, 2),
        "milliseconds": milliseconds,
        "trial_seconds": round(float(np.mean(np.concatenate([t.trial for t in timings]))), 3),
        "client_processor_ms_per_trial": round(client, 1),
    }


def _check(url: str, spec: StudySpec, crew: list[Any]) -> None:
    """Raises RuntimeError where a worker failed, or the study has not exactly its trials."""
    storage = open_storage(url)
    study = optuna.load_study(study_name=SPACE, storage=storage)
    slots = sorted(trial.user_attrs["slot"] for trial in study.trials if trial.state.is_finished())
    storage.engine.dispose()
    if slots != list(range(spec.trials)) or any(each.exitcode for each in crew):
        raise RuntimeError(f"{len(slots)} of {spec.trials} trials, not each slot once")


class _Connections:
    """Counts the connections to a database while a block runs."""

    def __init__(self, postgres: Server, url: str) -> None:
        self._engine = sa.create_engine(postgres.url)
        self._database = sa.make_url(url).database
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = 0

    def __enter__(self) -> _Connections:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._engine.dispose()

    def wait_for_none(self) -> None:
        """Until the server has ended its processes for them."""
        while self._count():
            time.sleep(_SAMPLE_SECONDS)

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.most = max(self.most, self._count())

    def _count(self) -> int:
        query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
        with self._engine.connect() as connection:
            return int(connection.execute(query, {"name": self._database}).scalar_one())


def _server_seconds(postgres: Server) -> float:
    """Processor time of the server's processes that have ended, one for each connection."""
    pid = (postgres.directory / "data" / "postmaster.pid").read_text().split()[0]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _share(storage_seconds: float) -> dict[str, Any]:
    """A trial's seconds of storage beside those of its training, in the chapter's setting, on the
    best device of this machine: one worker, one thread."""
    from study import devices
    from study.workers.estimate import estimate

    device = devices.resolve("auto")
    training = estimate(_spec(TRIALS), str(device), 2).seconds_per_trial
    return {
        "device": devices.describe(device),
        "training_seconds_per_trial": round(training, 1),
        "storage_seconds_per_trial": storage_seconds,
        "share": round(storage_seconds / (storage_seconds + training), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How many workers one PostgreSQL server holds.")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--trials", type=int, default=TRIALS, help="At least so many in all.")
    asked = parser.parse_args()
    print(json.dumps(measure(tuple(asked.workers), asked.trials), indent=2))
