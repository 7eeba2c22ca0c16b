"""Laws over all commands: another program's file keeps every byte, whoever only looks leaves no
trace, and what cannot be used is refused in the same line everywhere."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import sqlalchemy as sa
import typer.main

from study.cli.application import app
from study.storage.schema import filled_by
from tests.analysis.conftest import plant_study
from tests.security.conftest import said
from tests.study.conftest import Command
from tests.study.old_optuna import plant, revisions, write

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tiny", "dashboard")]

WHOLE = ("--preset", "standard", "--epochs", "1", "--train-size", "20")
SIZE = ("--epochs", "1", "--train-size", "20", "--workers", "0")
VIEWS = (
    ("status", "NAME"),
    ("status", "NAME", "--json"),
    ("status", "NAME", "--watch"),
    ("status",),
    ("best", "NAME"),
    ("best", "NAME", "--export", "mine"),
    ("report", "NAME"),
    ("report", "URL#NAME"),
    ("export", "NAME", "--out", "x.csv"),
    ("export", "NAME", "--out", "y.csv", "--curves"),
    ("confirm", "NAME", "--dry-run"),
    ("dashboard",),
)
WORK = (
    ("resume", "NAME"),
    ("resume", "NAME", "--trials", "99"),
    ("worker", "NAME"),
    ("stop", "NAME"),
    ("confirm", "NAME"),
    ("sample", "gaussian", "--into", "NAME"),
    ("run", "cosine", "--study", "NAME", *SIZE),
    ("answer", "cosine", "--study", "NAME", "--budget", "90m", *WHOLE),
    ("compare", "constant:base_lr=0.1", "constant:base_lr=0.2", "--study", "NAME", *WHOLE),
)
MAKERS = ("run", "answer", "compare")  # of a study, and of a database for it
Files = dict[str, bytes]


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of optuna-dashboard, something that reads all there is and leaves."""

    def served(storage: optuna.storages.RDBStorage, **_place: object) -> None:
        for study in storage.get_all_studies():
            storage.get_all_trials(study._study_id)

    monkeypatch.setitem(sys.modules, "optuna_dashboard", SimpleNamespace(run_server=served))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the database alone: commands run beside it."""
    made = tmp_path / "database"
    made.mkdir()
    return made


def content(folder: Path) -> Files:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def words(command: tuple[str, ...], name: str, url: str) -> list[str]:
    return [each.replace("NAME", name).replace("URL", url) for each in (*command, "--storage", url)]


def test_no_command_that_takes_a_storage_is_forgotten() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    takes = {name for name, each in commands.items() if "storage" in {p.name for p in each.params}}
    assert {each[0] for each in (*VIEWS, *WORK)} == takes


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another program's database, in the journal mode that SQLite begins with."""
    file = tmp_path_factory.mktemp("theirs") / "optuna.db"
    optuna.create_study(storage=f"sqlite:///{file}", study_name="theirs").optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=2
    )
    assert file.read_bytes()[18:20] == b"\1\1"
    return file


@pytest.mark.parametrize("command", [*VIEWS, *WORK], ids=" ".join)
def test_the_file_of_another_program_keeps_every_byte(
    lrstudy: Command, theirs: Path, folder: Path, command: tuple[str, ...]
) -> None:
    url = f"sqlite:///{shutil.copy(theirs, folder)}"
    before = content(folder)
    outcome = lrstudy(*words(command, "theirs", url))
    if outcome.status:
        assert said(outcome) == "study 'theirs' was not made by lrstudy"
    assert content(folder) == before


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search in a database of lrstudy, which has a write-ahead log."""
    file = tmp_path_factory.mktemp("ours") / "lrstudy.db"
    plant_study(file, "fixed_rate", 4, everything="complete")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert file.read_bytes()[18:20] == b"\2\2"
    return file


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("command", VIEWS, ids=" ".join)
def test_who_only_looks_leaves_no_trace(
    lrstudy: Command, ours: Path, folder: Path, command: tuple[str, ...]
) -> None:
    url = f"sqlite:///{shutil.copy(ours, folder)}"
    before = content(folder)
    lrstudy(*words(command, "fixed_rate", url))
    assert content(folder) == before


# ---------------------------------------------------------------- one line for all


def older(folder: Path) -> tuple[str, str]:
    url = plant(folder / "old.db", revisions()[-1])
    advice = "`optuna storage upgrade --storage URL` brings it up to date; keep a copy"
    return url, f"{url} was made by an older Optuna (1.5.0): {advice}"


def newer(folder: Path) -> tuple[str, str]:
    url = f"sqlite:///{folder / 'new.db'}"
    optuna.storages.RDBStorage(url).engine.dispose()
    write(folder / "new.db", "UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    installed = optuna.__version__
    return url, (
        f"{url} was made by an Optuna ({installed}) newer than the one installed ({installed}): a "
        "newer lrstudy may read it"
    )


def birds(folder: Path) -> tuple[str, str]:
    write(folder / "birds.db", "CREATE TABLE birds (name TEXT)")
    url = f"sqlite:///{folder / 'birds.db'}"
    return url, f"{url} is the database of another program"


def text(folder: Path) -> tuple[str, str]:
    (folder / "letter.txt").write_text("Dear reader, " * 100)
    url = f"sqlite:///{folder / 'letter.txt'}"
    return url, f"cannot use the storage {url}: file is not a database"


def directory(folder: Path) -> tuple[str, str]:
    return f"sqlite:///{folder}", f"{folder} is a directory, not a database"


def mysql(_folder: Path) -> tuple[str, str]:
    use = "use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    return "mysql://me@host/db", (
        f"mysql://me@host/db: lrstudy keeps studies in SQLite and PostgreSQL alone: {use}"
    )


def journal(_folder: Path) -> tuple[str, str]:
    use = "use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
    copied = "`optuna.copy_study` copies its studies there"
    return "journal.log", f"a journal file of Optuna cannot be the storage: {use}; {copied}"


@pytest.mark.parametrize("made", [older, newer, birds, text, directory, mysql, journal])
def test_what_cannot_be_used_is_refused_in_one_line_everywhere(
    lrstudy: Command, folder: Path, made: Callable[[Path], tuple[str, str]]
) -> None:
    url, message = made(folder)
    before = content(folder)
    for command in (*VIEWS, *WORK):
        outcome = lrstudy(*words(command, "it", url))
        assert (outcome.status, said(outcome)) == (1, message), command
        assert content(folder) == before


def empty(folder: Path) -> tuple[str, str]:
    (folder / "empty.db").touch()
    url = f"sqlite:///{folder / 'empty.db'}"
    return url, f"{url} is empty; {filled_by(sa.make_url(url))} fills it"


def missing(folder: Path) -> tuple[str, str]:
    file = folder / "none.db"
    url = f"sqlite:///{file}"
    return url, f"there is no database {file}; {filled_by(sa.make_url(url))} makes one"


@pytest.mark.parametrize("made", [empty, missing])
def test_what_is_not_there_yet_is_made_by_a_new_study_alone(
    lrstudy: Command, folder: Path, made: Callable[[Path], tuple[str, str]]
) -> None:
    url, message = made(folder)
    before = content(folder)
    run = next(each for each in WORK if each[0] == "run")
    for command in (each for each in (*VIEWS, *WORK) if each[0] not in MAKERS):
        outcome = lrstudy(*words(command, "it", url))
        assert (outcome.status, said(outcome)) == (1, message), command
        assert content(folder) == before
    assert lrstudy(*words(run, "it", url)).status == 0
    assert lrstudy("status", "it", "--storage", url).status == 0
