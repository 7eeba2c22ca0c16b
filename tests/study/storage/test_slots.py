"""SlotStorage: exact totals, retries that keep their slot, and workers that die."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.pruners import HyperbandPruner
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState, create_trial

from study.records import ClaimRecord
from study.storage import liveness
from study.storage.claims import attempts
from study.storage.slots import Attempt, NoFreeSlot, slots_done, slots_failed
from study.storage.studies import last_error, open_storage, set_spec

WORKER = """
import sys, time
from pathlib import Path
import optuna
from study.storage.slots import NoFreeSlot
from study.storage.studies import open_storage

url, gate, hold = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "hold"
print("here", flush=True)
while not gate.exists():
    time.sleep(0.001)
study = optuna.load_study(study_name="it", storage=open_storage(url))
while True:
    try:
        trial = study.ask()
    except NoFreeSlot:
        break
    print(trial.user_attrs["slot"], flush=True)
    if hold:
        time.sleep(600)
    study.tell(trial, 0.5)
"""


class Processes:
    """Worker processes that begin together once `go` is called."""

    def __init__(self, url: str, gate: Path, stack: ExitStack) -> None:
        self.url, self.gate, self.stack = url, gate, stack

    def start(self, count: int, *, hold: bool = False) -> list[subprocess.Popen[str]]:
        command = [sys.executable, "-c", WORKER, self.url, str(self.gate), "hold" if hold else ""]
        started = []
        for _ in range(count):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.stack.enter_context(process)
            self.stack.callback(process.kill)
            started.append(process)
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
        return started

    def go(self) -> None:
        self.gate.touch()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(f"sqlite:///{tmp_path / 'study.db'}", tmp_path / "gate", stack)


def by_slot(stored: Any) -> dict[int, list[TrialState]]:
    """States of the attempts at each slot, the oldest first."""
    found: dict[int, list[TrialState]] = {}
    for each in attempts(stored.storage, stored.name):
        found.setdefault(each.slot, []).append(each.state)
    return found


def finish(study: optuna.Study) -> list[int]:
    """Run all that is left; the slots in the order in which they came."""
    order = []
    while True:
        try:
            trial = study.ask()
        except NoFreeSlot:
            return order
        order.append(trial.user_attrs["slot"])
        study.tell(trial, 0.5)


# ---------------------------------------------------------------- exact totals


@pytest.mark.integration
def test_processes_that_start_at_once_share_the_slots_exactly(
    make_study: Any, processes: Processes
) -> None:
    stored = make_study(trials=12)
    started = processes.start(3)
    processes.go()
    printed = [process.communicate()[0].split() for process in started]
    assert [process.returncode for process in started] == [0] * 3
    assert sorted(int(slot) for each in printed for slot in each) == list(range(12))
    assert by_slot(stored) == {slot: [TrialState.COMPLETE] for slot in range(12)}


def test_threads_share_the_slots_exactly_in_spite_of_failures(make_study: Any) -> None:
    stored = make_study(trials=12, max_retries=1)
    start = Barrier(6)

    def work() -> None:
        study = stored.load(open_storage(stored.url))
        start.wait()
        while True:
            try:
                trial = study.ask()
            except NoFreeSlot:
                return
            slot, attempt = trial.user_attrs["slot"], trial.user_attrs["attempt"]
            fails = slot == 3 or (slot % 4 == 0 and attempt == 0)
            study.tell(trial, None if fails else 0.5, state=TrialState.FAIL if fails else None)

    threads = [Thread(target=work) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    done, fail = TrialState.COMPLETE, TrialState.FAIL
    expected = {slot: [fail, done] if slot % 4 == 0 else [done] for slot in range(12)}
    assert by_slot(stored) == expected | {3: [fail, fail]}


def test_a_finished_study_gives_nothing_and_a_larger_total_only_the_rest(make_study: Any) -> None:
    stored = make_study(trials=4)
    study = stored.load()
    assert finish(study) == [0, 1, 2, 3]
    assert finish(study) == []
    set_spec(stored.storage, "it", stored.spec.with_trials(6))
    assert finish(study) == [4, 5]  # a worker that runs already sees the new total
    assert len(study.trials) == 6


def test_while_others_run_the_last_slots_nothing_is_free_but_not_over(make_study: Any) -> None:
    stored = make_study(trials=2)
    study = stored.load()
    running = [study.ask(), study.ask()]
    with pytest.raises(NoFreeSlot, match=r"^no free slot, 2 running$") as caught:
        study.ask()
    assert caught.value.running == 2
    study.tell(running[0], 0.5)
    study.tell(running[1], 0.5)
    with pytest.raises(NoFreeSlot) as caught:
        study.ask()
    assert caught.value.running == 0


def test_a_trial_is_born_with_its_slot(make_study: Any) -> None:
    stored = make_study("cosine", trials=12, replicates=2)
    study = stored.load()
    for slot in range(8):
        attrs = study.ask().user_attrs
        assert len(attrs.pop("claim")) == 32
        assert attrs == {
            "slot": slot,
            "attempt": 0,
            "family": stored.spec.family(slot),
            "replicate": slot // 6 % 2,
            "seed": stored.spec.training_seed(slot),
            "baseline": slot < 6,
            "host": liveness.process_space(),
            "pid": os.getpid(),
            "born": liveness.born(os.getpid()),
        }
    with stored.storage.engine.connect() as connection:
        beats = connection.execute(sa.text("select count(*) from trial_heartbeats")).scalar()
    assert beats == 8
    started = [trial.datetime_start for trial in study.trials]
    assert started == sorted(started)


def test_trials_that_were_added_by_other_means_take_no_slot(make_study: Any) -> None:
    stored = make_study(trials=3)
    study = stored.load()
    study.add_trial(create_trial(value=0.9))
    assert finish(study) == [0, 1, 2]
    assert slots_done(stored.spec, attempts(stored.storage, "it")) == {0, 1, 2}
    assert len(study.trials) == 4


# ---------------------------------------------------------------- failures


def fail(study: optuna.Study, *, interrupted: bool = False) -> int:
    trial = study.ask()
    if interrupted:
        trial.set_user_attr("interrupted", True)
    else:
        trial.set_user_attr("error", f"Traceback\nOSError: slot {trial.user_attrs['slot']}\n")
    study.tell(trial, state=TrialState.FAIL)
    return int(trial.user_attrs["slot"])


def test_a_slot_that_failed_waits_for_the_others_and_is_given_up(make_study: Any) -> None:
    stored = make_study(trials=3, max_retries=1)
    study = stored.load()
    assert [fail(study), fail(study)] == [0, 1]
    trial = study.ask()
    assert (trial.user_attrs["slot"], trial.user_attrs["attempt"]) == (2, 0)
    study.tell(trial, 0.5)
    assert fail(study) == 0
    trial = study.ask()
    assert (trial.user_attrs["slot"], trial.user_attrs["attempt"]) == (1, 1)
    study.tell(trial, state=TrialState.PRUNED)
    found = attempts(stored.storage, "it")
    assert slots_failed(stored.spec, found) == {0}
    assert slots_done(stored.spec, found) == {0, 1, 2}
    assert finish(study) == []
    assert last_error(stored.storage, "it") == "OSError: slot 0"


def test_without_retries_one_failure_is_final(make_study: Any) -> None:
    stored = make_study(trials=2, max_retries=0)
    study = stored.load()
    assert last_error(stored.storage, "it") == ""
    assert fail(study) == 0
    assert finish(study) == [1]


def test_interrupted_attempts_are_no_failures(make_study: Any) -> None:
    stored = make_study(trials=2, max_retries=0)
    study = stored.load()
    assert [fail(study, interrupted=True) for _ in range(4)] == [0] * 4
    trial = study.ask()
    assert (trial.user_attrs["slot"], trial.user_attrs["attempt"]) == (0, 4)
    study.tell(trial, 0.5)
    assert finish(study) == [1]
    assert slots_failed(stored.spec, attempts(stored.storage, "it")) == set()


def test_a_slot_that_ended_well_once_has_not_failed(make_spec: Any) -> None:
    spec = make_spec(trials=2, max_retries=0)
    states = (TrialState.FAIL, TrialState.COMPLETE)
    found = [Attempt(number, state, ClaimRecord(slot=0)) for number, state in enumerate(states)]
    assert slots_failed(spec, found) == set()
    assert slots_done(spec, found) == {0}


# ---------------------------------------------------------------- workers that die


@pytest.mark.integration
def test_kill_9_in_the_middle_of_a_trial_frees_its_slot_at_once(
    make_study: Any, processes: Processes
) -> None:
    stored = make_study(trials=4)
    study = stored.load()
    (holder,) = processes.start(1, hold=True)
    processes.go()
    assert holder.stdout is not None
    assert holder.stdout.readline() == "0\n"
    trial = study.ask()
    assert trial.user_attrs["slot"] == 1  # the holder lives
    study.tell(trial, 0.5)
    holder.send_signal(signal.SIGKILL)
    while liveness.born(holder.pid) != "dead":  # nobody has asked for its status yet
        time.sleep(0.01)
    assert finish(study) == [0, 2, 3]
    assert by_slot(stored)[0] == [TrialState.FAIL, TrialState.COMPLETE]
    lost = study.trials[0]
    assert lost.user_attrs["interrupted"] is True
    assert lost.datetime_complete is not None
    assert slots_failed(stored.spec, attempts(stored.storage, "it")) == set()
    assert study.trials[2].user_attrs["attempt"] == 1


def test_a_later_process_with_the_same_pid_is_not_the_worker(
    make_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(trials=2)
    study = stored.load()
    with monkeypatch.context() as patch:
        patch.setattr(liveness, "born", lambda pid: "12345")
        study.ask()
    assert finish(study) == [0, 1]


def test_a_dead_pid_of_this_machine_is_given_up(
    make_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    stored = make_study(trials=2)
    study = stored.load()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: process.pid)
        study.ask()
    assert finish(study) == [0, 1]


def test_another_users_process_is_left_alone(
    make_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(pid: int, number: int) -> None:
        raise PermissionError

    stored = make_study(trials=2)
    study = stored.load()
    study.ask()
    monkeypatch.setattr(os, "kill", forbidden)
    monkeypatch.setattr(liveness, "born", lambda pid: None)
    assert finish(study) == [1]


def asked_elsewhere(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> optuna.Trial:
    """A trial that a worker of another machine runs."""
    with monkeypatch.context() as patch:
        patch.setattr(liveness, "process_space", lambda: "elsewhere")
        return study.ask()


def silence(stored: Any, seconds: float) -> None:
    """The first trial's last heartbeat was so long ago."""
    with stored.storage.scoped_session() as session:
        row = session.get_one(models.TrialHeartbeatModel, 1)
        row.heartbeat = row.heartbeat - timedelta(seconds=seconds)
        session.commit()


