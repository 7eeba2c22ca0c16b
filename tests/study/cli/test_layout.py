"""Tables whose text is never cut."""

from __future__ import annotations

import io
from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from study.cli.layout import Grid, fitted

WIDTHS = (40, 80, 100, 120)
HEADINGS = ("study", "space", "trials")


# Digits, so that the letters of headings are told from those of cells.
def rows_of(longest: int) -> st.SearchStrategy[list[list[str]]]:
    words = st.integers(1, longest).map(lambda n: "7" * n)
    cells = st.lists(words, min_size=1, max_size=6).map(" ".join)
    return st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=3)


def shown(grid: Grid, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, _environ={})
    with console.capture() as capture:
        console.print(grid)
    return capture.get().splitlines()


def flat(rows: list[list[str]]) -> list[str]:
    return list(chain.from_iterable(rows))


@given(rows_of(70), st.sampled_from(WIDTHS))
def test_nothing_is_lost_and_no_line_is_too_long(rows: list[list[str]], width: int) -> None:
    lines = shown(Grid(HEADINGS, rows, right=("trials",)), width)
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    digits = Counter(each for each in text if each.isdigit())
    assert digits == Counter(each for row in rows for cell in row for each in cell if each != " ")
    assert set(HEADINGS) <= set(text.split())


@given(rows_of(12))
def test_words_that_fit_beside_each_other_stay_whole(rows: list[list[str]]) -> None:
    lines = shown(Grid(HEADINGS, rows), 80)
    assert lines[0].split() == list(HEADINGS)
    assert Counter(" ".join(lines[1:]).split()) == Counter(" ".join(flat(rows)).split())


@pytest.mark.parametrize("width", WIDTHS)
def test_names_that_begin_alike_are_told_apart(width: int) -> None:
    names = ["polynomial", "polynomial-confirm", "polynomial-test"]
    words = "120 of 120 have a result: 100 complete, 12 diverged, 4 stalled, 4 pruned"
    lines = shown(Grid(HEADINGS, [(name, "polynomial", words) for name in names]), width)
    assert set(names) <= set(" ".join(lines).split())


def test_a_word_longer_than_the_terminal_goes_on_in_the_next_line() -> None:
    lines = shown(Grid(("study", "trials"), [("1" * 100, "7")]), 40)
    assert "".join(lines).count("1") == 100
    assert lines[-1] == "trials 7"


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6), st.integers(0, 300))
def test_widths_fit_and_none_is_below_its_least(pairs: list[tuple[int, int]], more: int) -> None:
    natural, least = [max(each) for each in pairs], [min(each) for each in pairs]
    room = sum(least) + more
    widths = fitted(natural, least, room)
    assert sum(widths) <= room
    assert all(a <= w <= n for a, w, n in zip(least, widths, natural, strict=True))
    if sum(natural) <= room:
        assert widths == natural
    else:  # no room is left unused but what cannot be shared equally
        assert room - sum(widths) < len(widths)
