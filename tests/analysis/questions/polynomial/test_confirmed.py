"""The confirmed answer to question 2: planted exponents come back, and what is missing is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.estimators.comparison import DELTA
from analysis.estimators.responses import tuned
from analysis.figures.maps import UNJUDGED
from analysis.fresh_seeds.frames import confirm_runs
from analysis.questions.polynomial import confirmed as polynomial
from analysis.questions.polynomial.figures import coloured, exponent_map
from analysis.section import find
from analysis.study import Study, load_study
from study.choosing import TOLERATED
from tests.analysis.conftest import EXPONENT, plant_stages, plant_study

SEEDS = 5
RATES = (0.2, 0.4, 0.56, 0.8)
EXPONENTS = (0.5, 1.0, 2.0, 4.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = tmp_path_factory.mktemp("confirmed") / "planted.db"
    plant_study(path, "polynomial", 8, noise=0.001)
    url = plant_stages(path, "polynomial", seeds=SEEDS, top=1, noise=0.001)
    return load_study(url, "polynomial")


def confirmed(study: Study, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Study:
    """The study with other confirm runs."""
    assert study.confirm is not None
    trials = change(study.confirm.trials.copy())
    return replace(study, confirm=replace(study.confirm, trials=trials))


@pytest.mark.usefixtures("unrendered")
def test_a_planted_study_is_answered(study: Study) -> None:
    found = find(polynomial, study)
    estimates = found.estimates
    assert [picture.name for picture in found.pictures] == [
        "exponent-and-rate",
        "loss-by-exponent",
        "score-by-mean-rate",
    ]
    grid = estimates["cells"][estimates["cells"]["in_grid"]]
    assert sorted(grid["exponent"].unique()) == list(EXPONENTS)
    assert len(grid) == 16
    for row in estimates["peaks"].to_dict("records"):
        assert row["at"] in (1.0, 2.0)
        assert row["low"] <= EXPONENT <= row["high"]
    worst = estimates["pairs"].iloc[0]  # by falling difference
    assert worst["first"] in ("exponent 1", "exponent 2")
    assert worst["second"] in ("exponent 0.5", "exponent 4")
    assert worst["verdict"] == "better"
    # 0.02 log2(x / EXPONENT)^2 is what an exponent x costs.
    cost = [
        0.02 * np.log2(float(worst[name].split()[1]) / EXPONENT) ** 2
        for name in ("second", "first")
    ]
    planted = cost[0] - cost[1]
    assert worst["difference_accuracy"] == pytest.approx(planted, abs=0.006)
    share = estimates["share"].iloc[0]
    assert 0 <= share["low"] <= share["share"] <= share["high"] <= 1
    assert f"the mean rate alone explains {100 * share['share']:.1f} %" in str(found.verdict)
    assert f"At tuned rates {worst['first']} is best" in str(found.verdict)
    assert f"{worst['first']} is better than {worst['second']}" in str(found.verdict)


def test_numbers_are_those_of_the_runs(study: Study) -> None:
    found = polynomial.estimate(study)
    known = confirm_runs(study)
    for row in found["cells"].to_dict("records"):
        own = known[known["trial"].isin(row["confirm_trials"])]
        assert set(own["family"]) == {"polynomial"}
        assert (own["exponent"] == row["exponent"]).all()
        assert (own["base_lr"] == row["base_lr"]).all()
        assert row["accuracy"] == pytest.approx(own["value"].mean())
        assert row["mean_lr"] == pytest.approx(own["mean_lr"].mean())
    for row in found["exponents"].to_dict("records"):
        cells = found["cells"][found["cells"]["exponent"] == row["exponent"]]
        assert row["accuracy"] == cells["accuracy"].max()
        assert row["target_accuracy"] == found["exponents"]["accuracy"].min()
        assert row["reached"] <= row["n"] == SEEDS
        assert study.confirm is not None
        curves = study.confirm.curves
        own = curves[curves["trial"].isin(row["confirm_trials"])]
        shown = found["losses"][found["losses"]["exponent"] == row["exponent"]]
        expected = own.groupby("epoch")["train_loss"].mean()
        np.testing.assert_allclose(shown["mean"], expected)
        assert list(shown["epoch"]) == list(range(1, len(expected) + 1))


@pytest.mark.usefixtures("unrendered")
def test_runs_recorded_before_the_mean_rate_was_do_not_pretend_one(study: Study) -> None:
    found = find(polynomial, confirmed(study, lambda trials: trials.assign(mean_lr=np.nan)))
    assert "what the mean rate explains is not known: these runs did not record it" in str(
        found.verdict
    )
    assert "score-by-mean-rate" not in [picture.name for picture in found.pictures]


def grids(effect: float, seed: int, draws: int, risk: float = 0.0) -> Iterator[pd.DataFrame]:
    """Grids of runs: a shift for each seed, noise of 0.4 point, and an effect of the exponent
    of that size for each doubling away from 1; at the highest rate that share of runs stalls."""
    rng = np.random.default_rng(seed)
    cells = [(x, rate, seed) for seed in range(5) for x in EXPONENTS for rate in RATES]
    frame = pd.DataFrame(cells, columns=["exponent", "base_lr", "replicate"])
    frame = frame.assign(trial=frame.index, state="complete")
    for _ in range(draws):
        noise = 0.004 * rng.standard_normal(len(frame))
        noise += 0.01 * rng.standard_normal(5)[frame["replicate"]]
        planted = 0.85 - effect * np.log2(frame["exponent"]).abs()
        stalled = (rng.random(len(frame)) < risk) & (frame["base_lr"] == RATES[-1])
        yield frame.assign(
            value=(planted + noise).mask(stalled, 0.1),
            state=frame["state"].mask(stalled, "stalled"),
        )


def at_tuned_rates(grid: pd.DataFrame) -> pd.DataFrame:
    rates = tuned(grid, "exponent", "base_lr").set_index("exponent")["base_lr"]
    return grid[grid["base_lr"] == grid["exponent"].map(rates)]


@pytest.mark.parametrize("risk", [0.0, 0.15])
def test_with_nothing_planted_better_is_rare(risk: float) -> None:
    verdicts = [
        polynomial.compare(at_tuned_rates(grid), DELTA)["verdict"]
        for grid in grids(0.0, 0, 60, risk)
    ]
    assert sum((each == "better").any() for each in verdicts) <= 8  # 5 %: more in 0.3 % of cases


@pytest.mark.parametrize("risk", [0.0, 0.15])
def test_a_planted_difference_lies_within_its_interval(risk: float) -> None:
    inside, better, draws = 0, 0, 30
    for grid in grids(0.02, 1, draws, risk):
        compared = polynomial.compare(at_tuned_rates(grid), DELTA).set_index("family")
        row = compared.loc["exponent 4"]
        assert row["first"] == "exponent 1"
        low, high = row["difference_accuracy_low"], row["difference_accuracy_high"]
        inside += bool(low <= 0.04 <= high)
        better += bool(row["verdict"] == "better")
    assert inside >= 25  # fewer has a probability of 0.3 % at a coverage of 95 %
    assert better >= 27


def lose(at: Callable[[pd.DataFrame], pd.Series]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(known: pd.DataFrame) -> pd.DataFrame:
        gone = at(known)
        state, value = known["state"].mask(gone, "diverged"), known["value"].mask(gone, 0.1)
        return known.assign(state=state, value=value)

    return change


def first_seeds(n: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda known: known[known["replicate"] < n]


def flat(known: pd.DataFrame) -> pd.DataFrame:
    noise = 0.004 * np.random.default_rng(1).standard_normal(len(known))
    return known.assign(value=0.85 + noise)


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda known: known[:0], r"^No polynomial run of the grid has a result .*; 90 of 90 conf"),
        (first_seeds(1), "came out best, .* compared on too few seeds with .*points over 1 seed"),
        (first_seeds(3), "3 fresh seeds, exponent . is compared on too few seeds with exponent"),
        (first_seeds(3), "the best exponent is not known from 3 seeds, too few to tell, at tuned"),
        (
            first_seeds(3),
            r"3 seeds that trained are too few to say .*; \d+ of 90 confirm runs have",
        ),
        (flat, r"unresolved against .*; about \d+ more seeds? \(\d+ to [\d,]+\)"),
        (flat, "the scores do not vary enough over the grid to say what the mean rate explains"),
        (lose(lambda known: known["base_lr"] > 0), "^Every run was untrained, at each exponent"),
        (
            lose(lambda known: known["exponent"] != 2.0),
            r"^At tuned rates exponent 2 alone trained, .*; there is none to compare it with; "
            r"exponents 0\.5 \(0 of 20 runs\), 1 \(0 of 20 runs\) and 4 \(0 of 20 runs\) trained",
        ),
        (
            lose(lambda known: known["exponent"] == 0.5),
            r"; exponent 0\.5 \(0 of 20 runs\) trained at no base rate; at the fixed base rate",
        ),
        (
            lose(lambda known: known["replicate"].isin([0, 1]) & known["exponent"].eq(4.0)),
            r"too few seeds with exponent 4 \(.* points over 3 seeds, 0 against 2 of 5 untrained\)",
        ),
        (
            lose(lambda known: (known["replicate"] > 0) & (known["base_lr"] > 0.5)),
            "of the variation over 12 cells of 16, the others trained on fewer than two seeds",
        ),
        (
            lambda known: known[known["exponent"] != 4.0],
            "; exponent has no result: 4; 20 of 90 confirm runs have no result",
        ),
        (lambda known: known.drop(columns="exponent"), "^No polynomial run of the grid"),
        (
            lambda known: known[~known["exponent"].isin(EXPONENTS)],
            "^No polynomial run of the grid has a result on fresh seeds; exponents have no result",
        ),
    ],
)
def test_what_is_missing_is_said(
    study: Study, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    found = find(polynomial, confirmed(study, change))
    assert re.search(words, str(found.verdict))
    assert not re.search(r"\bnan\b|None|<NA>|\.\.", str(found.verdict))
    assert str(found.verdict).endswith(".")
    for picture in found.pictures:
        assert picture.alt.endswith(".")
        assert picture.caption.endswith(".")


def test_without_a_confirm_stage_nothing_is_claimed(study: Study) -> None:
    found = find(polynomial, replace(study, confirm=None, test=None))
    assert str(found.verdict) == "No polynomial run of the grid has a result on fresh seeds."
    assert not found.pictures


def damaged(seed: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Runs that stall at random, each cell with its own probability, or are missing, on one seed
    to five; some near chance, some near 1."""

    def change(known: pd.DataFrame) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        cells = known.groupby(["exponent", "base_lr"]).ngroup().to_numpy()
        risk = rng.choice([0.0, 0.2, 0.6, 1.0], cells.max() + 1, p=[0.5, 0.2, 0.2, 0.1])[cells]
        failed = rng.random(len(known)) < risk
        level = rng.choice([0.12, 0.88, 0.995])
        value = np.clip(level + 0.02 * rng.standard_normal(len(known)), 0, 1)
        changed = known.assign(
            state=np.where(failed, "stalled", "complete"), value=np.where(failed, 0.1, value)
        )
        return changed[known["replicate"] < rng.integers(1, 6)]

    return change


