"""A database that goes away: calls wait for it, and what was written is not written twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from study.storage import outages
from study.storage.claims import attempts
from study.storage.outages import PatientStorage, is_away, patient
from study.storage.urls import StorageAwayError, StorageError

URL = "postgresql+psycopg://me:secret@host/studies"
PLACE = "postgresql+psycopg://me:***@host/studies"


def _gone(*_: Any) -> sa.exc.OperationalError:
    return sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))


def _full() -> sa.exc.OperationalError:
    cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    return sa.exc.OperationalError("INSERT", {}, cause)


def _as_optuna_tells(cause: Exception) -> StorageInternalError:
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = cause
    return error


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time passes only in sleep, and at once; the seconds of each."""
    waits: list[float] = []
    monkeypatch.setattr(outages.time, "sleep", waits.append)
    monkeypatch.setattr(outages.time, "monotonic", lambda: sum(waits))
    return waits


@pytest.mark.parametrize(
    "error", [_gone(), _as_optuna_tells(_gone()), StorageAwayError("connection refused")]
)
def test_a_call_is_repeated_until_the_database_is_back(
    slept: list[float], error: Exception
) -> None:
    answers: list[Any] = [error, error, error, 7]

    @patient
    def call(_url: str) -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    assert call(URL) == 7
    assert len(slept) == 3
    assert all(low / 2 <= wait <= low for low, wait in zip([0.1, 0.2, 0.4], slept, strict=True))


def test_patience_has_an_end(slept: list[float]) -> None:
    """Shorter than the grace of a silent trial."""

    @patient
    def call(_url: str) -> None:
        raise _gone()

    with pytest.raises(sa.exc.OperationalError):
        call(URL)
    assert outages.PATIENCE_SECONDS - 5 < sum(slept) <= outages.PATIENCE_SECONDS


def _waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "lrstudy.waits"]


@pytest.mark.parametrize(
    "error",
    [_gone(), StorageAwayError(f"cannot use the storage {PLACE}: server closed the connection")],
)
def test_a_wait_says_for_what_and_how_long(
    slept: list[float], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """When it begins, again and again, and when it is over; without the password."""

    @patient
    def call(_url: str) -> None:
        if sum(slept) < 40:
            raise error

    call(URL)
    *waiting, over = _waits(caplog)
    start = f"cannot use the storage {PLACE}: server closed the connection; waiting, for "
    seconds = [
        int(each.removeprefix(start).removesuffix(" s now and at most 75 s")) for each in waiting
    ]
    assert 2 <= seconds[0] <= 5
    assert all(15 <= later - sooner <= 20 for sooner, later in pairwise(seconds))
    assert 20 < seconds[-1] <= 40
    assert over == f"the storage {PLACE} is back after {sum(slept):.0f} s"


def test_a_hiccup_is_not_spoken_of(slept: list[float], caplog: pytest.LogCaptureFixture) -> None:
    @patient
    def call(_url: str) -> None:
        if sum(slept) < 1:
            raise _gone()

    call(URL)
    assert slept
    assert _waits(caplog) == []


def test_threads_that_wait_for_the_same_speak_once(caplog: pytest.LogCaptureFixture) -> None:
    voice = outages._Voice()
    began = outages.time.monotonic() - 10
    for _ in range(3):
        voice.waiting(began, "it is away")
    assert _waits(caplog) == ["it is away; waiting, for 10 s now and at most 75 s"]
    voice._next = 0.0  # later, in a call that began only now
    voice.waiting(outages.time.monotonic() - 3, "it is away")
    assert _waits(caplog)[1:] == ["it is away; waiting, for 10 s now and at most 75 s"]
    for _ in range(3):
        voice.ended("it")
    assert len(_waits(caplog)) == 3
    voice.waiting(began, "it is away")  # another time
    voice.ended(None)  # given up
    voice.ended("it")
    assert len(_waits(caplog)) == 4


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.IntegrityError("INSERT", {}, Exception("twice")),
        _as_optuna_tells(sa.exc.ProgrammingError("SELECT", {}, Exception("no such table"))),
        _as_optuna_tells(_full()),
        StorageError("there is no study"),
        ValueError("no"),
    ],
)
def test_other_errors_are_raised_at_once(slept: list[float], error: Exception) -> None:
    @patient
    def call() -> None:
        raise error

    assert not is_away(error)
    with pytest.raises(type(error)):
        call()
    assert slept == []


def _loses_the_answer(call: Callable[..., Any]) -> Callable[..., Any]:
    """Does what it should, the first time without getting the answer."""
    times: list[int] = []

    def calling(*arguments: Any, **options: Any) -> Any:
        found = call(*arguments, **options)
        times.append(1)
        if len(times) == 1:
            raise _as_optuna_tells(_gone())
        return found

    return calling


def test_an_end_whose_answer_was_lost_is_known_again(
    make_study: Any, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(trials=2)
    study = stored.load()
    trial = study.ask()
    ending = _loses_the_answer(RDBStorage.set_trial_state_values)
    monkeypatch.setattr(
        RDBStorage, "set_trial_state_values", lambda *args, **options: ending(*args, **options)
    )
    study.tell(trial, 0.25)
    assert (study.trials[0].state, study.trials[0].value) == (TrialState.COMPLETE, 0.25)
    with pytest.raises(UpdateFinishedTrialError):  # another end is not taken for it
        stored.storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    with pytest.raises(UpdateFinishedTrialError):
        stored.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def test_a_claim_whose_answer_was_lost_costs_no_slot(
    make_study: Any, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial that nobody knows of is given up in the transaction that makes the next one."""
    stored = make_study(trials=2)
    study = stored.load()
    claim = _loses_the_answer(RDBStorage._create_new_trial)
    monkeypatch.setattr(
        RDBStorage, "_create_new_trial", lambda *args, **options: claim(*args, **options)
    )
    monkeypatch.setattr(PatientStorage, "_create_new_trial", patient(RDBStorage._create_new_trial))
    trial = study.ask()
    assert trial.user_attrs["slot"] == 0
    found = attempts(stored.storage, "it")
    assert [each.state for each in found] == [TrialState.FAIL, TrialState.RUNNING]
    assert not found[0].failed_by_itself
    assert study.ask().user_attrs["slot"] == 1


def test_every_call_of_a_worker_is_patient() -> None:
    """What Optuna's study, trial, sampler and pruner call of a storage, and the heartbeat."""
    used = {
        *("get_study_id_from_name", "get_study_user_attrs", "get_study_directions"),
        *("_get_trials", "get_trial", "_create_new_trial", "_set_trial_param"),
        *("set_trial_user_attr", "set_trial_system_attr", "set_trial_intermediate_value"),
        *("set_trial_state_values", "record_heartbeat", "get_all_studies", "set_study_user_attr"),
    }
    for name in used:
        assert getattr(PatientStorage, name) is not getattr(RDBStorage, name), name
    optuna.logging.set_verbosity(optuna.logging.WARNING)
