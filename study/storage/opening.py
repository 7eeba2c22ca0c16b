"""The one way into a database: what is there is looked at, and refused in one line, before anything
is written. Whoever only reads leaves neither a changed byte nor a file beside it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from study.storage import schema
from study.storage.faults import is_busy
from study.storage.urls import COPIED, StorageError, database_file, opening_errors, parse_url

_READ_ONLY = "mode=ro"
# Reads and takes part in a write-ahead log, whose files go again with the last who does.
_LOGGED = "mode=rw"
# Nobody else has it open: for a directory in which the files of a log cannot be made.
_AS_IT_IS = "mode=ro&immutable=1"
_LOCK_SECONDS = 5.0  # how long a reader waits for a writer that keeps no log
_JOURNAL = b'{"op_code"'  # how the first line of Optuna's journal begins


@contextmanager
def connect(url: str) -> Iterator[sa.Connection]:
    """A connection that reads the storage at ``url``; nothing can be written through it to a
    SQLite file.

    Raises StorageError, in one line, where the URL is wrong, a driver is missing, nothing is there
    or answers, the tables are not those of the Optuna that is installed, or what they hold cannot
    be parsed.
    """
    parsed = parse_url(url)
    with opening_errors(parsed), _reading(parsed) as connection:
        schema.check(schema.look(connection), parsed, fills=False)
        yield connection


def is_filled(url: str) -> bool:
    """Whether there is a database with tables; nothing is written. Raises StorageError where the
    URL is wrong, or nothing answers."""
    parsed = parse_url(url)
    file = database_file(parsed)
    if file is not None and not file.exists():
        return False
    with opening_errors(parsed), _reading(parsed) as connection:
        return bool(schema.look(connection).names)


def check_before_filling(parsed: sa.URL) -> None:
    """Raises StorageError where Optuna's tables cannot be made: there is something else, or the
    file cannot be. Nothing is written."""
    file = database_file(parsed)
    if file is not None and not file.exists():
        if not file.parent.is_dir():
            raise StorageError(f"cannot write {file}: there is no directory {file.parent}")
        check_writable(file.parent)
        return
    with _reading(parsed) as connection:
        schema.check(schema.look(connection), parsed, fills=True)


def check_writable(path: Path) -> None:
    """Raises StorageError where a file, or a directory, cannot be written to."""
    if not os.access(path, os.W_OK):
        raise StorageError(f"cannot write {path}: permission denied")


@contextmanager
def _reading(parsed: sa.URL) -> Iterator[sa.Connection]:
    file = database_file(parsed)
    if file is None:
        engine = sa.create_engine(parsed, poolclass=sa.NullPool)
    else:
        _check_file(file, parsed)
        # Not `sqlite:///FILE`: a mistyped name must not leave an empty database behind.
        engine = sa.create_engine(
            "sqlite://", creator=lambda: _read_only(file), poolclass=sa.NullPool
        )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _check_file(file: Path, parsed: sa.URL) -> None:
    """Raises StorageError where there is no file that may be read."""
    if not file.exists():
        raise StorageError(f"there is no database {file}; {schema.filled_by(parsed)} makes one")
    if file.is_dir():
        raise StorageError(f"{file} is a directory, not a database")
    if not file.is_file():
        raise StorageError(f"{file} is not a file")
    if not os.access(file, os.R_OK):
        raise StorageError(f"cannot read {file}: permission denied")


def _read_only(file: Path) -> sqlite3.Connection:
    """SQLite leaves the files of a write-ahead log beside a database that was opened read-only, and
    cannot open it at all where they cannot be made. What another process left or writes there now
    is not touched.

    The file is never opened but by SQLite: closing it would release the locks that SQLite holds on
    it in this process, and the log could be lost.
    """
    if _beside(file):
        return _open(file, _READ_ONLY)
    try:
        return _open(file, _LOGGED)
    except sqlite3.OperationalError as error:
        if is_busy(error) or _beside(file):
            raise
        return _open(file, _AS_IT_IS)
    except sqlite3.DatabaseError:
        _refuse_journal(file)
        raise


def _beside(file: Path) -> bool:
    """Whether a log or a journal of SQLite's lies beside a database."""
    return any(file.with_name(f"{file.name}-{kind}").exists() for kind in ("wal", "journal"))


def _refuse_journal(file: Path) -> None:
    """Raises StorageError where a file that is no database is Optuna's journal."""
    with file.open("rb") as stream:
        if stream.read(len(_JOURNAL)) == _JOURNAL:
            raise StorageError(
                f"{file} is a journal file of Optuna: use sqlite:///FILE; {COPIED}"
            ) from None


def _open(file: Path, how: str) -> sqlite3.Connection:
    where = f"file:{quote(str(file.absolute()))}?{how}"
    connection = sqlite3.connect(where, uri=True, timeout=_LOCK_SECONDS)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA schema_version").fetchone()  # what cannot be read fails here
    except sqlite3.Error:
        connection.close()
        raise
    return connection
