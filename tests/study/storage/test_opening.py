"""The one way into a database: what is there is refused before anything is written, and reading
leaves no trace."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.storage import opening
from study.storage.hints import command
from study.storage.opening import connect
from study.storage.studies import open_storage
from study.storage.urls import StorageError
from tests.study.storage.refusals import refusal

Content = dict[str, bytes]


def content(folder: Path) -> Content:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def read(file: Path) -> int:
    """How many studies a reader finds."""
    with connect(f"sqlite:///{file}") as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM studies")).scalar_one())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of its own for a database."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def file(folder: Path) -> Path:
    """A database with two studies, in the journal mode that SQLite begins with."""
    found = folder / "a.db"
    open_storage(f"sqlite:///{found}", create=True).engine.dispose()
    with closing(sqlite3.connect(found)) as connection, connection:
        connection.execute("INSERT INTO studies (study_name) VALUES ('one'), ('two')")
    return found


def log(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)


@pytest.mark.parametrize("logged", [False, True])
def test_a_reader_leaves_no_trace(folder: Path, file: Path, logged: bool) -> None:
    if logged:
        log(file)
    before = content(folder)
    assert read(file) == 2
    assert content(folder) == before


@pytest.mark.parametrize("logged", [False, True])
def test_a_worker_that_only_looks_leaves_no_trace(folder: Path, file: Path, logged: bool) -> None:
    if logged:
        log(file)
    before = content(folder)
    storage = open_storage(f"sqlite:///{file}")
    assert len(storage.get_all_studies()) == 2
    storage.engine.dispose()
    assert content(folder) == before


@pytest.mark.parametrize("logged", [False, True])
def test_a_reader_cannot_write(file: Path, logged: bool) -> None:
    if logged:
        log(file)
    readonly = pytest.raises(sa.exc.OperationalError, match="readonly")
    with connect(f"sqlite:///{file}") as connection, readonly:
        connection.execute(sa.text("DELETE FROM studies"))
    assert read(file) == 2


def test_a_reader_sees_what_is_in_the_log_of_others_and_leaves_it(folder: Path, file: Path) -> None:
    log(file)
    with closing(sqlite3.connect(file)) as other:
        with other:
            other.execute("INSERT INTO studies (study_name) VALUES ('three')")
        before = content(folder)
        assert read(file) == 3
        now = content(folder)
        assert {name: now[name] for name in ("a.db", "a.db-wal")} == {
            name: before[name] for name in ("a.db", "a.db-wal")
        }
        with other:
            other.execute("INSERT INTO studies (study_name) VALUES ('four')")
    assert read(file) == 4


_WRITER = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO studies (study_name) VALUES ('three')")
connection.commit()
os._exit(0)
"""


def test_a_reader_beside_a_writer_does_not_let_go_of_its_locks(folder: Path, file: Path) -> None:
    """Whoever closes a file that SQLite has open in the same process releases SQLite's locks on it:
    the next process to leave would take itself for the last one, and delete the log."""
    log(file)
    storage = open_storage(f"sqlite:///{file}")
    with storage.engine.connect():
        for _ in range(2):
            assert read(file) == 2
        leaving = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        leaving += "c.execute('SELECT * FROM studies').fetchall(); c.close()"
        subprocess.run([sys.executable, "-c", leaving, str(file)], check=True)
        assert (folder / "a.db-wal").exists()
    storage.engine.dispose()


def test_a_reader_leaves_what_a_killed_writer_left(folder: Path, file: Path) -> None:
    log(file)
    subprocess.run([sys.executable, "-c", _WRITER, str(file)], check=True)
    before = content(folder)
    assert read(file) == 3
    assert content(folder).keys() == before.keys() >= {"a.db-wal"}
    assert content(folder)["a.db"] == before["a.db"]


