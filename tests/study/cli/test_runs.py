"""How `run` and `resume` end: what they say, and with which status."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from optuna.trial import TrialState

from study.cli import launching
from study.cli.crew import Crew
from study.cli.options import Failure
from study.cli.resume import resume
from study.storage.hints import command
from study.storage.studies import open_storage
from study.tasks import task as tasks
from study.tasks.task import Task
from study.workers import estimate, local
from tests.study.conftest import Command, assert_one_line


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


Launched = Callable[..., None]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    """``launched(stored, ending, work)``: `run` from the point where the study exists, with workers
    that do ``work``."""

    def run(stored: Any, ending: str, work: Callable[[], None]) -> None:
        def launch(*_arguments: Any, **_options: Any) -> str:
            work()
            return ending

        monkeypatch.setattr(local, "launch", launch)
        left, why = launching.launch(stored.url, "it", stored.spec, ["cpu"], Crew(), None)
        going_on = command(stored.url, "resume", "it")
        launching.say_how_to_go_on(stored.url, "it", stored.spec, left, why, going_on)

    return run


@pytest.mark.parametrize("ending", ["done", "stopped", "timeout"])
def test_a_complete_study_names_the_next_command(
    make_study: Any, launched: Launched, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    """Ctrl-C after the last trial changes nothing."""
    stored = make_study(trials=2)
    launched(stored, ending, lambda: run_all(stored))
    where = f"--storage {shlex.quote(stored.url)}"
    text = (
        f"study 'it' is complete; show it: lrstudy report it {where}\n"
        f"to train its best on fresh seeds, for an answer: lrstudy confirm it {where}\n"
    )
    assert capsys.readouterr().out.endswith(text)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_file_system_that_keeps_no_log_is_told_of_in_one_line(
    make_study: Any,
    launched: Launched,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keeps: bool,
) -> None:
    stored = make_study(trials=2)
    monkeypatch.setattr("study.storage.studies.write_ahead", lambda _storage: keeps)
    launched(stored, "done", lambda: run_all(stored))
    line = (
        f"lrstudy: the file system of {stored.url} cannot keep SQLite's write-ahead log, as "
        "networks often cannot: workers wait longer for each other there; a local disk or "
        "PostgreSQL serves them better\n"
    )
    assert capsys.readouterr().err == ("" if keeps else line)


@pytest.mark.parametrize(("ending", "status"), [("stopped", 130), ("done", 1), ("timeout", 3)])
def test_what_is_left_is_said_with_the_command_to_go_on(
    make_study: Any,
    launched: Launched,
    capsys: pytest.CaptureFixture[str],
    ending: str,
    status: int,
) -> None:
    stored = make_study(trials=2)
    got = 0
    try:
        launched(stored, ending, lambda: None)
    except typer.Exit as exit_:
        got = exit_.exit_code
    assert got == status
    out = capsys.readouterr().out
    where = f"--storage {shlex.quote(stored.url)}"
    kernel, first, last = out.splitlines()
    assert kernel == "The convolutions are computed by torch."
    assert first.endswith(" [0/2] it: 1 worker is starting")
    assert last == f"2 trials are left; to continue: lrstudy resume it {where}"


def test_trials_that_failed_for_good_make_the_study_a_failure(
    make_study: Any, launched: Launched
) -> None:
    stored = make_study(trials=2, max_retries=0)
    message = (
        "study 'it' has ended, but 1 of 2 trials failed for good; the last error: "
        "OSError: the disk is full"
    )
    with pytest.raises(Failure) as caught:
        launched(stored, "done", lambda: run_all(stored, failing=True))
    assert (str(caught.value), caught.value.status) == (message, 1)
    with pytest.raises(Failure) as caught:
        resume("it", storage=stored.url)
    assert (str(caught.value), caught.value.status) == (message, 1)


def test_resume_of_a_finished_study_says_so_and_never_lowers_the_total(
    make_study: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = make_study(trials=2)
    run_all(stored)
    resume("it", storage=stored.url)
    assert capsys.readouterr().out == "study 'it' is finished: 2 of 2 trials\n"
    with pytest.raises(Failure, match=r"^the study has 2 trials; a total of 1 is fewer$") as caught:
        resume("it", trials=1, storage=stored.url)
    assert caught.value.status == 2


def test_a_study_that_exists_is_not_made_again(make_study: Any) -> None:
    stored = make_study(trials=2)
    message = (
        f"study 'it' exists already; `lrstudy resume it --storage {shlex.quote(stored.url)}` "
        "continues it, and --study NAME makes another"
    )
    with pytest.raises(Failure) as caught:
        launching.create(stored.url, "it", stored.spec)
    assert (str(caught.value), caught.value.status) == (message, 2)


def test_the_command_that_goes_on_asks_for_the_same_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without its directory of checkpoints a trial would start again."""
    crew = Crew(workers=2, device="cpu", checkpoints=Path("kept"))
    asked = ["--workers", "2", "--device", "cpu", "--checkpoints", "kept"]
    assert crew.options() == asked
    monkeypatch.setenv("LRSTUDY_CHECKPOINTS", "kept")
    assert crew.options() == asked[:4]
    assert Crew().options() == []
    ray = Crew(8, launcher="ray", ray_address="auto", gpus_per_worker=0.125).options()
    assert ray[2:4] == ["--launcher", "ray"]
    assert ray[4:] == ["--ray-address", "auto", "--gpus-per-worker", "0.125"]


