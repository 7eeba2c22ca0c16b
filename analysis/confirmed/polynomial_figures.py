"""Figures of `analysis.confirmed.polynomial`, from its estimates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures import (
    INK,
    Picture,
    accuracy_axis,
    accuracy_colours,
    canvas,
    picture,
    rate_axis,
)
from analysis.findings import Estimates

_MARKS = "osD^vPX"


def map_figure(estimates: Estimates, verdict: str) -> Picture:
    """Exponent x base rate: mean accuracy as colour and number, lost cells hatched, tuned rate of
    each exponent framed."""
    cells = estimates["cells"]
    grid = cells[cells["in_grid"]]
    rows, columns = (sorted(grid[name].unique()) for name in ("exponent", "base_lr"))
    whole = grid["accuracy"].where(grid["complete"] == grid["n"])
    colours = accuracy_colours(whole if whole.notna().any() else grid["accuracy"])
    with canvas(1, 1, 1.6 + 0.42 * len(rows)) as (figure, axes):
        one = axes[0, 0]
        for cell in grid.to_dict("records"):
            x, y = columns.index(cell["base_lr"]), rows.index(cell["exponent"])
            _cell(one, x, y, cell, colours)
        tuned = estimates["exponents"].dropna(subset=["base_lr"])
        for exponent, rate in zip(tuned["exponent"], tuned["base_lr"], strict=True):
            place = (columns.index(rate) + 0.04, rows.index(exponent) + 0.06)
            one.add_patch(
                mpl.patches.Rectangle(place, 0.92, 0.88, fill=False, edgecolor="#d55e00", lw=2.5)
            )
        one.set(xlim=(0, len(columns)), ylim=(0, len(rows)))
        one.set_xticks(np.arange(len(columns)) + 0.5, [f"{rate:.2g}" for rate in columns])
        one.set_yticks(np.arange(len(rows)) + 0.5, [f"{exponent:.3g}" for exponent in rows])
        one.set(xlabel="base learning rate", ylabel="exponent")
        one.grid(visible=False)
        one.tick_params(length=0)
        figure.colorbar(
            mpl.cm.ScalarMappable(colours, "viridis"),
            ax=one,
            label="validation accuracy (%)",
            format=FuncFormatter(lambda value, _: f"{100 * value:.3g}"),
            extend="min" if whole.min() < colours.vmin else "neither",
        )
        return picture(
            figure,
            "exponent-and-rate",
            "Heat map of validation accuracy over exponent and base rate. " + verdict,
            "Numbers: mean validation accuracy over seeds in per cent. Framed: the tuned rate of "
            "each exponent, the best among those that lost no run. Grey and hatched: runs were "
            "lost, how many of how many stands below the mean of the others, which is no fair "
            "sample of the cell.",
        )


def _cell(axes: Axes, x: int, y: int, cell: Mapping[Any, Any], colours: Normalize) -> None:
    lost, known = cell["n"] - cell["complete"], not np.isnan(cell["accuracy"])
    shade = float(colours(cell["accuracy"])) if known else 1.0
    fill = "#eeeeee" if lost else mpl.colormaps["viridis"](shade)
    axes.add_patch(mpl.patches.Rectangle((x, y), 1, 1, facecolor=fill, edgecolor="white"))
    text = f"{100 * cell['accuracy']:.1f}" if known else ""
    if lost:
        hatched = mpl.patches.Rectangle((x, y), 1, 1, fill=False, hatch="///", lw=0)
        hatched.set_edgecolor("#bbbbbb")
        axes.add_patch(hatched)
        text += "\n" * known + f"{lost} of {cell['n']} lost"
    axes.text(
        x + 0.5,
        y + 0.5,
        text,
        ha="center",
        va="center",
        color="white" if shade < 0.6 and not lost else INK,
        fontsize="small",
        bbox={"facecolor": fill, "edgecolor": "none", "pad": 1.5},
    )


def loss_figure(losses: pd.DataFrame) -> Picture:
    """Training loss by epoch at the tuned rate, a line an exponent."""
    exponents = list(losses["exponent"].unique())
    with canvas(1, 1, 3.7) as (figure, axes):
        one = axes[0, 0]
        for place, (exponent, colour) in enumerate(
            zip(exponents, _shades(len(exponents)), strict=True)
        ):
            own = losses[losses["exponent"] == exponent]
            one.fill_between(own["epoch"], own["lowest"], own["highest"], color=colour, alpha=0.15)
            one.plot(
                own["epoch"],
                own["mean"],
                color=colour,
                marker=_MARKS[place % len(_MARKS)],
                ms=5,
                label=f"{exponent:.3g} ({own['base_lr'].iloc[0]:.2g})",
            )
        one.set_yscale("log")
        one.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0)))
        one.yaxis.set_minor_locator(NullLocator())
        one.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        one.set(xlabel="epoch", ylabel="training loss (nats)")
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside lower center", ncols=2, title="exponent (tuned base rate)")
        ends = losses.drop_duplicates("exponent", keep="last").to_dict("records")
        shown = ", ".join(f"{row['mean']:.3f} at {row['exponent']:.3g}" for row in ends)
        return picture(
            figure,
            "loss-by-exponent",
            f"Training loss by epoch at the tuned base rate of each exponent. It ends at {shown}.",
            "Lines: means over seeds; shaded: from the lowest to the highest seed. The loss is the "
            "running mean over an epoch, measured while the weights change; its axis is "
            "logarithmic.",
        )


def mean_rate_figure(cells: pd.DataFrame, conclusion: str) -> Picture:
    """Score against the schedule's mean rate, a colour an exponent."""
    known = cells[cells["in_grid"]].dropna(subset=["accuracy"])
    whole = known["complete"] == known["n"]
    exponents = sorted(known["exponent"].unique())
    with canvas(1, 1, 3.7) as (figure, axes):
        one = axes[0, 0]
        for place, (exponent, colour) in enumerate(
            zip(exponents, _shades(len(exponents)), strict=True)
        ):
            own = known[whole & (known["exponent"] == exponent)].sort_values("mean_lr")
            rest = known[~whole & (known["exponent"] == exponent)]
            one.vlines(
                own["mean_lr"], own["accuracy_low"], own["accuracy_high"], color=colour, lw=1
            )
            mark = _MARKS[place % len(_MARKS)]
            label = f"{exponent:.3g}"
            one.plot(own["mean_lr"], own["accuracy"], mark, ls="-", color=colour, label=label)
            one.plot(rest["mean_lr"], rest["accuracy"], mark, color=colour, mfc="white", zorder=1)
        shown = known.loc[whole if whole.any() else slice(None), "accuracy"]
        beyond = max((shown.max() - shown.min()) / 3, 0.005)
        accuracy_axis(one, [shown.min() - beyond, shown.max() + beyond])
        rate_axis(one)
        one.set_xlabel("mean learning rate over training")
        figure.legend(loc="outside lower center", ncols=4, title="exponent")
        return picture(
            figure,
            "score-by-mean-rate",
            "Mean validation accuracy of each cell of the grid against the mean learning rate of "
            f"its schedule, a colour for each exponent; {conclusion}.",
            "Filled marks: means over seeds, with 95 % intervals, cut off where they leave the "
            "picture. Open marks: the runs left in cells that lost some, no fair sample, and some "
            "may lie outside. Were the mean rate all that matters, the exponents "
            "would lie on one curve. The accuracy axis is logarithmic in the error.",
        )


def _shades(n: int) -> npt.NDArray[np.float64]:
    """From light to dark, a sequence as the exponents are."""
    return np.asarray(mpl.colormaps["viridis"](np.linspace(0.85, 0.0, n)))
