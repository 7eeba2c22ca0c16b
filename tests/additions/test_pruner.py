"""How to add a pruner: one function. The command line and the pruning audit then know it.

In the product the function stands in study/trials/pruners.py; here a test adds it from outside.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from optuna.pruners import BasePruner, ThresholdPruner

from analysis.sections import pruning_audit
from analysis.study import load_study
from search_spaces.config import Budget
from study.cli.options import one_of
from study.trials.pruners import PRUNERS, make_pruner, pruner
from tests.analysis.conftest import Plant, make_spec
from tests.study.conftest import Command

BANK = {"bank": True, "sampler": "random", "pruner": "none", "replicates": None}


def floor(grace: int, epochs: int) -> BasePruner:
    """Stops what has not half of the images right once it may be stopped.

    grace: the epochs before which nothing is stopped; epochs: of a whole trial. Families, controls
    and the grace itself are not this function's concern: see `FamilyPruner`.
    """
    return ThresholdPruner(lower=0.5)


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    pruner("floor", "stops what has not half of the images right")(floor)
    yield
    del PRUNERS["floor"]


def test_a_study_has_it() -> None:
    spec = make_spec("cosine", 12, pruner="floor")
    assert isinstance(make_pruner(spec)._base, ThresholdPruner)


def test_the_command_line_takes_and_explains_it(lrstudy: Command) -> None:
    shown = one_of("--pruner", PRUNERS, "")
    assert shown.metavar == "[none|median|percentile|asha|hyperband|floor]"
    assert "floor: stops what has not half of the images right" in shown.help
    refused = lrstudy("run", "cosine", "--pruner", "flor").err
    assert refused.startswith("lrstudy: Invalid value for '--pruner': 'flor' is not one of 'none'")
    assert "'hyperband', 'floor'." in refused


@pytest.mark.usefixtures("unrendered")
def test_the_audit_replays_and_draws_it(plant: Plant) -> None:
    """On a bank of two schedules, beside the others."""
    url = plant("polynomial", 12, budget=Budget(epochs=6), **BANK)
    found = pruning_audit.estimate(load_study(url, "polynomial"))
    assert "floor" in list(found["audit"]["rule"])
    (figure,) = pruning_audit.draw(found)
    labels = [text.get_text() for text in figure.figure.legends[0].get_texts()]
    assert "floor" in labels
