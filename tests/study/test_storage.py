"""Opening the storage: what it refuses, in one line and without passwords; studies in it."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.exceptions import DuplicatedStudyError
from optuna.trial import TrialState

from study.storage import best_trial, create_study, describe, load_spec, open_storage, set_spec
from study.urls import StorageError, safe_url


def refusal(url: str, *, create: bool = False) -> str:
    with pytest.raises(StorageError) as caught:
        open_storage(url, create=create)
    message = str(caught.value)
    assert "\n" not in message
    assert "secret" not in message
    return message


def sqlite(path: Path) -> str:
    return f"sqlite:///{path}"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("lrstudy.db", "the storage is not a database URL such as sqlite:///lrstudy.db"),
        ("", "the storage is not a database URL such as sqlite:///lrstudy.db"),
        (
            "postgresql://me:secret@host:port/db",
            "the storage is not a database URL such as sqlite:///lrstudy.db",
        ),
        (
            "mysql://me:secret@host/db?password=secret",
            "mysql://me:***@host/db: use sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        ),
        ("sqlite://", "the storage must be a file: sqlite:///FILE"),
        ("sqlite:///:memory:", "the storage must be a file: sqlite:///FILE"),
    ],
)
def test_a_wrong_url_is_explained(url: str, message: str) -> None:
    for create in (False, True):
        assert refusal(url, create=create) == message


def test_a_missing_file_is_not_made_by_asking_for_it(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    assert refusal(sqlite(file)) == f"there is no database {file}; `lrstudy run SPACE` makes one"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none" / "a.db"
    message = f"cannot write {file}: there is no directory {file.parent}"
    assert refusal(sqlite(file), create=True) == message
    assert list(tmp_path.iterdir()) == []


def test_what_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may write anywhere, so the system's answer is changed here."""
    file = tmp_path / "a.db"
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    message = f"cannot write {tmp_path}: permission denied"
    assert refusal(sqlite(file), create=True) == message
    file.touch()
    assert refusal(sqlite(file)) == f"cannot write {file}: permission denied"


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    message = f"cannot use the storage {sqlite(tmp_path)}: unable to open database file"
    assert refusal(sqlite(tmp_path)) == message


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, " * 100)
    before = file.read_bytes()
    for create in (False, True):
        message = f"cannot use the storage {sqlite(file)}: file is not a database"
        assert refusal(sqlite(file), create=create) == message
    assert file.read_bytes() == before


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table recipes (name text)")
    connection.close()
    before = file.read_bytes()
    for create in (False, True):
        message = f"{sqlite(file)} is the database of another program"
        assert refusal(sqlite(file), create=create) == message
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_empty_database_is_filled_by_a_run_only(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    assert refusal(sqlite(file)) == f"{sqlite(file)} is empty; `lrstudy run SPACE` fills it"
    open_storage(sqlite(file), create=True)
    open_storage(sqlite(file))


def test_a_database_of_another_version_of_optuna_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    open_storage(sqlite(file), create=True)
    with sqlite3.connect(file) as connection:
        connection.execute("update alembic_version set version_num = 'v0.9.0.a'")
    connection.close()
    message = refusal(sqlite(file))
    assert message.startswith(f"{sqlite(file)}: The runtime optuna version ")


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_a_server_that_does_not_answer_is_named_without_the_password(
    closed_port: int, driver: str
) -> None:
    place = f"@127.0.0.1:{closed_port}/studies"
    message = refusal(f"{driver}://me:secret{place}?application_name=secret", create=True)
    assert message.startswith(f"cannot use the storage postgresql+psycopg://me:***{place}: ")
    assert "onnection refused" in message


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: Any, **_options: Any) -> None:
        raise ImportError("no module named psycopg")

    monkeypatch.setattr(sa, "create_engine", missing)
    url, hint = "postgresql+psycopg://me:***@host/db", "pip install 'lrstudy[postgres]'"
    message = f"{url} needs a database driver: {hint}"
    assert refusal("postgresql://me:secret@host/db") == message


