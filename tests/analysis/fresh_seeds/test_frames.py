"""What the later stages' frames hold, and the sections that every confirmed search has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.estimators.intervals import crossed_interval
from analysis.fresh_seeds import frames as stages
from analysis.fresh_seeds.frames import chosen, confirm_runs, ids
from analysis.reading.predictive import WEIGHTS
from analysis.section import find
from analysis.sections import gap, test_accuracy
from analysis.study import Study, load_study
from study.storage.urls import StorageError
from tests.analysis.conftest import IMAGES, plant_stages, plant_study

Confirmed = Callable[..., Study]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A confirmed search of two families."""
    path = tmp_path_factory.mktemp("stages") / "planted.db"
    plant_study(path, "polynomial", 20)
    return load_study(plant_stages(path, "polynomial", seeds=4), "polynomial")


def test_runs_have_their_arms_role_and_origin(study: Study) -> None:
    found, stage = confirm_runs(study), study.confirm
    assert stage is not None
    assert len(found) == stage.spec.trials
    for run in found.to_dict("records"):
        arm = stage.spec.arms[int(run["arm"])]
        assert (run["family"], run["role"]) == (arm.family, arm.role)
        assert run["base_lr"] == pytest.approx(arm.parameters["base_lr"])
        assert (run["origin"] == arm.origin) if arm.origin is not None else pd.isna(run["origin"])
    assert found.groupby("arm")["replicate"].apply(sorted).tolist() == [[0, 1, 2, 3]] * 20
    assert not found["ladder"].any()


def test_the_ladder_is_known_by_its_budget(tmp_path: Path) -> None:
    path = tmp_path / "planted.db"
    plant_study(path, "cosine", 12)
    found = confirm_runs(
        load_study(plant_stages(path, "cosine", seeds=1, stages=("confirm",)), "cosine")
    )
    sizes = found.groupby(["ladder", "images", "epochs"]).size().index.tolist()
    assert sizes == [(False, 10_000, 6), (True, 2_500, 6), (True, 5_000, 6), (True, 10_000, 3)]


def test_the_chosen_have_the_highest_mean_where_every_candidate_trained_on_every_seed(
    study: Study,
) -> None:
    found = confirm_runs(study)
    means = found[found["role"] == "candidate"].groupby(["family", "origin"])["value"].mean()
    best = means.groupby("family").idxmax()
    assert {row["family"]: row["origin"] for row in chosen(study).to_dict("records")} == {
        family: origin for family, (_, origin) in best.items()
    }


def test_test_scores_are_the_means_of_the_bits(study: Study) -> None:
    for weights in WEIGHTS:
        scores = stages.on_test(study, weights)
        assert scores.accuracy.index.tolist() == [0, 1, 2, 3]
        assert set(scores.correct) == set(scores.accuracy) == {"polynomial", "inverse_power"}
        for family, bits in scores.correct.items():
            assert bits.shape == (4, IMAGES)
            np.testing.assert_allclose(scores.accuracy[family], bits.mean(axis=1))
    assert study.test is not None
    own = study.test.trials.pivot_table(index="replicate", columns="family", values="value")
    last = stages.on_test(study, "last").accuracy
    recorded = study.test.trials.pivot_table(
        index="replicate", columns="family", values="test_accuracy"
    )
    pd.testing.assert_frame_equal(
        last[sorted(last)], recorded, check_names=False, check_index_type=False
    )
    assert own.shape == recorded.shape


@pytest.fixture
def lost(tmp_path: Path) -> Study:
    """One test run diverged and one failed."""
    path = tmp_path / "planted.db"
    plant_study(path, "fixed_rate", 8, everything="complete")
    states = {"test": {0: "diverged", 1: "failed"}}
    return load_study(plant_stages(path, "fixed_rate", seeds=4, states=states), "fixed_rate")


