"""A worker: what it trains, tells, survives, and when it leaves."""

from __future__ import annotations

import errno
import io
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
import torch
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from study.storage import liveness, slots
from study.storage.claims import attempts
from study.storage.outages import WAITS
from study.storage.studies import identity, set_spec
from study.tasks.task import TASKS, Task
from study.training.checkpoints import Checkpoints
from study.workers import worker
from study.workers.worker import Worker

CPU = torch.device("cpu")
Start = Callable[..., tuple[Worker, Any, io.StringIO]]

pytestmark = pytest.mark.integration


@pytest.fixture
def begin(make_study: Any, monkeypatch: pytest.MonkeyPatch, tiny_task: Task) -> Start:
    """``begin(trials, **changes) -> (worker, study, events)`` on the tiny images."""
    monkeypatch.setitem(TASKS, "tiny", tiny_task)
    monkeypatch.setattr(worker, "_WAIT_SECONDS", 0.01)

    def begun(trials: int = 3, **changes: Any) -> Any:
        values: dict[str, Any] = {"epochs": 2, "task": "tiny", "pruner": "none"} | changes
        stored = make_study("fixed_rate", trials, **values)
        events = io.StringIO()

        def tell(event: dict[str, Any]) -> None:
            print(json.dumps(event), file=events)

        return Worker(stored.storage, "it", CPU, tell), stored, events

    return begun


def told(events: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events.getvalue().splitlines()]


def ends(events: io.StringIO) -> list[tuple[int, str]]:
    """Slot and state of every trial that ended, in this order."""
    return [(each["slot"], each["state"]) for each in told(events) if each["event"] == "end"]


def fail(*_arguments: Any, **_options: Any) -> float:
    raise OSError("the disk is full")


def test_a_worker_trains_every_slot_and_tells_so(begin: Start) -> None:
    working, stored, events = begin(3)
    working.work()
    trials = stored.load().trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    lines = told(events)
    kinds = [(each["slot"], each["event"], each.get("epoch")) for each in lines]
    one = (("begin", None), ("epoch", 0), ("epoch", 1), ("end", None))
    assert kinds == [(slot, *rest) for slot in range(3) for rest in one]
    end = lines[3]
    assert end["trial"] == 0
    assert end["family"] == "constant"
    assert end["epochs"] == 2
    assert end["params"] == trials[0].params
    assert end["value"] == trials[0].value
    assert end["outcome"] == trials[0].user_attrs["outcome"]
    assert end["interrupted"] is False
    assert end["error"] is None
    assert lines[2]["accuracy"] == pytest.approx(trials[0].value)


def test_a_larger_total_is_seen_by_a_worker_that_runs(begin: Start) -> None:
    working, stored, events = begin(1)
    set_spec(stored.storage, "it", stored.spec.with_trials(2))
    working.work()
    assert ends(events) == [(0, "complete"), (1, "complete")]


def _full(*_arguments: Any, **_options: Any) -> float:
    cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise StorageInternalError("commit") from sa.exc.OperationalError("", {}, cause)


