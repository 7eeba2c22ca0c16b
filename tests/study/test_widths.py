"""What commands print in terminals of usual widths: no heading, cell or word of help is cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from rich.cells import cell_len
from typer.core import TyperGroup

from search_spaces.schedules.base import FAMILIES
from study.cli import status
from study.cli.application import app
from tests.analysis.conftest import plant_stages, plant_study
from tests.study.conftest import Command

LONG = "a-study-whose-name-has-no-room-beside-anything-" + "x" * 60
ALL = {0: "pruned", 1: "stalled", 2: "failed", 3: "diverged", 4: "interrupted", 5: "running"}


@pytest.fixture(params=[80, 100, 120])
def width(request: pytest.FixtureRequest, lrstudy: Command, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", request.param)
    return int(request.param)


def commands(group: TyperGroup, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, and of every group of them."""
    yield before
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name)


def assert_whole(text: str, width: int) -> None:
    assert "…" not in text
    assert max(map(cell_len, text.splitlines())) <= width


def test_every_help_is_whole(lrstudy: Command, width: int) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    listed = list(commands(group))
    assert len(listed) > 15
    for words in listed:
        assert_whole(lrstudy(*words, "--help").out, width)


def test_spaces_are_whole(lrstudy: Command, width: int) -> None:
    text = lrstudy("spaces").out
    assert_whole(text, width)
    assert "multi_factor/as-published" in text.replace(",", "").split()


def test_schedules_are_whole(lrstudy: Command, width: int) -> None:
    for words in ([], *([family] for family in FAMILIES)):
        assert_whole(lrstudy("schedules", *words).out, width)


def test_the_list_of_studies_is_whole_and_tells_later_stages_apart(
    lrstudy: Command, width: int, tmp_path: Path
) -> None:
    file = tmp_path / "lrstudy.db"
    plant_study(file, "polynomial", 24, states=ALL, upto=20, retries={0: "failed", 7: "failed"})
    plant_stages(file, "polynomial", seeds=1)
    plant_study(file, "fixed_rate", 3, name=LONG)
    text = lrstudy("status").out
    assert_whole(text, width)
    names = {"polynomial", "polynomial-confirm", "polynomial-test"}
    firsts = [line.split()[:1] for line in text.splitlines()]
    assert names <= {word for words in firsts for word in words} | set(text.split())
    assert LONG in "".join(text.split())


@pytest.mark.parametrize("name", ["polynomial", LONG])
def test_the_status_of_a_study_is_whole(
    lrstudy: Command, width: int, tmp_path: Path, name: str
) -> None:
    plant_study(tmp_path / "lrstudy.db", "polynomial", 24, name=name, states=ALL, upto=20)
    text = lrstudy("status", name).out
    assert_whole(text, width)
    assert {"trials", "best", "epochs", "left"} <= {line.split()[0] for line in text.splitlines()}
    assert "1 interrupted" in " ".join(text.split())


def test_the_workers_of_a_study_are_whole(
    lrstudy: Command, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    row = {"host": "h" * 50, "pid": 4_194_304, "device": "cuda:7", "trial": 1234, "silent": 119.0}
    row |= {"family": "warmup_stable_decay", "epoch": 29, "epochs": 30}
    Console(width=width).print(status._workers_table([row, row | {"epochs": None, "pid": None}]))
    text = capsys.readouterr().out
    assert_whole(text, width)
    assert text.count("h" * 50) == 2
    assert text.count("1 min 59 s") == 2
