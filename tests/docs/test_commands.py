"""The commands of the pages: they run on a planted study, or at least the command line has them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from study.cli.application import app
from study.tasks import task as tasks
from study.tasks.fashion_mnist import Images
from study.workers import estimate
from tests.analysis.conftest import plant_stages, plant_study
from tests.docs.pages import PAGES, ROOT, blocks, spans
from tests.study.conftest import Command, lrstudy

__all__ = ["lrstudy"]  # the fixture
CLI: Any = typer.main.get_command(app)
OF_OTHERS = {"--signal"}  # Slurm's
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def parse(words: list[str]) -> None:
    """As the command line parses them, without doing anything. Raises typer's exceptions."""
    command, arguments = CLI, list(words[1:])
    context = command.make_context("lrstudy", list(arguments))
    with suppress(typer.Exit):  # of an option that prints something and is done
        while hasattr(command, "commands"):
            name, command, arguments = command.resolve_command(context, arguments)
            context = command.make_context(name, list(arguments), parent=context)


def options_of(command: Any) -> set[str]:
    return {each for parameter in command.params for each in parameter.opts} | {"--help"}


@pytest.fixture
def _quick_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run times a few steps on black images in place of many on Fashion-MNIST."""
    images = Images(torch.zeros((60_000, 28, 28), dtype=torch.uint8), torch.arange(60_000) % 10)
    black = replace(tasks.TASKS["fashion_mnist"], load=lambda split: images)
    monkeypatch.setitem(tasks.TASKS, "fashion_mnist", black)
    monkeypatch.setattr(estimate, "_BATCHES", 2)
    monkeypatch.setattr(estimate, "_EVALUATED", 200)


@pytest.mark.integration
@pytest.mark.usefixtures("unrendered", "_quick_estimates")
def test_commands_that_are_not_marked_run(lrstudy: Command, tmp_path: Path) -> None:
    """In the order of the pages, on a confirmed study of cosine and a search of warmup; what
    several pages have is run once."""
    plant_study(tmp_path / "lrstudy.db", "cosine", 12)
    plant_stages(tmp_path / "lrstudy.db", "cosine", seeds=2, top=2)
    plant_study(tmp_path / "lrstudy.db", "warmup", 6)
    ran: list[list[str]] = []
    for page, path in PAGES.items():
        for command in [each for block in blocks(path) if block.run for each in block.commands]:
            assert command[0] == "lrstudy", f"{page}: mark it <!-- not run: WHY -->: {command}"
            if command not in ran:
                done = lrstudy(*command[1:])
                assert done.status == 0, f"{page}: {command}: {done.err}"
                ran.append(command)
    assert {"status", "report", "run", "export"} <= {command[1] for command in ran}


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_not_run_are_known(page: str) -> None:
    for command in [each for block in blocks(PAGES[page]) for each in block.commands]:
        if "lrstudy" in command[:2]:  # srun lrstudy ...
            parse(command[command.index("lrstudy") :])
        elif command[0] == "make":
            assert set(command[1:2]) <= TARGETS, command


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_in_the_text_are_known(page: str) -> None:
    commands = dict(CLI.commands)
    every = set().union(*map(options_of, [CLI, *commands.values()]))
    for span in spans(PAGES[page]):
        words = span.split()
        options = {word.partition("=")[0] for word in words if word.startswith("--")} - OF_OTHERS
        if words[0] == "lrstudy" and len(words) > 1:
            command = CLI if words[1] in ("COMMAND", *options) else commands[words[1]]
            assert options <= options_of(command), span
        elif words[0].startswith("--"):
            assert options <= every, span
        elif words[0] == "make":
            assert words[1] in TARGETS, span


def test_the_readme_names_every_command() -> None:
    named = {
        span.split()[1] for span in spans(PAGES["README.md"]) if re.match("lrstudy [a-z]", span)
    }
    assert set(CLI.commands) <= named


@pytest.mark.parametrize(
    "line", ["lrstudy runn cosine", "lrstudy run cosine --trails 3", "lrstudy data were"]
)
def test_a_wrong_command_is_seen(line: str) -> None:
    with pytest.raises(typer.exceptions.TyperException):
        parse(line.split())
