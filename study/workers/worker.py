"""A worker: claims slots of a study and trains them until none is left.

`python -m study.workers.worker NAME DEVICE` with the storage in LRSTUDY_STORAGE and, where there is
one, the directory of checkpoints in LRSTUDY_CHECKPOINTS. It tells its launcher what happens by one
JSON object a line on standard output, and leaves after the running epoch when it gets SIGTERM, when
the study is to stop, or when nobody reads any more. What libraries print goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import optuna
import torch
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState

from study import devices
from study.files import reason
from study.records import EpochRecord, TrialRecord, start_of, write
from study.spec import StudySpec
from study.storage.claims import SlotStorage
from study.storage.faults import is_of_storage
from study.storage.hints import STORAGE_VARIABLE
from study.storage.liveness import heartbeat_seconds
from study.storage.outages import WAITS, patient
from study.storage.slots import NoFreeSlot
from study.storage.studies import identity, is_stopping, load_spec, open_storage
from study.storage.urls import StorageError, database_errors
from study.storage.views import study_id, trial_id
from study.tasks.fashion_mnist import DataError
from study.tasks.task import TaskData
from study.training.checkpoints import DIRECTORY_VARIABLE, Checkpoints
from study.training.kernels.choice import check_kernel
from study.trials.objective import Interrupted, load_data, run_trial
from study.trials.pruners import make_pruner
from study.trials.sampler import SlotSampler

# So many trials of one worker failing one after the other with the same error is the study's fault.
SAME_FAILURES = 3
_WAIT_SECONDS = 0.5
Event = dict[str, Any]


class Worker:
    """One process's work on one study.

    tell: gets what happens, as JSON values; it raises BrokenPipeError where nobody listens.
    checkpoints: directory of all studies; None: an interrupted trial starts again from its first
    epoch. Raises ValueError where the study's kernel cannot be had here.
    """

    def __init__(
        self,
        storage: SlotStorage,
        name: str,
        device: torch.device,
        tell: Callable[[Event], None],
        checkpoints: Path | None = None,
    ) -> None:
        self.spec: StudySpec = load_spec(storage, name)
        check_kernel(self.spec.kernel, device)
        self.storage, self.device, self.tell = storage, device, tell
        self.study = optuna.load_study(
            study_name=name,
            storage=storage,
            sampler=SlotSampler(self.spec),
            pruner=make_pruner(self.spec),
        )
        known = identity(storage, name)
        self.checkpoints = Checkpoints(checkpoints, known) if checkpoints and known else None
        self.data: TaskData = load_data(self.spec, device)
        # A plain flag: a signal handler must not wait for the lock of a threading.Event.
        self.leaving = False
        self.failures: list[str] = []
        self._said: set[str] = set()

    def work(self) -> None:
        """Train slots until all are done, or until asked to leave.

        Waits while others still train: should one of them die, its slot becomes free again.
        Raises RuntimeError when the same failure ends one trial after another.
        """
        while not self._should_stop():
            try:
                trial = self.study.ask()
            except NoFreeSlot as none:
                if none.running == 0:
                    if self.checkpoints is not None:
                        self.checkpoints.clear()
                    return
                time.sleep(_WAIT_SECONDS)
                continue
            self._run(trial)
            if len(self.failures) == SAME_FAILURES and len(set(self.failures)) == 1:
                raise RuntimeError(f"{SAME_FAILURES} trials in a row failed: {self.failures[0]}")

    def _should_stop(self) -> bool:
        """Whether this worker is asked to leave, or all are."""
        return self.leaving or is_stopping(self.storage, study_id(self.study))

    def _run(self, trial: optuna.Trial) -> None:
        """Run a trial to its end and record what became of it."""
        with self._signing(trial_id(trial)):
            self.emit("begin", trial)
            try:
                state, value = self._outcome(trial)
                told = self.study.tell(trial, value, state=state, skip_if_finished=True)
                given_away = told.state != state
            except UpdateFinishedTrialError:
                given_away = True
        if given_away:  # to another worker, while this one was held up
            self.emit("end", trial, state="given away", value=None)
            return
        if self.checkpoints is not None and state != TrialState.FAIL:
            try:
                self.checkpoints.remove(start_of(trial.user_attrs).slot)
            except OSError as error:
                self._warn(
                    trial, f"cannot delete {error.filename or 'a checkpoint'}: {reason(error)}"
                )
        failure = self.failures[-1] if state == TrialState.FAIL and self.failures else None
        self.emit("end", trial, state=state.name.lower(), value=value, error=failure)

    def _outcome(self, trial: optuna.Trial) -> tuple[TrialState, float | None]:
        try:
            value = run_trial(
                trial,
                self.spec,
                self.data,
                self.device,
                on_epoch=lambda record: self._on_epoch(trial, record),
                should_stop=self._should_stop,
                checkpoints=self.checkpoints,
                report=lambda line: self._warn(trial, line),
            )
        except optuna.TrialPruned:
            return TrialState.PRUNED, None
        except Interrupted:
            write(trial, interrupted=True)
            return TrialState.FAIL, None
        except UpdateFinishedTrialError:
            raise
        except Exception as error:
            if is_of_storage(error):
                raise  # no fault of the trial's
            write(trial, error=traceback.format_exc())
            self.failures = [*self.failures, f"{type(error).__name__}: {error}"][-SAME_FAILURES:]
            return TrialState.FAIL, None
        self.failures = []
        return TrialState.COMPLETE, value

    def _on_epoch(self, trial: optuna.Trial, record: EpochRecord) -> None:
        self.emit("epoch", trial, epoch=record.epoch, accuracy=record.val_accuracy)

    def _warn(self, trial: optuna.Trial, line: str) -> None:
        """Tell of something once."""
        if line not in self._said:
            self._said.add(line)
            self.emit("warning", trial, text=line)

    @contextmanager
    def _signing(self, trial_id: int) -> Iterator[None]:
        """Sign the trial's heartbeat from a thread while it runs."""
        done = threading.Event()

        def sign() -> None:
            while not done.wait(heartbeat_seconds()):
                # A missed sign is made up by the next one; the grace period covers several.
                with suppress(StorageInternalError):
                    self.storage.record_heartbeat(trial_id)

        thread = threading.Thread(target=sign, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def emit(self, kind: str, trial: optuna.Trial, **facts: Any) -> None:
        """Tell what happened; where nobody listens any more, leave."""
        started = start_of(trial.user_attrs)
        record = TrialRecord.model_validate(trial.user_attrs)
        event = {
            "event": kind,
            "trial": trial.number,
            "slot": started.slot,
            "family": started.family,
            "epochs": self.spec.slot_budget(started.slot).epochs,
            "outcome": record.outcome,
            "interrupted": record.interrupted is True,
            "params": trial.params,
            **facts,
        }
        try:
            self.tell(event)
        except BrokenPipeError:
            self.leaving = True
            self.tell = lambda _event: None


def _event_stream() -> TextIO:
    """Standard output for the events alone; whatever else is printed goes to standard error."""
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return stream


def start(name: str, device: str, tell: Callable[[Event], None]) -> Worker:
    """A worker for the study in the storage of the environment, ready to `work`.

    Raises StorageError, DataError, ValueError.
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    heartbeat_seconds()  # a wrong setting is told before anything is claimed
    storage = patient(open_storage)(os.environ[STORAGE_VARIABLE])
    found = os.environ.get(DIRECTORY_VARIABLE)
    checkpoints = Path(found) if found else None
    return Worker(storage, name, devices.resolve(device), tell, checkpoints)


def leave_on_signals(worker: Worker) -> list[int]:
    """SIGTERM and SIGINT ask the worker to leave after its epoch; returns those that came."""
    came: list[int] = []

    def leave(number: int, _frame: Any) -> None:
        came.append(number)
        worker.leaving = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    return came


def utc() -> None:
    """Optuna writes the local time without a zone: let all machines write the same."""
    os.environ["TZ"] = "UTC"
    time.tzset()


def run(name: str, device: str, tell: Callable[[Event], None]) -> str | None:
    """Work on the study until nothing is left to do; what went wrong in one line, None if nothing
    did. SIGTERM and SIGINT end it after the running epoch."""
    began = time.monotonic()
    utc()
    try:
        with _telling_of_waits(tell), database_errors(os.environ[STORAGE_VARIABLE]):
            worker = start(name, device, tell)
            leave_on_signals(worker)
            tell({"event": "ready", "seconds": time.monotonic() - began})
            worker.work()
    except (StorageError, DataError, ValueError, RuntimeError) as error:
        return " ".join(str(error).split())  # its launcher reads one line
    return None


class _Teller(logging.Handler):
    """Tells what is waited for as an event."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(BrokenPipeError):  # the next event of a trial finds it, too
            self._tell({"event": "storage", "text": record.getMessage()})


@contextmanager
def _telling_of_waits(tell: Callable[[Event], None]) -> Iterator[None]:
    """What the worker waits for is an event, not a line on standard error."""
    teller = _Teller(tell)
    WAITS.addHandler(teller)
    try:
        yield
    finally:
        WAITS.removeHandler(teller)


def main(name: str, device: str) -> int:
    """Work on the study; the exit status, after one line on standard error if that is not 0."""
    events = _event_stream()

    def tell(event: Event) -> None:
        events.write(f"{json.dumps(event)}\n")  # in one piece: several threads tell
        events.flush()

    error = run(name, device, tell)
    if error is not None:
        print(error, file=sys.stderr)
    return int(error is not None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
