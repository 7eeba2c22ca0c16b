"""A fixed design without a section of its own: run whole, on the test images, and reported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.schedules.decays import Constant, Factor
from search_spaces.space import Preset
from search_spaces.spaces import SPACES
from study.workers import local
from tests.study.conftest import Command, assert_one_line, launch_here, lrstudy, without_warnings

__all__ = ["lrstudy"]  # the fixture
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tiny", "unrendered")]
RATES = {"low": 0.2, "high": 0.25}


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """A run of the design, by its name."""
    name, _, rate = family.partition("/")
    base_lr = RATES[rate]
    made = Constant(base_lr=base_lr) if name == "constant" else Factor(base_lr=base_lr, alpha=0.9)
    return {"schedule": made}


def nothing(*_arguments: object) -> list[Arm]:
    return []


def no_ranges(budget: Budget) -> Mapping[str, object]:
    return {}


SMALL = Preset(2, Budget(epochs=6, train_size=400, val_size=100), None, {"batch_size": 10})
TABLEAU = SimpleNamespace(
    EXERCISE=None,
    QUESTION="Which of four runs is best?",
    FAMILIES=("constant/low", "constant/high", "factor/low", "factor/high"),
    PRESETS={"quick": SMALL, "standard": SMALL},
    COMPARED=None,
    DESIGNED=True,
    SAMPLES_WEIGHTS=False,
    ranges=no_ranges,
    suggest=suggest,
    baselines=nothing,
    grid=nothing,
)


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPACES, "tableau", TABLEAU)
    monkeypatch.setattr(local, "launch", launch_here)


def test_it_is_run_and_reported_and_has_nothing_to_confirm(lrstudy: Command) -> None:
    done = lrstudy("run", "tableau", "--workers", "1", "--device", "cpu")
    assert done.status == 0, without_warnings(done)
    facts = json.loads(lrstudy("status", "tableau", "--json").out)
    assert (facts["trials"], facts["slots_left"]) == (8, 0)
    assert facts["states"]["complete"] >= 6, facts["states"]
    best = json.loads(lrstudy("best", "tableau", "--json").out)
    assert (best["seeds"], best["measured_on"]) == (2, "test")
    assert best["accuracy"] == facts["best"]["value"]
    assert_one_line(lrstudy("confirm", "tableau", "--device", "cpu"), 2, "tableau")
    assert lrstudy("report", "tableau", "--out", "out").status == 0
    (study,) = json.loads(Path("out/findings.json").read_text()).values()
    answer = study["findings"][0]
    assert answer["title"] == "The best configurations"
    assert answer["verdict"].startswith("Best")
    assert {row["family"] for row in answer["estimates"]["best"]} == set(TABLEAU.FAMILIES)
    page = Path("out/report.html").read_text()
    assert "lrstudy confirm" not in page
