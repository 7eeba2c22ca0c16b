"""The password of a storage URL stands in no output, file, database or process title."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import analysis.sections.schedules  # noqa: F401 - before a test replaces what it takes from figures
from search_spaces.config import Budget
from study.storage.studies import create_study, open_storage
from study.workers import local
from tests.analysis.conftest import make_spec, make_trial
from tests.postgres import Server
from tests.security.conftest import said
from tests.study.conftest import Command

pytestmark = pytest.mark.integration

SECRET = "pa5sw0rd-of-mine"
COMMANDS = (
    ("run", "fixed_rate", "--workers", "1"),
    ("run", "fixed_rate", "--workers", "0"),
    ("resume", "it"),
    ("worker", "it"),
    ("stop", "it"),
    ("confirm", "it"),
    ("confirm", "it", "--dry-run"),
    ("status",),
    ("status", "it"),
    ("status", "it", "--watch"),
    ("status", "it", "--json"),
    ("best", "it"),
    ("report", "it"),
    ("export", "it", "--out", "x.csv"),
    ("dashboard",),
)
WARNING = (
    "lrstudy: a password on the command line can be seen by all users of this machine; set "
    "LRSTUDY_STORAGE, PGPASSWORD or ~/.pgpass instead\n"
)


@pytest.fixture(scope="module")
def closed() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def assert_kept(folder: Path) -> None:
    """No file below the directory holds the secret."""
    for path in folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.fixture(params=["", "ql+psycopg"], ids=["short", "driver"])
def scheme(request: pytest.FixtureRequest) -> str:
    return "postgresql" if not request.param else f"postgres{request.param}"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("said_by", ["variable", "option"])
def test_a_server_that_is_away_is_named_without_the_password(
    lrstudy: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    closed: int,
    scheme: str,
    said_by: str,
    command: tuple[str, ...],
) -> None:
    url = f"{scheme}://me:{SECRET}@127.0.0.1:{closed}/studies?connect_timeout=1"
    monkeypatch.setattr("study.storage.outages.PATIENCE_SECONDS", 0.0)
    size = ("--epochs", "1", "--train-size", "20") if command[0] == "run" else ()
    if said_by == "variable":
        monkeypatch.setenv("LRSTUDY_STORAGE", url)
        outcome = lrstudy(*command, *size)
        assert outcome.err.count("\n") == 1
    else:
        outcome = lrstudy(*command, *size, "--storage", url)
        assert outcome.err.startswith(WARNING)
        assert outcome.err.count("\n") == 2
    assert (outcome.status, outcome.out) == (1, "")
    shown = f"cannot use the storage postgresql+psycopg://me:***@127.0.0.1:{closed}/studies: "
    assert f"lrstudy: {shown}" in outcome.err
    assert SECRET not in outcome.err
    assert_kept(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:port/studies",
        f"postgresql://127.0.0.1:1/studies?user=me&password={SECRET}&connect_timeout=1",
        f"mysql://me:{SECRET}@127.0.0.1/studies",
        f"me:{SECRET}@127.0.0.1/studies",
        f"postgresql://me:{SECRET}@127.0.0.1:1/studies?nonsense={SECRET}",
    ],
)
def test_a_url_that_cannot_be_used_is_not_repeated(
    lrstudy: Command, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr("study.storage.outages.PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("LRSTUDY_STORAGE", url)
    for command in (("status",), ("resume", "it"), ("report", "it"), ("stop", "it")):
        outcome = lrstudy(*command)
        assert outcome.status == 1
        assert SECRET not in said(outcome)


def test_a_report_on_another_storage_names_it_without_the_password(
    lrstudy: Command, tmp_path: Path, closed: int
) -> None:
    url = f"postgresql://me:{SECRET}@127.0.0.1:{closed}/studies?connect_timeout=1"
    outcome = lrstudy("report", f"{url}#it", f"{url}#other")
    assert outcome.status == 1
    assert SECRET not in outcome.out + outcome.err
    assert outcome.err.count(WARNING) == 1
    without_a_name = lrstudy("report", url)
    assert (without_a_name.status, said(without_a_name)) == (
        2,
        "a study of another storage is named URL#NAME, and no name was given",
    )
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    "command",
    [("status",), ("resume",), ("export", "--out", "x.csv"), ("run", "cosine", "--study")],
)
def test_a_url_where_a_name_belongs_is_not_repeated(
    lrstudy: Command, command: tuple[str, ...]
) -> None:
    outcome = lrstudy(*command, f"postgresql://me:{SECRET}@127.0.0.1/studies")
    assert outcome.status == 2
    assert "the name is a storage URL" in outcome.err
    assert SECRET not in outcome.out + outcome.err


TOLD = (
    "import json, os, pathlib, sys; "
    "line = pathlib.Path('/proc/self/cmdline').read_bytes().decode() if sys.platform == 'linux' "
    "else ' '.join(sys.orig_argv); "
    "print(json.dumps({'event': 'ready', 'line': line, 'url': os.environ['LRSTUDY_STORAGE']}))"
)


def test_a_worker_has_the_url_in_its_environment_and_not_on_its_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"postgresql://me:{SECRET}@127.0.0.1/studies"
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(local, "WORKER", (sys.executable, "-c", TOLD))
    local.launch(url, "it", places=["cpu"], on_event=events.append)
    (ready,) = [each for each in events if each["event"] == "ready"]
    assert ready["url"] == url
    assert ready["line"].replace("\0", " ").rstrip().endswith(" it cpu")
    assert SECRET not in ready["line"]
    assert "postgresql" not in ready["line"]


def plant(url: str, name: str) -> None:
    """A study of two finished trials."""
    storage = open_storage(url, create=True)
    spec = make_spec("fixed_rate", 2, budget=Budget(epochs=2))
    study = create_study(storage, name, spec)
    for slot in range(2):
        trial = make_trial(spec, slot, "complete", np.random.default_rng(slot), 0.01, 0)
        storage.create_new_trial(study._study_id, template_trial=trial)
    storage.engine.dispose()


@pytest.fixture
def closing() -> Iterator[None]:
    """A command's connections end with its process; here they are closed after the test."""
    opened: list[Any] = []

    def keep(raw: Any, _record: Any) -> None:
        opened.append(raw)

    sa.event.listen(sa.Pool, "connect", keep)
    yield
    sa.event.remove(sa.Pool, "connect", keep)
    for raw in opened:
        raw.close()


