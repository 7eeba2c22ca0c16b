"""Estimators of designed grids, cell by cell: planted thresholds and slopes come back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.estimators.intervals import t_interval, wilson
from analysis.estimators.responses import (
    kept,
    largest_usable,
    response,
    shortest_warmup,
    slope,
    tuned,
)
from tests.analysis.estimators.grids import NOISE, C, D, S, covers, grid, lose


def test_response_is_a_table_of_cells() -> None:
    runs = pd.DataFrame(
        {
            "base_lr": [0.1] * 4 + [1.0] * 4 + [9.0],
            "replicate": [0, 1, 2, 3] * 2 + [0],
            "state": [C] * 4 + [C, D, S, "failed", "pruned"],
            "value": [0.8, 0.7, 0.75, 0.72, 0.9, 0.1, 0.12, np.nan, 0.99],
        }
    )
    found = response(runs, ["base_lr"])
    assert found["base_lr"].tolist() == [0.1, 1.0]
    assert found[["n", C, D, S]].to_numpy().tolist() == [[4, 4, 0, 0], [3, 1, 1, 1]]
    assert found["survival_share"].tolist() == pytest.approx([1, 1 / 3])
    assert (found["survival_low"][1], found["survival_high"][1]) == wilson(1, 3)
    expected = t_interval(runs["value"][:4])
    assert tuple(found.loc[0, ["mean", "low", "high", "best"]]) == pytest.approx(
        (expected.mean, expected.low, expected.high, 0.8)
    )
    assert found.loc[1, "mean"] == 0.9
    assert np.isnan(found.loc[1, "low"])
    assert response(runs[:0], ["base_lr"]).empty


PAIRS = pd.MultiIndex.from_product(
    [[0.0, 0.5, 1.0, 2.0, 4.0], [0.2, 0.4, 0.8]], names=["warmup", "base_lr"]
).to_frame(index=False)


def warmups(scores: Sequence[float], n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Scores of the five lengths at 0.4, clearly worse at the other rates."""
    worse = PAIRS["base_lr"].map({0.2: 0.03, 0.4: 0.0, 0.8: 0.04})
    return grid(PAIRS, np.repeat(scores, 3) - worse.to_numpy(), n, rng)


def test_tuned_picks_the_best_rate_among_those_that_lost_no_run() -> None:
    runs = warmups([0.86, 0.87, 0.88, 0.88, 0.88], 4, np.random.default_rng(12))
    long, none = runs["warmup"] == 4.0, runs["warmup"] == 0.0
    runs = lose(runs, (long & (runs["base_lr"] == 0.4) | none) & (runs["replicate"] == 1))
    found = tuned(runs, "warmup", "base_lr").set_index("warmup")
    assert found["base_lr"].iloc[1:].tolist() == [0.4, 0.4, 0.4, 0.2]
    assert (found["tried"] == 3).all()
    assert found["found"].tolist() == [False, True, True, True, True]
    assert found.loc[0.0, "n"] == 0
    assert found.loc[0.0, ["base_lr", "mean", "low"]].isna().all()
    own = runs.loc[(runs["warmup"] == 1.0) & (runs["base_lr"] == 0.4), "value"]
    expected = t_interval(own)
    assert tuple(found.loc[1.0, ["n", "mean", "low", "high"]]) == pytest.approx(
        (4, expected.mean, expected.low, expected.high)
    )
    assert kept(runs, ["warmup"])["warmup"].unique().tolist() == [0.5, 1.0, 2.0]


def test_largest_usable_follows_the_planted_threshold() -> None:
    runs = warmups([0.88] * 5, 3, np.random.default_rng(13))
    beyond = runs["base_lr"] > 0.25 * (1 + runs["warmup"])
    runs = lose(lose(runs, beyond & (runs["replicate"] == 2)), runs["base_lr"] < 0.3, "stalled")
    found = largest_usable(runs, above=0.3)
    assert found["warmup"].tolist() == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert found["largest_usable"].tolist() == pytest.approx(
        [math.nan, math.nan, 0.4, 0.4, 0.8], nan_ok=True
    )
    assert found["smallest_lossy"].tolist() == pytest.approx(
        [0.4, 0.4, 0.8, 0.8, math.nan], nan_ok=True
    )
    assert (largest_usable(runs)["smallest_lossy"] == 0.2).all()


