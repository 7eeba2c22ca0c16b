"""Plants databases as other versions of Optuna make them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from optuna.storages import _rdb

_MIGRATIONS = Path(_rdb.__file__).parent


def _config(file: Path) -> Config:
    config = Config(str(_MIGRATIONS / "alembic.ini"))
    config.set_main_option("script_location", str(_MIGRATIONS / "alembic"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{file}")
    return config


def revisions() -> list[str]:
    """All forms that Optuna's tables have had, the newest first."""
    script = ScriptDirectory.from_config(_config(Path("none")))
    return [each.revision for each in script.walk_revisions()]


def plant(file: Path, revision: str, library: str = "1.5.0") -> str:
    """An empty database with the tables of an older Optuna, made by Optuna's own migrations; its
    storage URL."""
    command.upgrade(_config(file), revision)
    write(file, f"INSERT INTO version_info VALUES (1, 12, '{library}')")
    return f"sqlite:///{file}"


def write(file: Path, *statements: str) -> None:
    """Change a database past everybody's checks."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for each in statements:
            connection.execute(each)
