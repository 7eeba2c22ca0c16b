"""The leaderboard: its order, the columns that it shows, and what it says of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.page.leaderboard import (
    RANK,
    in_common,
    mark_title,
    ranked,
    sort_keys,
    trial_columns,
    trial_rows,
)
from analysis.study import load_study
from analysis.table import names_of
from tests.analysis.conftest import Plant

STATES = ("pruned", "complete", "failed", "complete", "diverged", "complete", "complete")
SCORES = (0.99, 0.8, np.nan, 0.9, 0.1, 0.8, np.nan)


def rows(**more: object) -> pd.DataFrame:
    n = len(STATES)
    return pd.DataFrame({"trial": range(n), "accuracy": SCORES, "state": STATES}).assign(**more)


def test_complete_trials_come_first_best_first_then_the_others_by_state() -> None:
    """A pruned trial's higher score is of another epoch, and a complete one may have none."""
    frame = ranked(rows(), "accuracy")
    assert frame["trial"].tolist() == [3, 1, 5, 6, 4, 0, 2]
    assert frame[RANK].tolist()[:3] == [1, 2, 2]
    assert frame[RANK].isna().tolist() == [False] * 3 + [True] * 4
    assert frame["accuracy"].tolist()[:3] == [0.9, 0.8, 0.8]
    assert frame["accuracy"].isna().sum() == 4


def test_the_lowest_is_best_where_scores_are_minimized() -> None:
    assert ranked(rows(), "accuracy", rising=True)["trial"].tolist()[:3] == [1, 5, 3]


def test_a_parameter_may_have_any_name() -> None:
    frame = ranked(rows(rank="a", place=1.0, order=2), "accuracy")
    assert frame["rank"].unique().tolist() == ["a"]
    assert frame.columns.tolist() == [RANK, *rows(rank="a", place=1.0, order=2).columns]


def test_columns_that_tell_no_row_apart_are_left_out_and_said() -> None:
    frame = rows(
        family="cosine", seed=3, epochs_trained=6, warmup=[2.0, *[np.nan] * 6], gamma=np.nan
    )
    frame = ranked(frame.assign(base_lr=np.linspace(0.1, 0.2, 7)), "accuracy")
    shown = names_of(trial_columns(frame))
    assert shown == [RANK, "trial", "accuracy", "state", "base_lr"]
    words = "Best first; all with schedule cosine, seed 3, 6 epochs, warmup 2 where set."
    assert in_common(frame) == words
    done = frame[frame["state"] == "complete"].drop(columns=["warmup", "seed"])
    assert in_common(done) == "Best first; all complete with schedule cosine, 6 epochs."
    assert in_common(done[[RANK, "trial", "base_lr"]]) == "Best first."


def test_where_none_is_complete_there_is_no_rank_and_no_score() -> None:
    frame = ranked(rows().assign(state="diverged", epochs_trained=1), "accuracy")
    assert names_of(trial_columns(frame)) == ["trial"]
    assert in_common(frame) == "By state; all diverged with 1 epoch."


def test_the_score_stays_even_where_all_are_the_same() -> None:
    frame = ranked(rows(accuracy=0.5, state="complete"), "accuracy")
    assert names_of(trial_columns(frame)) == [RANK, "trial", "accuracy"]


def test_numbers_are_sorted_exactly_and_missing_values_known_as_such() -> None:
    frame = ranked(rows(family="cosine").head(2), "accuracy")
    columns = [each for each in trial_columns(frame) if each.name != "state"]
    assert sort_keys(columns, frame) == [["1", "1", "0.8"], ["", "0", ""]]
    text = pd.DataFrame({"state": ["complete", None]})
    assert sort_keys(trial_columns(ranked(rows(), "accuracy"))[-1:], text) == [[None], [""]]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"trial": 12, "family": "multi_factor", "state": "complete", "accuracy": 0.8641},
            "trial 12: multi-factor, 86.4 %",
        ),
        (
            {"trial": 3, "family": "cosine", "state": "pruned", "accuracy": np.nan},
            "trial 3: cosine, pruned",
        ),
        (
            {"trial": 0, "family": None, "state": "failed", "accuracy": np.nan},
            "trial 0: failed",
        ),
        ({"trial": 7, "state": "complete", "value": 0.123456}, "trial 7: 0.1235"),
    ],
)
def test_a_mark_says_what_is_known_of_its_trial(row: dict[str, object], expected: str) -> None:
    assert mark_title(row) == expected


def test_every_attempt_of_a_study_has_a_row(plant: Plant) -> None:
    url = plant("fixed_rate", 8, everything="complete", retries={2: "interrupted"})
    frame = trial_rows(load_study(url, "fixed_rate"))
    assert sorted(frame["trial"]) == list(range(9))
    assert frame.columns.tolist() == [
        *(RANK, "trial", "family", "base_lr", "accuracy", "state", "seed", "epochs_trained")
    ]
    assert frame["state"].tolist()[-1] == "interrupted"
    assert frame["accuracy"].iloc[:8].is_monotonic_decreasing
