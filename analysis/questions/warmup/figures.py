"""Figures of the grid of warmup and base rate. Frames are those of `confirmed.estimate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures.axes import accuracy_axis, cut_off
from analysis.figures.fitting import outside_legend
from analysis.figures.maps import response_map
from analysis.figures.marks import scatter_trials
from analysis.figures.style import INK, PALE, Picture, canvas, on, picture
from study.spec import Stage

_BOUNDS = ("accuracy_low", "accuracy_high")
_LOOKS = {"tuned": ("#0072b2", "o"), "too high": ("#d55e00", "^")}


def survival(cells: pd.DataFrame, verdict: str) -> Picture:
    """A square for each cell: how many runs trained, and, if all did, their mean accuracy as
    colour."""
    with canvas(height=1.2 + 0.52 * cells["warmup"].nunique()) as (figure, axes):
        warmup_map(cells, axes[0, 0])
        return picture(
            figure,
            "warmup-survival",
            "How many runs trained at each length of warmup and base rate, and their mean "
            "accuracy. " + verdict,
            "In each cell: runs that trained, of all, and their mean validation accuracy. It is "
            "the colour only where every run trained, logarithmic in the distance behind the best. "
            "Grey: some or all runs diverged or stalled; in brackets the mean of those that "
            "trained, which is not comparable with the others.",
        )


def warmup_map(cells: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many runs trained at each length of warmup and base rate, and how accurate they
    were, as a map of colours.

    cells: ``lrstudy.estimates(study)["cells"]`` of a confirmed study of the space warmup, a row a
        cell: warmup (epochs), base_lr, n (runs), complete (those that trained), mean (their
        validation accuracy, a share in [0, 1], NaN without any). Cells in which a run stalled or
        diverged are grey, their mean is in brackets.
    ax: where to draw; the current axes without it. Returns it, with a bar of colours beside it.

    >>> from matplotlib.figure import Figure
    >>> cells = pd.DataFrame(
    ...     {
    ...         "warmup": [0.0, 0.0, 2.0, 2.0],
    ...         "base_lr": [0.3, 1.2, 0.3, 1.2],
    ...         "n": 5,
    ...         "complete": [5, 0, 5, 4],
    ...         "mean": [0.84, float("nan"), 0.83, 0.8],
    ...     }
    ... )
    >>> warmup_map(cells, Figure().subplots()).get_ylabel()
    'warmup (epochs)'
    """
    ax, whole = on(ax), cells["complete"] == cells["n"]
    texts = [_text(cell) for cell in cells.to_dict("records")]
    drawn = cells.assign(shown=cells["mean"].where(whole), text=texts, hatched=False)
    response_map(ax, drawn, "base_lr", "warmup")
    ax.set(xlabel="base learning rate", ylabel="warmup (epochs)")
    return ax


def _text(cell: Mapping[Any, Any]) -> str:
    """How many of a cell's runs trained, and their mean, in brackets where some did not."""
    text, mean = f"{cell['complete']} of {cell['n']}", f"{100 * cell['mean']:.1f} %"
    if np.isnan(cell["mean"]):
        return text
    return f"{text}\n{mean}" if cell["complete"] == cell["n"] else f"{text}\n({mean})"


def usable(frame: pd.DataFrame, rates: pd.Series, verdict: str) -> list[Picture]:
    """The largest usable rate against the length, with the smallest at which a run is untrained.

    rates: of the grid.
    """
    known = frame.dropna(subset=["largest_usable", "smallest_untrained"], how="all")
    if known.empty:
        return []
    with canvas(height=3.0) as (figure, axes):
        one = axes[0, 0]
        good = frame.dropna(subset=["largest_usable"])
        one.plot(good["warmup"], good["largest_usable"], "-o", color=_LOOKS["tuned"][0], ms=6)
        both = known.dropna(subset=["largest_usable", "smallest_untrained"])
        one.vlines(both["warmup"], both["largest_usable"], both["smallest_untrained"], colors=PALE)
        one.plot(known["warmup"], known["smallest_untrained"], "x", color=INK, ms=7, mew=1.6)
        one.set_yscale("log", base=2)
        one.set_ylim(rates.min() / 1.3, rates.max() * 1.3)
        one.yaxis.set_major_locator(FixedLocator(sorted(rates.unique())))
        one.yaxis.set_minor_locator(NullLocator())
        one.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
        one.set_xticks(frame["warmup"], [f"{each:.2g}" for each in frame["warmup"]])
        one.set_ylabel("base learning rate")
        one.set_xlabel("warmup (epochs)")
        one.margins(x=0.08)
        return [
            picture(
                figure,
                "usable-rate",
                f"Largest usable base rate against the length of warmup: {verdict}.",
                "Dots: the largest rate of the grid at which every run trained to its end. "
                "Crosses: the smallest at which a run diverged or stalled; without a cross every "
                "run trained. The edge lies somewhere on the grey line between them.",
            )
        ]


