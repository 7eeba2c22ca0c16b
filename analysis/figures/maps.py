"""Accuracy as colour over two parameters.

Every map has one scale of colours: logarithmic in the distance behind the best, so that a tenth of
a point is seen among the best and yet a poor trial does not take all the colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.estimators.comparison import DELTA
from analysis.figures.axes import rate_axis
from analysis.figures.marks import scatter_trials
from analysis.figures.style import INK, panels, spoken

_COLOURS = "viridis"
UNJUDGED = "#dddddd"  # a cell without a colour
_BEHIND = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3)  # the best, at which the bar of colours has its ticks


def accuracy_colours(accuracies: pd.Series) -> Normalize:
    """From the least to the best of those (NaN left out), logarithmic in the distance behind the
    best, to which DELTA is added: closer ones hardly differ in colour."""
    known = accuracies.dropna().to_numpy(dtype=np.float64)
    best = float(known.max(initial=0.0))
    least = float(known.min(initial=best - DELTA))

    def closeness(accuracy: npt.ArrayLike) -> npt.NDArray[np.float64]:
        behind = np.maximum(best - np.asarray(accuracy, dtype=np.float64), 0.0)
        return np.asarray(-np.log10(behind + DELTA))

    def accuracy(closeness: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(best + DELTA - 10.0 ** -np.asarray(closeness, dtype=np.float64))

    return FuncNorm((closeness, accuracy), least, best)


def accuracy_bar(axes: Axes | Sequence[Axes], colours: Normalize) -> None:
    """Beside the axes: which accuracy has which colour."""
    figure = (axes if isinstance(axes, Axes) else axes[0]).get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that are drawn on have one
    assert colours.vmin is not None and colours.vmax is not None  # noqa: S101, PT018 - both are set
    bar = figure.colorbar(
        mpl.cm.ScalarMappable(colours, _COLOURS), ax=axes, label="validation accuracy (%)"
    )
    ticks = [colours.vmax - behind for behind in _BEHIND]
    bar.ax.yaxis.set_major_locator(FixedLocator([at for at in ticks if at >= colours.vmin - 1e-9]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.1f}"))


def response_map(axes: Axes, cells: pd.DataFrame, x: str, y: str) -> None:
    """A square for each pair of values of ``x`` and ``y``, its accuracy as colour and a text in it.

    cells: x, y, shown (accuracy as a share, NaN for a grey cell), text, hatched. Beside it stands a
    bar of colours where any cell has one. The square of the i-th value has its middle at i.
    """
    across, up = (sorted(cells[name].unique()) for name in (x, y))
    colours = accuracy_colours(cells["shown"])
    for cell in cells.to_dict("records"):
        _square(axes, across.index(cell[x]), up.index(cell[y]), cell, colours)
    axes.set(xlim=(-0.5, len(across) - 0.5), ylim=(-0.5, len(up) - 0.5))
    axes.set_xticks(range(len(across)), [f"{each:.2g}" for each in across])
    axes.set_yticks(range(len(up)), [f"{each:.3g}" for each in up])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if cells["shown"].notna().any():
        accuracy_bar(axes, colours)


def _square(axes: Axes, x: int, y: int, cell: Any, colours: Normalize) -> None:
    known = not np.isnan(cell["shown"])
    fill = mpl.colormaps[_COLOURS](colours(cell["shown"])) if known else UNJUDGED
    corner = (x - 0.5, y - 0.5)
    axes.add_patch(mpl.patches.Rectangle(corner, 1, 1, facecolor=fill, edgecolor="white"))
    if cell["hatched"]:
        hatched = mpl.patches.Rectangle(corner, 1, 1, fill=False, hatch="///", lw=0)
        hatched.set_edgecolor("#bbbbbb")
        axes.add_patch(hatched)
    text = axes.text(x, y, cell["text"], ha="center", va="center", fontsize="small")
    text.set_color(ink_on(fill))
    text.set_bbox({"facecolor": fill, "edgecolor": "none", "pad": 1.5})  # else hatches cross it


def ink_on(fill: Any) -> str:
    """Black or white, whichever is told from the colour more easily: the ratio of contrast of WCAG
    2 is at least 4.5 on any colour."""
    channels = np.array(to_rgb(fill))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "black" if (luminance + 0.05) ** 2 >= 1.05 * 0.05 else "white"


@contextmanager
def rate_map(trials: pd.DataFrame, y: str) -> Iterator[tuple[Figure, list[Axes]]]:
    """Base rate against the parameter ``y``, a panel for each family, accuracy as colour.

    Crosses diverged; open circles were pruned or stalled. trials: family, base_lr, state, accuracy
    (NaN unless complete), ``y``.
    """
    families = list(trials["family"].unique())
    colours = accuracy_colours(trials["accuracy"])
    with panels(len(families), 2.3) as (figure, axes):
        figure.supxlabel("base learning rate", fontsize="medium")
        for one, family in zip(axes, families, strict=True):
            group = trials[trials["family"] == family]
            done, diverged = (
                group[group["state"] == "complete"],
                group[group["state"] == "diverged"],
            )
            rest = group.drop(index=[*done.index, *diverged.index])
            open_ones = {"facecolors": "none", "edgecolors": "#888888", "s": 24}
            crosses = {"color": INK, "marker": "x", "s": 26, "linewidths": 1}
            filled = {"c": done["accuracy"], "norm": colours, "cmap": _COLOURS, "s": 34}
            for rows, looks in ((rest, open_ones), (diverged, crosses), (done, filled)):
                scatter_trials(one, rows["base_lr"], rows[y], rows, **looks)
            one.set_title(spoken(family))
            rate_axis(one)
            one.set_xlabel("")
        accuracy_bar(axes, colours)
        yield figure, axes
