"""What is printed commands nothing."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.terminal import printable


@given(st.text(st.characters()))
def test_what_is_printed_is_drawn_and_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.splitlines() == ([shown] if shown else [])


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_what_can_be_drawn_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text(st.characters(exclude_characters="\\'")))
def test_nothing_is_lost(text: str) -> None:
    assert ast.literal_eval(f"'{printable(text)}'") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb", r"a\r\nb"),
        ("\u202e\u2028", r"\u202e\u2028"),
        ("\ud800", r"\ud800"),
        ("größe [red] \\ 日本", "größe [red] \\ 日本"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown
