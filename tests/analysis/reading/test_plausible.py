"""What lrstudy writes is believed, whatever became of it; what contradicts the spec is not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.reading.frames import load
from analysis.reading.plausible import (
    UNUSABLE,
    left_out,
    marked,
    not_counted,
    plausible,
    slot_exists,
)
from analysis.reading.states import TERMINAL
from analysis.reading.studies import names, spec
from analysis.study import load_study
from study.spec import StudySpec
from tests.analysis.conftest import Plant, plant_stages, plant_study

STATES = {2: "pruned", 3: "stalled", 4: "failed", 5: "interrupted"}


def assert_as_they_are(
    trials: pd.DataFrame, curves: pd.DataFrame, kept: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    assert kept[0]["contradiction"].isna().all()
    pd.testing.assert_frame_equal(kept[0].drop(columns="contradiction"), trials)
    pd.testing.assert_frame_equal(kept[1], curves)


def test_every_honest_study_stays_as_it_is(everything: str) -> None:
    for name in names(everything):
        trials, curves = load(everything, name)
        assert_as_they_are(trials, curves, plausible(trials, curves, spec(everything, name)))


@pytest.mark.parametrize("space", ["fixed_rate", "polynomial", "cosine", "warmup", "langevin"])
def test_every_stage_and_every_end_of_an_honest_study_stays_as_it_is(
    plant: Plant, tmp_path: Path, space: str
) -> None:
    url = plant(
        space,
        25 if space == "langevin" else 24,
        states=STATES,
        retries={0: "failed", 1: "interrupted"},
    )
    plant_stages(tmp_path / "planted.db", space, seeds=2, top=1)
    for name in names(url):
        trials, curves = load(url, name)
        assert_as_they_are(trials, curves, plausible(trials, curves, spec(url, name)))


Asked = tuple[pd.DataFrame, pd.DataFrame, StudySpec]


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Asked]:
    """Studies of six schedules, two trials each; trial 3 ended in each state."""
    file, found = tmp_path_factory.mktemp("asked") / "planted.db", {}
    for state in (*TERMINAL, "failed", "interrupted"):
        url = plant_study(file, "cosine", 12, name=state, everything="complete", states={3: state})
        found[state] = (*load(url, state), spec(url, state))
    for state in ("running", "waiting"):
        trials, curves, wanted = found["failed"]
        found[state] = (trials.replace({"state": {"failed": state}}), curves, wanted)
    return found


@pytest.fixture
def asked(asked_once: dict[str, Asked]) -> Asked:
    """Trials, curves and spec of a study whose trials are all complete."""
    trials, curves, wanted = asked_once["complete"]
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
    asked_once: dict[str, Asked], column: str, value: Any, state: str
) -> None:
    """And only a result: who failed, or still runs, says nothing."""
    trials, _, wanted = asked_once[state]
    trials = trials.copy()
    assert marked(trials, wanted)["state"].tolist() == trials["state"].tolist()
    trials.loc[3, column] = value
    expected = trials["state"].tolist()
    if state in TERMINAL:
        expected[3] = UNUSABLE
    assert marked(trials, wanted)["state"].tolist() == expected
    assert len(left_out(marked(trials, wanted))) == (state in TERMINAL)


def test_a_pruned_trial_needs_no_score(asked_once: dict[str, Asked]) -> None:
    trials, _, wanted = asked_once["pruned"]
    trials = trials.copy()
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
    told = study.attempts.columns.drop("contradiction")
    assert np.array_equal(told, load(url, "polynomial")[0].columns)


# ---------------------------------------------------------------- a value against its history


@pytest.mark.parametrize("state", TERMINAL)
@settings(deadline=None, max_examples=10)
@given(value=st.floats(0.02, 1))
def test_only_the_value_that_the_history_ends_with_is_believed(
    asked_once: dict[str, Asked], state: str, value: float
) -> None:
    trials, _, wanted = asked_once[state]
    honest = trials.loc[3, "value"]
    changed = trials.assign(value=trials["value"].where(trials["trial"] != 3, value))
    unusable = marked(changed, wanted)["state"] == UNUSABLE
    classes = 1 / value if 0.01 < value <= 0.5 else 0.5
    guess = state == "diverged" and abs(classes - round(classes)) <= 1e-9  # of another task
    assert unusable[3] == (abs(value - honest) > 1e-9 and not guess)
    assert not unusable.drop(3).any()


@pytest.mark.parametrize(
    ("state", "column", "value", "why"),
    [
        ("complete", "value", 0.999, "its score is 0.999, its history's last validation accuracy"),
        ("complete", "val_accuracy", 0.5, "its score is"),
        ("complete", "last_epoch", 2, "its history ends with epoch 3"),
        ("complete", "epochs_trained", 3, "its history lacks epochs before epoch 6"),
        ("complete", "outcome", "diverged", "its outcome is diverged"),
        ("complete", "outcome", None, "its outcome is missing"),
        ("complete", "samples_weights", True, None),  # nothing tells what they predict
        ("stalled", "value", 0.5, "its score is 0.5, its history's last validation accuracy 0.1"),
        ("stalled", "last_epoch", 4, "its history ends with epoch 5"),
        ("diverged", "value", 0.9, "it diverged and its score is no guess: 0.9"),
        ("diverged", "diverged_epoch", 3.0, "its history ends with epoch 1"),
        ("pruned", "value", 0.9, "its score is 0.9, its history's last validation accuracy of av"),
        ("pruned", "averaged_val_accuracy", math.nan, None),
        ("pruned", "outcome", None, None),
    ],
)
def test_it_is_said_what_contradicts(
    asked_once: dict[str, Asked], state: str, column: str, value: Any, why: str | None
) -> None:
    trials, _, wanted = asked_once[state]
    changed = trials.astype({column: object})
    changed.loc[3, column] = value
    judged = marked(changed.astype({column: trials[column].dtype}), wanted)
    if why is None:
        assert left_out(judged) == []
        assert not_counted(left_out(judged)) is None
        return
    assert [each.startswith(f"trial 3: {why}") for each in left_out(judged)] == [True]


def test_what_a_trial_does_not_tell_it_does_not_deny(asked: Asked) -> None:
    trials, _, wanted = asked
    silent = ["val_accuracy", "averaged_val_accuracy", "test_accuracy", "last_epoch"]
    trials[silent] = math.nan
    assert left_out(marked(trials, wanted)) == []


@pytest.mark.parametrize("stage", ["", "-confirm", "-test"])
def test_sampled_weights_are_judged_by_what_they_predict(
    plant: Plant, tmp_path: Path, stage: str
) -> None:
    """Their score is not that of the last weights, which the history has."""
    url = plant("langevin", 20)
    plant_stages(tmp_path / "planted.db", "langevin", seeds=2, top=1)
    trials, _ = load(url, f"langevin{stage}")
    wanted = spec(url, f"langevin{stage}")
    sampling = trials.index[trials["samples_weights"] & (trials["state"] == "complete")][0]
    trials.loc[sampling, ["val_accuracy", "test_accuracy"]] = 0.5
    assert left_out(marked(trials, wanted)) == []
    split = "test" if wanted.reads_test else "val"
    trials.loc[sampling, f"sampled_{split}_accuracy"] = 0.5
    found = left_out(marked(trials, wanted))
    assert [each.startswith(f"trial {sampling}: its score is") for each in found] == [True]


def test_a_sentence_names_the_first_few() -> None:
    assert not_counted([]) is None
    reasons = [f"trial {n}: x" for n in range(9)]
    assert not_counted(reasons[:1]) == (
        "not counted, 1 trial contradicts what was recorded: trial 0: x"
    )
    assert str(not_counted(reasons)).endswith("trial 3: x; and 5 more")
