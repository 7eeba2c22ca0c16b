"""The confirmed answer to question 1: planted rates come back, what is missing is said, and
exactly one thing of every rate."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import optuna
import pandas as pd
import pytest

from analysis.estimators.best import Standing
from analysis.estimators.intervals import wilson
from analysis.estimators.skew import FEWEST
from analysis.fresh_seeds.missing import missing_words
from analysis.questions.fixed_rate import confirmed as fixed_rate
from analysis.section import Estimates, find
from analysis.study import Study, load_study
from tests.analysis.conftest import EDGE, plant_stages, plant_study

BEST = 0.25  # planted
SEEDS = 5
STANDINGS = get_args(Standing)


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
    rates, edge = estimates["rates"], estimates["half"].iloc[0]
    assert [picture.name for picture in found.pictures] == [
        "score-by-fixed-rate",
        "curves-by-fixed-rate",
        "gap-by-fixed-rate",
    ]
    assert edge["base_lr_low"] <= EDGE < edge["base_lr_high"]
    assert f"between {edge['base_lr_low']:.2g} and {edge['base_lr_high']:.2g}" in str(found.verdict)
    best = rates[rates["standing"] == "best"].iloc[0]
    assert best["base_lr"] == estimates["peak"]["at"].iloc[0]
    assert best["accuracy"] == rates["accuracy"].max()
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
    inside = 0
    for seed in range(8):
        top = fixed_rate.estimate(confirmed(study, peaked(seed)))["peak"].iloc[0]
        inside += top["low"] <= BEST <= top["high"]
    assert inside >= 6  # fewer has a probability of 0.6 % at a coverage of 95 %


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
    assert list(curves["which"].unique()) == ["low", "best"]
    last = curves[(curves["which"] == "best")].iloc[-1]
    best = runs[runs["base_lr"] == last["base_lr"]]["val_accuracy"]
    assert (last["n"], last["lowest"], last["highest"]) == (SEEDS, best.min(), best.max())
    # Nobody trained at the third rate: no mean, but every run as far as it came.
    high = found["untrained_curves"]
    assert set(high["which"]) == {"too high"}
    assert high["base_lr"].iloc[0] > EDGE
    assert high["trial"].nunique() == SEEDS
    assert (high["epoch"] == 1).all()


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
        (
            first_seeds(0),
            r"^No run on fresh seeds has a result; .* have no result; \d+ of \d+ conf",
        ),
        (
            first_seeds(1),
            "came out best, .*; 1 seed is too few to say where the best rate lies; too",
        ),
        (first_seeds(3), "3 seeds are too few to say where the best rate lies; too few seeds to"),
        (first_seeds(3), r"over 3 seeds .*; \d+ of \d+ confirm runs have no result\.$"),
        (lambda runs: runs.iloc[[0, 9]], "too few seeds to tell .* from it; .* have no result; "),
        (
            lose("diverged", lambda runs: runs["base_lr"] > 0),
            r"^Every run was untrained, at each of \d fixed rates\.$",
        ),
        (
            lose("failed", lambda runs: runs["trial"] == 0),
            r"; 1 of \d+ confirm runs has no result\.$",
        ),
        (
            lose("stalled", lambda runs: runs["base_lr"].rank(method="dense") > 1),
            "half of the runs are untrained between",
        ),
        (
            lose("stalled", lambda runs: (runs["replicate"] == 0) & (runs["base_lr"] < EDGE)),
            r"\(1 of 5 untrained, 4 to 62 %; confirm trials",
        ),
        (
            lambda runs: runs[runs["base_lr"] < EDGE],
            r"; no run was untrained from the best rate up to \S+ \(0 of \d+\); "
            r".*; \S+ has no result; ",
        ),
        (
            lambda runs: runs[runs["base_lr"] == runs["base_lr"].iloc[0]],
            "^One fixed rate was tried, .*; no other rate was tried; ",
        ),
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


def damaged(seed: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Runs that stall, diverge or are missing at random, each rate with its own probability, on
    one seed to five; some near chance, some near 1."""

    def change(runs: pd.DataFrame) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        rates = runs["base_lr"].rank(method="dense").astype(int) - 1
        risk = rng.choice([0.0, 0.2, 0.6, 1.0], rates.max() + 1)[rates]
        failed = rng.random(len(runs)) < risk
        states = rng.choice(["diverged", "stalled"], len(runs))
        value = np.clip(
            rng.choice([0.12, 0.88, 0.995]) + 0.02 * rng.standard_normal(len(runs)), 0, 1
        )
        changed = runs.assign(
            state=np.where(failed, states, "complete"), value=np.where(failed, 0.1, value)
        )
        missing = rng.random(len(runs)) < rng.choice([0.0, 0.3])
        return changed[(runs["replicate"] < rng.integers(1, 6)) & ~missing]

    return change


