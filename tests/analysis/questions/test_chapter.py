"""The chapter's table: measured beside published, with the prediction interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.estimators.intervals import prediction_interval, t_interval
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
        expected = t_interval(own)
        assert (row["n"], row["mean"]) == (3, pytest.approx(own.mean()))
        assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
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
    assert verdict.count("n = 3") == 2
    assert "cosine's test accuracy changes by" in verdict


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
    assert conclude(found).endswith(
        "what the schedule's being one epoch late changes needs two common seeds."
    )
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
