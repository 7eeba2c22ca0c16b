"""Epochs to a target and gap at equal loss, against the definitions worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.estimators.intervals import DIFFERENCE, mean_interval
from analysis.estimators.learning_curves import epochs_to_target, gap_at_equal_loss

EPOCHS = 10


def runs(
    reached: Sequence[float], states: Sequence[str], trained: Sequence[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """curves and trials of runs that reach 0.8 at the given epoch (from 1) and sink again."""
    trials = pd.DataFrame(
        {
            "trial": range(len(reached)),
            "family": "a",
            "state": states,
            "epochs": float(EPOCHS),
            "epochs_trained": np.array(trained, dtype=float),
        }
    )
    rows = [
        (trial, epoch, 0.8 if epoch + 1 == hit else 0.5)
        for trial, (hit, last) in enumerate(zip(reached, trained, strict=True))
        for epoch in range(last)
    ]
    return pd.DataFrame(rows, columns=["trial", "epoch", "val_accuracy"]), trials


def product_limit(times: Sequence[float], events: list[bool]) -> float:
    """Kaplan-Meier median by its definition."""
    share = 1.0
    for time in sorted(set(times)):
        at_risk = sum(each >= time for each in times)
        hits = sum(e and t == time for t, e in zip(times, events, strict=True))
        share *= 1 - hits / at_risk
        if share <= 0.5 + 1e-12:
            return time
    return math.nan


def test_median_is_the_product_limit_with_never_censored() -> None:
    never = math.nan
    reached = [3, 5, never, never, never, 6, never, 2]
    states = [
        "complete", "complete", "pruned", "diverged", "stalled", "complete", "complete", "failed",
    ]  # fmt: skip
    trained = [10, 10, 4, 1, 10, 10, 10, 5]
    row = epochs_to_target(*runs(reached, states, trained), 0.8).iloc[0]
    # Pruned after 4, but the diverged run stands at risk to the end; the failed one is no run.
    times, events = [3, 5, 4, 10, 10, 6, 10], [True, True, False, False, False, True, False]
    assert (row["n"], row["reached"]) == (7, 3)
    assert row["median"] == pytest.approx(product_limit(times, events), nan_ok=True)
    more = epochs_to_target(
        *runs([*reached, 7, 7], [*states, *["complete"] * 2], [*trained, 10, 10]), 0.8
    )
    expected = product_limit([*times, 7, 7], [*events, True, True])
    assert expected == 7
    assert more.iloc[0]["median"] == expected


def test_a_run_reaches_the_target_before_it_diverges_and_once() -> None:
    row = epochs_to_target(*runs([2, 2, 2], ["diverged"] * 3, [3, 3, 3]), 0.8).iloc[0]
    assert (row["n"], row["reached"], row["median"]) == (3, 3, 2)


@pytest.mark.parametrize("state", ["diverged", "stalled"])
def test_an_untrained_run_stays_at_risk_to_the_end(state: str) -> None:
    # Were it censored when it stopped, half of the other two would have reached it at epoch 3.
    states = ["complete", state, "complete"]
    row = epochs_to_target(*runs([3, math.nan, 7], states, [10, 1, 10]), 0.8).iloc[0]
    assert (row["n"], row["reached"], row["median"]) == (3, 2, 7)


def test_fewer_than_four_runs_have_a_median_and_no_interval() -> None:
    few, enough = (
        epochs_to_target(*runs([3] * n, ["complete"] * n, [10] * n), 0.8).iloc[0] for n in (3, 4)
    )
    assert few["median"] == enough["median"] == 3
    assert np.isnan([few["low"], few["high"]]).all()
    assert not math.isnan(enough["low"])


@pytest.mark.parametrize("state", ["complete", "diverged", "pruned"])
def test_none_reach_it(state: str) -> None:
    row = epochs_to_target(*runs([math.nan] * 4, [state] * 4, [5] * 4), 0.8).iloc[0]
    assert (row["n"], row["reached"]) == (4, 0)
    assert np.isnan([row["median"], row["low"], row["high"]]).all()
    assert epochs_to_target(*runs([], [], []), 0.8).empty


def test_the_interval_inverts_the_band() -> None:
    reached = [2, 3, 3, 4, 5, 5, 6, 7, 8, 9]
    row = epochs_to_target(*runs(reached, ["complete"] * 10, [10] * 10), 0.8).iloc[0]
    z = stats.norm.ppf(0.975)
    inside = []
    for epoch in sorted(set(reached)):
        share = sum(each > epoch for each in reached) / 10
        if 0 < share < 1:  # log-log: without censoring Greenwood's variance is S (1 - S) / n
            error = math.sqrt((1 - share) / (10 * share)) / abs(math.log(share))
            logs = math.log(-math.log(share)) + z * error * np.array([1, -1])
            low, high = np.exp(-np.exp(logs))
            if low <= 0.5 <= high:
                inside.append(epoch)
    assert row["median"] == 5
    assert row["low"] == min(inside)
    # The first at which even the upper bound is below one half.
    assert row["high"] == min(each for each in reached if each > max(inside))


def test_the_interval_covers_the_planted_median() -> None:
    rng, draws, hits = np.random.default_rng(0), 60, 0
    for _ in range(draws):
        times = rng.geometric(1 - 0.5 ** (1 / 4.5), 12)  # P(T <= 5) > 1/2 > P(T <= 4)
        seen = [float(t) if t <= EPOCHS else math.nan for t in times]
        row = epochs_to_target(*runs(seen, ["complete"] * 12, [EPOCHS] * 12), 0.8).iloc[0]
        hits += row["low"] <= 5 <= (EPOCHS if math.isnan(row["high"]) else row["high"])
    assert hits >= stats.binom.ppf(0.001, draws, 0.92)


def history(trial: int, losses: Sequence[float], gap: Sequence[float]) -> pd.DataFrame:
    accuracy = 1 - np.array(losses) / 3
    return pd.DataFrame(
        {
            "trial": trial,
            "epoch": range(len(losses)),
            "train_loss": losses,
            "train_accuracy": accuracy,
            "val_accuracy": accuracy - gap,
            "weight_norm_conv1": 3.0 * np.arange(1, len(losses) + 1),
            "weight_norm_fc3": 4.0 * np.arange(1, len(losses) + 1),
        }
    )


def trials_of(families: Sequence[str], replicates: Sequence[int], **more: Any) -> pd.DataFrame:
    frame = {"trial": range(len(families)), "family": families, "replicate": replicates}
    return pd.DataFrame({**frame, "state": "complete", **more})


def test_gap_is_read_at_the_loss_that_all_reach() -> None:
    curves = pd.concat(
        [
            history(0, [1.0, 0.6, 0.2, 0.6], [0.0, 0.02, 0.06, 0.5]),
            history(1, [0.5, 0.3, 0.1], [0.01, 0.02, 0.03]),
            history(2, [1.0, 0.4, 0.5], [0.0, 0.03, 0.9]),
            history(3, [5.0, 4.0, 3.0], [0.0, 0.0, 0.0]),
        ]
    )
    trials = trials_of(["a", "a", "b", "b"], [0, 1, 0, 1])
    trials.loc[3, "state"] = "stalled"
    found = gap_at_equal_loss(curves, trials).set_index("family")
    assert found["train_loss"].tolist() == [0.4, 0.4]
    # Run 0 half-way from epoch 1 to 2, run 1 half-way from 0 to 1; norms are 5 (epoch + 1).
    assert tuple(found.loc["a", ["n", "gap"]]) == pytest.approx((2, 0.0275))
    assert found.loc["a", "weight_norm"] == pytest.approx((12.5 + 7.5) / 2)
    assert (found.loc["b", "n"], found.loc["b", "gap"]) == (1, pytest.approx(0.03))
    assert found.loc["b", "weight_norm"] == pytest.approx(10)
    assert np.isnan(found.loc["b", "low"])


def test_a_run_that_starts_below_the_loss_is_read_at_its_first_epoch() -> None:
    curves = pd.concat([history(0, [0.2, 0.1], [0.05, 0.09]), history(1, [0.9, 0.5], [0.0, 0.01])])
    found = gap_at_equal_loss(curves, trials_of(["a", "b"], [0, 0])).set_index("family")
    assert found.loc["a", ["gap", "weight_norm"]].tolist() == pytest.approx([0.05, 5])


def test_runs_of_one_replicate_are_one_observation() -> None:
    gaps = [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]
    curves = pd.concat([history(trial, [1.0, 0.5], [0, gap]) for trial, gap in enumerate(gaps)])
    row = gap_at_equal_loss(curves, trials_of(["a"] * 8, [0, 0, 1, 1, 2, 2, 3, 3])).iloc[0]
    expected = mean_interval([0.005, 0.025, 0.045, 0.065])
    assert (row["n"], row["gap"]) == (4, pytest.approx(expected.mean))
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_a_gap_stays_what_a_difference_of_shares_can_be() -> None:
    gaps = [-0.9, 0.9, -0.8, 0.8]
    curves = pd.concat([history(trial, [1.0, 0.5], [0, gap]) for trial, gap in enumerate(gaps)])
    row = gap_at_equal_loss(curves, trials_of(["a"] * 4, range(4))).iloc[0]
    assert (row["low"], row["high"]) == DIFFERENCE


@pytest.mark.parametrize("state", ["diverged", "stalled"])
def test_what_did_not_train_has_no_gap(state: str) -> None:
    curves = pd.concat([history(trial, [1.0, 0.5], [0, trial / 100]) for trial in range(3)])
    trials = trials_of(["a", "a", "b"], [0, 1, 0])
    trials.loc[[1, 2], "state"] = state
    found = gap_at_equal_loss(curves, trials)
    assert list(found["family"]) == ["a"]
    assert (found["n"].iloc[0], found["gap"].iloc[0]) == (1, 0)


def test_without_validation_there_is_no_gap() -> None:
    curves = history(0, [1.0, 0.5], [np.nan, np.nan])
    assert gap_at_equal_loss(curves, trials_of(["a"], [0])).empty
    assert gap_at_equal_loss(curves[:0], trials_of(["a"], [0])).empty