@pytest.mark.parametrize("seed", range(12))
def test_every_exponent_is_named_and_no_share_leaves_what_it_can_be(
    study: Study, seed: int
) -> None:
    estimates = polynomial.estimate(confirmed(study, damaged(seed)))
    verdict = str(polynomial.conclude(estimates))
    for exponent in EXPONENTS:
        assert re.search(rf"exponents? (\S+ \(.*\),? (and )?)*{exponent:g}\b", verdict)
    assert len(re.findall(r"is best|came out best|alone trained", verdict)) == 1
    for number in re.findall(r"(-?[\d.]+) %", verdict):
        assert 0 <= float(number) <= 100
    for name in ("exponents", "cells", "share"):
        shares = estimates[name].filter(regex="accuracy|share|^low$|^high$").astype(float)
        known = shares.to_numpy()[shares.notna().to_numpy()]
        assert ((known >= 0) & (known <= 1)).all()
    differences = estimates["pairs"].filter(regex="difference|adjusted").astype(float).to_numpy()
    assert np.nanmax(np.abs(differences), initial=0.0) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_a_half_untrained_cell_has_no_colour(study: Study, seed: int) -> None:
    estimates = polynomial.estimate(confirmed(study, damaged(seed)))
    cells = estimates["cells"][estimates["cells"]["in_grid"]]
    shown = cells[coloured(cells)]
    assert (shown["untrained"] < shown["n"] / 2).all()
    fewest = cells.loc[cells["complete"] > 0, "untrained"].min()
    assert (shown["untrained"] <= fewest + TOLERATED).all()
    figure = Figure()
    ax = exponent_map(cells, estimates["exponents"], figure.subplots())
    colours = {
        (round(patch.get_x() + 0.5), round(patch.get_y() + 0.5)): patch.get_facecolor()
        for patch in ax.patches
        if isinstance(patch, Rectangle) and patch.get_fill()
    }
    rates, exponents = (sorted(cells[name].unique()) for name in ("base_lr", "exponent"))
    for cell in cells[~coloured(cells)].to_dict("records"):
        place = (rates.index(cell["base_lr"]), exponents.index(cell["exponent"]))
        assert colours[place] == to_rgba(UNJUDGED)


