"""The tables of Optuna that lrstudy reads and writes, and whether a database has them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import optuna
import sqlalchemy as sa
from optuna.storages._rdb import models

from study.storage.hints import command
from study.storage.urls import StorageError, safe_url

# What the Optuna that is installed calls the newest form of its tables; a test compares.
REVISION = "v3.2.0.a"
_REVISIONS = sa.table("alembic_version", sa.column("version_num"))
_VERSIONS = sa.table("version_info", sa.column("library_version"))
_MODELS = models.BaseModel.metadata.tables
_WANTED = {name: frozenset(table.columns.keys()) for name, table in _MODELS.items()}
_LATE = {"trial_heartbeats"}  # `optuna storage upgrade` does not make it, and reading needs it not
_SIGNATURE = {"studies", "trials", "version_info"}
_NUMBER = re.compile(r"\d[0-9a-z.+]{0,30}")


@dataclass(frozen=True)
class Tables:
    """What a database holds.

    names: of all its tables; columns: of those that Optuna has, too; revision: of their form, None
    where none is written; library: the version of Optuna that made them, "" where it is not known.
    """

    names: frozenset[str]
    columns: dict[str, frozenset[str]]
    revision: str | None
    library: str


def look(connection: sa.Connection) -> Tables:
    """The tables of a database; nothing is written."""
    inspector = sa.inspect(connection)
    names = frozenset(inspector.get_table_names())
    known = sorted(names & set(_WANTED))
    columns_by_table = inspector.get_multi_columns(filter_names=known) if known else {}
    columns = {
        str(key[1]): frozenset(each["name"] for each in columns_by_table[key])
        for key in columns_by_table
    }
    is_ours = names >= _SIGNATURE
    revision = _first(connection, _REVISIONS) if is_ours and _REVISIONS.name in names else None
    library = (_first(connection, _VERSIONS) or "") if is_ours else ""
    return Tables(names, columns, revision, library if _NUMBER.fullmatch(library) else "")


def check(tables: Tables, url: sa.URL, *, fills: bool) -> None:
    """Raises StorageError unless the tables are those of the Optuna that is installed.

    fills: missing tables are made afterwards, so that an empty database will do, and so will one
    whose making was interrupted.
    """
    where, by = safe_url(url), f" ({tables.library})" if tables.library else ""
    if not tables.names:
        if not fills:
            raise StorageError(f"{where} is empty; {filled_by(url)} fills it")
    elif not _is_optunas(tables):
        raise StorageError(f"{where} is the database of another program")
    elif _is_newer(tables.revision):
        raise StorageError(
            f"{where} was made by an Optuna{by} newer than the one installed "
            f"({optuna.__version__}): a newer lrstudy may read it"
        )
    elif tables.revision not in (None, REVISION) or _lacks_columns(tables):
        raise StorageError(
            f"{where} was made by an older Optuna{by}: `optuna storage upgrade --storage URL` "
            "brings it up to date; keep a copy"
        )
    elif not fills and (tables.revision is None or _WANTED.keys() - tables.columns.keys() - _LATE):
        raise StorageError(f"{where} is incomplete; {filled_by(url)} completes it")


def filled_by(url: sa.URL) -> str:
    """The command that makes a database, or its tables, and a study in it."""
    return f"`{command(url.render_as_string(hide_password=False), 'run', 'SPACE')}`"


def _first(connection: sa.Connection, table: sa.TableClause) -> str | None:
    value = connection.execute(sa.select(*table.c)).scalar()
    return value if isinstance(value, str) else None


def _is_optunas(tables: Tables) -> bool:
    """Whether Optuna made the tables; while they are made, some are still missing."""
    return tables.names >= _SIGNATURE or tables.names <= _WANTED.keys()


def _lacks_columns(tables: Tables) -> bool:
    return any(not columns >= _WANTED[table] for table, columns in tables.columns.items())


def _is_newer(revision: str | None) -> bool:
    if revision is None:
        return False
    return _ordered(revision) > _ordered(REVISION)


def _ordered(revision: str) -> tuple[float, float, float, str]:
    """A revision such as v3.0.0.b, to be compared; one of another form is the newest."""
    version = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)\.(\w+)", revision)
    if version is None:
        return (math.inf, 0, 0, "")
    return int(version[1]), int(version[2]), int(version[3]), version[4]
