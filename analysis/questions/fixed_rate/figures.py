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
from analysis.figures.style import INK, Picture, canvas, picture, style
from analysis.section import Estimates
from analysis.wording import points
from search_spaces.words.phrases import percent

BESIDE = 1.03  # how far single runs stand from their rate in the figure, as a factor


def response_figure(estimates: Estimates, verdict: str) -> Picture:
    """Score against rate: single runs, means with intervals, the peak, untrained runs below."""
    rates, seeds = estimates["rates"], estimates["seeds"]
    top = estimates["peak"].iloc[0]
    beside = seeds["base_lr"].where(seeds["accuracy"].isna(), seeds["base_lr"] * BESIDE)
    with rate_figure(seeds.assign(base_lr=beside)) as (figure, main):
        for marks in main.collections:
            marks.set(sizes=[12], alpha=0.45)
        if not np.isnan(top["base_lr_low"]):
            for each in figure.axes:
                each.axvspan(top["base_lr_low"], top["base_lr_high"], color="#0072b2", alpha=0.12)
                each.axvline(top["base_lr"], color="#0072b2", linewidth=1)
        known = rates.dropna(subset=["accuracy"])
        for row in known.to_dict("records"):
            main.plot([row["base_lr"]] * 2, [row["accuracy_low"], row["accuracy_high"]], color=INK)
            fill = "white" if row["in_best_set"] is False else INK
            main.plot(row["base_lr"], row["accuracy"], "o", color=INK, mfc=fill, ms=7)
        accuracy_axis(main, cut_off(seeds["accuracy"], known[["accuracy_low", "accuracy_high"]]))
        if len(figure.axes) > 1:
            _counts(figure.axes[-1], rates)
        return picture(
            figure,
            "score-by-fixed-rate",
            "Validation accuracy against the fixed rate, single runs and means over seeds. "
            + verdict,
            "Small marks, a little to the right: single runs. Large marks: means over seeds with "
            "95 % intervals, cut off where they leave the picture; filled where the rate cannot be "
            "told from the best. Shaded: 95 % interval of the best rate, where the runs give one. "
            "Lost runs stand below, with their number at each rate. The accuracy axis is "
            "logarithmic in the error.",
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


def learning_figure(curves: pd.DataFrame) -> Picture:
    """Validation accuracy by epoch at a low, the best and a high rate."""
    groups = {str(which): group for which, group in curves.groupby("which", sort=False)}
    shades = mpl.colormaps["viridis"](np.linspace(0.75, 0.1, len(groups)))
    with canvas(1, 1, 3.5) as (figure, axes):
        one = axes[0, 0]
        marks = zip(groups.items(), shades, ("o", "s", "^"), strict=False)
        for (which, group), colour, mark in marks:
            epochs = group["epoch"]
            one.fill_between(epochs, group["lowest"], group["highest"], color=colour, alpha=0.18)
            label = f"{group['base_lr'].iloc[0]:.2g} ({which})"
            one.plot(epochs, group["mean"], color=colour, marker=mark, ms=5, label=label)
        accuracy_axis(one, curves[["lowest", "highest"]])
        one.set_xlabel("epoch")
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
        outside_legend(figure, ncols=3, title="fixed rate")
        ends = curves.drop_duplicates("which", keep="last")
        shown = ", ".join(
            f"{percent(row['mean'])} at {row['base_lr']:.2g} ({row['which']})"
            for row in ends.to_dict("records")
        )
        return picture(
            figure,
            "curves-by-fixed-rate",
            "Validation accuracy by epoch at a low, the best and a high fixed rate. The mean ends "
            f"at {shown}.",
            "Lines: means over seeds; shaded: from the worst to the best seed. A run that diverged "
            "counts as a guess from there on. The accuracy axis is logarithmic in the error.",
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
            "Means over the seeds that were not lost, with 95 % intervals. Training accuracy is "
            "the running mean over the last epoch, measured while the weights change. The axis is "
            "logarithmic in the error.",
        )
