"""Fits of designed grids: planted peaks, edges and shares come back, a null does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from analysis.estimators.fits import half_untrained, jackknife, mean_rate_share, peak
from analysis.estimators.intervals import t_interval
from tests.analysis.estimators.grids import RATES, Array, C, D, S, covers, grid, lose


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_jackknife_of_a_balanced_mean_is_the_t_interval_of_cluster_means(level: float) -> None:
    rng = np.random.default_rng(0)
    runs = grid(pd.DataFrame({"base_lr": RATES}), np.full(7, 0.8), 6, rng)
    found = jackknife(runs, "replicate", lambda frame: float(frame["value"].mean()), level)
    expected = t_interval(runs.groupby("replicate")["value"].mean(), level)
    assert found == pytest.approx(expected)


def test_jackknife_of_a_ratio_is_the_textbook_formula() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"c": range(8), "x": rng.uniform(1, 2, 8), "y": rng.uniform(1, 2, 8)})
    found = jackknife(frame, "c", lambda part: float(part["x"].sum() / part["y"].sum()))
    without = (frame["x"].sum() - frame["x"]) / (frame["y"].sum() - frame["y"])
    error = math.sqrt(7 / 8 * ((without - without.mean()) ** 2).sum())
    assert found.mean == pytest.approx(frame["x"].sum() / frame["y"].sum())
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 7) * error)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_jackknife_without_enough_clusters_has_no_interval() -> None:
    frame = pd.DataFrame({"c": [0, 0, 1], "x": [1.0, 2.0, 6.0]})
    one = jackknife(frame[:2], "c", lambda part: float(part["x"].mean()))
    assert (one.n, one.mean) == (1, 1.5)
    undefined = jackknife(frame, "c", lambda part: float(part["x"].std()))
    assert (undefined.n, undefined.mean) == (2, pytest.approx(frame["x"].std()))
    assert np.isnan([one.low, one.high, undefined.low, undefined.high]).all()


def curve(best: float, scale: float = 0.03) -> Callable[[Array], Array]:
    return lambda rates: 0.88 - scale * np.log10(rates / best) ** 2


@pytest.mark.parametrize("x", ["base_lr", "exponent"])
def test_peak_without_noise_is_the_planted_one(x: str) -> None:
    truth = np.repeat(curve(0.55)(RATES), 3)
    runs = pd.DataFrame({x: np.repeat(RATES, 3), "replicate": [0, 1, 2] * 7, "value": truth})
    found = peak(runs.assign(state="complete"), x)
    assert found.at == pytest.approx(0.55)
    assert (found.low, found.high) == pytest.approx((0.55, 0.55))
    assert (found.n, found.at_edge) == (3, False)
    assert (found.best, found.best_mean) == (pytest.approx(0.4), pytest.approx(truth.max()))


@pytest.mark.parametrize(("n", "best", "draws"), [(5, 0.4, 40), (10, 0.55, 20)])
def test_peak_covers_the_planted_rate(n: int, best: float, draws: int) -> None:
    rng = np.random.default_rng(2)
    cells = pd.DataFrame({"base_lr": RATES})
    found = [peak(grid(cells, curve(best)(RATES), n, rng), "base_lr") for _ in range(draws)]
    claimed = [each for each in found if not math.isnan(each.low)]
    assert len(claimed) > draws / 2
    assert covers(sum(each.low <= best <= each.high for each in claimed), len(claimed))
    for each in claimed:
        assert RATES[0] <= each.low <= each.at <= each.high <= RATES[-1]


def test_peak_claims_nothing_of_a_flat_curve() -> None:
    rng, draws = np.random.default_rng(3), 25
    cells = pd.DataFrame({"base_lr": RATES})
    found = [peak(grid(cells, np.full(7, 0.88), 5, rng), "base_lr") for _ in range(draws)]
    # The cells are chosen for being high, so that the one-sided 5 % test errs a little more often.
    assert sum(not math.isnan(each.low) for each in found) <= stats.binom.ppf(0.999, draws, 0.1)


@pytest.mark.parametrize(("best", "edge"), [(0.001, 0), (100.0, -1)])
def test_a_peak_beyond_the_range_is_at_its_edge_without_interval(best: float, edge: int) -> None:
    rng = np.random.default_rng(4)
    found = peak(grid(pd.DataFrame({"base_lr": RATES}), curve(best)(RATES), 5, rng), "base_lr")
    assert found.at_edge
    assert found.at == pytest.approx(RATES[edge])
    assert found.best == RATES[edge]
    assert np.isnan([found.low, found.high]).all()


def test_peak_leaves_out_rates_that_lose_runs_and_replicates_that_lack_some() -> None:
    rng = np.random.default_rng(5)
    runs = grid(pd.DataFrame({"base_lr": RATES}), curve(0.4)(RATES), 4, rng)
    high = runs["base_lr"] > 1
    lucky = runs.assign(value=runs["value"].mask(high, 0.99))
    found = peak(lose(lucky, high & (runs["replicate"] == 0)), "base_lr")
    assert found == peak(runs[~high], "base_lr")
    # A run that is missing takes none of its replicate's effect with it.
    exact = runs.assign(value=curve(0.4)(runs["base_lr"].to_numpy()) + 0.01 * runs["replicate"])
    missing = exact.drop(exact.index[(exact["replicate"] == 3) & (exact["base_lr"] == RATES[3])])
    assert peak(missing, "base_lr").at == pytest.approx(0.4)


def test_peak_of_too_little() -> None:
    runs = pd.DataFrame(
        {"base_lr": [0.1, 0.2], "replicate": [0, 0], "state": "complete", "value": [0.5, 0.6]}
    )
    assert peak(runs, "base_lr").at == 0.2
    assert peak(runs, "base_lr").at_edge
    none = peak(runs.assign(state="stalled"), "base_lr")
    assert none.n == 0
    assert np.isnan([none.at, none.low, none.best]).all()


def ended_runs(rates: Sequence[float], states: Sequence[str]) -> pd.DataFrame:
    replicates = pd.Series(rates).groupby(pd.Series(rates)).cumcount()
    return pd.DataFrame({"base_lr": rates, "replicate": replicates, "state": states, "value": 0.5})


@pytest.mark.parametrize(
    ("rates", "states", "expected"),
    [
        ([1, 1, 4, 4], [C, C, D, D], (2.0, 1.0, 4.0)),
        ([1, 2, 2, 4], [C, C, D, D], (2.0, 1.0, 4.0)),  # one rate has both: half of it
        ([1, 2, 2], [C, C, D], (2.0, 1.0, math.nan)),
        ([1, 2], [C, C], (math.nan, 2.0, math.nan)),
        ([1, 2], [D, D], (math.nan, math.nan, 1.0)),
        ([1, 2, 4], [S, "pruned", D], (2.0, 1.0, 4.0)),  # stalled is kept, pruned is unknown
        ([], [], (math.nan, math.nan, math.nan)),
    ],
)
def test_half_untrained_is_a_bracket_where_the_data_separate(
    rates: list[float], states: list[str], expected: tuple[float, ...]
) -> None:
    found = half_untrained(ended_runs(rates, states))
    assert not found.fitted
    assert (found.at, found.low, found.high) == pytest.approx(expected, nan_ok=True)
    assert found.untrained == states.count(D)


def test_half_untrained_counts_stalls_where_asked_from_a_rate_on() -> None:
    runs = ended_runs([0.001, 0.1, 1, 4], [S, C, S, D])
    assert half_untrained(runs, states=("diverged", "stalled"), above=0.01)[:5] == pytest.approx(
        (3, 2, math.sqrt(0.1), 0.1, 1.0)
    )
    assert half_untrained(runs)[:5] == pytest.approx((4, 1, 2.0, 1.0, 4.0))


def planted_edge(n: int, middle: float, width: float, rng: np.random.Generator) -> pd.DataFrame:
    """Runs that diverge above a threshold of their own, half of its variance the replicate's."""
    rates = 1.25 ** np.arange(-8.0, 9.0)
    runs = grid(pd.DataFrame({"base_lr": rates}), np.full(17, 0.8), n, rng)
    noise = rng.normal(0, 1, n)[runs["replicate"]] + rng.normal(0, 1, len(runs))
    limit = middle + width * noise / math.sqrt(2)
    return lose(runs, np.log(runs["base_lr"]) > limit)


