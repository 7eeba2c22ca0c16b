"""Text that fits its picture, whatever it says and wherever its mark lies.

That every other figure does, too, is seen to by the fixture that measures all that tests draw.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.axes import log_subs, rate_axis
from analysis.figures.fitting import broken
from analysis.figures.style import canvas, family_legend, panels, picture
from analysis.questions.fixed_rate import confirmed as fixed_rate
from analysis.questions.polynomial import confirmed as polynomial
from analysis.questions.warmup import confirmed as warmup
from analysis.section import Section, find
from analysis.sections.schedules import draw_rates
from analysis.study import load_study
from search_spaces.schedules.base import FAMILIES
from tests.analysis.conftest import plant_stages, plant_study

LONG = (
    "warmup_stable_decay:base=0.3,horizon=30,cooldown=6,warmup=2",
    "torch:scheduler=OneCycleLR,max_lr=0.1,steps_per_epoch=196,epochs=30,anneal_strategy=cos",
    "table:rates=" + "0.123456" * 12,
    "constant:base=0.1",
)


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("names", [LONG[:1], LONG, LONG * 4])
def test_the_names_of_schedules_stay_in_the_picture(
    tmp_path: Path, names: tuple[str, ...], suffix: str
) -> None:
    columns = {f"{name}{' ' * place}": np.linspace(0.3, 0, 9) for place, name in enumerate(names)}
    rates = pd.DataFrame({"step": range(9), "epoch": np.arange(9) / 3, **columns})
    draw_rates(rates, tmp_path / f"x.{suffix}")
    assert (tmp_path / f"x.{suffix}").stat().st_size > 0


@pytest.mark.parametrize("n", [2, 3, 6])
def test_a_legend_of_the_longest_families_has_as_many_columns_as_fit(n: int) -> None:
    longest = sorted([*FAMILIES, "warmup_cosine"], key=len)[-n:]
    with canvas() as (figure, _):
        family_legend(figure, [f"{name}/as-published" for name in longest])
        picture(figure, "it", "alt", "caption")
        [legend] = figure.legends
        assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == [
            f"{style.spoken(name)}, as-published" for name in longest
        ]


@pytest.mark.parametrize("n", [2, 4])
def test_titles_and_labels_of_panels_are_broken_into_lines(n: int) -> None:
    with panels(n) as (figure, axes):
        for one in axes:
            one.set_title("a title of more words than a panel is wide")
        figure.supylabel("a label of all panels that is longer than the figure is high, in all")
        picture(figure, "it", "alt", "caption")
        assert "\n" in axes[0].get_title()


def test_labels_of_axes_are_broken_into_lines() -> None:
    with canvas(height=2.0) as (figure, axes):
        axes[0, 0].set_xlabel("a label of many words about the points of accuracy that it counts")
        axes[0, 0].set_ylabel("difference of the validation and the training loss")
        picture(figure, "it", "alt", "caption")
        assert "\n" in axes[0, 0].get_xlabel()
        assert "\n" in axes[0, 0].get_ylabel()


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)])
def test_labels_beside_marks_move_into_the_picture_and_apart(place: tuple[float, float]) -> None:
    with canvas() as (figure, axes):
        one = axes[0, 0]
        one.set(xlim=(0, 1), ylim=(0, 1))
        for name in ("trial 3: 88.1 %", "trial 12: 88.2 %", "trial 7: 88.3 %"):
            one.annotate(name, place, xytext=(6, 6), textcoords="offset points")
        one.text(*place, "a fourth")
        one.text(0.98, 0.02, "at the foot", transform=one.get_xaxis_transform())
        picture(figure, "it", "alt", "caption")


def test_a_text_outside_and_one_on_another_are_found() -> None:
    """The measure itself: without the mending it would fail."""
    for x, message in ((0.95, "outside of the figure"), (0.2, "on each other")):
        figure = Figure(figsize=(3, 2))
        figure.text(x, 0.5, "some longer words")
        figure.text(0.2, 0.5, "others")
        with pytest.raises(AssertionError, match=message):
            style.render(figure, "png")


def test_a_label_that_is_cut_and_tick_labels_that_run_together_are_found() -> None:
    figure = Figure(figsize=(3, 1))
    axes = figure.subplots()
    axes.set_ylabel("validation accuracy (%) of all")
    with pytest.raises(AssertionError, match="outside of the figure: 'validation"):
        style.render(figure, "png")
    axes.set_ylabel("")
    axes.set_position((0.2, 0.3, 0.6, 0.6))
    axes.set_yticks([])
    axes.set_xticks([0, 0.16, 1], ["0.75", "0.77", "1"])
    with pytest.raises(AssertionError, match="run together"):
        style.render(figure, "png")
    axes.set_xticks([0, 1], ["0.75", "1"])
    assert style.render(figure, "png")


@pytest.mark.parametrize(
    ("space", "section"),
    [("fixed_rate", fixed_rate), ("polynomial", polynomial), ("warmup", warmup)],
)
def test_figures_of_a_grid_that_lost_runs_everywhere(
    tmp_path: Path, space: str, section: Section
) -> None:
    """Every cell has its count of lost runs, beside those of its neighbours."""
    path = tmp_path / "it.db"
    url = plant_study(path, space, 30, noise=0.02)
    lost = {slot: "diverged" if slot % 3 else "stalled" for slot in range(0, 400, 2)}
    plant_stages(path, space, noise=0.02, states={"confirm": lost}, stages=("confirm",))
    assert find(section, load_study(url, space)).pictures


@given(st.text("ab, ,", max_size=60), st.integers(1, 20))
def test_broken_words_lose_nothing_and_no_line_is_too_long(words: str, limit: int) -> None:
    lines = broken(words, limit).split("\n")
    assert all(len(line) <= limit for line in lines)
    assert "".join("".join(lines).split()) == "".join(words.split())


@given(st.floats(-6, 3), st.floats(0.05, 8))
def test_logarithmic_ticks_are_few_and_there_are_some(low: float, decades: float) -> None:
    subs = log_subs(10**low, 10 ** (low + decades))
    ticks = np.outer(10.0 ** np.arange(-8.0, 13.0), subs)
    within = np.count_nonzero((ticks >= 10**low) & (ticks <= 10 ** (low + decades)))
    assert within <= max(7, decades + 1)


@pytest.mark.parametrize("top", [0.05, 0.3, 3.0, 100.0, 1e5])
@pytest.mark.parametrize("n", [1, 2])
def test_labels_of_rates_keep_apart(n: int, top: float) -> None:
    with panels(n) as (figure, axes):
        for one in axes:
            one.plot([0.001, top], [0, 1])
            rate_axis(one)
        picture(figure, "it", "alt", "caption")
