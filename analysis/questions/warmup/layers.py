"""How far each layer's weights move in the first epochs, with and without warmup.

Gotmare et al. (2018) found that warmup limits the change of the deeper layers.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.estimators.intervals import mean_interval
from analysis.estimators.responses import kept
from analysis.figures.fitting import outside_legend
from analysis.figures.style import PALE, Picture, panels, picture
from search_spaces.words.phrases import count

_PREFIX = "distance_"
COLUMNS = ["layer", "warmup", "base_lr", "epoch", "n", "distance", "low", "high"]
_BLUE = "#0072b2"


def moved(grid: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Distance of each layer from its start with the shortest and the longest warmup of the grid.

    At the highest base rate at which neither has an untrained run. layer, warmup, base_lr, epoch
    (trained: 0 at the start), n seeds, distance (L2, mean over seeds), low, high (interval); epochs
    up to twice the longest warmup. Empty where the two lengths have no such rate in common.
    """
    survived = kept(grid, ["warmup", "base_lr"])
    lengths = [grid["warmup"].min(), grid["warmup"].max()]
    rates = [set(survived.loc[survived["warmup"] == each, "base_lr"]) for each in lengths]
    if not rates[0] & rates[1] or lengths[0] == lengths[1]:
        return pd.DataFrame(columns=COLUMNS)
    rate = max(rates[0] & rates[1])
    compared = survived[(survived["base_lr"] == rate) & survived["warmup"].isin(lengths)]
    layers = [str(name) for name in curves if str(name).startswith(_PREFIX)]
    first = curves.loc[curves["epoch"] < math.ceil(2 * lengths[1]), ["trial", "epoch", *layers]]
    used = compared[["trial", "warmup"]].merge(first, on="trial")
    rows = []
    for layer in layers:
        for warmup in lengths:
            name, distances = layer.removeprefix(_PREFIX), used[used["warmup"] == warmup]
            rows.append((name, warmup, rate, 0, distances["trial"].nunique(), 0.0, 0.0, 0.0))
            for epoch, group in distances.groupby("epoch"):
                n, mean, _, low, high = mean_interval(group[layer], within=(0.0, np.inf))
                rows.append((name, warmup, rate, epoch + 1, n, mean, low, high))
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(distances: pd.DataFrame) -> list[Picture]:
    """A panel for each layer, a line for each of the two lengths."""
    if distances.empty:
        return []
    names, lengths = list(distances["layer"].unique()), sorted(distances["warmup"].unique())
    with panels(len(names), 1.9) as (figure, axes):
        for one, name in zip(axes, names, strict=True):
            for warmup, colour, mark in zip(lengths, ("#333333", _BLUE), ("o", "P"), strict=True):
                curve = distances[(distances["layer"] == name) & (distances["warmup"] == warmup)]
                epochs = curve["epoch"].astype(float)
                one.fill_between(
                    epochs, curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
                )
                one.plot(epochs, curve["distance"], marker=mark, ms=4, color=colour)
            one.axvline(lengths[-1], color=PALE, linestyle=":")
            one.set_title(name)
            one.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        top = np.nanmax(distances[["distance", "high"]].to_numpy(dtype=np.float64))
        axes[0].set_ylim(0, 1.05 * float(top))
        figure.supxlabel("epochs trained", fontsize="medium")
        figure.supylabel("L2 distance from the start", fontsize="medium")
        handles = [axes[0].lines[0], axes[0].lines[1]]
        words = [length(each) for each in lengths]
        outside_legend(figure, handles=handles, labels=words, loc="outside upper center", ncols=2)
        alt = "Distance of each layer's weights from their start, without and with warmup, a panel "
        return [
            picture(
                figure,
                "layers",
                f"{alt}for each layer. {_alt(distances)}",
                f"Both at a base rate of {distances['base_lr'].iloc[0]:.2g}, the highest at which "
                "every run of both trained. Lines: means over seeds, bands: 95 % intervals; "
                "dotted: end of the longest warmup.",
            )
        ]


def _alt(distances: pd.DataFrame) -> str:
    """How far the layers have moved after the first epoch, by the ratio of the two lengths."""
    after = distances[distances["epoch"] == 1].pivot_table(
        "distance", "layer", "warmup", sort=False
    )
    ratios = after.iloc[:, -1] / after.iloc[:, 0]
    if ratios.empty or not np.isfinite(ratios).all():
        return "No epoch was recorded."
    low, high = ratios.min(), ratios.max()
    return (
        f"After one epoch the layers have moved {100 * low:.0f} % to {100 * high:.0f} % as far "
        f"with {length(float(after.columns[-1]))} as with {length(float(after.columns[0]))}."
    )


def length(epochs: float) -> str:
    """A length of warmup in words."""
    if epochs == 0:
        return "no warmup"
    return count(epochs, "epoch", 2) + " of warmup"