def test_a_safe_url_has_no_password_anywhere() -> None:
    assert safe_url("sqlite:///lrstudy.db") == "sqlite:///lrstudy.db"
    assert safe_url("postgresql://me:secret@host:5/db") == "postgresql://me:***@host:5/db"
    assert safe_url("postgresql://host/db?password=secret") == "postgresql://host/db"


# ---------------------------------------------------------------- SQLite for several workers


def test_sqlite_has_a_log_and_one_writer_at_a_time(make_study: Any) -> None:
    stored = make_study()
    with stored.storage.engine.connect() as connection:
        assert connection.execute(sa.text("pragma journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("pragma synchronous")).scalar() == 1
        # The transaction has begun: no other writer comes in before it ends.
        other = sqlite3.connect(str(stored.url).removeprefix("sqlite:///"), timeout=0.05)
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.execute("begin immediate")
        other.close()


def test_many_openings_of_one_database_at_once(make_study: Any) -> None:
    stored, start, found = make_study(), Barrier(8), []

    def read() -> None:
        start.wait()
        found.append(load_spec(open_storage(stored.url), "it"))

    threads = [Thread(target=read) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [stored.spec] * 8


# ---------------------------------------------------------------- studies


def test_a_study_carries_its_spec(make_study: Any) -> None:
    stored = make_study("warmup", trials=12, seed=3)
    assert load_spec(open_storage(stored.url), "it") == stored.spec
    larger = stored.spec.with_trials(24)
    set_spec(stored.storage, "it", larger)
    assert load_spec(open_storage(stored.url), "it") == larger
    with pytest.raises(DuplicatedStudyError):
        create_study(stored.storage, "it", stored.spec)
    study = optuna.load_study(study_name="it", storage=stored.url)  # by Optuna's own means
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE


def test_an_unknown_study_is_answered_with_the_nearest(make_study: Any) -> None:
    stored = make_study(name="cosine")
    make_study(name="warmup")
    with pytest.raises(StorageError) as caught:
        load_spec(stored.storage, "cosin")
    assert str(caught.value) == (
        "unknown study 'cosin'. Did you mean 'cosine'? There are: cosine, warmup."
    )


def test_a_storage_without_studies_says_so(tmp_path: Path) -> None:
    storage = open_storage(sqlite(tmp_path / "new.db"), create=True)
    with pytest.raises(StorageError, match=r"^unknown study 'x'\. There are: \(none yet\)\.$"):
        load_spec(storage, "x")


def test_a_study_of_another_program_is_refused(make_study: Any) -> None:
    stored = make_study()
    study = optuna.create_study(storage=stored.url, study_name="theirs")
    study.tell(study.ask(), 0.5)
    with pytest.raises(StorageError, match=r"^study 'theirs' was not made by lrstudy$"):
        load_spec(stored.storage, "theirs")


@pytest.fixture
def tell(make_study: Any) -> Callable[..., Any]:
    stored = make_study(trials=6)
    study = stored.load()

    def told(lr: float | None = None, value: float | None = None, **options: Any) -> Any:
        if lr is not None:
            trial = study.ask()
            trial.suggest_float("base_lr", lr, lr)
            study.tell(trial, value, **options)
        return best_trial(stored.storage, "it")

    return told


def test_the_best_trial_is_the_highest_complete_one(tell: Any) -> None:
    assert tell() is None
    assert tell(0.1, state=TrialState.FAIL) is None
    assert tell(0.25, 0.5) == (0.5, "constant base_lr=0.25")
    assert tell(0.5, 0.75) == (0.75, "constant base_lr=0.5")
    assert tell(0.125, 0.1) == (0.75, "constant base_lr=0.5")


def test_a_trial_in_a_few_words() -> None:
    params = {"schedule": "cosine", "base_lr": 0.31234, "final_fraction": 0.02}
    assert describe("cosine", params) == "cosine base_lr=0.312 final_fraction=0.02"


def test_several_may_make_the_same_new_database_at_once(tmp_path: Path) -> None:
    url, together = f"sqlite:///{tmp_path / 'new.db'}", threading.Barrier(4)

    def opened(_: int) -> list[str]:
        together.wait()
        storage = open_storage(url, create=True)
        return [study.study_name for study in storage.get_all_studies()]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(opened, range(4))) == [[]] * 4