@pytest.mark.usefixtures("closing", "tiny", "unrendered")
def test_what_was_written_through_a_url_with_a_password_does_not_hold_it(
    postgres: Server, lrstudy: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = postgres.create("secrets")
    url = plain.replace("postgres@", f"postgres:{SECRET}@")
    assert url != plain
    monkeypatch.setenv("LRSTUDY_STORAGE", url)
    size = ("--trials", "3", "--epochs", "1", "--train-size", "20")
    first = lrstudy("run", "fixed_rate", "--study", "it", "--workers", "0", *size)
    plant(url, "planted")
    commands: tuple[tuple[str, ...], ...] = (
        ("stop", "it"),
        ("run", "fixed_rate", "--study", "it", *size),
        *((word, "planted") for word in ("status", "best", "report", "resume", "worker")),
        ("status", "--json"),
        ("export", "planted", "--out", "x.csv"),
    )
    said_so = [first, *(lrstudy(*words) for words in commands)]
    for outcome in said_so:
        assert SECRET not in outcome.out + outcome.err
    assert [outcome.status for outcome in said_so] == [0, 0, 2, *[0] * 7]
    assert_kept(tmp_path)
    found = json.loads(Path("reports/planted/findings.json").read_text())["planted"]
    assert found["storage"] == plain.replace("postgres@", "postgres:***@")
    engine = sa.create_engine(plain)
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        assert len(tables) > 5
        for table in tables:
            rows = connection.execute(sa.text(f'SELECT * FROM "{table}"')).all()
            assert SECRET not in repr(rows)
    engine.dispose()
