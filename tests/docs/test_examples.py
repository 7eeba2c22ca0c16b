"""The examples (>>>) of what a notebook calls run, on a confirmed study where they stand."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib import pyplot as plt

import search_spaces.schedules
from search_spaces.schedules.base import FAMILIES
from tests.analysis.conftest import plant_stages, plant_study

ESTIMATORS = tuple(
    f"analysis.estimators.{name}"
    for name in (
        *("best", "bounded", "comparison", "differences", "fits", "intervals"),
        *("learning_curves", "looks", "multiplicity", "outcomes", "planning", "responses"),
        *("seeds", "shares", "skew", "spending", "tuning", "unbiased", "warmups"),
    )
)
STUDIES = (
    *("lrstudy", "lrstudy.figures", "analysis"),
    *("analysis.answers", "analysis.study", "analysis.reading.loading"),
)
SCHEDULES = tuple(
    f"search_spaces.schedules.{each.name}"
    for each in pkgutil.iter_modules(search_spaces.schedules.__path__)
)


def _is_ours(family: type) -> bool:
    """Tests register families, too."""
    return family.__module__.startswith("search_spaces.")


def examples(module: ModuleType) -> list[doctest.DocTest]:
    return doctest.DocTestFinder().find(module)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose lrstudy.db has a confirmed study of cosine."""
    place = tmp_path_factory.mktemp("examples")
    plant_study(place / "lrstudy.db", "cosine", 12)
    plant_stages(place / "lrstudy.db", "cosine", seeds=2, top=1)
    return place


@pytest.mark.parametrize("name", [*STUDIES, *ESTIMATORS, *SCHEDULES])
def test_the_examples_run(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(folder)
    for example in examples(importlib.import_module(name)):
        assert doctest.DocTestRunner().run(example).failed == 0
    plt.close("all")


@pytest.mark.parametrize("name", STUDIES)
def test_what_opens_a_study_has_an_example(name: str) -> None:
    assert any(example.examples for example in examples(importlib.import_module(name)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_has_an_example(name: str) -> None:
    module = importlib.import_module(name)
    shown = "\n".join(one.source for each in examples(module) for one in each.examples)
    for function, value in inspect.getmembers(module, inspect.isfunction):
        if value.__module__ == name and not function.startswith("_"):
            assert f"{function}(" in shown, function


@pytest.mark.parametrize("family", [name for name, each in FAMILIES.items() if _is_ours(each)])
def test_every_schedule_family_has_an_example(family: str) -> None:
    """Of its own, which makes the schedule: the modules' examples are run above."""
    made = FAMILIES[family]
    shown = doctest.DocTestParser().get_examples(made.__doc__ or "")
    assert any(f"{made.__name__}(" in each.source for each in shown)
    assert made.__module__ in SCHEDULES
