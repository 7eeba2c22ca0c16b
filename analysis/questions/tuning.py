"""Tuning curves of a search: the best of k random trials, estimated and drawn by schedule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.estimators.tuning import tuning_curves
from analysis.figures.axes import accuracy_axis
from analysis.figures.style import PALE, Picture, panels, picture, spoken, style
from analysis.reading.states import TERMINAL
from analysis.study import Study
from search_spaces.words.phrases import percent


def curves(study: Study) -> pd.DataFrame:
    """`tuning_curves`; the worst score is that of a diverged trial, or 0 where none tells it."""
    ended = study.ended(TERMINAL)
    worst = ended["value"].min() if (ended["state"] == "diverged").any() else 0.0
    return tuning_curves(study.trials, study.spec.bank, float(worst))


def draw(curves: pd.DataFrame, first: str | None = None) -> list[Picture]:
    """A panel for each family: beside the curve of the family ``first``, or without one before the
    others' medians in grey."""
    families = list(curves["family"].unique())
    names = [name for name in families if name != first] or families
    if not names:
        return []
    with panels(len(names), 1.85) as (figure, axes):
        for one, name in zip(axes, names, strict=True):
            if first is None:
                _draw_medians(one, curves[curves["family"] != name])
            else:
                _draw_curve(one, curves, first)
            _draw_curve(one, curves, name)
            one.set_title(spoken(name), color=style(name)[0])
        _finish(figure, axes, curves)
        beside = "" if first is None else f" beside {spoken(first)}"
        return [
            picture(
                figure,
                "tuning-curves",
                "Median validation accuracy of the best of k trials against k, a panel for each "
                f"schedule{beside}. {_best_of_all(curves)}",
                f"{_key(first)} {_how(curves)}",
            )
        ]


def _key(first: str | None) -> str:
    if first is None:
        return "In colour: the schedule that the panel is named for; grey: the others."
    return f"Blue: {spoken(first)}; in its own colour: the schedule that the panel is named for."


def _draw_medians(ax: Axes, curves: pd.DataFrame) -> None:
    """The steps of each family's medians, in grey."""
    for _, curve in curves.groupby("family", sort=False):
        edges = np.arange(len(curve) + 1) + 0.5
        ax.stairs(curve["median"], edges, baseline=None, color=PALE, linewidth=0.8)


def _draw_curve(ax: Axes, curves: pd.DataFrame, family: str) -> None:
    """The steps of a family's medians in its colour, and its band where it has one."""
    curve = curves[curves["family"] == family]
    colour, _ = style(family)
    band = curve["high"] - curve["low"]
    ax.bar(curve["k"], band, 1.0, curve["low"], color=colour, alpha=0.18, linewidth=0)
    edges = np.arange(len(curve) + 1) + 0.5
    ax.stairs(curve["median"], edges, baseline=None, color=colour, linewidth=1.8)


def _finish(figure: Figure, axes: Sequence[Axes], curves: pd.DataFrame) -> None:
    """The scales and labels of panels that hold curves."""
    for one in axes:
        accuracy_axis(one, _shown(curves))
        one.set_ylabel("")
        one.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    figure.supxlabel("random trials k", fontsize="medium")
    figure.supylabel("best of k, validation accuracy (%)", fontsize="medium")


def _shown(curves: pd.DataFrame) -> pd.Series:
    """The medians from the second trial on: a single trial may be anything."""
    later = curves.loc[curves["k"] > 1, "median"]
    return later if len(later) else curves["median"]


def _best_of_all(curves: pd.DataFrame) -> str:
    """What the whole budget found, in words."""
    last = curves.loc[curves.groupby("family", sort=False)["k"].idxmax()]
    values = ", ".join(
        f"{spoken(row['family'])} {percent(row['median'])} of {row['n']}"
        for row in last.sort_values("median", ascending=False).to_dict("records")
    )
    return f"The best of all trials: {values}."


def _how(curves: pd.DataFrame) -> str:
    """How to read the curves, for a caption."""
    text = "Steps: median of the best of k trials of the search, drawn from all of them. "
    if curves["banded"].any():
        most = int(curves.loc[curves["banded"], "k"].max())
        return text + (
            f"Bands: simultaneous 95 % bands, up to k = {most} (an eighth of the trials), cut off "
            "where they leave the picture; beyond, the steps are points without an interval. The "
            "axis is logarithmic in the error."
        )
    return text + (
        "Point curves: the trials are no independent random draws, so that no band is valid. The "
        "axis is logarithmic in the error."
    )
