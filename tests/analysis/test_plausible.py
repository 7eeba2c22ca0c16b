"""What lrstudy writes is believed, whatever became of it; what contradicts the spec is not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.findings import load_study
from analysis.frames import TERMINAL, load, names, spec
from analysis.plausible import UNUSABLE, marked, plausible, slot_exists
from study.spec import StudySpec
from tests.analysis.conftest import Plant, plant_stages, plant_study

STATES = {2: "pruned", 3: "stalled", 4: "failed", 5: "interrupted"}


def test_every_honest_study_stays_as_it_is(everything: str) -> None:
    for name in names(everything):
        trials, curves = load(everything, name)
        kept = plausible(trials, curves, spec(everything, name))
        pd.testing.assert_frame_equal(kept[0], trials)
        pd.testing.assert_frame_equal(kept[1], curves)


@pytest.mark.parametrize("space", ["fixed_rate", "polynomial", "cosine", "warmup"])
def test_every_stage_and_every_end_of_an_honest_study_stays_as_it_is(
    plant: Plant, tmp_path: Path, space: str
) -> None:
    url = plant(space, 24, states=STATES, retries={0: "failed", 1: "interrupted"})
    plant_stages(tmp_path / "planted.db", space, seeds=2, top=1)
    for name in names(url):
        trials, curves = load(url, name)
        kept = plausible(trials, curves, spec(url, name))
        pd.testing.assert_frame_equal(kept[0], trials)
        pd.testing.assert_frame_equal(kept[1], curves)


Asked = tuple[pd.DataFrame, pd.DataFrame, StudySpec]


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    file = tmp_path_factory.mktemp("asked") / "planted.db"
    url = plant_study(file, "cosine", 12, everything="complete")
    return (*load(url, "cosine"), spec(url, "cosine"))


@pytest.fixture
def asked(asked_once: Asked) -> Asked:
    """Trials, curves and spec of a study of six schedules, two trials each."""
    trials, curves, wanted = asked_once
    return trials.copy(), curves.copy(), wanted


@pytest.mark.parametrize("state", [*TERMINAL, "failed", "interrupted", "running", "waiting"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("slot", value) for value in (-1.0, 12.0, 0.5, math.nan)),
        *(("family", value) for value in ("polynomials", "?")),
        *(("replicate", value) for value in (1.0, math.nan)),
        *(("seed", value) for value in (0, pd.NA)),
        *(("arm", value) for value in (0.0,)),
        *(("epochs", value) for value in (1.0, math.nan)),
        *(("base_lr", value) for value in (1e9, -1.0, math.nan)),
        *(("value", value) for value in (1.5, -0.5)),
    ],
)
def test_a_result_that_contradicts_the_spec_is_unusable(
    asked: Asked, column: str, value: Any, state: str
) -> None:
    """And only a result: who failed, or still runs, says nothing."""
    trials, _, wanted = asked
    trials.loc[3, "state"] = state
    assert marked(trials, wanted)["state"].tolist() == trials["state"].tolist()
    trials.loc[3, column] = value
    expected = trials["state"].tolist()
    scoreless = column == "value" and state == "pruned"
    if state in TERMINAL and not scoreless:
        expected[3] = UNUSABLE
    assert marked(trials, wanted)["state"].tolist() == expected


def test_a_pruned_trial_needs_no_score(asked: Asked) -> None:
    trials, _, wanted = asked
    trials.loc[3, "state"] = "pruned"
    trials.loc[3, "value"] = math.nan
    assert marked(trials, wanted)["state"].tolist() == trials["state"].tolist()


def test_the_ends_of_a_range_belong_to_it(
    asked: Asked,
) -> None:
    """Also as a logarithmic scale rounds them."""
    trials, _, wanted = asked
    chosen = wanted.ranges["base_lr"]
    for value in (chosen.low, chosen.high, math.exp(math.log(chosen.high)) * (1 + 1e-12)):
        trials["base_lr"] = value
        assert UNUSABLE not in set(marked(trials, wanted)["state"])


def test_epochs_that_cannot_be_are_left_out(
    asked: Asked,
) -> None:
    trials, curves, wanted = asked
    late = curves.iloc[[0]].assign(epoch=wanted.budget.epochs)
    trials.loc[1, "seed"] = 0
    kept = plausible(trials, pd.concat([curves, late]), wanted)[1]
    expected = curves[curves["trial"] != 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, expected)


def test_a_slot_exists_or_does_not(asked: Asked) -> None:
    trials, _, wanted = asked
    slots = [0.0, 11.0, 12.0, -1.0, 2.5, math.nan]
    found = slot_exists(pd.DataFrame({"slot": slots}), wanted)
    assert found.tolist() == [True, True, False, False, False, False]
    assert slot_exists(trials, wanted).all()
    assert slot_exists(trials.iloc[:0], wanted).empty


def test_no_trials_are_no_trouble(plant: Plant) -> None:
    url = plant("polynomial", 4, upto=0)
    study = load_study(url, "polynomial")
    assert study.trials.empty
    assert study.curves.empty
    assert np.array_equal(study.attempts.columns, load(url, "polynomial")[0].columns)