@pytest.mark.parametrize("n", [5, 10])
def test_no_warmup_below_the_planted_threshold_is_called_good(n: int) -> None:
    rng, draws, wrong, lengths = np.random.default_rng(14), 15, 0, []
    for _ in range(draws):
        # Half an epoch is behind by delta and a little: the hardest case that is still wrong.
        found = shortest_warmup(warmups([0.86, 0.8765, 0.88, 0.88, 0.88], n, rng))
        assert found.shortest is not None
        wrong += found.shortest < 1.0
        lengths.append(found.lengths.set_index("warmup"))
    assert wrong <= stats.binom.ppf(0.999, draws, 0.05)
    # Two points behind is never called good.
    assert np.mean([each.loc[0.0, "not_inferior"] for each in lengths]) == 0


def test_a_tight_sample_finds_the_planted_threshold() -> None:
    rng = np.random.default_rng(15)
    found = shortest_warmup(warmups([0.86, 0.865, 0.88, 0.88, 0.88], 400, rng))
    assert found.shortest == 1.0
    assert found.best in (1.0, 2.0, 4.0)
    assert found.lengths["not_inferior"].tolist() == [False, False, True, True, True]


def test_shortest_warmup_is_a_paired_test() -> None:
    runs = warmups([0.878, 0.879, 0.88, 0.879, 0.88], 6, np.random.default_rng(16))
    found = shortest_warmup(runs, delta=0.002)
    wide = runs[runs["base_lr"] == 0.4].pivot_table(
        index="replicate", columns="warmup", values="value"
    )
    assert found.best == wide.mean().idxmax()
    for row in found.lengths.to_dict("records"):
        if row["warmup"] == found.best:
            assert (row["behind"], row["low90"], row["high90"]) == (0, 0, 0)
            continue
        test = stats.ttest_rel(wide[row["warmup"]], wide[found.best]).confidence_interval(0.9)
        assert (row["low90"], row["high90"]) == pytest.approx(tuple(test))
        p = stats.ttest_rel(wide[row["warmup"]] + 0.002, wide[found.best], alternative="greater")
        assert row["not_inferior"] == (p.pvalue < 0.05)


def test_shortest_warmup_says_nothing_of_too_little() -> None:
    runs = warmups([0.86, 0.88, 0.88, 0.88, 0.88], 3, np.random.default_rng(17))
    assert shortest_warmup(runs[runs["replicate"] == 0]).shortest is None
    assert shortest_warmup(runs[runs["warmup"] == 1.0]).shortest is None
    nothing = shortest_warmup(lose(runs, runs["value"] > 0))
    assert (nothing.shortest, nothing.best) == (None, None)
    assert not nothing.lengths["not_inferior"].any()
    one = shortest_warmup(lose(runs, runs["warmup"] != 1.0))
    assert (one.shortest, one.best) == (1.0, 1.0)
    assert shortest_warmup(runs[:0]).lengths.empty


def ladder(n: int, change: float, rng: np.random.Generator, draws: int = 1) -> list[pd.DataFrame]:
    size = np.tile([0.125, 0.25, 0.5, 1.0], n)
    noise = math.sqrt(2) * NOISE  # replicates' shared effects cancel in a pair
    replicate = np.repeat(np.arange(n), 4)
    return [
        pd.DataFrame({"replicate": replicate, "share": size}).assign(
            difference=0.005 + change * np.log2(size) + rng.normal(0, noise, 4 * n)
        )
        for _ in range(draws)
    ]


@pytest.mark.parametrize(("n", "change"), [(5, 0.0), (10, 0.002)])
def test_slope_covers_the_planted_one(n: int, change: float) -> None:
    found = [slope(each, "share") for each in ladder(n, change, np.random.default_rng(18), 40)]
    assert all(each.n == n for each in found)
    assert covers(sum(each.low <= change <= each.high for each in found), 40, 0.95)


def test_slope_is_that_of_each_replicates_own_line() -> None:
    frame = ladder(4, 0.002, np.random.default_rng(19))[0]
    frame.loc[frame.index[1:4], "difference"] = np.nan  # one size left: no slope
    frame.loc[frame.index[5], "difference"] = np.nan
    slopes = [
        stats.linregress(np.log2(own["share"]), own["difference"]).slope
        for replicate, own in frame.dropna().groupby("replicate")
        if replicate != 0
    ]
    assert slope(frame, "share") == pytest.approx(t_interval(slopes))