def test_a_diverged_test_run_is_untrained_and_a_failed_one_is_missing(lost: Study) -> None:
    scores = stages.on_test(lost, "last")
    assert scores.accuracy.index.tolist() == [0, 1, 2, 3]
    assert scores.accuracy["constant"].isna().tolist() == [True, True, False, False]
    assert scores.untrained["constant"].tolist() == [True, False, False, False]
    row = find(test_accuracy, lost).estimates["accuracies"].iloc[0]
    assert row["n"] == 2
    assert row["accuracy"] == pytest.approx(scores.accuracy["constant"].mean())


def test_winners_carry_the_sampling_of_images(study: Study) -> None:
    frame = find(test_accuracy, study).estimates["accuracies"]
    assert set(frame["weights"]) == set(WEIGHTS)
    for row in frame.to_dict("records"):
        expected = crossed_interval(stages.on_test(study, row["weights"]).correct[row["family"]])
        assert row["accuracy"] == expected.mean
        assert (row["accuracy_low"], row["accuracy_high"]) == (expected.low, expected.high)
        assert row["image_se"] > 0


def test_before_the_test_nothing_is_said_of_test_images(tmp_path: Path) -> None:
    path = tmp_path / "planted.db"
    plant_study(path, "fixed_rate", 8, everything="complete")
    found = load_study(plant_stages(path, "fixed_rate", stages=("confirm",)), "fixed_rate")
    assert stages.on_test(found, "last").accuracy.empty
    finding = find(test_accuracy, found)
    assert str(finding.verdict) == "No run has met the test images yet."
    assert finding.pictures == []


def test_one_seed_has_no_interval_and_asks_for_more(tmp_path: Path) -> None:
    path = tmp_path / "planted.db"
    plant_study(path, "fixed_rate", 8, everything="complete")
    found = load_study(plant_stages(path, "fixed_rate", seeds=1), "fixed_rate")
    finding = find(test_accuracy, found)
    assert "(too few seeds for an interval)" in str(finding.verdict)
    assert str(finding.caution) == (
        "Too few to conclude: 1 seed. To add seeds: lrstudy confirm fixed_rate --seeds 4 "
        f"--storage {found.storage}"
    )
    assert "(constant, too few seeds for an interval)" in str(find(gap, found).verdict)


def test_the_gap_is_taken_at_one_loss_that_all_reach(study: Study) -> None:
    frame = find(gap, study).estimates["gaps"]
    assert set(frame["family"]) == {"polynomial", "inverse_power"}
    assert len(set(frame["train_loss"])) == 1
    assert frame["gap_accuracy"].is_monotonic_increasing
    assert study.confirm is not None
    for row in frame.to_dict("records"):
        used = study.confirm.trials.set_index("trial").loc[row["confirm_trials"]]
        assert set(used["family"]) == {row["family"]}
        assert len(used) == row["n"] == 4


def test_ids_are_sorted() -> None:
    assert ids(pd.DataFrame({"trial": [3, 1, 2]})) == [1, 2, 3]


def test_a_later_stage_stands_for_its_search(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "planted.db"
    plant_study(path, "fixed_rate", 8, everything="complete")
    url = plant_stages(path, "fixed_rate", seeds=2)
    for name in ("fixed_rate", "fixed_rate-confirm", "fixed_rate-test"):
        found = load_study(url, name)
        assert found.name == "fixed_rate"
        assert found.confirm is not None
        assert found.test is not None


def test_a_stage_whose_search_is_gone_is_refused(tmp_path: Path) -> None:
    import optuna

    path = tmp_path / "planted.db"
    plant_study(path, "fixed_rate", 8, everything="complete")
    url = plant_stages(path, "fixed_rate", seeds=1)
    optuna.delete_study(study_name="fixed_rate", storage=url)
    message = "study 'fixed_rate-test' is a later stage of 'fixed_rate', which is not there"
    with pytest.raises(StorageError, match=f"^{message}$"):
        load_study(url, "fixed_rate-test")
