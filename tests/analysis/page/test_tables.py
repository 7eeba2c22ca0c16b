"""How a report prints its numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from analysis.page.tables import NONE, printed_rows, text
from analysis.table import (
    BEST_TRIAL,
    LOSS,
    NAME,
    OUTCOMES,
    PERCENT,
    PLAIN,
    RUNS,
    SCHEDULE,
    TEST_RUNS,
    YES_NO,
    Column,
    N,
    Table,
    Unit,
    bounded,
    interval,
)


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        (NAME, "multi_factor", "multi-factor"),
        (NAME, "warmup_cosine/as-published", "warmup-cosine, as-published"),
        (PERCENT, 0.8766, "87.7"),
        (PERCENT, 1.0, "100.0"),
        (PERCENT, -0.134, "-13.4"),
        (LOSS, 0.14, "0.140"),
        (LOSS, 0.0, "0"),
        (PLAIN, 0.8766, "0.877"),
        (PLAIN, 0.6, "0.6"),
        (PLAIN, 0.012345, "0.0123"),
        (PLAIN, 12, "12"),
        (PLAIN, 1961547765, "1961547765"),
        (PLAIN, 36.0, "36"),
        (PLAIN, 1e20, "1e+20"),
        (PLAIN, "better", "better"),
        (PLAIN, pd.NA, NONE),
        (PERCENT, np.nan, NONE),
        (YES_NO, True, "yes"),
        (YES_NO, np.bool_(False), "no"),
        (YES_NO, pd.NA, NONE),
    ],
)
def test_text(unit: Unit, value: object, expected: str) -> None:
    assert text(unit, value) == expected


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
    assert printed_rows([BEST_TRIAL, RUNS, TEST_RUNS], frame, links) == (
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
            "mean_loss": [np.nan],
        }
    )
    columns = [
        *(SCHEDULE, N, *bounded("mean_accuracy", PERCENT)),
        interval("exponent", heading="exponent"),
        Column("low", heading="95 % interval", high="high"),
        Column("mean_loss", LOSS),
    ]
    headings, rows = printed_rows(columns, frame, links)
    assert headings == [
        "schedule",
        "n",
        "mean accuracy (%)",
        "mean accuracy, 95 % interval (%)",
        "exponent",
    ]  # but none without a value
    assert rows == [["cosine", "3", "90.0", "89.0 to 91.0", "0.5 to 1"]]


def test_the_order_is_that_of_the_columns_and_only_they_are_printed() -> None:
    frame = pd.DataFrame({"n": [3], "hidden": [1], "accuracy": [0.5]})
    columns = [Column("accuracy", PERCENT), Column("absent"), N]
    assert printed_rows(columns, frame, links) == (["accuracy (%)", "n"], [["50.0", "3"]])


def test_an_outcome_that_no_trial_had_is_left_out() -> None:
    frame = pd.DataFrame({"diverged": [0, 0], "stalled": [0, 2], "failed": [1, 0]})
    expected = (["stalled", "failed"], [["0", "1"], ["2", "0"]])
    assert printed_rows(OUTCOMES, frame, links) == expected


def test_a_column_of_trials_is_left_out_where_there_are_none() -> None:
    frame = pd.DataFrame(
        {
            "best_trial": pd.array([0, None], dtype="Int64"),  # 0 is a trial as any other
            "confirm_trials": [[], []],
            "test_trials": [[], [0]],
        }
    )
    assert printed_rows([BEST_TRIAL, RUNS, TEST_RUNS], frame, links) == (
        ["best trial", "test runs"],
        [["search:0", NONE], [NONE, "test:0"]],
    )


def test_a_table_tells_something_where_any_estimate_is_known() -> None:
    table = Table("Importance.", (SCHEDULE, N, Column("importance", PERCENT)))
    frame = pd.DataFrame({"family": ["cosine", "factor"], "n": 3, "importance": [np.nan, 0.5]})
    assert table.tells(frame)
    assert not table.tells(frame[:1])  # which schedule has how many trials is told elsewhere
    assert not table.tells(frame[:0])


def test_columns_of_one_heading_are_both_printed() -> None:
    frame = pd.DataFrame({"accuracy": [0.5], "other": [0.25]})
    columns = [Column("accuracy", PERCENT), Column("other", PERCENT, "accuracy")]
    assert printed_rows(columns, frame, links) == (["accuracy (%)"] * 2, [["50.0", "25.0"]])
