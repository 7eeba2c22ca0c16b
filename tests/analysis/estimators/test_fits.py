"""Fits of designed grids: planted peaks, edges and shares come back, a null does not, whatever the
noise and whichever runs stall."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from analysis.estimators.fits import Peak, half_untrained, jackknife, mean_rate_share, peak
from analysis.estimators.intervals import mean_interval
from tests.analysis.estimators.grids import RATES, Array, C, D, S, covers, grid, lose


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_jackknife_of_a_balanced_mean_is_the_interval_of_cluster_means(level: float) -> None:
    rng = np.random.default_rng(0)
    runs = grid(pd.DataFrame({"base_lr": RATES}), np.full(7, 0.8), 6, rng)
    found = jackknife(runs, "replicate", lambda frame: float(frame["value"].mean()), level)
    expected = mean_interval(runs.groupby("replicate")["value"].mean(), level)
    assert found == pytest.approx(expected)


def test_jackknife_of_a_ratio_is_the_textbook_formula() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"c": range(8), "x": rng.uniform(1, 2, 8), "y": rng.uniform(1, 2, 8)})
    found = jackknife(frame, "c", lambda part: float(part["x"].sum() / part["y"].sum()))
    without = (frame["x"].sum() - frame["x"]) / (frame["y"].sum() - frame["y"])
    error = math.sqrt(7 / 8 * ((without - without.mean()) ** 2).sum())
    assert found.mean == pytest.approx(frame["x"].sum() / frame["y"].sum())
    assert found.sd / math.sqrt(8) == pytest.approx(error)
    sides = sorted([found.high - found.mean, found.mean - found.low])
    assert sides[0] == pytest.approx(stats.t.ppf(0.975, 7) * error)
    assert sides[0] < sides[1] < 2 * sides[0]  # lengthened on the side of the longer tail


def test_jackknife_without_enough_clusters_has_no_interval() -> None:
    frame = pd.DataFrame({"c": [0, 0, 1], "x": [1.0, 2.0, 6.0]})
    one = jackknife(frame[:2], "c", lambda part: float(part["x"].mean()))
    assert (one.n, one.mean) == (1, 1.5)
    undefined = jackknife(frame, "c", lambda part: float(part["x"].std()))
    assert (undefined.n, undefined.mean) == (2, pytest.approx(frame["x"].std()))
    assert np.isnan([one.low, one.high, undefined.low, undefined.high]).all()


class Noise(NamedTuple):
    """What runs scatter by: skewed (to the left) or normal, and how many times wider at the highest
    rate than at the lowest; stalls: how often the lowest and the highest rate of a grid do, growing
    between if so."""

    skewed: bool = False
    wider: float = 1.0
    stalls: tuple[float, float] = (0.0, 0.0)
    growing: bool = False


NOISES = {
    "normal": Noise(),
    "skewed": Noise(skewed=True),
    "wider": Noise(skewed=True, wider=8),
    "stalls": Noise(stalls=(0, 0.15)),
    "growing": Noise(skewed=True, stalls=(0, 0.3), growing=True),
}


def noisy(
    cells: pd.DataFrame, truth: Array, noise: Noise, n: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Runs of every cell on n replicates, which shift all of their runs alike."""
    rates = np.unique(cells["base_lr"])
    place = np.searchsorted(rates, cells["base_lr"]) / (len(rates) - 1)
    scatter = rng.standard_normal((n, len(cells)))
    if noise.skewed:
        scatter = (math.exp(0.5) - np.exp(scatter)) / math.sqrt((math.e - 1) * math.e)
    scores = truth + rng.normal(0, 0.006, (n, 1)) + 0.004 * scatter * noise.wider ** (place - 0.5)
    low, high = noise.stalls
    chance = low + (high - low) * (place if noise.growing else place == 1)
    stalled = rng.random(scores.shape) < chance
    return pd.concat(
        cells.assign(
            replicate=seed,
            state=np.where(stalled[seed], "stalled", "complete"),
            value=np.where(stalled[seed], 0.1, scores[seed]),
        )
        for seed in range(n)
    ).reset_index(drop=True)


LINE = pd.DataFrame({"base_lr": RATES})


def curve(best: float, left: float = 0.006, right: float = 0.006) -> Array:
    """Scores of RATES with their peak at ``best``: parabolas in log rate of their own curvature on
    either side."""
    u = np.log(RATES / best)
    return np.asarray(0.88 - np.where(u < 0, left, right) * u**2)


CLIFF = {"left": 0.002, "right": 0.06}  # a slow rise, and a fall where training diverges


