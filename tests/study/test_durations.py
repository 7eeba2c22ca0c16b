"""Durations as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.durations import duration

SIZES = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SECONDS = st.floats(min_value=0, max_value=1e9)


def read(text: str) -> float:
    """The seconds that the words say."""
    words = text.removeprefix("less than ").split()
    return sum(float(n) * SIZES[unit] for n, unit in zip(words[::2], words[1::2], strict=True))


@given(st.floats(min_value=1, max_value=1e9))
def test_the_words_are_within_five_per_cent(seconds: float) -> None:
    assert read(duration(seconds)) == pytest.approx(seconds, rel=0.05)


@given(SECONDS, SECONDS)
def test_longer_never_reads_shorter(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert read(duration(low)) <= read(duration(high)) or high < 0.05


@given(SECONDS)
def test_at_most_two_units_and_each_below_the_next(seconds: float) -> None:
    words = duration(seconds).removeprefix("less than ").split()
    units, amounts = words[1::2], [float(each) for each in words[::2]]
    assert 1 <= len(units) <= 2
    assert [SIZES[unit] for unit in units] == sorted((SIZES[u] for u in units), reverse=True)
    most = {"s": 60, "min": 60, "h": 24, "d": math.inf}
    assert all(amount < most[unit] for amount, unit in zip(amounts, units, strict=True))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.01, "less than 0.1 s"),
        (7.56, "7.6 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3599.9, "1 h"),
        (11_520, "3 h 12 min"),
        (86_399, "1 d"),
        (200_000, "2 d 8 h"),
    ],
)
def test_examples(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize("seconds", [-1.0, -1e-9, math.inf, math.nan])
def test_what_is_no_duration_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="must be a number of seconds from 0 on"):
        duration(seconds)
