"""The tables of a database: those of the installed Optuna are used, others explained."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa

from study.storage import schema
from study.storage.opening import connect
from study.storage.studies import open_storage
from study.storage.urls import StorageError
from tests.study.old_optuna import plant, revisions, write
from tests.study.storage.refusals import refusal

NEWEST, *OLDER = revisions()


def filling(url: str) -> str:
    """What is told who would make a study there."""
    with pytest.raises(StorageError) as error:
        open_storage(url, create=True)
    return str(error.value)


def older(url: str, by: str = " (1.5.0)") -> str:
    return (
        f"{url} was made by an older Optuna{by}: `optuna storage upgrade --storage URL` brings it "
        "up to date; keep a copy"
    )


@pytest.fixture
def current(tmp_path: Path) -> Path:
    """A database that the installed Optuna made."""
    file = tmp_path / "current.db"
    open_storage(f"sqlite:///{file}", create=True).engine.dispose()
    return file


def test_the_newest_form_is_the_one_that_the_installed_optuna_writes() -> None:
    assert schema.REVISION == NEWEST


@pytest.mark.parametrize("revision", OLDER)
def test_the_tables_of_an_older_optuna_are_explained_and_left_alone(
    tmp_path: Path, revision: str
) -> None:
    file = tmp_path / "old.db"
    url = plant(file, revision)
    before = file.read_bytes()
    assert refusal(url) == filling(url) == older(url)
    assert file.read_bytes() == before


def test_the_advice_is_good(tmp_path: Path) -> None:
    url = plant(tmp_path / "old.db", OLDER[-1])
    optuna.storages.RDBStorage(url, skip_compatibility_check=True).upgrade()
    with connect(url):
        pass
    open_storage(url)


def test_what_migrations_made_can_be_read_and_filled(tmp_path: Path) -> None:
    """They make no table of heartbeats."""
    url = plant(tmp_path / "migrated.db", NEWEST)
    with connect(url) as connection:
        assert not sa.inspect(connection).has_table("trial_heartbeats")
    open_storage(url, create=True).engine.dispose()
    with connect(url) as connection:
        assert sa.inspect(connection).has_table("trial_heartbeats")


def test_tables_from_before_there_were_revisions_are_explained(tmp_path: Path) -> None:
    file = tmp_path / "ancient.db"
    write(
        file,
        "CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name TEXT)",
        "CREATE TABLE trials (trial_id INTEGER PRIMARY KEY, study_id INTEGER, value FLOAT)",
        "CREATE TABLE version_info (version_info_id INTEGER, library_version TEXT)",
        "INSERT INTO version_info VALUES (1, '0.8.0')",
    )
    url = f"sqlite:///{file}"
    assert refusal(url) == filling(url) == older(url, " (0.8.0)")


def test_tables_that_lack_a_column_are_not_what_they_say(current: Path) -> None:
    write(current, "ALTER TABLE trial_values DROP COLUMN value_type")
    url = f"sqlite:///{current}"
    assert refusal(url) == filling(url) == older(url, f" ({optuna.__version__})")


@pytest.mark.parametrize("revision", ["v3.2.0.b", "v10.0.0.a", "f00d"])
def test_the_tables_of_a_newer_optuna_are_explained(current: Path, revision: str) -> None:
    write(
        current,
        f"UPDATE alembic_version SET version_num = '{revision}'",
        "UPDATE version_info SET library_version = '10.0.0'",
    )
    url = f"sqlite:///{current}"
    message = (
        f"{url} was made by an Optuna (10.0.0) newer than the one installed "
        f"({optuna.__version__}): a newer lrstudy may read it"
    )
    assert refusal(url) == filling(url) == message


@pytest.mark.parametrize("library", ["\x1b[31m5.0", "5" * 99, ""])
def test_a_version_that_is_none_is_not_repeated(tmp_path: Path, library: str) -> None:
    url = plant(tmp_path / "old.db", OLDER[0], library)
    assert refusal(url) == older(url, "")


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE trial_params", "DELETE FROM alembic_version"),
        ("DROP TABLE trials", "DROP TABLE alembic_version"),
        ("DROP TABLE alembic_version",),
    ],
)
def test_tables_whose_making_was_interrupted_are_completed_by_a_run_only(
    current: Path, statements: tuple[str, ...]
) -> None:
    write(current, *statements)
    url = f"sqlite:///{current}"
    assert refusal(url) == f"{url} is incomplete; {schema.filled_by(sa.make_url(url))} completes it"
    open_storage(url, create=True).engine.dispose()
    with connect(url):
        pass


def test_another_program_may_have_tables_of_the_same_names(tmp_path: Path) -> None:
    file = tmp_path / "birds.db"
    write(
        file,
        "CREATE TABLE studies (bird TEXT)",
        "CREATE TABLE alembic_version (version_num TEXT)",
        "CREATE TABLE nests (bird TEXT)",
    )
    url = f"sqlite:///{file}"
    assert refusal(url) == filling(url) == f"{url} is the database of another program"