def open_or(found: Peak, at: float) -> bool:
    """Whether the interval, with what lies beyond its open ends, holds that value."""
    return (found.open_low or found.low <= at) and (found.open_high or at <= found.high)


@pytest.mark.parametrize("n", [4, 5, 10])
@pytest.mark.parametrize(
    ("noise", "shape"),
    [("normal", {}), ("skewed", {}), ("wider", CLIFF), ("stalls", {}), ("growing", CLIFF)],
)
def test_the_peak_is_covered(noise: str, shape: dict[str, float], n: int) -> None:
    rng, draws = np.random.default_rng(2), 12
    hits = known = 0
    for draw in range(draws):
        best = (0.4, 0.55, 0.75)[draw % 3]
        found = peak(noisy(LINE, curve(best, **shape), NOISES[noise], n, rng), "base_lr")
        assert found.at in RATES
        if math.isnan(found.low):
            assert found.n < 4
            continue
        assert RATES[0] <= found.low <= found.at <= found.high <= RATES[-1]
        known += 1
        hits += open_or(found, best)
    assert known > draws / 3
    assert covers(hits, known, 0.95)


def test_the_interval_of_the_peak_leaves_out_what_is_worse() -> None:
    rng = np.random.default_rng(3)
    found = [peak(noisy(LINE, curve(0.4), NOISES["normal"], 10, rng), "base_lr") for _ in range(20)]
    assert sum(not (each.open_low or each.open_high) for each in found) >= 19
    assert np.mean([math.log2(each.high / each.low) for each in found]) < 4.5  # of 6 octaves


@pytest.mark.parametrize("noise", ["normal", "skewed"])
def test_a_flat_curve_has_no_peak(noise: str) -> None:
    rng, draws = np.random.default_rng(4), 25
    found = [
        peak(noisy(LINE, np.full(7, 0.88), NOISES[noise], 5, rng), "base_lr") for _ in range(draws)
    ]
    closed = sum(not (each.open_low and each.open_high) for each in found)
    assert closed <= stats.binom.ppf(0.999, draws, 0.1)  # either end is told in at most 5 %


@pytest.mark.parametrize(("best", "edge"), [(0.001, 0), (100.0, -1)])
def test_a_peak_beyond_the_range_is_open_there(best: float, edge: int) -> None:
    runs = noisy(LINE, curve(best), NOISES["normal"], 5, np.random.default_rng(5))
    found = peak(runs, "base_lr")
    assert found.at == RATES[edge]
    assert (found.open_low, found.open_high) == (edge == 0, edge == -1)
    assert (found.low, found.high)[edge] == RATES[edge]


def test_what_never_trains_bounds_the_peak_and_is_not_it() -> None:
    rng = np.random.default_rng(6)
    runs = noisy(LINE, curve(0.4), NOISES["normal"], 5, rng)
    alone = runs["base_lr"] <= 0.4
    found = peak(lose(runs, ~alone), "base_lr")
    assert (found.high, found.open_high) == (RATES[4], False)
    assert peak(runs[alone], "base_lr").open_high  # where nothing was tried nothing is known


def test_where_hard_seeds_fail_the_rest_is_not_flattered() -> None:
    runs = noisy(LINE, curve(0.4), Noise(), 10, np.random.default_rng(7))
    order = runs[runs["base_lr"] == RATES[0]].sort_values("value")["replicate"]
    runs["value"] += 0.05 * runs["replicate"].map(dict(zip(order, range(10), strict=True)))
    spoilt = lose(runs, (runs["base_lr"] == RATES[5]) & (runs["replicate"] == order.iloc[0]))
    means = spoilt[spoilt["state"] == "complete"].groupby("base_lr")["value"].mean()
    assert means.idxmax() == RATES[5]
    assert peak(spoilt, "base_lr").at in RATES[2:5]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_peak_of_too_few_seeds_has_no_interval(n: int) -> None:
    runs = noisy(LINE, curve(0.4), Noise(), n, np.random.default_rng(8))
    found = peak(runs, "base_lr")
    assert found.n == n
    assert found.at in RATES
    assert np.isnan([found.low, found.high]).all()


def test_the_peak_of_no_run_is_not_known() -> None:
    runs = noisy(LINE, curve(0.4), Noise(), 5, np.random.default_rng(9))
    for nothing in (runs.assign(state="stalled"), runs.assign(state="failed"), runs[:0]):
        found = peak(nothing, "base_lr")
        assert found.n == 0
        assert np.isnan([found.at, found.low, found.high]).all()


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


