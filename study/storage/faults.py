"""Errors of a database: why, in one line, and whether waiting can mend them."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

# SQLite's result codes that another connection causes, and that pass when it is done.
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
# PostgreSQL's SQLSTATEs of a connection lost, a server that stops or starts, no free connection, a
# transaction that gave way to another one, and a lock that somebody else holds.
_AWAY_CLASS = "08"
_AWAY = {"57P01", "57P02", "57P03", "57P05", "25P03", "53300", "40001", "40P01", "55P03"}
# A server that answers and refuses: libpq gives no SQLSTATE for what happens before a session.
_REFUSED = (
    *("authentication failed", "no password supplied", "does not exist", "pg_hba.conf"),
    *("permission denied", "not permitted to log in", "no such database", "no such user"),
    *("but SSL was required", "certificate verify failed"),
)


# What follows a connection that was lost in the midst of a transaction.
_LOST = sa.exc.PendingRollbackError


def database_cause(error: BaseException) -> BaseException | None:
    """The database's error behind Optuna's own, or the error itself."""
    return error.__cause__ if isinstance(error, StorageInternalError) else error


def reason(error: BaseException) -> str:
    """What the database or its driver said, in one line."""
    cause = database_cause(error)
    return str(getattr(cause, "orig", cause)).strip().partition("\n")[0]


def sqlite_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension, which says which kind of it; 0 where the error
    is none of SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds what is needed."""
    return sqlite_code(error) in _BUSY


def is_passing(error: BaseException) -> bool:
    """Whether the database cannot be reached or is busy, so that the same call may succeed later.

    A full disk, a file that may not be written or is damaged, tables that are not there, a wrong
    password or database stay as they are until a person does something.
    """
    cause = database_cause(error)
    orig = cause.orig if isinstance(cause, sa.exc.DBAPIError) else None
    if isinstance(orig, sqlite3.Error):
        return is_busy(orig)
    state = getattr(orig, "sqlstate", None)
    if state is not None:
        return state in _AWAY or state.startswith(_AWAY_CLASS)
    is_of_connection = isinstance(cause, sa.exc.OperationalError | sa.exc.InterfaceError | _LOST)
    return is_of_connection and not any(each in str(orig) for each in _REFUSED)


def is_of_storage(error: BaseException) -> bool:
    """Whether the database failed, and did not refuse what it was given to keep."""
    cause = database_cause(error)
    return isinstance(cause, sa.exc.DBAPIError | _LOST) and not isinstance(
        cause, sa.exc.DataError | sa.exc.IntegrityError
    )