@pytest.mark.parametrize("seed", range(30))
def test_of_every_rate_exactly_one_thing_is_said(study: Study, seed: int) -> None:
    estimates = fixed_rate.estimate(confirmed(study, damaged(seed)))
    verdict, rates = str(fixed_rate.conclude(estimates)), estimates["rates"]
    if not rates["complete"].any():
        return
    best = rates[rates["standing"] == "best"]
    assert len(best) == 1
    assert len(re.findall(r"is best|came out best|One fixed rate was tried", verdict)) == 1
    assert ("is best" in verdict) <= (best["complete"].iloc[0] >= FEWEST)
    clauses = verdict.split("; ")
    for standing, words in (
        ("tied", "cannot be told from it"),
        ("too few", "too few seeds to tell"),
        ("worse", " worse"),
        ("more often untrained", "more often untrained"),
        ("untrained", "never trained"),
    ):
        rows = rates[rates["standing"] == standing]
        clause = " ".join(each for each in clauses if words in each)
        assert bool(clause) == (len(rows) > 0)
        for row in rows.to_dict("records"):
            name = f"{row['base_lr']:.2g}"
            if row["untrained"]:
                name += f" ({row['untrained']} of {row['n']} untrained, "
            assert name in clause
    assert set(rates["standing"]) <= {*STANDINGS}
    for absent in estimates["absent"]["base_lr"]:
        assert re.search(rf"\b{absent:.2g}\b.* no result", verdict)


@pytest.mark.parametrize("seed", range(30))
def test_no_share_leaves_what_a_share_can_be(study: Study, seed: int) -> None:
    estimates = fixed_rate.estimate(confirmed(study, damaged(seed)))
    for name in ("rates", "tested"):
        shares = estimates[name].filter(regex="accuracy|share").astype(float)
        assert shares.isna().to_numpy().sum() + (shares.ge(0) & shares.le(1)).to_numpy().sum() == (
            shares.size
        )
    for number in re.findall(r"(-?[\d.]+) %", str(fixed_rate.conclude(estimates))):
        assert 0 <= float(number) <= 100


@pytest.mark.parametrize("seed", range(8))
def test_there_are_never_two_winners(study: Study, seed: int) -> None:
    estimates = fixed_rate.estimate(confirmed(study, peaked(seed)))
    verdict, tested = str(fixed_rate.conclude(estimates)), estimates["tested"].iloc[0]["base_lr"]
    same = tested == estimates["peak"]["at"].iloc[0]
    other = f"on the test images another rate was judged, {tested:.2g}"
    assert (f"on the test images {tested:.2g}" in verdict) == same
    assert (other in verdict) == (not same)
    assert "chosen before: it reaches" in verdict or same
    assert verdict.count("best,") == 1


@pytest.mark.usefixtures("unrendered")
def test_without_later_stages_nothing_is_claimed(study: Study) -> None:
    untested = find(fixed_rate, replace(study, test=None))
    assert str(untested.verdict).endswith("; no rate has met the test images yet.")
    nothing = find(fixed_rate, replace(study, confirm=None, test=None))
    assert str(nothing.verdict) == "No run on fresh seeds has a result."
    assert not nothing.pictures


def test_too_few_test_seeds_have_no_interval(study: Study) -> None:
    assert study.test is not None
    few = replace(study.test, trials=study.test.trials[:3])
    verdict = str(fixed_rate.conclude(fixed_rate.estimate(replace(study, test=few))))
    assert "% (too few seeds for an interval; 0 of 3 untrained, 0 to 56 %; test trials" in verdict
    assert verdict.endswith("; 2 of 5 test runs have no result.")
    untrained = replace(study.test, trials=study.test.trials.assign(state="stalled"))
    verdict = str(fixed_rate.conclude(fixed_rate.estimate(replace(study, test=untrained))))
    assert "has no score, since none of 5 runs trained (test trials" in verdict


def peak_of(**values: object) -> Estimates:
    """Estimates with a rate of each standing, and that peak."""
    standings = ["worse", "tied", "best", "too few", "more often untrained", "untrained"]
    untrained = [0, 1, 0, 2, 3, 5]
    rates = pd.DataFrame(
        {
            "base_lr": [0.05, 0.1, 0.2, 0.4, 0.8, 1.6],
            "n": 5,
            "untrained": untrained,
            "complete": 5 - np.array(untrained),
            "untrained_share_low": [wilson(each, 5)[0] for each in untrained],
            "untrained_share_high": [wilson(each, 5)[1] for each in untrained],
            "accuracy": 0.83,
            "accuracy_low": 0.82,
            "accuracy_high": 0.84,
            "standing": standings,
            "confirm_trials": [[1, 3, 5]] * 6,
        }
    )
    top = {"n": 5, "at": 0.2, "low": 0.05, "high": 0.8, "open_low": False, "open_high": False}
    half = {"n": 5, "untrained": 0, "base_lr": np.nan, "base_lr_low": 0.2, "base_lr_high": np.nan}
    chosen = {"origin_trial": 7, "base_lr": 0.2, "accuracy": 0.82, "accuracy_low": 0.81}
    chosen |= {
        "n": 5,
        "untrained": 1,
        "untrained_share_low": 0.0362,
        "untrained_share_high": 0.6245,
    }
    return {
        "rates": rates,
        "peak": pd.DataFrame([top | values]),
        "half": pd.DataFrame([half | {"fitted": False, "confirm_trials": []}]),
        "tested": pd.DataFrame([chosen | {"accuracy_high": 0.83, "test_trials": [0, 1]}]),
        "absent": pd.DataFrame({"base_lr": [3.2]}),
        "missing": pd.DataFrame({"stage": ["confirm"], "planned": [35], "missing": [5]}),
    }


