"""The confirmed answer to question 1: planted rates come back, and what is missing is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest

from analysis.fresh_seeds.missing import missing_words
from analysis.questions.fixed_rate import confirmed as fixed_rate
from analysis.section import Estimates, find
from analysis.study import Study, load_study
from tests.analysis.conftest import EDGE, plant_stages, plant_study

BEST = 0.25  # planted
SEEDS = 5


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = tmp_path_factory.mktemp("confirmed") / "planted.db"
    plant_study(path, "fixed_rate", 8, noise=0.001)
    return load_study(plant_stages(path, "fixed_rate", seeds=SEEDS, noise=0.001), "fixed_rate")


def confirmed(study: Study, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Study:
    """The study with other confirm runs."""
    assert study.confirm is not None
    trials = change(study.confirm.trials.copy())
    return replace(study, confirm=replace(study.confirm, trials=trials))


def peaked(seed: int, curvature: float = 0.015) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Scores with their peak at BEST; a shift for each replicate, and noise of 0.15 point."""

    def change(runs: pd.DataFrame) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        shift = 0.01 * rng.standard_normal(SEEDS)[runs["replicate"].astype(int)]
        value = 0.88 - curvature * np.log(runs["base_lr"] / BEST) ** 2 + shift
        value += 0.0015 * rng.standard_normal(len(runs))
        return runs.assign(value=value.where(runs["state"] == "complete", 0.1))

    return change


@pytest.mark.usefixtures("unrendered")
def test_a_planted_study_is_answered(study: Study) -> None:
    found = find(fixed_rate, study)
    estimates = found.estimates
    rates, edge = estimates["rates"], estimates["lost"].iloc[0]
    assert [picture.name for picture in found.pictures] == [
        "score-by-fixed-rate",
        "curves-by-fixed-rate",
        "gap-by-fixed-rate",
    ]
    assert edge["base_lr_low"] <= EDGE < edge["base_lr_high"]
    assert f"between {edge['base_lr_low']:.2g} and {edge['base_lr_high']:.2g}" in str(found.verdict)
    best = rates[rates["best"]].iloc[0]
    assert best["accuracy"] == rates["accuracy"].max()
    assert best["in_best_set"]
    assert f"{100 * best['accuracy']:.1f} % (" in str(found.verdict)
    tested = estimates["tested"].iloc[0]
    assert f"reaches {100 * tested['accuracy']:.1f} % (" in str(found.verdict)
    assert study.test is not None
    assert tested["accuracy"] == pytest.approx(study.test.trials["test_accuracy"].mean())
    assert tested["accuracy_low"] < tested["accuracy"] < tested["accuracy_high"]
    linked = sorted(rates["confirm_trials"].explode())
    assert linked == list(range(len(estimates["seeds"])))
    for picture in found.pictures:
        assert picture.alt.endswith(".")
        assert picture.caption.endswith(".")


def test_the_planted_best_rate_comes_back(study: Study) -> None:
    inside, placed = 0, 0
    for seed in range(8):
        top = fixed_rate.estimate(confirmed(study, peaked(seed)))["peak"].iloc[0]
        placed += not np.isnan(top["base_lr_low"])
        inside += top["base_lr_low"] <= BEST <= top["base_lr_high"]
    assert placed >= 6
    assert inside >= placed - 2  # fewer has a probability of 1 % at a coverage of 95 %


def draws(truth: list[float], seed: int) -> Iterator[pd.DataFrame]:
    """200 times the scores of rates 1, 2, ... with these means; seeds shift all rates alike."""
    rng = np.random.default_rng(seed)
    for _ in range(200):
        scores = truth + 0.01 * rng.standard_normal((SEEDS, 1))
        scores += 0.004 * rng.standard_normal((SEEDS, len(truth)))
        yield pd.DataFrame(scores, columns=np.arange(1.0, len(truth) + 1))


def test_nothing_planted_seldom_makes_a_rate_worse() -> None:
    found = [fixed_rate.ties(scores)[0] for scores in draws([0.88] * 7, 0)]
    for rate in range(1, 8):
        assert sum(not tied[rate] for tied in found) <= 16
    assert sum(tied.sum() == 1 for tied in found) <= 16


