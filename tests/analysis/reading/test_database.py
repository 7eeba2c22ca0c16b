"""Reading a storage: what is refused, in which words, and that nothing is written there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from analysis.reading.database import fetch, study_id
from analysis.reading.frames import load
from study.storage.opening import connect
from study.storage.urls import StorageError
from tests.analysis.conftest import Plant


def refused(url: str) -> str:
    with pytest.raises(StorageError) as error, connect(url):
        pass
    return str(error.value)


def test_a_database_in_memory_holds_nothing() -> None:
    assert refused("sqlite://") == "the storage must be a file: sqlite:///FILE"


@pytest.mark.parametrize("url", ["lrstudy.db", "", "sqlite:/x:y", "postgresql://a:secret@h:xx/y"])
def test_what_is_no_url_is_not_repeated(url: str) -> None:
    assert refused(url) == "the storage is not a database URL such as sqlite:///lrstudy.db"


def test_options_that_hold_a_password_are_not_printed() -> None:
    message = refused("postgresql://127.0.0.1:1/x?user=me&password=secret&connect_timeout=1")
    assert message.startswith("cannot use the storage postgresql+psycopg://127.0.0.1:1/x: ")
    assert "secret" not in message


def test_passwords_are_not_printed() -> None:
    message = refused("postgresql+psycopg://user:secret@127.0.0.1:1/db?connect_timeout=1")
    assert "127.0.0.1" in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_mistyped_study_is_answered_with_the_nearest(plant: Plant) -> None:
    url = plant("fixed_rate", 1)
    with connect(url) as connection, pytest.raises(StorageError) as error:
        study_id(connection, "fixed_rat")
    assert str(error.value) == (
        "unknown study 'fixed_rat'. Did you mean 'fixed_rate'? There are: fixed_rate."
    )


def test_reading_leaves_the_file_as_it_is(plant: Plant, tmp_path: Path) -> None:
    url = plant("fixed_rate", 2)
    path = tmp_path / "planted.db"
    before = hashlib.sha256(path.read_bytes()).digest()
    load(url, "fixed_rate")
    with connect(url) as connection, pytest.raises(sa.exc.OperationalError, match="readonly"):
        connection.execute(sa.text("DELETE FROM studies"))
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_an_empty_result_keeps_its_columns(plant: Plant) -> None:
    with connect(plant("fixed_rate", 1)) as connection:
        query = sa.select(sa.table("studies", sa.column("study_id")).c.study_id)
        assert list(fetch(connection, query.where(sa.false())).columns) == ["study_id"]
