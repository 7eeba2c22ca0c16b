"""The look of every figure: theme, a colour for each schedule family, shared axes, saving.

Figures are built from `matplotlib.figure.Figure` inside a context of rc parameters, so that neither
pyplot's state nor a user's settings change. Sizes suit one column of print and a phone alike: text
that is legible when 5 inches are shown 360 pixels wide.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures.fitting import fit, outside_legend

WIDTH = 5.0  # inches
DPI = 150
INK = "#333333"
PALE = "#b8b8b8"
# Okabe & Ito (2008) without its yellow, then Tol's muted colours; told apart with any colour vision
# where a few appear together, and each family has its own mark besides.
STYLES: dict[str, tuple[str, str]] = {
    "constant": ("#4d4d4d", "o"),
    "factor": ("#009e73", "s"),
    "multi_factor": ("#e69f00", "^"),
    "inverse_power": ("#cc79a7", "D"),
    "polynomial": ("#d55e00", "v"),
    "cosine": ("#0072b2", "P"),
    "warmup_cosine": ("#56b4e9", "X"),
    "cosine_restarts": ("#332288", "<"),
    "warmup_stable_decay": ("#882255", ">"),
    "one_cycle": ("#999933", "h"),
    "table": ("#44aa99", "*"),
    "torch": ("#aa4499", "p"),
    "plateau": ("#661100", "d"),
    "sgd": ("#4d4d4d", "o"),
    "sgld": ("#d55e00", "v"),
    "swa": ("#009e73", "s"),
    "snapshots": ("#56b4e9", "X"),
    "cyclical": ("#0072b2", "P"),
}
STYLES["square_root"] = STYLES["inverse_power"]
_THEME: dict[str, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=1.25),
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "font.sans-serif": ["DejaVu Sans"],
    "pdf.fonttype": 42,  # TrueType, which journals take; type 3 they often refuse
    "svg.hashsalt": "lrstudy",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
_NICE = [0.0, *np.arange(0.1, 0.8, 0.1), *np.arange(0.75, 0.9, 0.01), *np.arange(0.9, 1, 0.005)]


@dataclass(frozen=True)
class Picture:
    """A finished figure. name: letters, digits and dashes; alt: what it shows, for who cannot see
    it; caption: how to read it. figure: what png and svg show."""

    name: str
    alt: str
    caption: str
    png: bytes
    svg: bytes
    figure: Figure = field(compare=False, repr=False)

    def pdf(self) -> bytes:
        """As PDF, for a paper: vectors, its fonts embedded; the same bytes every time."""
        with mpl.rc_context(_THEME):  # type: ignore[arg-type]  # stubs want each key literally
            return render(self.figure, "pdf")


def style(family: str) -> tuple[str, str]:
    """Colour and mark of a schedule family; a variant (``cosine/as-published``) has its run's."""
    return STYLES.get(family.partition("/")[0], (INK, "o"))


@contextmanager
def canvas(
    rows: int = 1, columns: int = 1, height: float = 3.2, **options: Any
) -> Iterator[tuple[Figure, npt.NDArray[Any]]]:
    """A figure in the theme, 5 inches wide and ``height`` inches high, and its axes (rows x
    columns). options: those of ``Figure.subplots``. Save it before the context ends."""
    with mpl.rc_context(_THEME):  # type: ignore[arg-type]  # stubs want each key literally
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)


