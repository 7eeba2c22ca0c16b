"""What the shell offers: spaces, studies and schedules, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from search_spaces.schedules.base import FAMILIES
from search_spaces.spaces import listed
from study.cli.application import app
from study.cli.completion import study_names
from study.storage.studies import create_study, open_storage
from study.storage.urls import StorageError
from tests.postgres import Server
from tests.study.conftest import Command, MakeSpec

URL = "sqlite:///lrstudy.db"


@pytest.fixture
def offered(lrstudy: Command) -> Any:
    """``offered("lrstudy run ")``: what bash is told to offer after these words."""

    def words(line: str) -> list[str]:
        asked = {
            "_LRSTUDY_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        shown = CliRunner().invoke(app, [], env=asked, prog_name="lrstudy")
        assert (shown.exit_code, shown.stderr) == (0, "")
        return shown.stdout.split()

    return words


@pytest.fixture
def stored(lrstudy: Command, make_spec: MakeSpec) -> list[str]:
    """Studies in the usual storage, one of them named to do harm."""
    storage = open_storage(URL, create=True)
    for name in ("cosine", "cosine-2", "warm", "$(touch x)", "a\nb"):
        create_study(storage, name, make_spec())
    storage.engine.dispose()
    return ["cosine", "cosine-2", "warm"]


def test_spaces_and_files(offered: Any) -> None:
    assert offered("lrstudy run ") == list(listed())
    Path("mine.toml").touch()
    assert offered("lrstudy run ") == [*listed(), "mine.toml"]
    assert offered("lrstudy run c") == ["cosine", "chapter"]


def test_schedules(offered: Any) -> None:
    assert offered("lrstudy schedules ") == list(FAMILIES)
    assert offered("lrstudy schedules cosine_") == ["cosine_restarts"]
    assert offered("lrstudy plot one") == [FAMILIES["one_cycle"].EXAMPLE]


@pytest.mark.parametrize(
    "command", ["resume", "status", "best", "report", "export", "worker", "stop", "confirm"]
)
def test_studies(offered: Any, stored: list[str], command: str) -> None:
    assert offered(f"lrstudy {command} ") == stored
    assert offered(f"lrstudy {command} cosine-") == ["cosine-2"]


@pytest.mark.usefixtures("stored")
def test_studies_of_the_storage_that_is_named(offered: Any, tmp_path: Path) -> None:
    Path("lrstudy.db").rename("other.db")
    assert offered("lrstudy status ") == []
    assert offered("lrstudy status --storage sqlite:///other.db w") == ["warm"]


def test_nothing_is_offered_or_made_where_there_is_no_storage(
    offered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (URL, "nonsense", "sqlite:///no/a.db", "postgresql://me:secret@127.0.0.1:1/d"):
        monkeypatch.setenv("LRSTUDY_STORAGE", url)
        assert offered("lrstudy status ") == []
    assert offered("lrstudy status --storage postgresql://me:secret@127.0.0.1:1/d ") == []
    Path("lrstudy.db").write_text("no database")
    monkeypatch.delenv("LRSTUDY_STORAGE")
    assert offered("lrstudy status ") == []
    assert [path.name for path in tmp_path.iterdir()] == ["lrstudy.db"]


def test_reading_leaves_the_directory_as_it_was(stored: list[str], tmp_path: Path) -> None:
    """Also where nobody could write: SQLite would make a file beside its own to read it."""
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(stored) < set(study_names(URL))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_studies_that_are_still_in_the_log(lrstudy: Command, make_spec: MakeSpec) -> None:
    storage = open_storage(URL, create=True)
    create_study(storage, "fresh", make_spec())
    with storage.engine.connect():  # as long as somebody is there, the log stays
        assert study_names(URL) == ["fresh"]


def test_a_server(postgres: Server, make_spec: MakeSpec) -> None:
    url = postgres.create("completion")
    create_study(open_storage(url, create=True), "there", make_spec())
    assert study_names(url) == ["there"]
    with pytest.raises(StorageError):
        study_names("postgresql://127.0.0.1:1/d")
