"""Axes that figures share: of rates, accuracies and temperatures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures.marks import of_trials, scatter_trials
from analysis.figures.style import ABSENT, canvas, style
from study.spec import Stage

_NICE = [0.0, *np.arange(0.1, 0.8, 0.1), *np.arange(0.75, 0.9, 0.01), *np.arange(0.9, 1, 0.005)]


def log_subs(low: float, high: float, most: int = 7) -> tuple[float, ...]:
    """Which multiples of powers of ten stand as ticks between two positive numbers: of four usual
    series the longest that gives at most ``most``."""
    choices = ((1.0, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for subs in choices:
        ticks = np.outer(decades, subs)
        if np.count_nonzero((ticks >= low) & (ticks <= high)) <= most:
            break
    return subs


def rate_axis(axes: Axes) -> None:
    """The x axis: base learning rate, logarithmic, ticks as plain numbers."""
    axes.set_xscale("log")
    grid = axes.get_subplotspec()
    most = 7 if grid is None or grid.get_gridspec().ncols == 1 else 4
    axes.xaxis.set_major_locator(LogLocator(subs=log_subs(*axes.get_xlim(), most), numticks=most))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("base learning rate")


def temperature_axis(axes: Axes, temperatures: npt.ArrayLike, most: int = 6) -> float:
    """The x axis: temperature, logarithmic, with a place for 0 at its left end; returns that
    place. most: ticks besides that of 0."""
    known = np.unique(np.asarray(temperatures, dtype=np.float64))
    positive = known[known > 0]
    zero = float(positive.min()) / 10 if len(positive) else 0.1
    axes.set_xscale("log")
    axes.set_xlim(zero / 3, max(float(positive.max(initial=zero)), 10 * zero) * 2)
    low, high = np.log10(zero) + 1, np.log10(max(float(positive.max(initial=zero)), 10 * zero))
    ticks = 10.0 ** np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
    if len(ticks) < 2 and len(positive):  # no two powers of ten lie between
        ticks = np.unique(positive[[0, -1]])
    step = max(1, -(-len(ticks) // most))
    ticks = ticks[::-step][::-1]
    apart = ticks >= zero * 10.0 ** (step - 0.5)  # else its label would touch that of 0
    ticks = ticks[apart | (ticks == ticks[-1])]
    axes.xaxis.set_major_locator(FixedLocator([zero, *ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "0" if value <= zero * 1.01 else f"{value:.2g}")
    )
    axes.set_xlabel("temperature")
    return zero


def percent_ticks(axis: Any) -> None:
    """Shares on an axis as per cent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))


def accuracy_axis(axes: Axes, values: npt.ArrayLike, which: str = "y") -> None:
    """An axis of accuracy that spans ``values`` (shares, NaN left out), labelled in per cent.

    It is logarithmic in the error 1 - accuracy, so that 88 and 89 % are as far apart as their
    errors differ by a factor, and a poor trial does not flatten all the others.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.9)
    start, end = _stretched(np.array([low, high]))
    pad = 0.08 * (end - start) or 0.01
    bounds = _accuracy(np.array([start - pad, end + pad]))
    scale = {"functions": (_stretched, _accuracy)}
    getattr(axes, f"set_{which}scale")("function", **scale)
    getattr(axes, f"set_{which}lim")(*bounds)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(accuracy_ticks(*bounds)))
    axis.set_minor_locator(NullLocator())
    percent_ticks(axis)
    getattr(axes, f"set_{which}label")("validation accuracy (%)")


def accuracy_ticks(low: float, high: float) -> list[float]:
    """About six round accuracies between two, evenly spread on the scale of `accuracy_axis`."""
    start, end = _stretched(np.array([low, high]))
    chosen: list[float] = []
    for tick in reversed([round(nice, 3) for nice in _NICE if low <= nice <= high]):
        at = float(_stretched(np.array([tick]))[0])
        if not chosen or float(_stretched(np.array(chosen[-1:]))[0]) - at >= (end - start) / 7:
            chosen.append(tick)
    if len(chosen) >= 3:
        return chosen[::-1]
    return [tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]


def cut_off(values: pd.Series, intervals: pd.DataFrame) -> list[float]:
    """What an axis must span: values, and intervals as far as half of the values' range beyond."""
    low, high = values.min(), values.max()
    beyond = (high - low) / 2
    ends = [
        max(intervals.min(axis=None), low - beyond),
        min(intervals.max(axis=None), high + beyond),
    ]
    return [low, high, *ends]


