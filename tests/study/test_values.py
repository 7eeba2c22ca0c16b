"""Values of a database as the types that they should have."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.values import LARGEST, finite, floats, integer, mapping, number, parsed, share, text

NUMBERS = st.integers() | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(st.characters())
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=9
)


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(), st.lists)
)
def test_what_is_sound_is_read_as_it_was_written(value: Any) -> None:
    assert parsed(json.dumps(value)) == parsed(json.dumps(value, ensure_ascii=False)) == value


@given(st.text(st.characters(categories=["Cs", "L", "So"])))
def test_every_text_that_is_read_can_be_written(value: str) -> None:
    found = parsed(json.dumps({value: [value]}))
    ((key, (item,)),) = found.items()
    assert key == item
    assert item.encode("utf-8").decode("utf-8") == item


def test_half_a_pair_becomes_a_sign_that_something_is_missing() -> None:
    assert parsed(r'"a\ud800b"') == "a\ufffdb"
    assert parsed(r'"\uD83D\uDE00"') == "\U0001f600"
    assert parsed(r'"\\ud800"') == r"\ud800"


@pytest.mark.parametrize("digits", [18, 19, 300, 400, 10_000])
def test_a_number_of_many_digits_is_read(digits: int) -> None:
    found = parsed("9" * digits)
    assert isinstance(found, int) == (digits <= 300)
    assert found == (10**digits - 1 if digits <= 300 else float("9" * digits))
    assert number(found) is None or abs(found) <= LARGEST


@given(ANYTHING)
def test_each_type_is_itself_or_missing(value: Any) -> None:
    assert mapping(value) == (value if isinstance(value, dict) else {})
    assert text(value) == (value if isinstance(value, str) else None)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    usable = is_number and abs(value) <= LARGEST
    assert number(value) == (value if usable else None)
    whole = usable and value == int(value) and abs(value) < 2**63
    assert integer(value) == (int(value) if whole else None)
    assert isinstance(integer(value), int | None)
    assert share(value) == (value if usable and 0 <= value <= 1 else None)


@given(st.lists(ANYTHING))
def test_an_array_has_a_finite_number_or_nan_for_each(values: list[Any]) -> None:
    found = floats([value if abs_fits(value) else str(value) for value in values])
    assert found.dtype == np.float64
    assert len(found) == len(values)
    for mine, theirs in zip(found, values, strict=True):
        expected = number(theirs) if abs_fits(theirs) else None
        assert mine == expected if expected is not None else math.isnan(mine)


def abs_fits(value: Any) -> bool:
    """Whether `parsed` could have read the value: it reads longer integers as floats."""
    return not isinstance(value, int) or abs(value) < 10**18


def test_what_is_not_finite_is_none_at_any_depth() -> None:
    assert finite({"a": [1.0, math.nan, (math.inf, "nan")], "b": {"c": -math.inf, "d": True}}) == {
        "a": [1.0, None, [None, "nan"]],
        "b": {"c": None, "d": True},
    }
