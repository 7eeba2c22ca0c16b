"""The look: one colour a family, ticks as plain numbers, the same bytes twice, no global state."""

from __future__ import annotations

import io
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from analysis.figures.axes import accuracy_axis, accuracy_ticks, rate_axis, rate_figure
from analysis.figures.fitting import outside_legend
from analysis.figures.maps import rate_map
from analysis.figures.style import canvas, drawable, panels, picture, render, style, told_apart
from search_spaces.schedules.base import FAMILIES
from search_spaces.spaces import SPACES

TRIALS = pd.DataFrame(
    {
        "family": ["constant", "cosine", "cosine", "cosine", "constant"],
        "trial": range(5),
        "base_lr": [0.01, 0.1, 3.0, 0.3, 1.0],
        "exponent": [1.0, 2.0, 3.0, 4.0, 1.0],
        "state": ["complete", "complete", "diverged", "pruned", "stalled"],
        "accuracy": [0.8, 0.9, np.nan, np.nan, np.nan],
    }
)


def tick_labels(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.axes[0].get_xticklabels()]


def test_every_family_has_its_own_colour_and_mark() -> None:
    known = [style(family) for family in FAMILIES]
    assert len({colour for colour, _ in known}) == len({mark for _, mark in known}) == len(FAMILIES)


@pytest.mark.parametrize("space", SPACES)
def test_families_of_a_space_are_told_apart(space: str) -> None:
    runs = {family.partition("/")[0] for family in SPACES[space].FAMILIES}
    assert len({style(run) for run in runs}) == len(runs)
    assert style("cosine/as-published") == style("cosine/as-intended") == style("cosine")


# What `--schedule` makes of schedules of one's own; a list of milestones has a slash in it.
NAMES = st.sampled_from([*FAMILIES])
LABELS = (
    NAMES
    | st.builds("{}: warmup={}".format, NAMES, st.integers(1, 9))
    | st.builds("multi_factor: milestones=1/{}".format, st.integers(2, 9))
    | st.builds("{} then {}".format, NAMES, NAMES)
)


@settings(max_examples=200)
@given(labels=st.lists(LABELS, min_size=1, max_size=19, unique=True))
def test_labels_never_share_a_colour_that_is_free(labels: list[str]) -> None:
    """Whatever families they are of, in whatever order. A family keeps its own, and a label what it
    had, whichever of them a single figure shows."""
    alone = {name: style(name) for name in labels if name in FAMILIES}
    with told_apart(labels):
        known = {name: style(name) for name in labels}
        with told_apart(labels[::-2]):
            assert {name: style(name) for name in labels} == known
    assert len({colour for colour, _ in known.values()}) == len(labels)
    assert {name: known[name] for name in alone} == alone


def test_a_label_has_its_familys_colour_where_that_is_free() -> None:
    cosine = style("cosine")
    assert style("cosine: warmup=5") == style("cosine then factor") == cosine
    with told_apart(["cosine: warmup=5", "factor"]):
        assert style("cosine: warmup=5") == cosine
    with told_apart(["cosine: warmup=5", "cosine"]):
        assert style("cosine: warmup=5")[0] != style("cosine")[0]


def test_more_labels_than_colours_are_drawn_all_the_same() -> None:
    many = [f"cosine: warmup={n}" for n in range(40)]
    with told_apart(many):
        assert len({style(name)[0] for name in many}) == 19


def test_rates_are_plain_numbers() -> None:
    with canvas() as (figure, axes):
        axes[0, 0].plot([0.002, 4.0], [0, 1])
        rate_axis(axes[0, 0])
        shown = tick_labels(figure)
    assert {"0.003", "0.01", "0.1", "1", "3"} <= set(shown)


def test_accuracies_are_per_cent_and_stretched_towards_a_hundred() -> None:
    with canvas() as (figure, axes):
        accuracy_axis(axes[0, 0], [0.1, np.nan, 0.9], "x")
        shown = tick_labels(figure)
        at = axes[0, 0].transData.transform([(each, 0) for each in (0.0, 0.9, 0.99)])[:, 0]
    assert {"50", "70", "90"} & set(shown)
    assert at[2] - at[1] == pytest.approx(at[1] - at[0], rel=1e-6)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.9), (0.6, 0.89), (0.871, 0.874), (0.98, 0.999), (0.1, 0.1001)]
)
def test_accuracy_ticks_lie_inside_and_increase(low: float, high: float) -> None:
    ticks = accuracy_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    assert low <= ticks[0] < ticks[-1] <= high


