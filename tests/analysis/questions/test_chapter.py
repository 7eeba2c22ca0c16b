"""The chapter's table: measured beside published, with the prediction interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.estimators.intervals import prediction_interval, wilson
from analysis.questions import chapter
from analysis.questions.chapter import PUBLISHED, PUBLISHED_N, compare, conclude, draw, estimate
from analysis.study import Study, load_study
from search_spaces.chapter import FAMILIES, RUNS
from tests.analysis.conftest import Plant


@pytest.fixture(scope="module")
def study(everything: str) -> Study:
    return load_study(everything, "chapter")


def test_the_published_table_is_that_of_the_runs() -> None:
    assert tuple(PUBLISHED["run"]) == RUNS


@pytest.mark.parametrize("metric", chapter.METRICS)
def test_each_run_and_variant_has_its_interval(study: Study, metric: str) -> None:
    frame = estimate(study)[metric]
    assert (frame["run"] + "/" + frame["variant"]).tolist() == list(FAMILIES)
    for _, row in frame.iterrows():
        own = study.trials[study.trials["family"] == f"{row['run']}/{row['variant']}"][metric]
        assert (row["n"], row["mean"]) == (3, pytest.approx(own.mean()))
        assert np.isnan(row["low"])  # three seeds are too few
        assert (row["untrained_low"], row["untrained_high"]) == wilson(0, 3)
        old = PUBLISHED.set_index("run").loc[row["run"]]
        bounds = prediction_interval(old[metric], old[f"{metric}_sd"], PUBLISHED_N, 3)
        assert (row["predicted_low"], row["predicted_high"]) == pytest.approx(bounds)
        assert row["within"] == (bounds[0] <= own.mean() <= bounds[1])


def test_published_figures_lie_within_their_own_interval(study: Study) -> None:
    trials = study.trials.copy()
    runs = trials["family"].str.partition("/")[0]
    trials["test_accuracy"] = runs.map(PUBLISHED.set_index("run")["test_accuracy"])
    assert compare(trials, "test_accuracy")["within"].all()
    trials["test_accuracy"] -= 0.1
    assert not compare(trials, "test_accuracy")["within"].any()


@pytest.mark.parametrize("metric", chapter.METRICS)
def test_differences_are_paired_over_seeds(study: Study, metric: str) -> None:
    frame = estimate(study)[f"{metric}_differences"].set_index("run")
    wide = study.trials.pivot_table(index="seed", columns="family", values=metric)
    for run in RUNS:
        difference = wide[f"{run}/as-intended"] - wide[f"{run}/as-published"]
        assert frame.loc[run, "n"] == 3
        assert frame.loc[run, "mean"] == pytest.approx(difference.mean())


def test_a_run_that_learned_nothing_is_counted_not_averaged(study: Study) -> None:
    trials = study.trials.copy()
    own = trials.index[trials["family"] == "cosine/as-intended"]
    trials.loc[own[0], ["state", "test_accuracy"]] = ["stalled", 0.1]
    frame = compare(trials, "test_accuracy").set_index(["run", "variant"])
    row = frame.loc[("cosine", "as-intended")]
    assert (row["n"], row["stalled"], row["diverged"]) == (2, 1, 0)
    assert (row["runs"], row["untrained"]) == (3, 1)
    assert (row["untrained_low"], row["untrained_high"]) == wilson(1, 3)
    assert row["mean"] == pytest.approx(trials.loc[own[1:], "test_accuracy"].mean())
    assert frame["stalled"].sum() == 1
    trials.loc[own, "state"] = "diverged"
    row = compare(trials, "test_accuracy").set_index(["run", "variant"]).loc[row.name]
    assert (row["n"], row["diverged"]) == (0, 3)
    assert np.isnan(row["mean"])
    assert row["within"] is pd.NA


def test_the_verdict_holds_its_numbers(study: Study) -> None:
    found = estimate(study)
    verdict = conclude(found)
    for run in ("constant", "cosine"):
        frame = found["test_accuracy"]
        row = frame[(frame["run"] == run) & (frame["variant"] == "as-published")].iloc[0]
        where = "within" if row["within"] else "outside"
        assert f"test accuracy of {100 * row['mean']:.1f} % ({where} the predicted " in verdict
    assert verdict.count("n = 3 (0 of 3 untrained, 0 to 56 %)") == 2
    assert verdict.endswith(
        "too few seeds to say what the schedule's being one epoch late changes: 3 common seeds "
        "that trained, and it takes 4; 0 untrained without the delay, 0 with it."
    )


def differences(mean: float, **failed: int) -> dict[str, pd.DataFrame]:
    """Those of cosine over five seeds."""
    row = {"run": "cosine", "n": 5, "mean": mean, "low": mean - 0.01, "high": mean + 0.01}
    frame = pd.DataFrame([row | {"untrained_intended": 0, "untrained_published": 0} | failed])
    return {f"{metric}_differences": frame for metric in chapter.METRICS}


def test_a_difference_is_said_with_the_runs_that_did_not_train() -> None:
    assert chapter.off_by_one(differences(0.02)) == (
        "without the delay of one epoch cosine's test accuracy changes by +2.00 points (95 % "
        "interval +1.00 to +3.00, which excludes 0, over 5 common seeds) and its training loss by "
        "+0.020; 0 untrained without the delay, 0 with it"
    )
    assert "which includes 0" in chapter.off_by_one(differences(0.005, untrained_published=1))
    open_ = chapter.off_by_one(differences(0.02, untrained_intended=2))
    assert open_.endswith(
        "for the runs that did not train: 2 untrained without the delay, 0 with it"
    )
    assert "points" not in open_


def test_accuracies_stay_within_a_share_and_curves_hold_what_trained(study: Study) -> None:
    trials = pd.concat([study.trials, study.trials.assign(seed=study.trials["seed"] + 10)])
    trials["test_accuracy"] = np.where(np.arange(len(trials)) % 3, 0.99, 0.3)
    frame = compare(trials, "test_accuracy")
    assert frame["low"].notna().all()
    assert frame[["low", "predicted_low"]].min(axis=None) >= 0
    assert frame[["high", "predicted_high"]].max(axis=None) <= 1
    stalled = study.trials.assign(
        state=study.trials["state"].where(study.trials.index > 0, "stalled")
    )
    found = estimate(replace(study, trials=stalled))["curves"]
    assert set(found["n"]) == {2, 3}


def test_the_rates_drawn_are_one_epoch_late_as_published(study: Study) -> None:
    rates = estimate(study)["rates"]
    by_family = {name: group.set_index("epoch")["rate"] for name, group in rates.groupby("family")}
    intended, published = by_family["cosine/as-intended"], by_family["cosine/as-published"]
    np.testing.assert_allclose(published.loc[1:].to_numpy(), intended.loc[: 29 - 0.01].to_numpy())
    assert published.loc[0.0] == 0.3


@pytest.mark.usefixtures("unrendered")
def test_four_figures(study: Study) -> None:
    assert [each.name for each in draw(estimate(study))] == [
        "published-train-loss",
        "published-test-accuracy",
        "training-loss",
        "schedules",
    ]


@pytest.mark.usefixtures("unrendered")
def test_one_seed_has_means_but_no_intervals(plant: Plant) -> None:
    study = load_study(plant("chapter", 10, replicates=None), "chapter")
    found = estimate(study)
    assert found["test_accuracy"]["mean"].notna().all()
    assert found["test_accuracy"]["low"].isna().all()
    assert "too few seeds to say what the schedule's being one epoch late" in conclude(found)
    assert len(draw(found)) == 4


@pytest.mark.usefixtures("unrendered")
def test_a_chapter_without_cosine_and_constant(plant: Plant) -> None:
    families = ("square_root/as-published", "square_root/as-intended")
    url = plant("chapter", 6, families=families, replicates=None)
    found = estimate(load_study(url, "chapter"))
    assert found["train_loss"]["run"].tolist() == ["square_root"] * 2
    assert conclude(found) == (
        "Neither constant nor cosine was run as published, so that nothing can be compared."
    )
    assert len(draw(found)) == 4


@pytest.mark.usefixtures("unrendered")
def test_nothing_was_measured(plant: Plant) -> None:
    found = estimate(load_study(plant("chapter", 10, upto=0), "chapter"))
    assert draw(found) == []
    assert found["test_accuracy"].empty