def test_a_planted_best_rate_stays_in_the_set_and_a_poor_one_does_not() -> None:
    found = [fixed_rate.ties(scores)[0] for scores in draws([0.88, 0.879, 0.877, 0.85], 1)]
    assert sum(bool(tied[1]) for tied in found) >= 184
    assert sum(not tied[4] for tied in found) >= 160


def test_numbers_are_those_of_the_runs(study: Study) -> None:
    assert study.confirm is not None
    runs = study.confirm.trials
    found = fixed_rate.estimate(study)
    for row in found["rates"].to_dict("records"):
        own = runs[runs["base_lr"] == row["base_lr"]]
        assert row["confirm_trials"] == sorted(own["trial"])
        complete = own[own["state"] == "complete"]
        assert row["complete"] == len(complete)
        if len(complete):
            assert row["accuracy"] == pytest.approx(complete["value"].mean())
            assert row["train_accuracy"] == pytest.approx(complete["train_accuracy"].mean())
    curves = found["curves"]
    assert list(curves["which"].unique()) == ["low", "best", "too high"]
    last = curves[(curves["which"] == "best")].iloc[-1]
    best = runs[runs["base_lr"] == last["base_lr"]]["val_accuracy"]
    assert (last["n"], last["lowest"], last["highest"]) == (SEEDS, best.min(), best.max())
    high = curves[curves["which"] == "too high"]
    assert high["base_lr"].iloc[0] > EDGE
    # Diverged in the first of the epochs: a guess from there on, not left out.
    assert (high["n"] == SEEDS).all()
    assert (high["mean"].iloc[1:] == 0.1).all()


def lose(state: str, at: Callable[[pd.DataFrame], pd.Series]) -> Callable[..., pd.DataFrame]:
    def change(runs: pd.DataFrame) -> pd.DataFrame:
        gone = at(runs)
        return runs.assign(
            state=runs["state"].mask(gone, state),
            value=runs["value"].mask(gone, 0.1 if state != "failed" else np.nan),
        )

    return change


