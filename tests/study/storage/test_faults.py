"""Which errors of a database waiting can mend."""

from __future__ import annotations

import sqlite3

import psycopg
import psycopg.errors
import pytest
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError

from study.storage.faults import is_of_storage, is_passing, reason


def raised(kind: type[sa.exc.DBAPIError], orig: Exception) -> StorageInternalError:
    """As Optuna raises it."""
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = kind("SELECT 1", {}, orig)
    return error


def of_sqlite(code: int) -> StorageInternalError:
    orig = sqlite3.OperationalError("what SQLite says")
    orig.sqlite_errorcode = code
    return raised(sa.exc.OperationalError, orig)


_HELD = ("BUSY", "BUSY_SNAPSHOT", "BUSY_RECOVERY", "LOCKED", "LOCKED_SHAREDCACHE", "PROTOCOL")
_BROKEN = (
    *("ERROR", "FULL", "READONLY", "READONLY_DBMOVED", "CORRUPT", "NOTADB", "CANTOPEN", "PERM"),
    *("IOERR_WRITE", "IOERR_SHMSIZE"),  # ERROR: no such table, no such column
)


@pytest.mark.parametrize(
    ("name", "passes"),
    [*((each, True) for each in _HELD), *((each, False) for each in _BROKEN)],
)
def test_sqlite_is_waited_for_while_another_connection_holds_it(name: str, passes: bool) -> None:
    code = getattr(sqlite3, f"SQLITE_{name}")
    assert is_passing(of_sqlite(code)) is passes
    assert is_of_storage(of_sqlite(code))


_PASSING = (
    *("ConnectionException", "ConnectionFailure", "ConnectionDoesNotExist"),
    *("SqlclientUnableToEstablishSqlconnection", "ProtocolViolation"),
    *("AdminShutdown", "CrashShutdown", "CannotConnectNow", "TooManyConnections"),
    *("DeadlockDetected", "SerializationFailure", "LockNotAvailable"),
    *("IdleSessionTimeout", "IdleInTransactionSessionTimeout"),
)
_LASTING = (
    *("DiskFull", "OutOfMemory", "ConfigurationLimitExceeded", "InsufficientPrivilege"),
    *("ReadOnlySqlTransaction", "InvalidPassword", "InvalidAuthorizationSpecification"),
    *("InvalidCatalogName", "DatabaseDropped", "UndefinedTable", "UndefinedColumn"),
    *("QueryCanceled", "DataCorrupted", "IndexCorrupted", "IoError", "SyntaxError"),
)


@pytest.mark.parametrize(
    ("name", "passes"),
    [*((each, True) for each in _PASSING), *((each, False) for each in _LASTING)],
)
def test_a_server_is_waited_for_while_it_is_away_or_busy(name: str, passes: bool) -> None:
    orig = getattr(psycopg.errors, name)("what the server says")
    kinds = [each.__name__ for each in type(orig).__mro__]  # as SQLAlchemy translates them
    kind = next(getattr(sa.exc, each) for each in kinds[1:] if hasattr(sa.exc, each))
    assert is_passing(raised(kind, orig)) is passes
    assert is_passing(kind("SELECT 1", {}, orig)) is passes


_BEFORE = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        (_BEFORE + "Connection refused\n\tIs the server running on that host?", True),
        (_BEFORE + "FATAL:  the database system is starting up", True),
        (_BEFORE + "FATAL:  sorry, too many clients already", True),
        ("consuming input failed: server closed the connection unexpectedly", True),
        ("[Errno -3] Temporary failure in name resolution", True),
        ("the connection is closed", True),
        (_BEFORE + 'FATAL:  password authentication failed for user "me"', False),
        (_BEFORE + "fe_sendauth: no password supplied", False),
        (_BEFORE + 'FATAL:  database "studies" does not exist', False),
        (_BEFORE + 'FATAL:  role "me" does not exist', False),
        (_BEFORE + 'FATAL:  no pg_hba.conf entry for host "10.0.0.1"', False),
        (_BEFORE + 'FATAL:  permission denied for database "studies"', False),
        (_BEFORE + "server does not support SSL, but SSL was required", False),
    ],
)
def test_before_a_session_the_message_tells(message: str, passes: bool) -> None:
    """There, libpq has no SQLSTATE."""
    orig = psycopg.OperationalError(message)
    assert orig.sqlstate is None
    assert is_passing(sa.exc.OperationalError("", {}, orig)) is passes


def test_a_transaction_that_was_lost_with_its_connection_can_be_tried_again() -> None:
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = sa.exc.PendingRollbackError("Can't reconnect until it is rolled back")
    assert is_passing(error)
    assert is_of_storage(error)


@pytest.mark.parametrize("kind", [sa.exc.DataError, sa.exc.IntegrityError])
def test_what_a_sound_database_refuses_to_keep_is_no_fault_of_it(kind: type) -> None:
    error = raised(kind, psycopg.DataError("a NUL in a text"))
    assert not is_passing(error)
    assert not is_of_storage(error)
    assert not is_of_storage(ValueError("no"))


def test_the_reason_is_the_first_line_of_what_the_database_said() -> None:
    assert reason(of_sqlite(sqlite3.SQLITE_FULL)) == "what SQLite says"
    assert reason(raised(sa.exc.OperationalError, psycopg.OperationalError("a\n\tb"))) == "a"
