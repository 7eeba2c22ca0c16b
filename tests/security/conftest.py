"""The command line on a terminal, and planted databases that nobody should trust."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.study.conftest import Command, Outcome, lrstudy

__all__ = ["lrstudy"]  # the fixture


class Screen(io.StringIO):
    """What a terminal would be sent."""

    def isatty(self) -> bool:
        return True


Terminal = Callable[..., str]


@pytest.fixture
def terminal(lrstudy: Command, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Runs `lrstudy ARGUMENTS` on a terminal without colours or cursor: every escape sequence that
    comes out was in the database. Gives what was shown."""
    monkeypatch.setenv("TERM", "dumb")

    def command(*arguments: str, status: int = 0) -> str:
        screen = Screen()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            patch.setattr(sys, "stderr", screen)
            ended = lrstudy(*arguments)
        assert ended.status == status, screen.getvalue()
        return screen.getvalue()

    return command


@pytest.fixture
def deep(lrstudy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with others above it that must stay empty."""
    folder = tmp_path / "one" / "two" / "three"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def files(folder: Path) -> set[str]:
    """All files below a directory, by their paths from there."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def assert_plain(text: str) -> None:
    """No character of the text commands a terminal, but for line ends."""
    assert [each for each in text if not each.isprintable() and each != "\n"] == []


def said(outcome: Outcome) -> str:
    """The one line on standard error of a command that failed."""
    assert (outcome.out, outcome.err.count("\n")) == ("", 1), outcome
    assert outcome.err.startswith("lrstudy: ")
    return outcome.err.removeprefix("lrstudy: ").rstrip("\n")