def test_a_storage_that_fails_is_no_fault_of_the_trial(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a smaller write would still succeed, too; the trial is tried again later."""
    working, stored, events = begin(2)
    monkeypatch.setattr(worker, "run_trial", _full)
    with pytest.raises(StorageInternalError):
        working.work()
    (trial,) = stored.load().trials
    assert trial.state == TrialState.RUNNING
    assert "error" not in trial.user_attrs
    assert ends(events) == []


def test_a_trial_whose_data_cannot_be_kept_fails(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, stored, events = begin(1, max_retries=0)

    def refused(*_arguments: Any, **_options: Any) -> float:
        raise StorageInternalError("commit") from sa.exc.DataError("", {}, Exception("a NUL"))

    monkeypatch.setattr(worker, "run_trial", refused)
    working.work()
    assert ends(events) == [(0, "fail")]
    assert "a NUL" in stored.load().trials[0].user_attrs["error"]


def test_what_is_waited_for_is_told(
    begin: Start, run_main: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stored, _ = begin(1)
    monkeypatch.setattr(Worker, "work", lambda _self: WAITS.warning("it is %s", "away"))
    status, (_, event), errors = run_main(stored.url, "it")
    assert (status, errors) == (0, [])
    assert event == {"event": "storage", "text": "it is away"}


def test_a_trial_that_fails_is_tried_again_after_the_others(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, stored, events = begin(3, max_retries=1)
    real, calls = worker.run_trial, []

    def run(trial: optuna.Trial, *arguments: Any, **options: Any) -> float:
        calls.append(trial.user_attrs["slot"])
        if calls.count(0) == 1 and calls[-1] == 0:
            fail()
        return real(trial, *arguments, **options)

    monkeypatch.setattr(worker, "run_trial", run)
    working.work()
    assert ends(events) == [(0, "fail"), (1, "complete"), (2, "complete"), (0, "complete")]
    failed = stored.load().trials[0]
    assert failed.user_attrs["error"].startswith("Traceback (most recent call last)")
    assert failed.user_attrs["error"].endswith("OSError: the disk is full\n")
    errors = [each["error"] for each in told(events) if each["event"] == "end"]
    assert errors == ["OSError: the disk is full", None, None, None]


def test_the_same_failure_three_times_in_a_row_stops_the_study(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, stored, events = begin(6)
    monkeypatch.setattr(worker, "run_trial", fail)
    message = "^3 trials in a row failed: OSError: the disk is full$"
    with pytest.raises(RuntimeError, match=message):
        working.work()
    assert ends(events) == [(0, "fail"), (1, "fail"), (2, "fail")]
    # No slot has used up its attempts: once the cause is gone the study can go on.
    assert slots.slots_failed(stored.spec, attempts(stored.storage, "it")) == set()


def test_different_failures_and_those_between_successes_do_not_stop_it(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, _, events = begin(8, max_retries=0)

    def run(trial: optuna.Trial, *_arguments: Any, **_options: Any) -> float:
        slot = trial.user_attrs["slot"]
        if slot == 2:
            return 0.5
        raise ValueError("odd" if slot % 2 and slot > 2 else "even")

    monkeypatch.setattr(worker, "run_trial", run)
    working.work()
    expected = ["fail", "fail", "complete", *["fail"] * 5]
    assert ends(events) == list(enumerate(expected))


def test_a_worker_that_must_leave_stops_after_the_epoch(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, stored, events = begin(3)
    told_before = working._on_epoch

    def on_epoch(trial: optuna.Trial, record: Any) -> None:
        told_before(trial, record)
        working.leaving = True

    monkeypatch.setattr(working, "_on_epoch", on_epoch)
    working.work()
    assert ends(events) == [(0, "fail")]
    assert told(events)[-1]["interrupted"] is True
    (attempt,) = attempts(stored.storage, "it")
    assert attempt.state == TrialState.FAIL
    assert not attempt.failed_by_itself
    assert working.failures == []


def test_a_worker_whom_nobody_hears_leaves(begin: Start) -> None:
    def closed(_event: dict[str, Any]) -> None:
        raise BrokenPipeError

    working, stored, _ = begin(3)
    working.tell = closed
    working.work()
    found = attempts(stored.storage, "it")
    assert [(each.slot, each.state) for each in found] == [(0, TrialState.FAIL)]
    assert not found[0].failed_by_itself


@pytest.mark.parametrize("moment", ["while it trained", "after it trained"])
def test_a_trial_that_was_given_to_another_worker_is_let_go(
    begin: Start, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """As after a machine that slept: the trial was failed, and its slot is another's."""
    working, stored, events = begin(2)
    real, calls = worker.run_trial, []

    def give_away(trial: optuna.Trial) -> None:
        stored.load().tell(trial.number, state=TrialState.FAIL)

    def run(trial: optuna.Trial, *arguments: Any, **options: Any) -> float:
        calls.append(trial)
        if len(calls) == 1 and moment == "while it trained":
            give_away(trial)
        value = real(trial, *arguments, **options)
        if len(calls) == 1:
            give_away(trial)
        return value

    monkeypatch.setattr(worker, "run_trial", run)
    working.work()
    assert ends(events) == [(0, "given away"), (1, "complete"), (0, "complete")]
    states = [trial.state for trial in stored.load().trials]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_a_worker_waits_for_the_slots_of_others(
    begin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the other one die, its slot is free again."""
    working, stored, events = begin(2)
    monkeypatch.setattr(liveness, "process_space", lambda: "elsewhere")
    study = stored.load()
    other, waits = study.ask(), []

    def sleep(_seconds: float) -> None:
        waits.append(None)
        if len(waits) == 3:
            other.set_user_attr("interrupted", True)
            study.tell(other, state=TrialState.FAIL)

    monkeypatch.setattr("study.workers.worker.time.sleep", sleep)
    working.work()
    assert len(waits) == 3
    assert ends(events) == [(1, "complete"), (0, "complete")]


def test_a_running_trial_is_signed(begin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    working, _, _ = begin(1)
    signed: list[int] = []
    threads = threading.active_count()

    def record(trial_id: int) -> None:
        signed.append(trial_id)
        raise StorageInternalError("missed")  # made up by the next one

    def run(trial: optuna.Trial, *_arguments: Any, **_options: Any) -> float:
        while len(signed) < 3:
            time.sleep(0.001)
        return 0.5

    monkeypatch.setattr(worker, "heartbeat_seconds", lambda: 0.01)
    monkeypatch.setattr(working.storage, "record_heartbeat", record)
    monkeypatch.setattr(worker, "run_trial", run)
    working.work()
    assert set(signed) == {1}
    assert threading.active_count() == threads  # the signing has ended with the trial


def test_a_pruned_trial_is_no_failure(begin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def prune(*_arguments: Any, **_options: Any) -> float:
        raise optuna.TrialPruned

    working, _, events = begin(4)
    monkeypatch.setattr(worker, "run_trial", prune)
    working.work()
    assert ends(events) == [(slot, "pruned") for slot in range(4)]


def test_a_checkpoint_that_cannot_be_deleted_is_told_of_once(
    begin: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    working, stored, events = begin(2)
    working.checkpoints = Checkpoints(tmp_path, identity(stored.storage, "it"))
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "remove", refuse)
        working.work()
    warnings = [each["text"] for each in told(events) if each["event"] == "warning"]
    assert warnings == ["cannot delete a checkpoint: stale file handle"]
    assert ends(events) == [(0, "complete"), (1, "complete")]


# ---------------------------------------------------------------- the process


@pytest.fixture
def run_main(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[dict[str, Any]], list[str]]]:
    """``run_main(url, name, device) -> (status, events, lines of standard error)``."""

    def ran(url: str, name: str, device: str = "cpu") -> Any:
        stream = io.StringIO()
        monkeypatch.setattr(worker, "_event_stream", lambda: stream)
        monkeypatch.setattr(worker.signal, "signal", lambda *_: None)
        monkeypatch.setenv(worker.STORAGE_VARIABLE, url)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        status = worker.main(name, device)
        return status, told(stream), capfd.readouterr().err.splitlines()

    return ran


def test_main_says_that_it_is_ready_and_works(begin: Start, run_main: Any) -> None:
    _, stored, _ = begin(1)
    status, events, errors = run_main(stored.url, "it")
    assert (status, errors) == (0, [])
    assert events[0]["event"] == "ready"
    assert events[0]["seconds"] > 0
    assert events[-1]["state"] == "complete"


def test_main_ends_with_one_line_on_what_it_cannot_do(
    begin: Start, run_main: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stored, _ = begin(1)
    missing = "sqlite:////nowhere/a.db"
    assert run_main(missing, "it") == (
        1,
        [],
        ["there is no database /nowhere/a.db; `lrstudy run SPACE` makes one"],
    )
    unknown = ["unknown study 'its'. Did you mean 'it'? There are: it."]
    assert run_main(stored.url, "its") == (1, [], unknown)
    status, events, (line,) = run_main(stored.url, "it", "cuda:9")
    assert (status, events) == (1, [])
    assert line.startswith("device 'cuda:9' is not available here; there are: auto, ")

    def lost(_self: Worker) -> None:
        cause = sa.exc.OperationalError("", {}, OSError("server closed the connection\nmore"))
        raise StorageInternalError("commit") from cause

    closed = "server closed the connection"
    monkeypatch.setattr(Worker, "work", lost)
    status, _, errors = run_main(stored.url, "it")
    assert (status, errors) == (1, [f"cannot use the storage {stored.url}: {closed}"])
