"""Figures of `analysis.questions.polynomial.confirmed`, from its estimates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures.axes import accuracy_axis, log_subs, rate_axis
from analysis.figures.fitting import outside_legend
from analysis.figures.maps import response_map
from analysis.figures.style import Picture, canvas, on, picture
from analysis.section import Estimates
from study.choosing import TOLERATED

_MARKS = "osD^vPX"


def map_figure(estimates: Estimates, verdict: str) -> Picture:
    """Exponent x base rate: accuracy as colour and number, cells with untrained runs hatched, tuned
    rate of each exponent framed."""
    cells = estimates["cells"]
    rows = cells.loc[cells["in_grid"], "exponent"].nunique()
    with canvas(1, 1, 1.6 + 0.42 * rows) as (figure, axes):
        exponent_map(cells, estimates["exponents"], axes[0, 0])
        return picture(
            figure,
            "exponent-and-rate",
            "Heat map of validation accuracy over exponent and base rate. " + verdict,
            "Numbers: mean validation accuracy of the runs that trained in per cent, and how many "
            "were untrained. Colours rank the cells by pairs within seeds, so that a cell whose "
            "hard seeds failed is not flattered, and are logarithmic in the distance behind the "
            "best. Hatched: some run was untrained; grey: too many for the cell to be chosen. "
            "Framed: the tuned rate of each exponent.",
        )


def exponent_map(cells: pd.DataFrame, exponents: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the validation accuracy of each exponent and base rate as a map of colours.

    cells: ``lrstudy.estimates(study)["cells"]`` of a confirmed study of the space polynomial, a row
        a cell: exponent, base_lr, n (runs), untrained (those that stalled or diverged), accuracy
        (mean of the others, a share in [0, 1], NaN without any: the number), fitted (the same had
        all cells trained on the same seeds: the colour), in_grid (whether it is drawn). Cells with
        untrained runs say how many; they have no colour where half of the runs or more are, or more
        than a best cell may have (`study.choosing`).
    exponents: its ``["exponents"]``: exponent and base_lr, its tuned rate, which is framed.
    ax: where to draw; the current axes without it. Returns it, with a bar of colours beside it.

    >>> from matplotlib.figure import Figure
    >>> cells = pd.DataFrame(
    ...     {
    ...         "exponent": [1.0, 1.0, 2.0, 2.0],
    ...         "base_lr": [0.1, 0.3, 0.1, 0.3],
    ...         "n": 5,
    ...         "untrained": [0, 0, 0, 4],
    ...         "accuracy": [0.80, 0.83, 0.79, 0.84],
    ...         "fitted": [0.80, 0.83, 0.79, 0.82],
    ...         "in_grid": True,
    ...     }
    ... )
    >>> tuned = pd.DataFrame({"exponent": [1.0, 2.0], "base_lr": [0.3, 0.1]})
    >>> ax = exponent_map(cells, tuned, Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('base learning rate', 'exponent')
    """
    ax, grid = on(ax), cells[cells["in_grid"]]
    shown = grid["fitted"].where(coloured(grid))
    texts = [_text(cell) for cell in grid.to_dict("records")]
    drawn = grid.assign(shown=shown, text=texts, hatched=grid["untrained"] > 0)
    response_map(ax, drawn, "base_lr", "exponent")
    rows, columns = (sorted(grid[name].unique()) for name in ("exponent", "base_lr"))
    tuned = exponents.dropna(subset=["base_lr"])
    for exponent, rate in zip(tuned["exponent"], tuned["base_lr"], strict=True):
        place = (columns.index(rate) - 0.46, rows.index(exponent) - 0.44)
        ax.add_patch(
            mpl.patches.Rectangle(place, 0.92, 0.88, fill=False, edgecolor="#d55e00", lw=2.5)
        )
    ax.set(xlabel="base learning rate", ylabel="exponent")
    return ax


def coloured(cells: pd.DataFrame) -> pd.Series:
    """Which cells have a colour: fewer than half of the runs untrained, and at most TOLERATED more
    than the cell with the fewest, as in `study.choosing`."""
    fewest = cells.loc[cells["accuracy"].notna(), "untrained"].min()
    few: pd.Series = cells["untrained"] <= fewest + TOLERATED
    return few & (cells["untrained"] < cells["n"] / 2)