BEST_OF_SIX = (
    "Of 6 fixed rates tried, 0.2 is best, with a validation accuracy of 83.0 % (82.0 % to 84.0 %) "
    "over 5 seeds (0 of 5 untrained, 0 to 43 %; confirm trials 1, 3, 5); "
)
REST = (
    "; 0.1 (1 of 5 untrained, 4 to 62 %) cannot be told from it; too few seeds to tell 0.4 (2 of 5 "
    "untrained, 12 to 77 %) from it; 0.05 is worse; 0.8 (3 of 5 untrained, 23 to 88 %) is more "
    "often untrained; 1.6 (5 of 5 untrained, 57 to 100 %) never trained; no run was untrained from "
    "the best rate up to 0.2 (0 of 5); on the test images 0.2 (trial 7) reaches 82.0 % (81.0 % to "
    "83.0 %; "
    "1 of 5 untrained, 4 to 62 %; test trials 0, 1); 3.2 has no result; 5 of 35 confirm runs have "
    "no result."
)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({}, "the best rate lies between 0.05 and 0.8 (95 %)"),
        (
            {"open_high": True},
            "the best rate lies between 0.05 and 0.8 (95 %), or above the highest rate tried",
        ),
        (
            {"open_low": True},
            "the best rate lies between 0.05 and 0.8 (95 %), or below the lowest rate tried",
        ),
        (
            {"open_low": True, "open_high": True},
            "the best rate lies between 0.05 and 0.8 (95 %), "
            "or beyond either end of what was tried",
        ),
        (
            {"n": 3, "low": np.nan, "high": np.nan},
            "3 seeds are too few to say where the best rate lies",
        ),
    ],
)
def test_the_verdict_in_full(values: dict[str, object], where: str) -> None:
    assert str(fixed_rate.conclude(peak_of(**values))) == f"{BEST_OF_SIX}{where}{REST}"


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (
            7,
            "another rate was judged, 0.1 (trial 7), which the search had chosen before: it ",
        ),
        (pd.NA, "another rate was judged, 0.1, which had been chosen before: it reaches 82.0 %"),
    ],
)
def test_a_test_of_another_rate_says_so(origin: object, words: str) -> None:
    estimates = peak_of()
    estimates["tested"] = estimates["tested"].assign(base_lr=0.1, origin_trial=origin)
    assert f"; on the test images {words}" in str(fixed_rate.conclude(estimates))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"untrained": 2, "base_lr": 0.4, "base_lr_low": 0.3, "base_lr_high": 0.5}
            | {"fitted": True},
            "half of the runs are untrained at 0.4 (95 % interval 0.3 to 0.5)",
        ),
        (
            {"untrained": 2, "base_lr_low": 0.3, "base_lr_high": 0.5},
            "half of the runs are untrained between 0.3 and 0.5",
        ),
        (
            {"untrained": 2, "base_lr_low": 0.3, "confirm_trials": [3, 5]},
            "2 of 5 runs at the best rate and above were untrained (confirm trials 3, 5)",
        ),
        (
            {"untrained": 2, "fitted": True, "base_lr_low": np.nan, "confirm_trials": [3, 5]},
            "2 of 5 runs at the best rate and above were untrained (confirm trials 3, 5)",
        ),
    ],
)
def test_verdicts_about_the_edge(changes: dict[str, object], words: str) -> None:
    estimates = peak_of()
    half = estimates["half"].to_dict("records")[0] | changes
    estimates["half"] = pd.DataFrame([half])
    assert f"; {words}; " in str(fixed_rate.conclude(estimates))


def test_only_stages_that_lack_runs_are_named() -> None:
    frame = pd.DataFrame({"stage": ["confirm", "test"], "planned": [40, 1], "missing": [7, 1]})
    assert (
        missing_words(frame)
        == "; 7 of 40 confirm runs have no result; 1 of 1 test run has no result"
    )
    assert missing_words(frame.assign(missing=0)) == ""