def test_a_cell_whose_hard_seeds_failed_is_not_the_brightest(study: Study) -> None:
    def change(known: pd.DataFrame) -> pd.DataFrame:
        value = 0.8 + 0.02 * known["replicate"] + 0.002 * (known["exponent"] == 2.0)
        gone = (known["replicate"] == 0) & (known["exponent"] == 4.0)
        state = known["state"].mask(gone, "stalled")
        return known.assign(value=value.mask(gone, 0.1), state=state)

    cells = polynomial.estimate(confirmed(study, change))["cells"]
    grid = cells[cells["in_grid"]]
    assert grid.loc[grid["accuracy"].idxmax(), "exponent"] == 4.0
    assert grid.loc[grid["fitted"].idxmax(), "exponent"] == 2.0


def test_the_fixed_rate_is_one_at_which_exponents_can_be_compared(study: Study) -> None:
    known = confirm_runs(study)
    lowest = known.loc[known["exponent"] == 4.0, "base_lr"].min()
    usual = polynomial.estimate(study)["peaks"].iloc[1]
    assert usual["base_lr"] > lowest
    assert usual["exponents"] == 4
    lossy = confirmed(study, lose(lambda known: known["base_lr"] > lowest))
    assert polynomial.estimate(lossy)["peaks"].iloc[1]["base_lr"] == lowest


