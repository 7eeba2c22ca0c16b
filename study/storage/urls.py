"""Storage URLs: what is one, how it may be printed, and a database's errors in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

from study import files
from study.storage.faults import is_passing, reason

# Options of a PostgreSQL URL that say where the database is; any other may hold a secret.
_PLACES = ("host", "hostaddr", "port", "dbname", "user", "service", "sslmode", "sslrootcert")
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_INSTEAD = "use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_JOURNALS = (".log", ".journal", ".jsonl")
COPIED = "`optuna.copy_study` copies its studies there"
_TOO_LONG = "integer string conversion"  # Python's refusal to read a number of thousands of digits


class StorageError(Exception):
    """The storage cannot be used; the message is one line without passwords."""


def parse_url(url: str) -> sa.URL:
    """The URL with the driver that lrstudy uses. Raises StorageError."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise StorageError(_no_url(url)) from None
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise StorageError(
            f"{safe_url(parsed)}: lrstudy keeps studies in SQLite and PostgreSQL alone: {_INSTEAD}"
        )
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StorageError("the storage must be a file: sqlite:///FILE")
    if backend == "sqlite" and parsed.query:
        raise StorageError(f"{safe_url(parsed)}: a file takes no options")
    return parsed.set(drivername=_DRIVERS[backend])


def _no_url(text: str) -> str:
    """Why a text is no storage; it is not repeated, because it may hold a password."""
    if text.startswith("journal:") or text.endswith(_JOURNALS):
        return f"a journal file of Optuna cannot be the storage: {_INSTEAD}; {COPIED}"
    return "the storage is not a database URL such as sqlite:///lrstudy.db"


def safe_url(url: str | sa.URL) -> str:
    """The storage URL without its password, and without options, which may hold another one."""
    return sa.make_url(url).set(query={}).render_as_string(hide_password=True)


def address(url: str) -> str:
    """The URL as it may be shown and typed again: without its password, and without options that
    may hold one. The text itself where it is no URL."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return url
    query = {name: value for name, value in parsed.query.items() if name in _PLACES}
    kept: sa.URL = sa.URL.create(
        parsed.drivername,
        username=parsed.username,
        host=parsed.host,
        port=parsed.port,
        database=parsed.database,
        query=query,
    )
    return kept.render_as_string()


def has_password(url: str) -> bool:
    """Whether a storage URL holds a password; False where it is no URL."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return False
    return parsed.password is not None or "password" in parsed.query


def database_file(url: sa.URL) -> Path | None:
    """The file of a SQLite URL, None for a server."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


class UnknownStudyError(StorageError):
    """The storage has no study of that name; the message names the nearest."""


class StorageAwayError(StorageError):
    """The storage cannot be reached, now."""


def trouble(url: str | sa.URL, error: BaseException) -> str:
    """What a database's error says, in one line that names the database."""
    return f"cannot use the storage {safe_url(url)}: {reason(error)}"


@contextmanager
def database_errors(url: str | sa.URL) -> Iterator[None]:
    """Turns the errors of a database, and of JSON in it, into a StorageError of one line."""
    try:
        yield
    except (json.JSONDecodeError, RecursionError) as error:
        raise StorageError(f"the data in {safe_url(url)} are damaged: {error}") from None
    except ValueError as error:
        if _TOO_LONG not in str(error):
            raise
        reason = "a number has too many digits"
        raise StorageError(f"the data in {safe_url(url)} are damaged: {reason}") from None
    except (sa.exc.SQLAlchemyError, StorageInternalError) as error:
        kind = StorageAwayError if is_passing(error) else StorageError
        raise kind(trouble(url, error)) from None


@contextmanager
def opening_errors(url: str | sa.URL) -> Iterator[None]:
    """The same, and the errors of a missing driver and of a file that cannot be reached."""
    try:
        with database_errors(url):
            yield
    except ImportError:
        hint = "pip install 'lrstudy[postgres]'"
        raise StorageError(f"{safe_url(url)} needs a database driver: {hint}") from None
    except OSError as error:
        raise StorageError(
            f"cannot use the storage {safe_url(url)}: {files.reason(error)}"
        ) from None