def test_the_fit_is_the_maximum_of_the_likelihood() -> None:
    runs = planted_edge(8, 0.1, 0.4, np.random.default_rng(6))
    z, diverged = np.log(runs["base_lr"]), runs["state"] == "diverged"

    def minus_log_likelihood(middle_width: Array) -> float:
        middle, width = middle_width
        return float(-stats.logistic.logcdf(np.where(diverged, 1, -1) * (z - middle) / width).sum())

    expected = optimize.minimize(
        minus_log_likelihood, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-6}
    ).x[0]
    found = half_untrained(runs)
    assert found.fitted
    assert math.log(found.at) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("n", "width", "draws"), [(5, 0.3, 20), (10, 0.6, 10)])
def test_half_untrained_covers_the_planted_edge(n: int, width: float, draws: int) -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(draws):
        middle = rng.uniform(-0.1, 0.1)
        found = half_untrained(planted_edge(n, middle, width, rng))
        hits += found.low <= math.exp(middle) <= found.high
    assert covers(hits, draws)


def test_half_untrained_knows_no_rate_where_low_rates_fail() -> None:
    found = half_untrained(ended_runs([1, 1, 2, 2, 4, 4], [D, D, C, D, C, C]))
    assert (found.untrained, found.fitted) == (3, True)
    assert np.isnan([found.at, found.low, found.high]).all()


