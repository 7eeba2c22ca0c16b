"""Accuracy as colour over two parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures.axes import rate_axis
from analysis.figures.style import INK, panels, spoken


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
            done, diverged = (
                group[group["state"] == "complete"],
                group[group["state"] == "diverged"],
            )
            rest = group.drop(index=[*done.index, *diverged.index])
            one.scatter(rest["base_lr"], rest[y], facecolors="none", edgecolors="#888888", s=24)
            one.scatter(diverged["base_lr"], diverged[y], color=INK, marker="x", s=26, linewidths=1)
            one.scatter(
                done["base_lr"], done[y], c=done["accuracy"], norm=colours, cmap="viridis", s=34
            )
            one.set_title(spoken(family))
            rate_axis(one)
            one.set_xlabel("")
        accuracy_bar(axes, colours, trials["accuracy"])
        yield figure, axes