def _stretched(accuracy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(-np.log10(np.maximum(1.0 - accuracy, 1e-4)))


def _accuracy(stretched: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1.0 - 10.0**-stretched)


def scatter_families(
    axes: Axes, frame: pd.DataFrame, x: str, y: str, stage: Stage = "search"
) -> None:
    """A mark for each row, a trial of the stage, in the colour and with the mark of its family;
    none where a value is missing."""
    if frame.empty:
        axes.text(0.5, 0.5, "no trial ran to its end", ha="center", transform=axes.transAxes)
        return
    families = list(frame["family"].unique())
    shown, before = frame.dropna(subset=[x, y]), len(axes.collections)
    sns.scatterplot(
        data=shown,
        x=x,
        y=y,
        hue="family",
        style="family",
        palette={family: style(family)[0] for family in families},
        markers={family: style(family)[1] for family in families},
        s=34,
        alpha=0.85,
        linewidth=0.4,
        legend=False,
        ax=axes,
    )
    for marks in axes.collections[before:]:
        of_trials(marks, shown, stage)


@contextmanager
def share_bars(
    names: Sequence[str], shares: pd.Series, colours: Sequence[str]
) -> Iterator[tuple[Figure, Axes]]:
    """A figure of horizontal bars, a share in [0, 1] for each name, from 0 to 100 %."""
    with canvas(height=0.9 + 0.3 * len(names)) as (figure, axes):
        one = axes[0, 0]
        one.barh(range(len(names)), 100 * shares, color=colours, height=0.7)
        one.set_yticks(range(len(names)), names)
        one.invert_yaxis()
        one.set_xlim(0, 100)
        one.grid(visible=False, axis="y")
        yield figure, one


@contextmanager
def rate_figure(trials: pd.DataFrame, stage: Stage = "search") -> Iterator[tuple[Figure, Axes]]:
    """Accuracy against base rate: a mark for each complete trial, and a strip below for those that
    have no comparable accuracy: stalled, pruned, diverged.

    trials: of the stage: family, base_lr, state, accuracy (NaN unless complete).
    """
    absent = [state for state in ABSENT if (trials["state"] == state).any()]
    ratios = [2.4, 0.24 * len(absent)]
    height = 3.1 + 0.24 * len(absent)
    options: dict[str, Any] = {"sharex": True, "height_ratios": ratios} if absent else {}
    with canvas(2 if absent else 1, 1, height, **options) as (figure, axes):
        main, strip = axes[0, 0], axes[-1, 0]
        scatter_families(main, trials[trials["state"] == "complete"], "base_lr", "accuracy", stage)
        accuracy_axis(main, trials["accuracy"])
        if absent:
            _strip(strip, trials, absent, stage)
            main.set_xlabel("")
        rate_axis(strip)
        yield figure, main


def _strip(axes: Axes, trials: pd.DataFrame, states: list[str], stage: Stage) -> None:
    for row, state in enumerate(states):
        draw_absent(axes, trials, state, row, stage)
    axes.set_yticks(range(len(states)), states)
    axes.set_ylim(-0.6, len(states) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def draw_absent(
    axes: Axes,
    trials: pd.DataFrame,
    state: str,
    height: float,
    stage: Stage = "search",
    **looks: Any,
) -> None:
    """The rates of the trials of the stage in that state, one of ABSENT, side by side at that
    height."""
    for family, group in trials[trials["state"] == state].groupby("family", sort=False):
        rates, colour = group["base_lr"], style(str(family))[0]
        heights = np.full(len(rates), height)
        looks |= {"color": colour, "marker": ABSENT[state], "s": 26}
        scatter_trials(axes, rates, heights, group, stage, **looks)