def test_missing_checkpoints_are_told_of_before_anything_is_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    launching.prepare("postgresql://me@host/db", Crew())
    told = capsys.readouterr().err
    assert told.startswith("lrstudy: there is no directory of checkpoints: a trial that is ")
    assert "--checkpoints DIR, or LRSTUDY_CHECKPOINTS" in told
    url = f"sqlite:///{tmp_path / 'it.db'}"
    launching.prepare(url, Crew())
    launching.prepare("postgresql://me@host/db", Crew(checkpoints=tmp_path / "kept"))
    assert capsys.readouterr().err == ""
    assert (tmp_path / "kept").is_dir()
    (tmp_path / "it.db.checkpoints").write_text("a file")
    launching.prepare(url, Crew())
    assert "cannot write checkpoints to " in capsys.readouterr().err


def test_no_study_is_made_where_checkpoints_cannot_be_written(
    lrstudy: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    size = ("--trials", "2", "--preset", "quick", "--checkpoints", "file/x")
    assert_one_line(lrstudy("run", "fixed_rate", *size), 2, "cannot make the directory file/x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


CHAPTER = ("run", "chapter", "--train-size", "100", "--epochs", "10", "--trials", "10")
SHORT = [
    "multi_factor/as-intended: training ends after 10 epochs, before the milestones 15 and 30",
    "cosine/as-intended: training ends after 10 epochs of a horizon of 20, ",
    "warmup_cosine/as-intended: training ends after 10 epochs of a horizon of 20, ",
]


def test_a_run_says_what_of_its_schedules_it_does_not_reach(
    lrstudy: Any, tiny_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks.TASKS, "fashion_mnist", tiny_task)
    cost = estimate.Cost(10, 10, 100, 1, 1, seconds_per_trial=1.0, hours=1.0)
    monkeypatch.setattr(estimate, "estimate", lambda *_: cost)
    told = lrstudy(*CHAPTER, "--dry-run", "--json", "--workers", "1")
    lines = json.loads(told.out)["unfinished"]
    assert len(lines) == len(SHORT)
    for line, start in zip(lines, SHORT, strict=True):
        assert line.startswith(start)
    for options in (("--dry-run", "--workers", "1"), ("--workers", "0")):
        said = lrstudy(*CHAPTER, *options).err.splitlines()
        assert [line for line in said if "training ends" in line] == [
            f"lrstudy: {line}" for line in lines
        ]
    assert len(open_storage("sqlite:///lrstudy.db").get_all_studies()) == 1
    whole = lrstudy("run", "fixed_rate", "--train-size", "100", "--dry-run", "--workers", "1")
    assert (whole.status, "training ends" in whole.err) == (0, False)
