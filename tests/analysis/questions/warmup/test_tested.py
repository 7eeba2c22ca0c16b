"""Lengths of warmup on test images: what they rest on, and that a planted truth comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.fresh_seeds import frames
from analysis.fresh_seeds.frames import compared_on_test, compared_runs, on_test
from analysis.questions.warmup import confirmed as warmup
from analysis.section import find
from analysis.sections import gap, test_accuracy
from analysis.settled import settled
from analysis.study import Study, load_study
from study.stages import firsts
from tests.analysis import conftest
from tests.analysis.conftest import IMAGES, plant_stages, plant_study

Behind = Callable[[float], float]


def plant(path: Path, behind: Behind, seeds: int = 8, noise: float = 0.001) -> Study:
    """Cosine and constant, confirmed and tested; so far a length lies behind the best one."""
    usual = conftest.accuracy

    def shifted(params: dict[str, float], rng: np.random.Generator, noise: float) -> float:
        return usual(params, rng, noise) - behind(params.get("warmup", 0.0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "accuracy", shifted)
        url = plant_study(path, "warmup", 8, families=("cosine", "constant"), noise=0.001)
        plant_stages(path, "warmup", seeds=seeds, top=1, noise=noise)
    return load_study(url, "warmup")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """No warmup costs five points; half an epoch is as good as any more."""
    path = tmp_path_factory.mktemp("tested") / "planted.db"
    return plant(path, lambda length: 0.05 * (length < 0.3))


def test_the_frames_of_the_families_and_of_the_lengths_are_apart(study: Study) -> None:
    assert study.test is not None
    represent = set(firsts(study.test.spec).values())
    families, lengths = frames.tested_runs(study), compared_runs(study)
    assert set(families["arm"]) == represent
    assert len(families) == 2 * 8
    assert lengths.groupby("value").size().tolist() == [8] * 4
    assert set(on_test(study, "last").accuracy) == {"cosine", "constant"}
    scores = compared_on_test(study)
    assert list(scores.accuracy) == [0.0, 0.5, 1.0, 2.0]
    for length, runs in lengths.groupby("value"):
        expected = runs.sort_values("replicate")["test_accuracy"].to_numpy()
        np.testing.assert_allclose(scores.accuracy[length], expected)
        assert scores.correct[length].shape == (8, IMAGES)


@pytest.mark.usefixtures("unrendered")
def test_sections_of_the_families_count_none_of_the_lengths(study: Study) -> None:
    accuracies = find(test_accuracy, study).estimates["accuracies"]
    assert accuracies["n"].eq(8).all()
    families = frames.tested_runs(study).groupby("family")["trial"].apply(sorted)
    for section in (test_accuracy, gap):
        for frame in find(section, study).estimates.values():
            for row in frame.to_dict("records") if "test_trials" in frame else ():
                assert row["test_trials"] == families[row["family"]]
    best = settled(study)
    assert best is not None
    assert best.trials == families[best.family]


@pytest.mark.usefixtures("unrendered")
def test_the_shortest_length_that_is_good_enough_is_found(study: Study) -> None:
    finding = find(warmup, study)
    found, verdict = finding.estimates, str(finding.verdict)
    [facts] = found["facts"].to_dict("records")
    assert (facts["stage"], facts["seeds"], facts["shortest"]) == ("test", 8, 0.5)
    assert facts["level"] == pytest.approx(0.9)  # no rate was picked by these images
    lengths = found["lengths"].set_index("warmup")
    assert lengths.loc[0.0, "standing"] == "worse"
    assert lengths["not_inferior"].tolist()[:2] == [False, True]
    assert finding.stage == "test"
    assert verdict.startswith(
        "Shortest warmup shown to be not inferior within 0.3 points to any other length, over 8 "
        "seeds and the test images at the base rate that validation images chose under cosine "
        "decay: "
    )
    assert " % test accuracy at " in verdict
    assert "validation accuracy" not in verdict
    assert "; on the grid that chose the rates, the largest base rate at which " in verdict
    linked = {each for part in finding.verdict.parts for each in getattr(part, "numbers", ())}
    assert linked <= set(compared_runs(study)["trial"])
    assert {part.stage for part in finding.verdict.parts if not isinstance(part, str)} == {"test"}
    assert "test-score-by-warmup" in [each.name for each in finding.pictures]


@pytest.mark.usefixtures("unrendered")
def test_the_rest_of_the_section_is_the_grids(study: Study) -> None:
    with_test, without = (
        find(warmup, each).estimates for each in (study, replace(study, test=None))
    )
    for name in ("cells", "usable", "scores", "seeds", "layers"):
        pd.testing.assert_frame_equal(with_test[name], without[name])
    assert without["facts"]["stage"].tolist() == ["confirm"]
    assert without["tested"].empty
    rates = [frame["lengths"].set_index("warmup")["base_lr"] for frame in (with_test, without)]
    pd.testing.assert_series_equal(*rates)


@pytest.mark.usefixtures("unrendered")
def test_of_equal_lengths_the_shortest_suffices(tmp_path: Path) -> None:
    found = find(warmup, plant(tmp_path / "equal.db", lambda length: 0.0, seeds=6)).estimates
    assert found["facts"]["shortest"].tolist() == [0.0]
    assert found["lengths"]["standing"].isin(["best", "tied"]).all()


@pytest.mark.usefixtures("unrendered")
def test_what_seeds_and_images_cannot_tell_is_not_claimed(tmp_path: Path) -> None:
    noisy = plant(tmp_path / "noisy.db", lambda length: 0.0, seeds=5, noise=0.02)
    assert str(find(warmup, noisy).verdict).startswith(
        "No length of warmup is shown to be not inferior within 0.3 points to all others under "
    )
    few = plant(tmp_path / "few.db", lambda length: 0.0, seeds=3)
    assert str(find(warmup, few).verdict).startswith("Too few seeds to compare 4 lengths of warmup")


@pytest.mark.usefixtures("unrendered")
def test_a_length_behind_by_more_than_delta_is_not_shown(tmp_path: Path) -> None:
    steps = plant(tmp_path / "steps.db", lambda length: 0.02 * (2.0 - length), seeds=6)
    found = find(warmup, steps).estimates
    assert found["facts"][["shortest", "best"]].to_numpy().tolist() == [[2.0, 2.0]]
    assert found["lengths"]["standing"].tolist() == [*["worse"] * 3, "best"]