@pytest.mark.parametrize(("silent", "given_up"), [(0.0, False), (100.0, False), (130.0, True)])
def test_a_worker_elsewhere_is_given_up_when_it_is_silent(
    make_study: Any, monkeypatch: pytest.MonkeyPatch, silent: float, given_up: bool
) -> None:
    stored = make_study(trials=2)
    study = stored.load()
    trial = asked_elsewhere(study, monkeypatch)
    silence(stored, silent)
    assert finish(study) == ([0, 1] if given_up else [1])
    if given_up:
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            trial.set_user_attr("history", [])


def test_a_sign_keeps_a_worker_elsewhere_alive(
    make_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(trials=2)
    study = stored.load()
    trial = asked_elsewhere(study, monkeypatch)
    silence(stored, 500)
    stored.storage.record_heartbeat(trial._trial_id)
    assert finish(study) == [1]


def test_a_running_trial_without_any_sign_is_not_ours_to_give_up(make_study: Any) -> None:
    stored = make_study(trials=2)
    study = stored.load()
    study.add_trial(create_trial(state=TrialState.RUNNING))
    with stored.storage.scoped_session() as session:
        session.execute(sa.delete(models.TrialHeartbeatModel))
        session.commit()
    assert finish(study) == [0, 1]
    assert study.trials[0].state == TrialState.RUNNING


def test_born_tells_processes_apart() -> None:
    mine = liveness.born(os.getpid())
    assert mine is not None
    assert mine == liveness.born(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert int(liveness.born(other.pid) or 0) >= int(mine)
    assert liveness.born(other.pid) is None
    counts = Counter(liveness.process_space() for _ in range(3))
    assert len(counts) == 1


# ---------------------------------------------------------------- private parts of Optuna


def test_the_private_functions_of_optuna_are_what_we_take_them_for() -> None:
    """An upgrade of Optuna that changes one of them fails here first."""
    parts: list[tuple[Any, list[str]]] = [
        (RDBStorage._get_prepared_new_trial, ["self", "study_id", "template_trial", "session"]),
        (
            RDBStorage._set_trial_attr_without_commit,
            ["self", "session", "model_cls", "trial_id", "key", "value"],
        ),
        (optuna.Study._get_trials, ["self", "deepcopy", "states", "use_cache"]),
        (HyperbandPruner._get_bracket_id, ["self", "study", "trial"]),
        (HyperbandPruner._create_bracket_study, ["self", "study", "bracket_id"]),
    ]
    for function, names in parts:
        assert list(inspect.signature(function).parameters) == names
    columns = {
        models.TrialModel: {"trial_id", "study_id", "state", "datetime_complete"},
        models.TrialUserAttributeModel: {"trial_id", "key", "value_json"},
        models.StudyUserAttributeModel: {"study_id", "key", "value_json"},
        models.TrialHeartbeatModel: {"trial_id", "heartbeat"},
    }
    for model, wanted in columns.items():
        assert wanted <= {column.name for column in sa.inspect(model).columns}
    source = inspect.getsource(RDBStorage._create_new_trial)
    lock, prepare = source.index("for_update=True"), source.index("_get_prepared_new_trial")
    assert lock < prepare  # the study's row is locked before the slot is claimed
    assert "self.scoped_session" in inspect.getsource(RDBStorage)
    assert isinstance(optuna.create_study().ask()._trial_id, int)
    storage = RDBStorage("sqlite://")
    cached = optuna.create_study(storage=storage)._storage
    assert cached._backend is storage  # type: ignore[attr-defined]