def _text(cell: Mapping[Any, Any]) -> str:
    """A cell's accuracy in per cent, and how many of its runs are untrained."""
    known, untrained = not np.isnan(cell["accuracy"]), cell["untrained"]
    lines = [f"{100 * cell['accuracy']:.1f}"] if known else []
    return "\n".join(lines + ([f"{untrained} of {cell['n']}\nuntrained"] if untrained else []))


def loss_figure(losses: pd.DataFrame) -> Picture:
    """Training loss by epoch at the tuned rate, a line an exponent."""
    exponents = list(losses["exponent"].unique())
    with canvas(1, 1, 3.7) as (figure, axes):
        one = axes[0, 0]
        for place, (exponent, colour) in enumerate(
            zip(exponents, _shades(len(exponents)), strict=True)
        ):
            curve = losses[losses["exponent"] == exponent]
            one.fill_between(
                curve["epoch"], curve["lowest"], curve["highest"], color=colour, alpha=0.15
            )
            one.plot(
                curve["epoch"],
                curve["mean"],
                color=colour,
                marker=_MARKS[place % len(_MARKS)],
                ms=5,
                label=f"{exponent:.3g} ({curve['base_lr'].iloc[0]:.2g})",
            )
        one.set_yscale("log")
        one.yaxis.set_major_locator(LogLocator(subs=log_subs(*one.get_ylim())))
        one.yaxis.set_minor_locator(NullLocator())
        one.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        one.set(xlabel="epoch", ylabel="training loss (nats)")
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
        outside_legend(figure, ncols=2, title="exponent (tuned base rate)")
        ends = losses.drop_duplicates("exponent", keep="last").to_dict("records")
        shown = ", ".join(f"{row['mean']:.3f} at {row['exponent']:.3g}" for row in ends)
        return picture(
            figure,
            "loss-by-exponent",
            f"Training loss by epoch at the tuned base rate of each exponent. It ends at {shown}.",
            "Lines: means of the runs that trained; shaded: from the lowest to the highest. The "
            "loss is the running mean over an epoch, measured while the weights change; its axis "
            "is logarithmic.",
        )


def mean_rate_figure(cells: pd.DataFrame, conclusion: str) -> Picture:
    """Score against the schedule's mean rate, a colour an exponent."""
    known = cells[cells["in_grid"]].dropna(subset=["accuracy"])
    whole = known["untrained"] == 0
    exponents = sorted(known["exponent"].unique())
    with canvas(1, 1, 3.7) as (figure, axes):
        one = axes[0, 0]
        for place, (exponent, colour) in enumerate(
            zip(exponents, _shades(len(exponents)), strict=True)
        ):
            curve = known[whole & (known["exponent"] == exponent)].sort_values("mean_lr")
            rest = known[~whole & (known["exponent"] == exponent)]
            one.vlines(
                curve["mean_lr"], curve["accuracy_low"], curve["accuracy_high"], color=colour, lw=1
            )
            mark = _MARKS[place % len(_MARKS)]
            label = f"{exponent:.3g}"
            one.plot(curve["mean_lr"], curve["accuracy"], mark, ls="-", color=colour, label=label)
            one.plot(rest["mean_lr"], rest["accuracy"], mark, color=colour, mfc="white", zorder=1)
        shown = known.loc[whole if whole.any() else slice(None), "accuracy"]
        beyond = max((shown.max() - shown.min()) / 3, 0.005)
        accuracy_axis(one, [shown.min() - beyond, shown.max() + beyond])
        rate_axis(one)
        one.set_xlabel("mean learning rate over training")
        outside_legend(figure, ncols=4, title="exponent")
        return picture(
            figure,
            "score-by-mean-rate",
            "Mean validation accuracy of each cell of the grid against the mean learning rate of "
            f"its schedule, a colour for each exponent; {conclusion}.",
            "Filled marks: means over seeds, with 95 % intervals, cut off where they leave the "
            "picture. Open marks: means of the runs that trained in cells where some did not, "
            "which other seeds chose; some may lie outside. Were the mean rate all that matters, "
            "the exponents would lie on one curve. The accuracy axis is logarithmic in the error.",
        )


def _shades(n: int) -> npt.NDArray[np.float64]:
    """From light to dark, a sequence as the exponents are."""
    return np.asarray(mpl.colormaps["viridis"](np.linspace(0.85, 0.0, n)))
