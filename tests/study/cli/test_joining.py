"""Workers that join, and what makes a live trial look stale elsewhere: zones, clocks, slowness."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from study.cli.display import Display
from study.storage import claims, liveness
from study.storage.claims import attempts
from study.storage.studies import (
    create_study,
    describe,
    is_stopping,
    load_spec,
    open_storage,
    set_stopping,
)
from study.workers import local, worker
from tests.analysis.conftest import make_trial, plant_study
from tests.study.conftest import Command, Stored, assert_one_line


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, make_spec: Any) -> Stored:
    """A study of four trials in a file, and on a server."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'one.db'}"
    else:
        url = request.getfixturevalue("postgres").create(f"d{time.monotonic_ns()}")
    spec, storage = make_spec("fixed_rate", 4), open_storage(url, create=True)
    create_study(storage, "it", spec)
    return Stored(url, "it", spec, storage)


def _elsewhere(monkeypatch: pytest.MonkeyPatch, stored: Stored) -> optuna.Trial:
    """A trial of a worker on another machine."""
    with monkeypatch.context() as patch:
        patch.setattr(liveness, "process_space", lambda: "elsewhere")
        return stored.load().ask()


@pytest.mark.integration
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_the_time_zone_of_a_host_makes_no_live_trial_stale(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    trial = _elsewhere(monkeypatch, stored)
    monkeypatch.setenv("TZ", zone)
    monkeypatch.setenv("PGTZ", zone)
    time.tzset()
    try:
        other = open_storage(stored.url)
        second = stored.load(other).ask()
        assert second.user_attrs["slot"] == 1
        other.record_heartbeat(second._trial_id)
        assert stored.load().ask().user_attrs["slot"] == 2
        stored.load().tell(trial, 0.5)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.integration
@pytest.mark.parametrize("minutes", [-1, 1])
def test_a_clock_that_is_wrong_makes_no_live_trial_stale(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    trial = _elsewhere(monkeypatch, stored)
    monkeypatch.setattr(claims, "_now", lambda: datetime.now() + timedelta(minutes=minutes))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60 * minutes)
    monkeypatch.setenv(liveness.GRACE_VARIABLE, "30")
    assert stored.load().ask().user_attrs["slot"] == 1
    stored.load().tell(trial, 0.5)


@pytest.mark.integration
def test_a_slow_database_makes_no_live_trial_stale(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 ms a query, and a grace that some forty queries use up: a sign takes a few of them."""
    monkeypatch.setenv(liveness.GRACE_VARIABLE, "8")

    def slowly(*_: Any) -> None:
        time.sleep(0.2)

    mine = open_storage(stored.url)
    sa.event.listen(mine.engine, "before_cursor_execute", slowly)
    trial = _elsewhere(monkeypatch, Stored(stored.url, "it", stored.spec, mine))
    began = time.monotonic()
    while time.monotonic() - began < 10:
        mine.record_heartbeat(trial._trial_id)
        trial.set_user_attr("history", [])
    others = stored.load()
    assert [others.ask().user_attrs["slot"] for _ in range(3)] == [1, 2, 3]
    others.tell(trial.number, 0.5)
    assert [each.state for each in attempts(stored.storage, "it")].count(TrialState.FAIL) == 0


@pytest.mark.integration
def test_a_worker_writes_its_times_in_utc(make_study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        worker.utc()
        trial = make_study().load().ask()
        written = trial.datetime_start
        assert written is not None
        assert abs(written - datetime.now(UTC).replace(tzinfo=None)) < timedelta(seconds=60)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["soon", "0", "-3", "inf", "nan", ""])
def test_a_wrong_grace_is_told(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(liveness.GRACE_VARIABLE, text)
    message = f"^LRSTUDY_GRACE_SECONDS must be a number of seconds from 1 on, not {text!r}$"
    with pytest.raises(ValueError, match=message):
        liveness.heartbeat_seconds()


def test_a_held_worker_of_this_machine_is_given_up_when_it_is_silent(
    make_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP: the process is there, but does nothing."""
    stored = make_study(trials=2)
    held = stored.load().ask()
    monkeypatch.setattr(liveness, "grace_seconds", lambda: -1.0)
    assert stored.load().ask().user_attrs["slot"] == 0
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        held.set_user_attr("history", [])


def test_a_retry_is_the_same_trial_again(make_study: Any) -> None:
    stored = make_study("cosine", trials=6, sampler="tpe")
    study = stored.load()
    trials = [study.ask() for _ in range(6)]
    first = trials[1]
    base = first.suggest_float("base_lr", 1e-3, 5.0, log=True)
    study.tell(first, state=TrialState.FAIL)
    again = study.ask()
    assert (again.user_attrs["slot"], again.user_attrs["attempt"]) == (1, 1)
    assert again.suggest_float("base_lr", 1e-3, 5.0, log=True) == base
    drawn = again.suggest_float("final_fraction", 1e-3, 1.0, log=True)  # not suggested before
    study.tell(again, state=TrialState.FAIL)
    third = study.ask()
    assert third.suggest_float("final_fraction", 1e-3, 1.0, log=True) == drawn
    assert third.suggest_float("base_lr", 1e-3, 5.0, log=True) == base


# ---------------------------------------------------------------- the commands


def _finish(stored: Stored) -> None:
    study = stored.load()
    for _ in range(stored.spec.trials):
        study.tell(study.ask(), 0.5)


def test_worker_on_a_finished_study_does_nothing(make_study: Any, lrstudy: Command) -> None:
    stored = make_study(trials=2)
    _finish(stored)
    for _ in range(2):
        outcome = lrstudy("worker", "it", "--storage", stored.url)
        assert outcome == (0, "study 'it' is complete\n", "")
    assert len(stored.load().trials) == 2


def test_worker_says_that_trials_failed_for_good_without_failing(
    make_study: Any, lrstudy: Command
) -> None:
    """A batch system would only start it again."""
    stored = make_study(trials=1, max_retries=0)
    study = stored.load()
    trial = study.ask()
    trial.set_user_attr("error", "Traceback\nOSError: the disk is full\n")
    study.tell(trial, state=TrialState.FAIL)
    outcome = lrstudy("worker", "it", "--storage", stored.url)
    assert outcome.status == 0
    assert "1 of 1 trial failed for good" in outcome.err
    assert "OSError: the disk is full" in outcome.err


def test_stop_is_seen_by_workers_and_undone_by_resume(
    make_study: Any, lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(trials=2)
    study_id = stored.storage.get_study_id_from_name("it")
    outcome = lrstudy("stop", "it", "--storage", stored.url)
    assert outcome.status == 0
    assert is_stopping(stored.storage, study_id)
    launched: list[str] = []
    monkeypatch.setattr(local, "launch", lambda *_args, **_options: launched.append("") or "done")
    assert lrstudy("worker", "it", "--storage", stored.url).status == 0
    assert launched == []
    set_stopping(stored.storage, "it", True)
    assert lrstudy("resume", "it", "--storage", stored.url).status == 1  # nothing was trained
    assert launched == [""]
    assert not is_stopping(stored.storage, study_id)


def stopped_while_it_runs(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers leave because somebody stops their study."""

    def launch(*_arguments: Any, **_options: Any) -> str:
        set_stopping(stored.storage, "it", True)
        return "done"

    monkeypatch.setattr(local, "launch", launch)


def test_a_launcher_whose_study_is_stopped_says_that_trials_are_left(
    make_study: Any, lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(trials=2)
    stopped_while_it_runs(stored, monkeypatch)
    for command, status in (("resume", 3), ("worker", 0)):
        set_stopping(stored.storage, "it", False)
        outcome = lrstudy(command, "it", "--storage", stored.url)
        assert outcome.status == status
        assert "2 trials are left; to continue: lrstudy resume it" in outcome.out


@pytest.mark.parametrize("more", [(), ("--workers", "3")])
def test_a_worker_that_is_interrupted_is_started_again_as_a_worker(
    make_study: Any, lrstudy: Command, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    stored = make_study(trials=2)
    monkeypatch.setattr(local, "launch", lambda *_arguments, **_options: "stopped")
    outcome = lrstudy("worker", "it", *more, "--storage", stored.url)
    line = " ".join(["lrstudy worker it", *more, "--storage", stored.url])
    said = f"2 trials are left; to continue: {line}\n"
    assert (outcome.status, outcome.out.splitlines(keepends=True)[-1]) == (130, said)


@pytest.mark.parametrize("ending", ["done", "stopped"])
def test_a_worker_ends_with_the_best_of_all_workers(
    lrstudy: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    """Complete or not, whoever trained it; no event of this worker tells of it."""
    url = plant_study(tmp_path / "one.db", trials=6, name="it", upto=1, states={0: "stalled"})
    spec = load_spec(storage := open_storage(url), "it")

    def launch(*_arguments: Any, **_options: Any) -> str:
        study, rng = optuna.load_study(study_name="it", storage=storage), np.random.default_rng(1)
        for slot in range(1, 6 if ending == "done" else 4):
            study.add_trial(make_trial(spec, slot, "complete", rng, 0.0, 0))
        return ending

    shown: list[tuple[float, str] | None] = []
    monkeypatch.setattr(local, "launch", launch)
    monkeypatch.setattr(Display, "settle", lambda _, found, best: shown.append(best))
    lrstudy("worker", "it", "--storage", url)
    best = optuna.load_study(study_name="it", storage=storage).best_trial
    assert best.number > 0
    assert shown == [(best.value, describe(best.user_attrs["family"], best.params))]


def test_a_worker_whose_study_is_stopped_names_what_undoes_that(
    make_study: Any, lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(trials=2)
    stopped_while_it_runs(stored, monkeypatch)
    outcome = lrstudy("worker", "it", "--storage", stored.url)
    going_on = f"to continue: lrstudy resume it --storage {stored.url}\n"
    assert (outcome.status, outcome.out.endswith(going_on)) == (0, True)


def test_stop_says_whether_there_is_a_worker_to_stop(make_study: Any, lrstudy: Command) -> None:
    stored = make_study(trials=2)
    study, study_id = stored.load(), stored.storage.get_study_id_from_name("it")
    resume = f"to continue it: lrstudy resume it --storage {stored.url}\n"
    nobody = lrstudy("stop", "it", "--storage", stored.url).out
    assert nobody == f"study 'it' is stopped: no worker trains it now; {resume}"
    trial = study.ask()
    some = lrstudy("stop", "it", "--storage", stored.url).out
    assert some == f"study 'it' is stopped: its workers leave after their epoch; {resume}"
    set_stopping(stored.storage, "it", False)
    study.tell(trial, 0.5)
    study.tell(study.ask(), 0.5)
    ended = lrstudy("stop", "it", "--storage", stored.url)
    assert ended == (0, "study 'it' is finished: no worker is left to stop\n", "")
    assert not is_stopping(stored.storage, study_id)


def test_run_without_workers_only_makes_the_study(lrstudy: Command) -> None:
    outcome = lrstudy("run", "fixed_rate", "--workers", "0", "--trials", "2", "--preset", "quick")
    assert outcome == (
        0,
        "made study 'fixed_rate'; join it: lrstudy worker fixed_rate\n",
        "",
    )
    assert "waiting" in lrstudy("status", "fixed_rate").out


@pytest.mark.parametrize("command", ["worker", "stop"])
def test_a_study_that_is_not_there(make_study: Any, lrstudy: Command, command: str) -> None:
    stored = make_study()
    outcome = lrstudy(command, "its", "--storage", stored.url)
    assert_one_line(outcome, 2, "unknown study 'its'. Did you mean 'it'?")


def test_a_directory_of_checkpoints_that_cannot_be_made(
    make_study: Any, lrstudy: Command, tmp_path: Path
) -> None:
    stored = make_study()
    (tmp_path / "file").write_text("")
    outcome = lrstudy(
        "resume", "it", "--storage", stored.url, "--checkpoints", str(tmp_path / "file" / "x")
    )
    assert_one_line(outcome, 2, "cannot make the directory")
    assert os.listdir(tmp_path).count("file") == 1  # noqa: PTH208


def test_watch_ends_with_the_study_and_needs_a_name(make_study: Any, lrstudy: Command) -> None:
    stored = make_study(trials=2)
    _finish(stored)
    shown = lrstudy("status", "it", "--watch", "--storage", stored.url)
    assert shown.status == 0
    # Trials without a configuration are nobody's result, here as in the report.
    assert "0 of 2 have a result: 2 unusable" in shown.out
    assert "no worker trains at the moment" in shown.out
    assert_one_line(
        lrstudy("status", "--watch", "--storage", stored.url), 2, "--watch shows one study"
    )