def test_a_candidate_at_an_exponent_of_the_grid_takes_no_other_out(study: Study) -> None:
    def change(known: pd.DataFrame) -> pd.DataFrame:
        # One more rate for exponent 2 than for the others.
        return known.assign(
            exponent=known["exponent"].where(known["exponent"].isin(EXPONENTS), 2.0)
        )

    found = polynomial.estimate(confirmed(study, change))["exponents"]
    assert list(found["exponent"]) == list(EXPONENTS)


PEAK = {"exponents": 3, "n": 5, "at": 1.2, "low": 1.0, "high": 1.5}
PEAK |= {"open_low": False, "open_high": False, "base_lr": 0.4}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "1.2 (95 % interval 1 to 1.5)"),
        ({"open_high": True}, "1.2 (95 % interval 1 to 1.5, or above the highest tried)"),
        ({"open_low": True}, "1.2 (95 % interval 1 to 1.5, or below the lowest tried)"),
        (
            {"open_low": True, "open_high": True},
            "1.2 (95 % interval 1 to 1.5, or beyond either end of what was tried)",
        ),
        ({"n": 3, "low": np.nan, "high": np.nan}, "not known from 3 seeds, too few to tell"),
        ({"exponents": 1}, "not known, since 1 exponent trained there"),
        ({"exponents": 0, "at": np.nan}, "not known, since none trained there"),
    ],
)
def test_where_the_best_exponent_lies(changes: dict[str, Any], words: str) -> None:
    peaks = pd.DataFrame([PEAK, PEAK | changes])
    assert polynomial._peaked({"peaks": peaks}) == (
        f"at the fixed base rate 0.4 the best exponent is {words}, at tuned rates 1.2 (95 % "
        "interval 1 to 1.5)"
    )
