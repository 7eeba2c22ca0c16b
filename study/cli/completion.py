"""What the shell may offer for an argument. It writes nothing, and says nothing where there is
nothing to offer: what goes wrong here, the command itself will say."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
import typer

from search_spaces.schedules.base import FAMILIES
from search_spaces.spaces import listed
from study.storage.urls import StorageError, database_file, opening_errors, parse_url
from study.study_file import SUFFIX

_SECONDS = 2  # that a server has to answer


def complete_space(incomplete: str) -> list[str]:
    """Search spaces, and files of studies in the working directory."""
    files = sorted(path.name for path in Path().glob(f"*{SUFFIX}"))
    return _typed([*listed(), *files], incomplete)


def complete_schedule(incomplete: str) -> list[str]:
    """Schedule families."""
    return _typed(FAMILIES, incomplete)


def complete_plot(incomplete: str) -> list[str]:
    """The example of each family, for the shell to be changed."""
    return [cls.EXAMPLE for name, cls in FAMILIES.items() if cls.EXAMPLE.startswith(incomplete)]


def complete_study(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the studies in the storage."""
    try:
        return _typed(study_names(str(context.params["storage"])), incomplete)
    except StorageError:
        return []


def _typed(names: Iterable[str], incomplete: str) -> list[str]:
    """Those that begin so and that a shell takes as they are: a database may hold any text."""
    return [each for each in names if each.startswith(incomplete) and shlex.quote(each) == each]


def study_names(url: str) -> list[str]:
    """The names of a storage's studies, in the order in which they were made. Raises StorageError
    where it cannot be read."""
    with opening_errors(parsed := parse_url(url)):
        engine = _reader(parsed)
        try:
            with engine.connect() as connection:
                rows = connection.execute(
                    sa.text("SELECT study_name FROM studies ORDER BY study_id")
                )
                return [str(name) for (name,) in rows]
        finally:
            engine.dispose()


def _reader(parsed: sa.URL) -> sa.Engine:
    """Connections that only read. To open a SQLite file, even to read, makes files beside it unless
    it is said not to change; that must not be said while a log of changes lies there."""
    file = database_file(parsed)
    if file is None:
        options = {"connect_timeout": _SECONDS}
        return sa.create_engine(parsed, poolclass=sa.NullPool, connect_args=options)
    log = file.with_name(f"{file.name}-wal")
    way = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    uri = f"file:{quote(str(file.absolute()))}?{way}"
    return sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=_SECONDS),
        poolclass=sa.NullPool,
    )
