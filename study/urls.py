"""Storage URLs: what is one, how it may be printed, and a database's errors in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_TOO_LONG = "integer string conversion"  # Python's refusal to read a number of thousands of digits


class StorageError(Exception):
    """The storage cannot be used; the message is one line without passwords."""


def parse_url(url: str) -> sa.URL:
    """The URL with the driver that lrstudy uses. Raises StorageError."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        # The text itself is not repeated: it may hold a password.
        raise StorageError(
            "the storage is not a database URL such as sqlite:///lrstudy.db"
        ) from None
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise StorageError(
            f"{safe_url(parsed)}: use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StorageError("the storage must be a file: sqlite:///FILE")
    if backend == "sqlite" and parsed.query:
        raise StorageError(f"{safe_url(parsed)}: a file takes no options")
    return parsed.set(drivername=_DRIVERS[backend])


def safe_url(url: str | sa.URL) -> str:
    """The storage URL without its password, and without options, which may hold another one."""
    return sa.make_url(url).set(query={}).render_as_string(hide_password=True)


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


class StorageAwayError(StorageError):
    """The storage cannot be reached, now."""


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
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = str(getattr(cause, "orig", cause)).strip().partition("\n")[0]
        away = isinstance(cause, sa.exc.OperationalError | sa.exc.InterfaceError)
        kind = StorageAwayError if away else StorageError
        raise kind(f"cannot use the storage {safe_url(url)}: {reason}") from None


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
        raise StorageError(f"cannot use the storage {safe_url(url)}: {error.strerror}") from None
