"""The bundle of options of all commands that launch workers."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest

from study.cli.confirm import confirm
from study.cli.crew import RAY_OPTIONS, USUAL_CREW, Crew, Ray, with_crew
from study.cli.resume import resume
from study.cli.run import run
from study.cli.worker import worker

OPTIONS = [each.name for each in fields(Crew)]


def test_the_options_stand_in_the_place_of_the_crew_in_their_order() -> None:
    for command in (run, resume, confirm):
        names = list(inspect.signature(command).parameters)
        first = names.index(OPTIONS[0])
        assert names[first : first + len(OPTIONS)] == OPTIONS
        assert "crew" not in names
    assert not {*RAY_OPTIONS} & inspect.signature(worker).parameters.keys()


def test_a_command_gets_one_crew_with_what_was_given_and_what_is_usual() -> None:
    got: list[tuple[str, int, Crew]] = []

    @with_crew(*RAY_OPTIONS)
    def command(name: str, workers: int = 1, crew: Crew = USUAL_CREW) -> None:
        """An option that the command words itself counts for the crew, too."""
        got.append((name, workers, crew))

    command("it")
    command("it", workers=3, checkpoints=Path("kept"))
    assert got == [
        ("it", 1, Crew(workers=1)),
        ("it", 3, Crew(workers=3, checkpoints=Path("kept"))),
    ]
    with pytest.raises(TypeError, match="launcher"):
        command("it", launcher="ray")


def test_ray_is_this_machine_alone_unless_an_address_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert USUAL_CREW.ray is None
    assert Crew(launcher="ray", gpus_per_worker=0.5).ray == Ray(None, 0.5)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert Crew(launcher="ray").ray == Ray("head:6379", 0.0)
    assert Crew(launcher="ray", ray_address="local").ray == Ray(None, 0.0)