def first_seeds(n: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda runs: runs[runs["replicate"] < n]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (first_seeds(0), r"^No run on fresh seeds has a result; \d+ of \d+ confirm runs have no"),
        (
            first_seeds(1),
            "one seed gives the best rate no interval; one seed cannot tell the other",
        ),
        (first_seeds(2), r"over 2 seeds .*; \d+ of \d+ confirm runs have no result\.$"),
        (lambda runs: runs.iloc[[0, 9]], "no seed has a result at every rate yet"),
        (
            lose("diverged", lambda runs: runs["base_lr"] > 0),
            r"^Every run was lost, at each of \d fixed rates\.$",
        ),
        (
            lose("failed", lambda runs: runs["trial"] == 0),
            r"; 1 of \d+ confirm runs has no result\.$",
        ),
        (
            lose("stalled", lambda runs: runs["base_lr"].rank(method="dense") > 1),
            "half of the runs are lost between",
        ),
        (
            lose("stalled", lambda runs: (runs["replicate"] == 0) & (runs["base_lr"] < EDGE)),
            r"\(1 of 5 runs lost\)",
        ),
        (
            lambda runs: runs[runs["base_lr"] < EDGE],
            "; no run was lost from there up to",
        ),
        (lambda runs: runs[runs["base_lr"] == runs["base_lr"].iloc[0]], "no other rate was tested"),
    ],
)
def test_what_is_missing_is_said(
    study: Study, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    verdict = str(find(fixed_rate, confirmed(study, change)).verdict)
    assert re.search(words, verdict)
    assert not re.search(r"nan|None|<NA>|\.\.", verdict)
    assert verdict.endswith(".")
    assert not verdict[0].islower()


@pytest.mark.usefixtures("unrendered")
def test_without_later_stages_nothing_is_claimed(study: Study) -> None:
    untested = find(fixed_rate, replace(study, test=None))
    assert "; no chosen rate has met the test images yet." in str(untested.verdict)
    nothing = find(fixed_rate, replace(study, confirm=None, test=None))
    assert str(nothing.verdict) == "No run on fresh seeds has a result."
    assert not nothing.pictures


def test_one_test_seed_has_no_interval(study: Study) -> None:
    assert study.test is not None
    one = replace(study.test, trials=study.test.trials[:1])
    verdict = str(fixed_rate.conclude(fixed_rate.estimate(replace(study, test=one))))
    assert (
        "% (one seed, no interval) on the test images (test trial 0); 4 of 5 test runs" in verdict
    )


def peak_of(**values: object) -> Estimates:
    """Estimates with one best rate and one other, and that peak."""
    rates = pd.DataFrame(
        {
            "base_lr": [0.1, 0.2],
            "n": 3,
            "complete": [2, 3],
            "accuracy": [0.8, 0.83],
            "accuracy_low": [0.79, 0.82],
            "accuracy_high": [0.81, 0.84],
            "in_best_set": pd.array([True, True], dtype="boolean"),
            "best": [False, True],
            "confirm_trials": [[0, 2, 4], [1, 3, 5]],
        }
    )
    top = {"n": 3, "base_lr": 0.2, "base_lr_low": np.nan, "base_lr_high": np.nan, "at_edge": False}
    lost = {"n": 3, "lost": 0, "base_lr": np.nan, "base_lr_low": 0.2, "base_lr_high": np.nan}
    chosen = {"origin_trial": 7, "base_lr": 0.2, "accuracy": 0.82, "accuracy_low": 0.81}
    chosen |= {"accuracy_high": 0.83}
    return {
        "rates": rates,
        "peak": pd.DataFrame([top | values]),
        "lost": pd.DataFrame([lost | {"fitted": False, "confirm_trials": []}]),
        "tested": pd.DataFrame([chosen | {"test_trials": [0, 1]}]),
        "missing": pd.DataFrame({"stage": ["confirm"], "planned": [6], "missing": [0]}),
    }


BEST_OF_TWO = (
    "0.2 is the best of 2 tested rates, with a validation accuracy of 83.0 % (82.0 % to 84.0 %) "
    "over 3 seeds (confirm trials 1, 3, 5)"
)
REST = (
    "; 0.1 (1 of 3 runs lost) cannot be told from it; no run was lost from there up to 0.2; the "
    "chosen 0.2 (trial 7) reaches 82.0 % (81.0 % to 83.0 %) on the test images (test trials 0, 1)."
)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (
            {"base_lr_low": 0.15, "base_lr_high": 0.28},
            f"The best fixed rate is 0.2 (95 % interval 0.15 to 0.28): {BEST_OF_TWO}{REST}",
        ),
        (
            {"at_edge": True},
            f"{BEST_OF_TWO}; the rates that lost no run end at 0.2, and the best may lie beyond"
            f"{REST}",
        ),
        (
            {},
            f"{BEST_OF_TWO}; scores around it are too flat, or too few, to give the best rate an "
            f"interval{REST}",
        ),
        ({"n": 1}, f"{BEST_OF_TWO}; one seed gives the best rate no interval{REST}"),
    ],
)
def test_verdicts_about_the_best_rate(values: dict[str, object], verdict: str) -> None:
    assert str(fixed_rate.conclude(peak_of(**values))) == verdict


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"lost": 2, "base_lr": 0.4, "base_lr_low": 0.3, "base_lr_high": 0.5, "fitted": True},
            "half of the runs are lost at 0.4 (95 % interval 0.3 to 0.5)",
        ),
        (
            {"lost": 2, "base_lr_low": 0.3, "base_lr_high": 0.5},
            "half of the runs are lost between 0.3 and 0.5",
        ),
        (
            {"lost": 2, "base_lr_low": 0.3, "confirm_trials": [3, 5]},
            "2 of 3 runs there and above were lost (confirm trials 3, 5)",
        ),
        (
            {"lost": 2, "fitted": True, "base_lr_low": np.nan, "confirm_trials": [3, 5]},
            "2 of 3 runs there and above were lost (confirm trials 3, 5)",
        ),
    ],
)
def test_verdicts_about_the_edge(changes: dict[str, object], words: str) -> None:
    estimates = peak_of()
    lost = estimates["lost"].to_dict("records")[0] | changes
    estimates["lost"] = pd.DataFrame([lost])
    assert f"; {words}; " in str(fixed_rate.conclude(estimates))


def test_only_stages_that_lack_runs_are_named() -> None:
    frame = pd.DataFrame({"stage": ["confirm", "test"], "planned": [40, 1], "missing": [7, 1]})
    assert (
        missing_words(frame)
        == "; 7 of 40 confirm runs have no result; 1 of 1 test run has no result"
    )
    assert missing_words(frame.assign(missing=0)) == ""
