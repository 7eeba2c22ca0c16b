"""The public figures: on the axes that are given, from the frames that are documented."""

from __future__ import annotations

import doctest
import inspect
import sys
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import lrstudy
from lrstudy import figures
from tests.analysis.conftest import plant_stages, plant_study

NAMES = ("fixed_rate", "polynomial", "cosine", "warmup")
Draw = Callable[..., Axes]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, lrstudy.Study]:
    """Confirmed studies of four questions; some trials of the first were lost."""
    path = tmp_path_factory.mktemp("figures") / "planted.db"
    lost = {3: "pruned", 4: "stalled", 5: "diverged"}
    url = plant_study(path, "fixed_rate", 24, states=lost)
    for name in NAMES[1:]:
        plant_study(path, name, 12)
        plant_stages(path, name, seeds=2, top=1)
    return {name: lrstudy.Study.open(url, name) for name in NAMES}


def draw(name: str, studies: dict[str, lrstudy.Study], ax: Axes) -> Axes:
    """A public figure, from real frames."""
    pairs = lrstudy.estimates(studies["cosine"])["comparison"]
    polynomial = lrstudy.estimates(studies["polynomial"])
    shapes = {"a": lrstudy.Cosine(base_lr=0.3, horizon=9), "b": lrstudy.Constant(base_lr=0.1)}
    frames: tuple[Any, ...] = {
        "comparison_forest": (pairs,),
        "exponent_map": (polynomial["cells"], polynomial["exponents"]),
        "learning_curves": (studies["cosine"].curves,),
        "schedule_shapes": (shapes, 10, 4),
        "score_by_exponent": (studies["polynomial"].trials,),
        "score_by_rate": (studies["fixed_rate"].trials,),
        "warmup_map": (lrstudy.estimates(studies["warmup"])["cells"],),
    }[name]
    drawn: Axes = getattr(figures, name)(*frames, ax)
    return drawn


@pytest.mark.parametrize("name", figures.__all__)
def test_every_figure_draws_on_the_axes_that_are_given(
    studies: dict[str, lrstudy.Study], name: str
) -> None:
    before = dict(mpl.rcParams)
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert draw(name, studies, ax) is ax
    assert ax.has_data()
    figure.draw_without_rendering()
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_without_axes_the_current_ones_are_taken() -> None:
    figure, (_, second) = plt.subplots(1, 2)
    plt.sca(second)
    assert figures.schedule_shapes({"a": lrstudy.Constant(base_lr=0.1)}) is second
    plt.close(figure)


@pytest.mark.parametrize("name", figures.__all__)
def test_every_figure_says_what_it_takes_and_its_example_runs(name: str) -> None:
    one: Draw = getattr(figures, name)
    text = inspect.getdoc(one) or ""
    for parameter in inspect.signature(one).parameters:
        assert f"{parameter}: " in text
    module = sys.modules[one.__module__]
    (example,) = doctest.DocTestFinder(recurse=False).find(one, name, globs=vars(module).copy())
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_marks_stand_where_the_frame_says(studies: dict[str, lrstudy.Study]) -> None:
    trials = studies["fixed_rate"].trials
    ax = figures.score_by_rate(trials, Figure().subplots())
    complete = trials[trials["state"] == "complete"]
    shown = {(float(x), float(y)) for x, y in ax.collections[0].get_offsets()}
    assert shown == set(zip(complete["base_lr"], complete["value"], strict=True))
    absent = [float(x) for each in ax.collections[1:] for x, _ in each.get_offsets()]
    states = ("stalled", "pruned", "diverged")
    others = pd.concat([trials[trials["state"] == state] for state in states])
    assert sorted(absent) == sorted(others["base_lr"])
    low, high = ax.get_xlim()
    assert low < trials["base_lr"].min() < trials["base_lr"].max() < high


def test_lines_are_the_medians(studies: dict[str, lrstudy.Study]) -> None:
    curves = studies["cosine"].curves
    ax = figures.learning_curves(curves, Figure().subplots())
    complete = curves[curves["state"] == "complete"]
    medians = complete.groupby(["family", "epoch"], sort=False)["val_accuracy"].median()
    for line, (_, own) in zip(ax.lines, medians.groupby("family", sort=False), strict=True):
        assert list(line.get_ydata()) == list(own)
        assert line.get_xdata()[0] == 1


def test_shapes_are_the_schedules_own_rates() -> None:
    cosine = lrstudy.Cosine(base_lr=0.3, horizon=9, warmup=2)
    ax = figures.schedule_shapes({"mine": cosine}, 10, 4, Figure().subplots())
    (line,) = ax.lines
    assert list(line.get_ydata()) == [cosine(step, 4) for step in range(40)]
    assert line.get_xdata()[-1] == 39 / 4
    plateau = lrstudy.Plateau(base_lr=0.1)
    with pytest.raises(TypeError, match=r"^mine: plateau has no closed form to draw$"):
        figures.schedule_shapes({"mine": plateau}, ax=ax)  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["comparison_forest", "learning_curves", "score_by_rate"])
def test_frames_without_a_row_make_empty_axes(studies: dict[str, lrstudy.Study], name: str) -> None:
    frame = {
        "comparison_forest": lrstudy.estimates(studies["cosine"])["comparison"],
        "learning_curves": studies["cosine"].curves,
        "score_by_rate": studies["cosine"].trials,
    }[name]
    ax = getattr(figures, name)(frame[:0], Figure().subplots())
    assert not ax.lines


@pytest.mark.parametrize(
    ("name", "space", "place"),
    [
        ("learning_curves", "cosine", 1),
        ("score_by_rate", "fixed_rate", 0),
        ("score_by_exponent", "polynomial", 0),
    ],
)
def test_loaded_frames_are_drawn_as_those_of_a_study(
    studies: dict[str, lrstudy.Study], name: str, space: str, place: int
) -> None:
    loaded = lrstudy.load(studies[space].storage, space)[place]
    assert "schedule" in loaded
    drawn = getattr(figures, name)(loaded, Figure().subplots())
    same = draw(name, studies, Figure().subplots())
    assert drawn.get_legend_handles_labels()[1] == same.get_legend_handles_labels()[1]
    for one, other in zip(drawn.lines, same.lines, strict=True):
        assert one.get_xydata().tolist() == other.get_xydata().tolist()