def test_a_log_that_cannot_be_made_does_not_keep_readers_out(
    folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is full, or may not be written: the superuser may write anywhere."""
    log(file)
    usual: Callable[..., sqlite3.Connection] = sqlite3.connect

    def without_room(where: str, *args: object, **options: object) -> sqlite3.Connection:
        if "mode=rw" in where:
            raise sqlite3.OperationalError("unable to open database file")
        return usual(where, *args, **options)

    monkeypatch.setattr("sqlite3.connect", without_room)
    assert read(file) == 2
    assert content(folder).keys() == {"a.db"}


def test_a_reader_does_not_read_what_is_being_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the writer keeps its journal in memory, so that no file beside it tells."""
    monkeypatch.setattr(opening, "_LOCK_SECONDS", 0.05)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=MEMORY")
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in refusal(f"sqlite:///{file}")
        other.execute("ROLLBACK")
    assert read(file) == 2


# ---------------------------------------------------------------- what is none


def fill(file: Path) -> str:
    """The hint that names what makes a database."""
    return f"`{command(f'sqlite:///{file}', 'run', 'SPACE')}`"


def test_a_missing_file_is_named_and_not_made(folder: Path) -> None:
    file = folder / "none.db"
    assert refusal(f"sqlite:///{file}") == f"there is no database {file}; {fill(file)} makes one"
    assert content(folder) == {}


def test_a_directory_is_named(folder: Path) -> None:
    assert refusal(f"sqlite:///{folder}") == f"{folder} is a directory, not a database"


def test_what_is_no_file_is_named_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refusal(f"sqlite:///{folder / 'pipe'}") == f"{folder / 'pipe'} is not a file"


def test_a_file_that_may_not_be_read_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may read anything, so the system's answer is changed here."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)
    assert refusal(f"sqlite:///{file}") == f"cannot read {file}: permission denied"


def test_an_empty_file_is_no_database_yet(folder: Path) -> None:
    file = folder / "empty.db"
    file.touch()
    assert refusal(f"sqlite:///{file}") == f"sqlite:///{file} is empty; {fill(file)} fills it"
    assert content(folder) == {"empty.db": b""}


@pytest.mark.parametrize("text", ["Dear reader, " * 100, "short", "SQLite format 3\0 and no more"])
def test_a_file_that_is_no_database_is_left_alone(folder: Path, text: str) -> None:
    file = folder / "letter.txt"
    file.write_text(text)
    before = content(folder)
    message = f"cannot use the storage sqlite:///{file}: file is not a database"
    assert refusal(f"sqlite:///{file}") == message
    with pytest.raises(StorageError) as error:
        open_storage(f"sqlite:///{file}", create=True)
    assert str(error.value) == message
    assert content(folder) == before


def test_a_damaged_database_is_named(folder: Path, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20_000])
    assert "malformed" in refusal(f"sqlite:///{file}")
    assert str(file) in refusal(f"sqlite:///{file}")


def test_a_journal_of_optuna_is_known(folder: Path) -> None:
    """As a storage URL, and as what a URL of SQLite names."""
    file = folder / "journal"
    JournalStorage(JournalFileBackend(str(file))).create_new_study([], "it")
    advice = "use sqlite:///FILE; `optuna.copy_study` copies its studies there"
    assert refusal(f"sqlite:///{file}") == f"{file} is a journal file of Optuna: {advice}"
    for text in ("study.log", "./a/secret.journal", f"journal:{file}"):
        with pytest.raises(StorageError) as error:
            open_storage(text)
        assert str(error.value) == (
            "a journal file of Optuna cannot be the storage: use sqlite:///FILE or "
            "postgresql://USER@HOST/DATABASE; `optuna.copy_study` copies its studies there"
        )


@pytest.mark.parametrize("backend", ["mysql", "mysql+pymysql", "mariadb", "redis", "journal"])
def test_other_stores_are_refused_with_what_to_use_instead(backend: str) -> None:
    for create in (False, True):
        with pytest.raises(StorageError) as error:
            open_storage(f"{backend}://me:secret@host/db?password=secret", create=create)
        assert str(error.value) == (
            f"{backend}://me:***@host/db: lrstudy keeps studies in SQLite and PostgreSQL alone: "
            "use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )


def test_a_copy_of_a_database_beside_its_log_is_read_whole(folder: Path, file: Path) -> None:
    log(file)
    subprocess.run([sys.executable, "-c", _WRITER, str(file)], check=True)
    copies = folder / "copies"
    copies.mkdir()
    for name in ("a.db", "a.db-wal"):
        shutil.copy(folder / name, copies)
    assert read(copies / "a.db") == 3
