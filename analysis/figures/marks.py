"""Which trial a mark or a line of a figure is, so that a page can name it and lead to its row.

The SVG of a figure carries it as a link within itself, ``#search-12``; see `analysis.page.svg`.
Marks that stand for several trials, as means do, have none.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.spec import Stage


def tag(stage: str, trial: int) -> str:
    """What a figure calls a trial."""
    return f"{stage}-{trial}"


def of_trials(marks: Collection, rows: pd.DataFrame, stage: Stage = "search") -> None:
    """Each mark is the trial of its row, in their order. A user's frame need not say which: rows
    without a column ``trial`` leave the marks as they are."""
    if "trial" in rows:
        marks.set_urls([f"#{tag(stage, int(trial))}" for trial in rows["trial"]])


def scatter_trials(
    axes: Axes,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    rows: pd.DataFrame,
    stage: Stage = "search",
    **looks: Any,
) -> None:
    """A mark for the trial of each row, see `of_trials`. looks: those of ``Axes.scatter``."""
    of_trials(axes.scatter(x, y, **looks), rows, stage)


def of_trial(line: Line2D, rows: pd.DataFrame, stage: Stage = "search") -> None:
    """The line is about the one trial of its rows; nothing where there are none."""
    for trial in rows["trial"].unique():
        line.set_url(f"#{tag(stage, int(trial))}")


def curve_of(line: Line2D, rows: pd.DataFrame, stage: Stage = "search") -> None:
    """The line is the learning curve of the one trial of its rows, to which the trial's row on the
    page can lead; a report may draw it once."""
    of_trial(line, rows, stage)
    for trial in rows["trial"].unique():
        line.set_gid(tag(stage, int(trial)))


def curves(figure: Figure) -> set[str]:
    """The tags of the trials whose learning curves a figure has."""
    return {gid for line in figure.findobj(Line2D) if (gid := line.get_gid()) is not None}