@pytest.mark.parametrize(("n", "width", "draws"), [(4, 0.3, 20), (5, 0.3, 20), (10, 0.6, 10)])
def test_half_untrained_covers_the_planted_edge(n: int, width: float, draws: int) -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(draws):
        middle = rng.uniform(-0.1, 0.1)
        found = half_untrained(planted_edge(n, middle, width, rng))
        hits += found.low <= math.exp(middle) <= found.high
    assert covers(hits, draws, 0.95)


def test_the_edge_of_too_few_seeds_has_no_interval() -> None:
    found = half_untrained(planted_edge(3, 0.0, 0.6, np.random.default_rng(6)))
    assert found.fitted
    assert not math.isnan(found.at)
    assert np.isnan([found.low, found.high]).all()


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


@pytest.mark.parametrize(("n", "other"), [(4, 0.01), (5, 0.0), (5, 0.003), (10, 0.01)])
@pytest.mark.parametrize("noise", NOISES)
def test_mean_rate_share_covers_the_planted_share(noise: str, other: float, n: int) -> None:
    rng, draws = np.random.default_rng(8), 12
    truth, share = surface(other)
    found = [mean_rate_share(noisy(CELLS, truth, NOISES[noise], n, rng)) for _ in range(draws)]
    for each in found:
        assert each.n == n
        assert each.cells >= 22  # a stall leaves its cell in where two replicates trained
        assert 0 <= each.low <= each.share <= each.high <= 1
    assert covers(
        sum(each.low <= share + 1e-9 and share <= each.high for each in found), draws, 0.95
    )
    means = np.array([each.share for each in found])
    if share < 0.9:  # unbiased, but for the clipping at 1
        assert abs(means.mean() - share) < 4 * means.std() / math.sqrt(draws)


def patterns(runs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The same runs with some of them untrained, or missing."""
    rng = np.random.default_rng(12)
    for part in (0.1, 0.25):
        gone = pd.Series(rng.random(len(runs)) < part)
        yield lose(runs, gone, "stalled")
        yield runs[~gone]
    yield lose(runs, (runs["base_lr"] > 1) & (runs["replicate"] < 2))


def test_a_missing_run_takes_neither_its_cell_nor_its_seed_with_it() -> None:
    truth, share = surface(0.01)
    runs = noisy(CELLS, truth, Noise(), 6, np.random.default_rng(13))
    exact = runs.assign(value=np.tile(truth, 6) + 0.02 * runs["replicate"])
    for known in patterns(exact):
        found = mean_rate_share(known)
        assert (found.n, found.cells) == (6, 25)
        assert found.untrained == (known["state"] != "complete").sum()
        assert found[3:] == pytest.approx((share, share, share))


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


def test_cells_that_say_nothing_are_left_out() -> None:
    runs = noisy(CELLS, surface(0.01)[0], Noise(), 5, np.random.default_rng(11))
    hit = (runs["exponent"] == 4.0) & (runs["base_lr"] > 1)
    found = mean_rate_share(lose(runs, hit & (runs["replicate"] > 0), "stalled"))
    assert (found.cells, found.untrained) == (24, 4)
    assert found[3:] == pytest.approx(mean_rate_share(runs[~hit])[3:])
    unrecorded = runs.assign(mean_lr=runs["mean_lr"].mask(hit))
    assert mean_rate_share(unrecorded)[3:] == pytest.approx(mean_rate_share(runs[~hit])[3:])


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (lambda runs: runs["replicate"] < 3, (3, 25, 0)),
        (lambda runs: runs["exponent"].eq(1.0) & (runs["base_lr"] < 0.5), (5, 3, 0)),
        # Low and high rates have no common seed, so that nothing joins them.
        (lambda runs: (runs["base_lr"] < 0.5) == (runs["replicate"] < 2), (5, 25, 0)),
        (lambda runs: runs["replicate"] < 0, (0, 0, 0)),
    ],
)
def test_too_little_has_no_share(
    known: Callable[[pd.DataFrame], pd.Series], expected: tuple[int, int, int]
) -> None:
    runs = noisy(CELLS, surface(0.01)[0], Noise(), 5, np.random.default_rng(14))
    found = mean_rate_share(runs[known(runs)])
    assert found[:3] == expected
    assert np.isnan(found[3:]).all()


def test_what_never_trained_has_no_share() -> None:
    runs = noisy(CELLS, surface(0.01)[0], Noise(), 5, np.random.default_rng(15))
    assert mean_rate_share(lose(runs, runs["value"] > 0))[:3] == (0, 0, 125)