@pytest.mark.parametrize("values", [[], [np.nan], [0.5], [1.0, 0.5], [0.0, 0.0]])
def test_an_accuracy_axis_of_odd_values(values: list[float]) -> None:
    with canvas() as (figure, axes):
        accuracy_axis(axes[0, 0], values)
        figure.draw_without_rendering()
        low, high = axes[0, 0].get_ylim()
    assert low < high


def test_a_strip_names_the_states_that_have_no_accuracy() -> None:
    with rate_figure(TRIALS) as (figure, main):
        strip = figure.axes[1]
        assert [text.get_text() for text in strip.get_yticklabels()] == [
            "stalled",
            "pruned",
            "diverged",
        ]
        rates = [each.get_offsets().data[0][0] for each in strip.collections]
        marks = np.concatenate([each.get_offsets().data for each in main.collections])
    assert rates == [1.0, 0.3, 3.0]
    assert sorted(map(tuple, marks)) == [(0.01, 0.8), (0.1, 0.9)]


def test_no_strip_where_every_trial_is_complete() -> None:
    with rate_figure(TRIALS[:2]) as (figure, _):
        assert len(figure.axes) == 1


def test_a_map_shows_each_trial_once() -> None:
    with rate_map(TRIALS, "exponent") as (_, axes):
        counts = [sum(len(each.get_offsets()) for each in one.collections) for one in axes]
    assert counts == [2, 3]


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_panels(n: int) -> None:
    with panels(n) as (figure, axes):
        assert len(axes) == n
        assert sum(each.get_visible() for each in figure.axes) == n


def test_a_picture_is_reproducible_and_complete() -> None:
    made = []
    for _ in range(2):
        with canvas() as (figure, axes):
            axes[0, 0].plot([0, 1], [0, 1])
            made.append(picture(figure, "name", "alt", "caption"))
    assert made[0] == made[1]
    assert ET.fromstring(made[0].svg).tag.endswith("svg")


def test_a_file_names_its_source_below_the_figure_and_is_reproducible() -> None:
    """The figure itself stays as the page has it, before and after."""
    with canvas(height=2.0) as (figure, axes):
        axes[0, 0].plot([0, 1], [0, 1], label="a line")
        axes[0, 0].set_xlabel("warmup (epochs)")
        outside_legend(figure)
        made = picture(figure, "name", "alt", "caption")
        bare = np.asarray(Image.open(io.BytesIO(render(figure, "png")))).astype(int)
    first = made.file("png", "quick: search")
    pixels = np.asarray(Image.open(io.BytesIO(first))).astype(int)
    assert pixels.shape[1] == bare.shape[1]
    assert np.abs(pixels[: len(bare)] - bare).max() == 0
    assert pixels[len(bare) :].min() < 200
    assert made.file("png", "quick: search") == first != made.file("png", "slow: search")
    for kind in ("svg", "pdf"):
        assert made.file(kind, "quick: search") == made.file(kind, "quick: search")
    assert made.file("svg", "") == made.svg
    assert "quick: search" in made.file("svg", "quick: search").decode()
    assert "quick: search" not in made.svg.decode()


@settings(max_examples=40)
@given(source=st.text(min_size=1, max_size=200))
def test_any_name_of_a_study_fits_below_a_figure(source: str) -> None:
    """Measured, as every text that a test here draws is."""
    with canvas(height=1.0) as (figure, axes):
        axes[0, 0].set_visible(False)
        made = picture(figure, "name", "alt", "caption")
    assert made.file("png", source).startswith(b"\x89PNG")


def test_the_settings_of_a_notebook_stay(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    with rate_figure(TRIALS):
        pass
    assert dict(mpl.rcParams) == before


@given(text=st.text(max_size=40), most=st.integers(6, 30))
def test_any_text_can_be_drawn_in_one_line(text: str, most: int) -> None:
    """In so many characters, without a glyph that the font lacks, which warns, or a formula."""
    shown = drawable(text, most)
    assert len(shown.replace(r"\$", "$")) <= most
    assert shown.isprintable()
    assert shown.count("$") == shown.count(r"\$")


def test_a_text_that_can_be_drawn_stays() -> None:
    assert drawable("learning rate λ", 20) == "learning rate λ"
    assert drawable("学习率", 20) == r"\u5b66\u4e60\u7387"
    assert drawable("a.long.name.of.a", 10) != drawable("a.long.name.of.b", 10)
    with warnings.catch_warnings(), canvas() as (figure, axes):
        warnings.simplefilter("error")
        axes[0, 0].set_title(drawable("学 $x_{ 🎲 \u202e", 30))
        picture(figure, "name", "alt", "caption")