@contextmanager
def panels(n: int, height: float = 2.0) -> Iterator[tuple[Figure, list[Axes]]]:
    """``n`` axes that share their scales, two in a row; a single one is as large as a figure."""
    columns = min(n, 2)
    rows = -(-n // columns)
    tall = 3.2 if n == 1 else 0.5 + height * rows
    with canvas(rows, columns, tall, sharex=True, sharey=True) as (figure, axes):
        flat = list(axes.flat)
        for spare in flat[n:]:
            spare.set_visible(False)
            flat[flat.index(spare) - columns].xaxis.set_tick_params(labelbottom=True)
        yield figure, flat[:n]


def picture(figure: Figure, name: str, alt: str, caption: str) -> Picture:
    """Saves the figure as PNG and SVG, in memory; the same figure gives the same bytes."""
    fit(figure)  # and laid out once, which takes longer than to draw
    return Picture(name, alt, caption, render(figure, "png"), render(figure, "svg"), figure)


def render(figure: Figure, kind: str) -> bytes:
    """The figure's bytes; kind: ``png``, ``svg`` or ``pdf``."""
    buffer = io.BytesIO()
    dates = {"svg": "Date", "pdf": "CreationDate"}  # without them the same bytes every time
    metadata = {dates[kind]: None} if kind in dates else None
    figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def on(ax: Axes | None) -> Axes:
    """Those axes, or the ones that pyplot draws on at present, as pandas and seaborn do it."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt  # which a report does without

    return plt.gca()


def by_family(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of `lrstudy.load`, whose column ``schedule`` holds the family, as one of a study."""
    return frame if "family" in frame else frame.rename(columns={"schedule": "family"})


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


def scatter_families(axes: Axes, frame: pd.DataFrame, x: str, y: str) -> None:
    """A mark for each row, in the colour and with the mark of its family."""
    if frame.empty:
        axes.text(0.5, 0.5, "no trial ran to its end", ha="center", transform=axes.transAxes)
        return
    families = list(frame["family"].unique())
    sns.scatterplot(
        data=frame,
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


def family_legend(figure: Figure, families: Sequence[str]) -> None:
    """Below the axes: the families with their marks; nothing where there is but one."""
    if len(families) < 2:
        return
    handles = [family_mark(name) for name in families]
    outside_legend(figure, handles=handles, ncols=min(3, len(handles)))


def family_mark(family: str) -> Line2D:
    """A family's entry in a legend."""
    colour, mark = style(family)
    return Line2D([], [], linestyle="", color=colour, marker=mark, label=spoken(family))


def spoken(family: str) -> str:
    """A family's name for a person: ``multi_factor`` as ``multi-factor``."""
    return family.replace("_", "-").replace("/", ", ")


ABSENT = {"stalled": "d", "pruned": "|", "diverged": "x"}


@contextmanager
def rate_figure(trials: pd.DataFrame) -> Iterator[tuple[Figure, Axes]]:
    """Accuracy against base rate: a mark for each complete trial, and a strip below for those that
    have no comparable accuracy: stalled, pruned, diverged.

    trials: family, base_lr, state, accuracy (NaN unless complete).
    """
    absent = [state for state in ABSENT if (trials["state"] == state).any()]
    ratios = [2.4, 0.24 * len(absent)]
    height = 3.1 + 0.24 * len(absent)
    options = {"sharex": True, "height_ratios": ratios} if absent else {}
    with canvas(2 if absent else 1, 1, height, **options) as (figure, axes):
        main, strip = axes[0, 0], axes[-1, 0]
        scatter_families(main, trials[trials["state"] == "complete"], "base_lr", "accuracy")
        accuracy_axis(main, trials["accuracy"])
        if absent:
            _strip(strip, trials, absent)
            main.set_xlabel("")
        rate_axis(strip)
        yield figure, main


def _strip(axes: Axes, trials: pd.DataFrame, states: list[str]) -> None:
    for row, state in enumerate(states):
        draw_absent(axes, trials, state, row)
    axes.set_yticks(range(len(states)), states)
    axes.set_ylim(-0.6, len(states) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def draw_absent(axes: Axes, trials: pd.DataFrame, state: str, height: float, **looks: Any) -> None:
    """The rates of the trials in that state, one of ABSENT, side by side at that height."""
    for family, group in trials[trials["state"] == state].groupby("family", sort=False):
        rates, colour = group["base_lr"], style(str(family))[0]
        mark = ABSENT[state]
        axes.scatter(rates, np.full(len(rates), height), color=colour, marker=mark, s=26, **looks)


def accuracy_colours(accuracies: pd.Series) -> Normalize:
    """From at most 5 points below the best, so that a poor trial does not take all the colours."""
    best = float(accuracies.max())
    return Normalize(max(float(accuracies.min()), best - 0.05) - 1e-9, best + 1e-9)


def accuracy_bar(axes: Axes | Sequence[Axes], colours: Normalize, shown: pd.Series) -> None:
    """Beside the axes: which accuracy has which colour; pointed where one lies below all."""
    figure = (axes if isinstance(axes, Axes) else axes[0]).get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that are drawn on have one
    figure.colorbar(
        mpl.cm.ScalarMappable(colours, "viridis"),
        ax=axes,
        label="validation accuracy (%)",
        format=FuncFormatter(lambda value, _: f"{100 * value:.3g}"),
        extend="min" if shown.min() < (colours.vmin or 0.0) else "neither",
    )


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
            done, lost = group[group["state"] == "complete"], group[group["state"] == "diverged"]
            rest = group.drop(index=[*done.index, *lost.index])
            one.scatter(rest["base_lr"], rest[y], facecolors="none", edgecolors="#888888", s=24)
            one.scatter(lost["base_lr"], lost[y], color=INK, marker="x", s=26, linewidths=1)
            one.scatter(
                done["base_lr"], done[y], c=done["accuracy"], norm=colours, cmap="viridis", s=34
            )
            one.set_title(spoken(family))
            rate_axis(one)
            one.set_xlabel("")
        accuracy_bar(axes, colours, trials["accuracy"])
        yield figure, axes
