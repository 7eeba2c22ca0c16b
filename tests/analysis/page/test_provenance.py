"""How a study was measured; the printed command makes the same study."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from analysis.page.provenance import command, facts
from analysis.study import load_study
from search_spaces.config import Budget, Range
from search_spaces.recipes import RECIPES
from search_spaces.spaces import SPACES, find_space
from study.cli import run as run_module
from study.cli.application import run
from study.cli.choices import Choices, make_spec
from study.spec import StudySpec
from study.study_command import COMMAND_ATTR, making_words
from tests.analysis.conftest import Plant
from tests.analysis.conftest import make_spec as planned

PRESETS = ("quick", "standard")
Parse = Callable[[str], StudySpec]


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch) -> Parse:
    """The study that a command line asks for, without running it."""

    def parsed(line: str) -> StudySpec:
        made: list[StudySpec] = []

        def stop(said: Choices, _name: str | None) -> tuple[str, StudySpec]:
            made.append(make_spec(said))
            raise ValueError("far enough")

        monkeypatch.setattr(run_module, "define", stop)
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        assert run() == 2
        return made[0]

    return parsed


def preset(space: str, name: str, **changes: Any) -> StudySpec:
    chosen = SPACES[space].PRESETS[name]
    values: dict[str, Any] = {"budget": chosen.budget, "replicates": chosen.replicates}
    recipe = changes.get("recipe", chosen.recipe)
    values |= {"recipe": recipe, "optimizer": {**RECIPES[recipe].optimizer, **chosen.optimizer}}
    values["ranges"] = find_space(space, (), recipe).ranges(chosen.budget)
    values |= {"sampler": "random", "pruner": "none"} if SPACES[space].DESIGNED else {}
    families = changes.get("families", SPACES[space].FAMILIES)
    return planned(space, chosen.trials_per_family * len(families), **values | changes)


STUDIES = {
    **{
        f"{space} {name}": preset(space, name) for space in SPACES for name in ("quick", "standard")
    },
    "families": preset("cosine", "quick", families=("factor", "cosine"), seed=7),
    "optimizer": preset("fixed_rate", "standard", optimizer={"momentum": 0.9, "nesterov": True}),
    "plain SGD": preset("cosine", "quick", recipe="chapter"),
    "momentum": preset("cosine", "standard", recipe="momentum"),
    "the chapter's batches": preset("fixed_rate", "quick", optimizer={}),
    "larger batches": preset("fixed_rate", "quick", optimizer={"batch_size": 512}),
    "sampler": preset("polynomial", "quick", sampler="qmc", pruner="asha"),
}


@pytest.mark.parametrize("name", STUDIES)
def test_the_command_makes_the_same_study(name: str, parse: Parse) -> None:
    words = making_words(STUDIES[name])
    assert words is not None
    line = command("x; rm -rf /", words)
    assert shlex.split(line)[3:5] == ["--study", "x; rm -rf /"]
    assert parse(line) == STUDIES[name]


def test_changed_ranges_epochs_and_images(parse: Parse) -> None:
    spec = preset("polynomial", "standard")
    spec = spec.model_copy(
        update={
            "budget": Budget(epochs=7, train_size=5_000),
            "ranges": spec.ranges
            | {
                "base_lr": Range(low=0.1, high=0.1 + 0.2, log=True),
                "exponent": Range(low=2.0, high=2.0, log=True),
            },
        }
    )
    words = making_words(spec)
    assert words is not None
    assert parse(command("changed", words)) == spec


def test_what_no_preset_has_cannot_be_typed() -> None:
    assert making_words(preset("fixed_rate", "quick", replicates=5)) is None


def test_facts_name_what_a_reader_needs(plant: Plant) -> None:
    url = plant("fixed_rate", 4, everything="complete", retries={0: "failed"}, upto=3)
    found = facts(load_study(url, "fixed_rate"))
    assert found["Trials"] == "4 planned: 3 complete and 1 waiting"
    assert found["Attempts"] == "4, repeated ones included"
    assert found["Training images"] == "10,000"
    assert found["Device"] == "Planted CPU"
    assert found["Threads a worker"] == "1"
    assert found["Versions"] == "lrstudy 0.1.0; python 3.11; torch 2.9; optuna 5.0.0"
    assert found["Judged on"] == "validation images; the test images were not read"
    assert found["To run it again"].startswith("lrstudy run fixed_rate --study fixed_rate-again ")


def test_the_command_is_the_stored_one_where_there_is_one(plant: Plant) -> None:
    """A study of an earlier revision has none: there it is derived."""
    url = plant("fixed_rate", 4, everything="complete")
    derived = facts(load_study(url, "fixed_rate"))["To run it again"]
    options = ["--preset", "of its day", "--trials", "4", "--recipe", "chapter"]
    words = ["run", "fixed_rate", *options, "--kernel", "torch"]
    study = optuna.load_study(study_name="fixed_rate", storage=url)
    study.set_user_attr(COMMAND_ATTR, words)
    kept = facts(load_study(url, "fixed_rate"))["To run it again"]
    asked = shlex.join([*options, "--kernel", "torch"])
    assert kept.startswith(f"lrstudy run fixed_rate --study fixed_rate-again {asked}")
    study.set_user_attr(COMMAND_ATTR, {"not": "ours"})
    assert facts(load_study(url, "fixed_rate"))["To run it again"] == derived


def test_facts_of_a_study_that_never_began(plant: Plant) -> None:
    found = facts(load_study(plant("fixed_rate", 4, upto=0), "fixed_rate"))
    assert found["Trials"] == "4 planned: 4 waiting"
    assert found["Device"] == found["Source revision"] == "not recorded"
