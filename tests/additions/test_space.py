"""How to add a search space: one file. It can be run, confirmed and reported at once.

In the product the names below stand in a file search_spaces/steps.py, and search_spaces/spaces.py
has a line for it; here a test adds it from outside. `SearchSpace` says what each of them is. An
answer to its own question can come later: until then the report says which configuration and which
schedule does best.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
import torch
from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.schedules.decays import Constant, MultiFactor
from search_spaces.space import Preset, log_range, sample
from search_spaces.spaces import SPACES
from study.storage import studies
from study.workers import local
from study.workers.worker import Worker
from tests.study.conftest import Command, without_warnings

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tiny", "unrendered")]

# ---------------------------------------------------------------- the space

QUESTION = "How much should the rate fall in one step, half-way through training?"
FAMILIES = ("constant", "multi_factor")
EXERCISE = None  # of the chapter
DESIGNED = False  # its trials are sampled
REFERENCE: str | None = None
COMPARED: str | None = None
SAMPLES_WEIGHTS = False
SMALL = Preset(
    trials_per_family=2,
    budget=Budget(epochs=4, train_size=400, val_size=100),
    optimizer={"batch_size": 10},
)
PRESETS = {"quick": SMALL, "standard": SMALL}


def ranges(budget: Budget) -> Ranges:
    """What is sampled, and where. A parameter may have any name."""
    return {"base_lr": log_range(0.05, 0.2), "steepness": log_range(2.0, 100.0)}


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """The schedule of a trial, from sampled parameters."""
    base_lr = sample(trial, "base_lr", ranges)
    if family == "constant":
        return {"schedule": Constant(base_lr=base_lr)}
    alpha = 1 / sample(trial, "steepness", ranges)
    half = (budget.epochs / 2,)
    return {"schedule": MultiFactor(base_lr=base_lr, alpha=alpha, milestones=half)}


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """Known good parameters, tried first: none."""
    return []


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """Further runs on fresh seeds that answer the question: none."""
    return []


# ---------------------------------------------------------------- what it does then


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPACES, "steps", sys.modules[__name__])


@pytest.fixture(autouse=True)
def _worker_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are processes of their own, where this test's space is not known."""

    def launch(url: str, name: str, **_options: object) -> str:
        Worker(studies.open_storage(url), name, torch.device("cpu"), lambda _event: None).work()
        return "done"

    monkeypatch.setattr(local, "launch", launch)


def test_it_is_run_confirmed_and_reported(lrstudy: Command) -> None:
    assert QUESTION in lrstudy("spaces").out
    for words in (("run", "steps"), ("confirm", "steps", "--top", "1", "--seeds", "2")):
        done = lrstudy(*words, "--workers", "1", "--device", "cpu")
        assert done.status == 0, without_warnings(done)
    assert lrstudy("best", "steps").out.count("\n") == 3
    assert lrstudy("report", "steps", "--out", "out").status == 0

    trials = pd.read_parquet("out/trials.parquet")
    assert trials["steepness"].notna().any()
    (study,) = json.loads(Path("out/findings.json").read_text()).values()
    found = {each["title"]: each for each in study["findings"]}
    fresh = found["The best configurations on fresh seeds"]
    search = found["The search: the best configurations"]
    assert fresh["verdict"].startswith("Of 2 configurations, ")
    assert search["verdict"].startswith("Best single run: ")
    sampled = {row["parameter"] for row in search["estimates"]["responses"]}
    assert sampled == {"base_lr", "steepness"}
    page = Path("out/report.html").read_text()
    assert '<th scope="col">steepness</th>' in page
