"""Figures of `analysis.questions.fixed_rate.confirmed`, from its estimates."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures.axes import accuracy_axis, cut_off, rate_axis, rate_figure
from analysis.figures.fitting import outside_legend
from analysis.figures.marks import curve_of
from analysis.figures.style import INK, Picture, canvas, picture, style
from analysis.section import Estimates
from analysis.wording import points
from search_spaces.words.phrases import percent

BESIDE = 1.03  # how far single runs stand from their rate in the figure, as a factor
NOT_WORSE = ("best", "tied", "too few")  # standings of `best_set`


def response_figure(estimates: Estimates, verdict: str) -> Picture:
    """Score against rate: single runs, means with intervals, the best rate's interval, untrained
    runs below."""
    rates, seeds = estimates["rates"], estimates["seeds"]
    beside = seeds["base_lr"].where(seeds["accuracy"].isna(), seeds["base_lr"] * BESIDE)
    with rate_figure(seeds.assign(base_lr=beside), "confirm") as (figure, main):
        for marks in main.collections:
            marks.set(sizes=[12], alpha=0.45)
        top = estimates["peak"].iloc[0]
        if not np.isnan(top["low"]):
            for each in figure.axes:
                each.axvspan(top["low"], top["high"], color="#0072b2", alpha=0.12)
                each.axvline(top["at"], color="#0072b2", linewidth=1)
        known = rates.dropna(subset=["accuracy"])
        for row in known.to_dict("records"):
            main.plot([row["base_lr"]] * 2, [row["accuracy_low"], row["accuracy_high"]], color=INK)
            fill = INK if row["standing"] in NOT_WORSE else "white"
            main.plot(row["base_lr"], row["accuracy"], "o", color=INK, mfc=fill, ms=7)
        accuracy_axis(main, cut_off(seeds["accuracy"], known[["accuracy_low", "accuracy_high"]]))
        if len(figure.axes) > 1:
            _counts(figure.axes[-1], rates)
        return picture(
            figure,
            "score-by-fixed-rate",
            "Validation accuracy against the fixed rate, single runs and means over seeds. "
            + verdict,
            "Small marks, a little to the right: single runs. Large marks: means of the runs that "
            "trained with 95 % intervals, cut off where they leave the picture; open where the "
            "rate is worse than the best, or more often untrained. Line and shade: the best rate "
            "and its 95 % interval, where the runs give one. Untrained runs stand below, with "
            "their number at each rate. The accuracy axis is logarithmic in the error.",
        )


def _counts(axes: Axes, rates: pd.DataFrame) -> None:
    """Beside the marks of untrained runs, which hide each other: how many of how many."""
    states = [label.get_text() for label in axes.get_yticklabels()]
    for state, row in itertools.product(states, rates.to_dict("records")):
        if not row[state]:
            continue
        axes.annotate(
            f"{row[state]} of {row['n']}",
            (row["base_lr"], states.index(state)),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize="small",
        )


def learning_figure(curves: pd.DataFrame, untrained: pd.DataFrame) -> Picture:
    """Validation accuracy by epoch at a low, the best and a high rate; curves has a row."""
    rates = pd.concat([curves, untrained]).drop_duplicates("which").sort_values("base_lr")
    names = list(rates["which"])
    shades = mpl.colormaps["viridis"](np.linspace(0.75, 0.1, len(names)))
    with canvas(1, 1, 3.5) as (figure, axes):
        one = axes[0, 0]
        for which, colour, mark in zip(names, shades, ("o", "s", "^"), strict=False):
            group = curves[curves["which"] == which]
            failed = untrained[untrained["which"] == which]
            one.fill_between(
                group["epoch"], group["lowest"], group["highest"], color=colour, alpha=0.18
            )
            looks = {"color": colour, "lw": 1, "marker": "x", "ms": 4}
            for _, run in failed.groupby("trial"):
                (line,) = one.plot(run["epoch"], run["accuracy"], ":", **looks)
                curve_of(line, run, "confirm")
            label = f"{rates.loc[rates['which'] == which, 'base_lr'].iloc[0]:.2g} ({which})"
            one.plot(group["epoch"], group["mean"], color=colour, marker=mark, ms=5, label=label)
        shown = [*curves["lowest"], *curves["highest"], *untrained["accuracy"]]
        accuracy_axis(one, shown)
        one.set_xlabel("epoch")
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
        outside_legend(figure, ncols=3, title="fixed rate")
        ends = curves.drop_duplicates("which", keep="last")
        reached = ", ".join(
            f"{percent(row['mean'])} at {row['base_lr']:.2g} ({row['which']})"
            for row in ends.to_dict("records")
        )
        return picture(
            figure,
            "curves-by-fixed-rate",
            "Validation accuracy by epoch at a low, the best and a high fixed rate. The mean of "
            f"the runs that trained ends at {reached}.",
            "Lines: means of the runs that trained; shaded: from the worst to the best of them. "
            "Dotted, with crosses: each run that stalled or diverged, as far as it came. The "
            "accuracy axis is logarithmic in the error.",
        )


def gap_figure(rates: pd.DataFrame) -> Picture:
    """Training and validation accuracy at the end against rate."""
    known = rates.dropna(subset=["accuracy"])
    colour = style("constant")[0]
    with canvas(1, 1, 3.4) as (figure, axes):
        one = axes[0, 0]
        lines = {"training": ("train_accuracy", "s", "--"), "validation": ("accuracy", "o", "-")}
        for name, (column, mark, dash) in lines.items():
            one.vlines(
                known["base_lr"], known[f"{column}_low"], known[f"{column}_high"], color=colour
            )
            fill = "white" if name == "training" else colour
            looks = {"color": colour, "mfc": fill, "ms": 6, "marker": mark, "linestyle": dash}
            one.plot(known["base_lr"], known[column], label=name, **looks)
        bounds = [f"{column}{end}" for column, *_ in lines.values() for end in ("_low", "_high")]
        accuracy_axis(
            one, cut_off(pd.concat([known["train_accuracy"], known["accuracy"]]), known[bounds])
        )
        one.set_ylabel("accuracy (%)")
        rate_axis(one)
        outside_legend(figure, ncols=2)
        tried = known["base_lr"].to_numpy()
        gaps = (known["train_accuracy"] - known["accuracy"]).to_numpy()
        return picture(
            figure,
            "gap-by-fixed-rate",
            "Training and validation accuracy at the end against the fixed rate. Training accuracy "
            f"is {points(gaps[0])} above validation accuracy at {tried[0]:.2g} and "
            f"{points(gaps[-1])} at {tried[-1]:.2g}.",
            "Means of the runs that trained, with 95 % intervals. Training accuracy is the running "
            "mean over the last epoch, measured while the weights change. The axis is logarithmic "
            "in the error.",
        )
