"""The time that is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.cli.pace import WINDOW, Pace

AMOUNTS = st.lists(st.tuples(st.floats(0.1, 500), st.floats(0, 30)), max_size=30)


@given(AMOUNTS, st.floats(0, 1e6))
def test_it_is_never_negative(work: list[tuple[float, float]], remaining: float) -> None:
    pace, now = Pace(0.0), 0.0
    for after, amount in work:
        now += after
        pace.add(now, amount)
        left = pace.left(now, remaining)
        assert left is None or left >= 0


@given(st.floats(0.01, 10), st.integers(1, 3000), st.floats(0, 1e4))
def test_at_a_steady_pace_it_is_what_remains_of_it(
    seconds: float, units: int, remaining: float
) -> None:
    pace = Pace(5.0)
    for each in range(1, units + 1):
        pace.add(5.0 + each * seconds, 1.0)
    left = pace.left(5.0 + units * seconds, remaining)
    assert left == pytest.approx(remaining * seconds, rel=0.02)


def test_what_was_done_long_ago_says_nothing() -> None:
    pace = Pace(0.0)
    pace.add(1.0, 1_000_000.0)
    assert pace.left(WINDOW + 2.0, 10.0) is None
    pace.add(WINDOW + 3.0, 9.0)
    assert pace.left(WINDOW + 3.0, 10.0) == pytest.approx(WINDOW * 10 / 9)


def test_nothing_is_left_of_nothing_and_unknown_before_the_first() -> None:
    assert Pace(0.0).left(1.0, 0.0) == 0.0
    assert Pace(0.0).left(1.0, 3.0) is None