def by_length(scores: pd.DataFrame, seeds: pd.DataFrame, verdict: str) -> list[Picture]:
    """Validation accuracy against length, at the tuned rates and at one that is too high."""
    if seeds.empty:
        return []
    with _lengths(scores, seeds, "confirm") as figure:
        return [
            picture(
                figure,
                "score-by-warmup",
                "Validation accuracy against the length of warmup at the tuned rate of each length "
                "and at one that is too high. " + verdict,
                _CAPTION,
            )
        ]


def tested(lengths: pd.DataFrame, seeds: pd.DataFrame, verdict: str) -> list[Picture]:
    """Test accuracy against length, at the rate that validation images chose for each."""
    if seeds.empty:
        return []
    scores = lengths.rename(columns=lambda name: str(name).removeprefix("mean_"))
    with _lengths(scores.assign(at="tuned"), seeds.assign(at="tuned"), "test") as figure:
        return [
            picture(
                figure,
                "test-score-by-warmup",
                "Test accuracy against the length of warmup, each length at the rate that "
                "validation images chose. " + verdict,
                f"{_CAPTION} The intervals are for new seeds and new test images.",
            )
        ]


_CAPTION = (
    "Small marks: single seeds that trained; large ones: their means with 95 % intervals, cut off "
    "where they leave the picture; hollow and outside the line where a run is untrained, whose "
    "mean is not comparable with the others. Numbers below: untrained runs (diverged or stalled) "
    "of all. The accuracy axis is logarithmic in the error."
)


@contextmanager
def _lengths(scores: pd.DataFrame, seeds: pd.DataFrame, stage: Stage) -> Iterator[Figure]:
    """A figure of accuracy on the stage's images against length, a line for each ``at``."""
    images = "test" if stage == "test" else "validation"
    lengths = sorted(scores["warmup"].unique())
    gap = min(np.diff(lengths)) if len(lengths) > 1 else 1.0
    with canvas(height=3.5) as (figure, axes):
        one = axes[0, 0]
        accuracy_axis(one, cut_off(seeds["accuracy"], scores[list(_BOUNDS)]))
        one.set_ylabel(f"{images} accuracy (%)")
        for shift, at in zip((-0.07, 0.07), _LOOKS, strict=True):
            means, singles = (each[each["at"] == at] for each in (scores, seeds))
            if len(means):
                _line(one, means, singles, at, shift * gap, stage)
        one.set_xticks(lengths, [f"{each:.2g}" for each in lengths])
        one.set_xlabel("warmup (epochs)")
        outside_legend(figure, ncols=2)
        yield figure


def _line(
    one: Axes, means: pd.DataFrame, singles: pd.DataFrame, at: str, shift: float, stage: Stage
) -> None:
    """Means with intervals and single seeds, so far (epochs) beside their lengths."""
    (colour, mark), x = _LOOKS[at], means["warmup"] + shift
    beside = singles["warmup"] + 2.3 * shift
    points = (beside, singles["accuracy"], singles)
    scatter_trials(one, *points, stage, color=colour, marker=mark, s=12, alpha=0.5, zorder=2)
    one.vlines(x, means["accuracy_low"], means["accuracy_high"], colors=colour)
    part = means[means["untrained"] > 0]
    one.plot(x[part.index], part["accuracy"], mark, color=colour, ms=7, mfc="white")
    whole = means[means["untrained"] == 0]
    label = "each at its tuned rate"
    if at != "tuned":
        label = f"all at {means['base_lr'].iloc[0]:.2g}, too high"
    one.plot(x[whole.index], whole["accuracy"], f"-{mark}", color=colour, ms=7, label=label)
    _untrained(one, part, x, colour)


def _untrained(one: mpl.axes.Axes, lengths: pd.DataFrame, x: pd.Series, colour: str) -> None:
    """At the foot of the axes: how many runs of a length are untrained."""
    place = one.get_xaxis_transform()
    for at, untrained, n in zip(x[lengths.index], lengths["untrained"], lengths["n"], strict=True):
        text = f"{untrained}/{n}"
        one.text(at, 0.02, text, transform=place, color=colour, fontsize=8, ha="center")
