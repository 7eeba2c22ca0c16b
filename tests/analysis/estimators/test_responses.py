"""Estimators of designed grids, cell by cell: planted thresholds and slopes come back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.estimators.intervals import SHARE, mean_interval, wilson
from analysis.estimators.responses import kept, largest_usable, response, slope, tuned
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
    assert found["untrained"].tolist() == [0, 2]
    assert found["untrained_share"].tolist() == pytest.approx([0, 2 / 3])
    assert (found["untrained_low"][1], found["untrained_high"][1]) == wilson(2, 3)
    expected = mean_interval(runs["value"][:4], within=SHARE)
    assert tuple(found.loc[0, ["mean", "low", "high", "best"]]) == pytest.approx(
        (expected.mean, expected.low, expected.high, 0.8)
    )
    assert found.loc[1, "mean"] == 0.9
    assert np.isnan(found.loc[1, "low"])
    assert response(runs[:0], ["base_lr"]).empty


def test_an_accuracy_is_never_outside_a_share() -> None:
    runs = pd.DataFrame({"base_lr": 0.1, "replicate": range(4), "state": C})
    for values in ([0.1, 0.9, 0.1, 0.1], [0.99, 0.2, 0.99, 0.99]):
        (row,) = response(runs.assign(value=values), ["base_lr"]).to_dict("records")
        assert 0 <= row["low"] < row["mean"] < row["high"] <= 1
        assert 0 in (row["low"], row["high"] - 1)


PAIRS = pd.MultiIndex.from_product(
    [[0.0, 0.5, 1.0, 2.0, 4.0], [0.2, 0.4, 0.8]], names=["warmup", "base_lr"]
).to_frame(index=False)


def warmups(scores: Sequence[float], n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Scores of the five lengths at 0.4, clearly worse at the other rates."""
    worse = PAIRS["base_lr"].map({0.2: 0.03, 0.4: 0.0, 0.8: 0.04})
    return grid(PAIRS, np.repeat(scores, 3) - worse.to_numpy(), n, rng)


def test_tuned_picks_the_best_rate_among_those_that_trained_as_often() -> None:
    runs = warmups([0.86, 0.87, 0.88, 0.88, 0.88], 4, np.random.default_rng(12))
    long, none = runs["warmup"] == 4.0, runs["warmup"] == 0.0
    runs = lose(runs, long & (runs["base_lr"] == 0.4) & (runs["replicate"] < 2))
    runs = lose(runs, (runs["warmup"] == 2.0) & (runs["replicate"] == 0), S)  # 1 is tolerated
    runs = lose(runs, none)
    found = tuned(runs, "warmup", "base_lr").set_index("warmup")
    assert found["base_lr"].iloc[1:].tolist() == [0.4, 0.4, 0.4, 0.2]
    assert (found["tried"] == 3).all()
    assert found["found"].tolist() == [False, True, True, True, True]
    assert found["untrained"].tolist() == [0, 0, 0, 1, 0]
    assert found["n"].tolist() == [0, 4, 4, 3, 4]
    assert found.loc[0.0, ["base_lr", "mean", "low"]].isna().all()
    assert np.isnan(found.loc[2.0, "low"])  # too few seeds
    own = runs.loc[(runs["warmup"] == 1.0) & (runs["base_lr"] == 0.4), "value"]
    expected = mean_interval(own)
    assert tuple(found.loc[1.0, ["n", "mean", "low", "high"]]) == pytest.approx(
        (4, expected.mean, expected.low, expected.high)
    )
    assert kept(runs, ["warmup"])["warmup"].unique().tolist() == [0.5, 1.0]


def test_largest_usable_follows_the_planted_threshold() -> None:
    runs = warmups([0.88] * 5, 3, np.random.default_rng(13))
    beyond = runs["base_lr"] > 0.25 * (1 + runs["warmup"])
    runs = lose(lose(runs, beyond & (runs["replicate"] == 2)), runs["base_lr"] < 0.3, "stalled")
    found = largest_usable(runs, above=0.3)
    assert found["warmup"].tolist() == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert found["largest_usable"].tolist() == pytest.approx(
        [math.nan, math.nan, 0.4, 0.4, 0.8], nan_ok=True
    )
    assert found["smallest_untrained"].tolist() == pytest.approx(
        [0.4, 0.4, 0.8, 0.8, math.nan], nan_ok=True
    )
    assert found["n"].tolist() == [0, 0, 3, 3, 3]
    assert found["untrained_high"].tolist()[2:] == [wilson(0, 3)[1]] * 3
    assert (largest_usable(runs)["smallest_untrained"] == 0.2).all()
    assert largest_usable(runs[:0]).empty


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
    assert slope(frame, "share")[:3] == pytest.approx(mean_interval(slopes)[:3])
    assert np.isnan(slope(frame, "share").low)  # three slopes are too few
