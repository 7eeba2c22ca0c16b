"""How `run` and `resume` end: what they say, and with which status."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer
from optuna.trial import TrialState

from study import runner
from study.cli import launching, runs
from study.cli.options import Failure


def run_all(stored: Any, *, failing: bool = False) -> None:
    study = stored.load()
    for _ in range(stored.spec.trials):
        trial = study.ask()
        if failing and trial.user_attrs["slot"] == 0:
            trial.set_user_attr("error", "Traceback\n  ...\nOSError: the disk is full\n")
            study.tell(trial, state=TrialState.FAIL)
        else:
            trial.suggest_float("base_lr", 0.1, 1.0)
            study.tell(trial, 0.5)


def launched(stored: Any, monkeypatch: pytest.MonkeyPatch, ending: str, work: Any) -> None:
    """`run` from the point where the study exists, with workers that do ``work``."""

    def launch(*_arguments: Any, **_options: Any) -> str:
        work()
        return ending

    monkeypatch.setattr(runner, "launch", launch)
    left, why = launching.launch(stored.url, "it", stored.spec, ["cpu"], launching.Crew())
    launching.say_how_to_go_on(stored.url, "it", stored.spec, left, why)


@pytest.mark.parametrize("ending", ["done", "stopped", "timeout"])
def test_a_complete_study_names_the_next_command(
    make_study: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ending: str,
) -> None:
    """Ctrl-C after the last trial changes nothing."""
    stored = make_study(trials=2)
    launched(stored, monkeypatch, ending, lambda: run_all(stored))
    where = f"--storage {shlex.quote(stored.url)}"
    text = f"study 'it' is complete; show it: lrstudy report it {where}\n"
    assert capsys.readouterr().out.endswith(text)


@pytest.mark.parametrize(("ending", "status"), [("stopped", 130), ("done", 1), ("timeout", 0)])
def test_what_is_left_is_said_with_the_command_to_go_on(
    make_study: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ending: str,
    status: int,
) -> None:
    stored = make_study(trials=2)
    got = 0
    try:
        launched(stored, monkeypatch, ending, lambda: None)
    except typer.Exit as exit_:
        got = exit_.exit_code
    assert got == status
    out = capsys.readouterr().out
    where = f"--storage {shlex.quote(stored.url)}"
    assert out == f"2 trials are left; go on with: lrstudy resume it {where}\n"


def test_trials_that_failed_for_good_make_the_study_a_failure(
    make_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(trials=2, max_retries=0)
    message = (
        "study 'it' has ended, but 1 of 2 trials failed for good; the last error: "
        "OSError: the disk is full"
    )
    with pytest.raises(Failure) as caught:
        launched(stored, monkeypatch, "done", lambda: run_all(stored, failing=True))
    assert (str(caught.value), caught.value.status) == (message, 1)
    with pytest.raises(Failure) as caught:
        runs.resume("it", storage=stored.url)
    assert (str(caught.value), caught.value.status) == (message, 1)


def test_resume_of_a_finished_study_says_so_and_never_lowers_the_total(
    make_study: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = make_study(trials=2)
    run_all(stored)
    runs.resume("it", storage=stored.url)
    assert capsys.readouterr().out == "study 'it' is finished: 2 of 2 trials\n"
    with pytest.raises(Failure, match=r"^the study has 2 trials; a total of 1 is fewer$") as caught:
        runs.resume("it", trials=1, storage=stored.url)
    assert caught.value.status == 2


def test_a_study_that_exists_is_not_made_again(make_study: Any) -> None:
    stored = make_study(trials=2)
    message = (
        "study 'it' exists already; `lrstudy resume it` goes on with it, and --study NAME makes "
        "another"
    )
    with pytest.raises(Failure) as caught:
        launching.create(stored.url, "it", stored.spec)
    assert (str(caught.value), caught.value.status) == (message, 2)
