"""Opening the storage: what it refuses, in one line and without passwords; studies in it."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.exceptions import DuplicatedStudyError, StorageInternalError

from study.storage.claims import SlotStorage
from study.storage.studies import (
    create_study,
    describe,
    load_spec,
    open_storage,
    set_spec,
    write_ahead,
)
from study.storage.urls import StorageError, safe_url


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
            "mysql://me:***@host/db: lrstudy keeps studies in SQLite and PostgreSQL alone: "
            "use sqlite:///FILE or postgresql://USER@HOST/DATABASE",
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
    run = f"`lrstudy run SPACE --storage {sqlite(file)}`"
    assert refusal(sqlite(file)) == f"there is no database {file}; {run} makes one"
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
    run = f"`lrstudy run SPACE --storage {sqlite(file)}`"
    assert refusal(sqlite(file)) == f"{sqlite(file)} is empty; {run} fills it"
    open_storage(sqlite(file), create=True)
    open_storage(sqlite(file))


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


def journal_mode(url: str) -> str:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def test_opening_does_not_change_the_journal_mode(tmp_path: Path, make_spec: Any) -> None:
    url = sqlite(tmp_path / "new.db")
    storage = open_storage(url, create=True)
    optuna.create_study(study_name="theirs", storage=url)
    assert load_study(open_storage(url), "theirs") == journal_mode(url) == "delete"
    create_study(storage, "ours", make_spec())
    assert journal_mode(url) == "wal"


def load_study(storage: SlotStorage, name: str) -> str:
    """Refused; the journal mode as a connection of the storage sees it."""
    with pytest.raises(StorageError, match="was not made by lrstudy"):
        load_spec(storage, name)
    with storage.engine.connect() as connection:
        return str(connection.execute(sa.text("PRAGMA journal_mode")).scalar_one())


class Pragma:
    """A connection to SQLite on a file system that answers as networks do."""

    def __init__(self, answer: str | int) -> None:
        self.answer = answer

    def cursor(self) -> Pragma:
        return self

    def execute(self, _query: str) -> Pragma:
        if isinstance(self.answer, int):
            error = sqlite3.OperationalError("what SQLite says")
            error.sqlite_errorcode = self.answer
            raise error
        return self

    def fetchone(self) -> tuple[str | int]:
        return (self.answer,)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "answer",
    ["delete", sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_CANTOPEN],
)
def test_a_file_system_that_keeps_no_log_serves_workers_one_after_the_other(
    make_study: Any, monkeypatch: pytest.MonkeyPatch, answer: str | int
) -> None:
    stored = make_study()
    assert write_ahead(stored.storage)
    stored.storage.engine.dispose()
    with closing(sqlite3.connect(stored.url.removeprefix("sqlite:///"))) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    with monkeypatch.context() as patch:
        patch.setattr(stored.storage.engine, "raw_connection", lambda: Pragma(answer))
        assert not write_ahead(stored.storage)
    assert journal_mode(stored.url) == "delete"
    with ThreadPoolExecutor(4) as pool:
        trials = list(pool.map(lambda _: stored.load().ask(), range(stored.spec.trials)))
    assert sorted(each.user_attrs["slot"] for each in trials) == list(range(stored.spec.trials))
    with stored.storage.engine.connect() as connection:  # no log: every commit is flushed
        assert connection.execute(sa.text("pragma synchronous")).scalar() == 2


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT]
)
def test_a_file_that_cannot_be_written_is_not_taken_for_such_a_file_system(
    make_study: Any, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    stored = make_study()
    monkeypatch.setattr(stored.storage.engine, "raw_connection", lambda: Pragma(code))
    with pytest.raises(sa.exc.DBAPIError, match="what SQLite says"):
        write_ahead(stored.storage)


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


def test_a_study_is_made_whole_or_not_at_all(make_study: Any, make_spec: Any) -> None:
    """A disk may be full, or the process killed, at any moment."""
    stored = make_study(name="first")

    def full(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "study_user_attributes" in statement and statement.startswith("INSERT"):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise sa.exc.OperationalError(statement, {}, error)

    engine = stored.storage.engine
    sa.event.listen(engine, "before_cursor_execute", full)
    with pytest.raises(StorageInternalError):
        create_study(stored.storage, "second", make_spec())
    sa.event.remove(engine, "before_cursor_execute", full)
    assert [each.study_name for each in stored.storage.get_all_studies()] == ["first"]
    create_study(stored.storage, "second", make_spec())


def test_a_study_whose_making_was_not_answered_is_known_again(
    make_study: Any, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, made = make_study(name="first"), SlotStorage.create_whole_study

    def twice(storage: SlotStorage, name: str, attrs: dict[str, Any]) -> None:
        made(storage, name, attrs)
        made(storage, name, attrs)

    monkeypatch.setattr(SlotStorage, "create_whole_study", twice)
    assert create_study(stored.storage, "second", make_spec()).study_name == "second"


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
