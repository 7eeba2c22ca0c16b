"""How a report prints its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from analysis.page.tables import NONE, cells, text


@pytest.mark.parametrize(
    ("name", "value", "shares", "expected"),
    [
        ("family", "multi_factor", False, "multi-factor"),
        ("best_accuracy", 0.8766, False, "87.7"),
        ("diverged_share", 1.0, False, "100.0"),
        ("mean", 0.8766, True, "87.7"),
        ("mean", 0.8766, False, "0.877"),
        ("train_loss", 0.14, False, "0.140"),
        ("smallest_lossy", 0.6, False, "0.6"),  # a rate, no loss
        ("base_lr", 0.012345, False, "0.0123"),
        ("n", 12, True, "12"),
        ("trained", 36.0, False, "36"),
        ("best_trial", pd.NA, False, NONE),
        ("mean", np.nan, True, NONE),
        ("within", True, True, "yes"),
        ("within", np.bool_(False), True, "no"),
        ("run", "warmup_cosine", True, "warmup-cosine"),
    ],
)
def test_text(name: str, value: object, shares: bool, expected: str) -> None:
    assert text(name, value, shares) == expected


def links(stage: str, numbers: Sequence[int]) -> Markup:
    return Markup(f"{stage}:{','.join(map(str, numbers))}")


def test_columns_of_trials_become_links() -> None:
    frame = pd.DataFrame(
        {
            "best_trial": pd.array([3, None], dtype="Int64"),
            "confirm_trials": [[1, 2], []],
            "test_trials": [[4], [5]],
        }
    )
    assert cells(frame, False, links) == (
        ["best trial", "runs", "test runs"],
        [["search:3", "confirm:1,2", "test:4"], [NONE, NONE, "test:5"]],
    )


def test_bounds_become_one_column() -> None:
    frame = pd.DataFrame(
        {
            "family": ["cosine"],
            "n": [3],
            "mean_accuracy": [0.9],
            "mean_accuracy_low": [0.89],
            "mean_accuracy_high": [0.91],
            "exponent_low": [0.5],
            "exponent_high": [1.0],
            "low": [np.nan],
            "high": [2.0],
        }
    )
    headings, rows = cells(frame, False, links)
    assert headings == [
        "schedule",
        "n",
        "mean accuracy (%)",
        "mean accuracy 95 % interval (%)",
        "exponent",
        "95 % interval",
    ]
    assert rows == [["cosine", "3", "90.0", "89.0 to 91.0", "0.5 to 1", NONE]]


def test_an_interval_of_another_level_says_so() -> None:
    frame = pd.DataFrame({"behind_accuracy_90_low": [-0.134], "behind_accuracy_90_high": [0.0895]})
    heading = "behind the best, 90 % interval (%)"
    assert cells(frame, False, links) == ([heading], [["-13.4 to 8.9"]])


def test_shares_are_per_cent_in_heading_and_cell() -> None:
    frame = pd.DataFrame({"run": ["cosine"], "n": [3], "mean": [0.9], "within": [True]})
    assert cells(frame, True, links) == (
        ["run", "n", "mean (%)", "within"],
        [["cosine", "3", "90.0", "yes"]],
    )
