"""`lrstudy schedules`: families in words, and their drawings."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.schedules.base import FAMILIES
from search_spaces.schedules.text import parse_schedule
from study.cli.schedules import example_rates, sketch
from study.training.torch_schedules import closed_form
from tests.study.conftest import Command, assert_one_line


@pytest.fixture
def narrow(lrstudy: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("COLUMNS", "80")
    return lrstudy


def test_a_line_for_each_family_at_80_columns(narrow: Command) -> None:
    lines = narrow("schedules").out.splitlines()
    assert [line.split()[0] for line in lines[: len(FAMILIES)]] == list(FAMILIES)
    assert lines[len(FAMILIES)] == ""
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_at_80_columns(narrow: Command, name: str) -> None:
    shown = narrow("schedules", name)
    assert (shown.status, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert max(map(len, lines)) <= 80
    words = {line.split(" ")[0].rstrip(",") for line in lines if line[:1].strip()}
    fields = FAMILIES[name].model_fields.keys() - {"family"}
    assert words >= {"formula", "reference", "example", *fields}
    assert sum("|" in line for line in lines) == 8


def test_the_example_command_works(lrstudy: Command, tmp_path: Path) -> None:
    for name, cls in FAMILIES.items():
        example = f"lrstudy plot {shlex.quote(cls.EXAMPLE)}"
        assert (example in lrstudy("schedules", name).out) == (name != "plateau")
        if name != "plateau":
            words = shlex.split(example)[1:]
            assert lrstudy(*words, "--csv", "--steps-per-epoch", "2").status == 0


def test_json_has_all_of_it(lrstudy: Command) -> None:
    listed = json.loads(lrstudy("schedules", "--json").out)
    assert [each["name"] for each in listed] == list(FAMILIES)
    (one,) = json.loads(lrstudy("schedules", "cosine", "--json").out)
    assert one in listed
    horizon = next(each for each in one["own"] if each["names"] == ["horizon"])
    assert (horizon["unit"], horizon["default"]) == ("epochs", "the epochs of training")


def test_an_unknown_family(lrstudy: Command) -> None:
    assert_one_line(lrstudy("schedules", "cosin"), 2, "unknown schedule 'cosin'. Did you mean")


def test_plot_takes_the_end_of_training_for_a_horizon(lrstudy: Command) -> None:
    size = ("--epochs", "7", "--steps-per-epoch", "3", "--csv")
    short = lrstudy("plot", "cosine:base=0.3", *size)
    full = lrstudy("plot", "cosine:base=0.3,horizon=7", *size)
    assert short.status == 0
    assert short.out.splitlines()[1:] == full.out.splitlines()[1:]


# ---------------------------------------------------------------- drawings


@pytest.mark.parametrize("name", FAMILIES)
def test_the_drawing_is_of_the_example(name: str) -> None:
    rates = example_rates(FAMILIES[name].EXAMPLE, 60)
    assert rates.shape == (60,)
    if name == "plateau":  # 0.3 for 5 epochs and the one that sets the best, then halved every 5
        halvings = np.array([0] * 6 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5 + [5] * 4)
        np.testing.assert_allclose(rates[::2], 0.3 / 2.0**halvings, rtol=1e-12)
        return
    schedule = closed_form(parse_schedule(FAMILIES[name].EXAMPLE, 30), 30, 2)
    np.testing.assert_array_equal(rates, schedule(np.arange(60), 2))


def filled(lines: list[str], column: int) -> int:
    """Eighths of a line that a column of the drawing is high."""
    return sum(" ▁▂▃▄▅▆▇█".index(line[column]) for line in lines)


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=20), st.integers(1, 9))
def test_columns_are_as_high_as_their_values(values: list[float], height: int) -> None:
    lines = sketch(values, height)
    assert [len(line) for line in lines] == [len(values)] * height
    top = max(values)
    for column, value in enumerate(values):
        eighths = value / top * height * 8 if top else 0.0
        assert eighths - 1e-6 <= filled(lines, column) < eighths + 1
        if value == top and top:
            assert filled(lines, column) == height * 8


def test_a_terminal_without_blocks_gets_plain_characters() -> None:
    assert sketch([0, 1, 2], 2, " ......##") == ["  #", " ##"]