CELLS = pd.MultiIndex.from_product(
    [[0.25, 0.5, 1.0, 2.0, 4.0], np.geomspace(0.1, 1.6, 5)], names=["exponent", "base_lr"]
).to_frame(index=False)
CELLS["mean_lr"] = CELLS["base_lr"] / (1 + CELLS["exponent"])


def surface(other: float) -> tuple[Array, float]:
    """Scores of CELLS, a parabola in the mean rate plus an effect of the exponent, and the share
    that the first explains of it all (by correlation, not by sums of squares)."""
    z = np.log(CELLS["mean_lr"].to_numpy())
    truth = 0.85 - 0.02 * (z - math.log(0.2)) ** 2 + other * np.log2(CELLS["exponent"].to_numpy())
    return truth, float(np.corrcoef(np.polyval(np.polyfit(z, truth, 2), z), truth)[0, 1] ** 2)


@pytest.mark.parametrize(("n", "other", "draws"), [(5, 0.01, 30), (10, 0.005, 15), (5, 0.0, 10)])
def test_mean_rate_share_covers_the_planted_share(n: int, other: float, draws: int) -> None:
    rng = np.random.default_rng(8)
    truth, share = surface(other)
    found = [mean_rate_share(grid(CELLS, truth, n, rng)) for _ in range(draws)]
    assert all((each.n, each.cells, each.lost) == (n, 25, 0) for each in found)
    assert covers(sum(each.low <= share + 1e-12 and share <= each.high for each in found), draws)
    means = np.array([each.share for each in found])
    if other:  # unbiased, but for the clipping at 1
        assert abs(means.mean() - share) < 4 * means.std() / math.sqrt(draws)


def test_mean_rate_share_is_the_analysis_of_variance() -> None:
    n = 4
    runs = grid(CELLS, 0.85 + (surface(0.01)[0] - 0.85) / 4, n, np.random.default_rng(20))
    cell = np.repeat(np.arange(25), n)[:, None] == np.arange(25)
    both = np.column_stack([cell, runs["replicate"].to_numpy()[:, None] == np.arange(1, n)])
    noise = float(np.linalg.lstsq(both, runs["value"].to_numpy())[1][0]) / (24 * (n - 1))
    means = runs.groupby(["exponent", "base_lr"])["value"].mean().to_numpy()
    z = np.log(CELLS["mean_lr"].to_numpy())
    total = 24 * means.var(ddof=1)
    explained = total * np.corrcoef(np.polyval(np.polyfit(z, means, 2), z), means)[0, 1] ** 2
    expected = (explained - 2 * noise / n) / (total - 24 * noise / n)
    assert 0.1 < expected < 0.9
    assert mean_rate_share(runs).share == pytest.approx(expected)


def test_noise_alone_would_have_lowered_the_share() -> None:
    truth, rng = surface(0.0)[0], np.random.default_rng(9)
    small = 0.85 + (truth - 0.85) / 8  # cell means vary about as much as their noise
    found = [mean_rate_share(grid(CELLS, small, 5, rng)).share for _ in range(15)]
    assert np.nanmean(found) > 0.9
    raw = []
    for _ in range(15):
        means = grid(CELLS, small, 5, rng).groupby(["exponent", "base_lr"])["value"].mean()
        z = np.log(CELLS["mean_lr"])
        raw.append(np.corrcoef(np.polyval(np.polyfit(z, means, 2), z), means)[0, 1] ** 2)
    assert np.mean(raw) < 0.85


def test_mean_rate_share_claims_nothing_of_a_flat_grid() -> None:
    rng, draws = np.random.default_rng(10), 25
    found = [mean_rate_share(grid(CELLS, np.full(25, 0.85), 5, rng)) for _ in range(draws)]
    claims = sum(not math.isnan(each.share) for each in found)
    assert claims <= stats.binom.ppf(0.999, draws, 0.05)


def test_mean_rate_share_counts_lost_runs_and_leaves_out_their_cells() -> None:
    runs = grid(CELLS, surface(0.01)[0], 5, np.random.default_rng(11))
    hit = (runs["exponent"] == 4.0) & (runs["base_lr"] > 1)
    found = mean_rate_share(lose(runs, hit & (runs["replicate"] < 2), "stalled"))
    assert (found.cells, found.lost) == (24, 2)
    assert found[3:] == mean_rate_share(runs[~hit])[3:]
    few = mean_rate_share(runs[runs["exponent"].eq(1.0) & (runs["base_lr"] < 0.5)])
    assert few.cells == 3
    assert np.isnan(few[3:]).all()
    assert mean_rate_share(lose(runs, runs["value"] > 0))[:3] == (0, 0, 125)
