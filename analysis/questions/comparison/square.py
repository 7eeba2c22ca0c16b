"""The verdicts on every two of several configurations, in a square."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.figures.style import INK, Picture, canvas, picture, spoken
from analysis.fresh_seeds.pair_words import signed_points

_BY_SHARES = ("more often untrained", "less often untrained")
_TURNED = {
    "better": "worse",
    "worse": "better",
    _BY_SHARES[0]: _BY_SHARES[1],
    _BY_SHARES[1]: _BY_SHARES[0],
}
_COLOURS = {
    "better": "#cfe6da",
    "worse": "#f6d9c8",
    "equivalent": "#dbe4f0",
    _BY_SHARES[0]: "#f6d9c8",
    _BY_SHARES[1]: "#cfe6da",
}


def square(frame: pd.DataFrame, alt: str) -> list[Picture]:
    """A square of verdicts: the row's schedule against the column's."""
    known = frame.dropna(subset=["difference_accuracy"])
    if known.empty:
        return []
    names = list(dict.fromkeys([*known["first"], *known["family"]]))
    places = {name: place for place, name in enumerate(names)}
    with canvas(height=1.4 + 0.55 * len(names)) as (figure, axes):
        ax = axes[0, 0]
        for row in known.to_dict("records"):
            at, other = places[row["first"]], places[row["family"]]
            verdict, difference = str(row["verdict"]), float(row["difference_accuracy"])
            _cell(ax, other, at, verdict, difference)
            _cell(ax, at, other, _TURNED.get(verdict, verdict), -difference)
        ax.set_xticks(range(len(names)), [spoken(name) for name in names], rotation=30, ha="right")
        ax.set_yticks(range(len(names)), [spoken(name) for name in names])
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel("compared with")
        ax.grid(visible=False)
        caption = (
            "The verdict on the schedule of the row against that of the column, and their mean "
            "difference in points of test accuracy over the seeds on which both trained. One "
            "correction for all pairs. White: undecided."
        )
        return [picture(figure, "every-pair", alt, caption)]


def _cell(ax: Axes, x: int, y: int, verdict: str, difference: float) -> None:
    fill = _COLOURS.get(verdict, "white")
    square = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=fill, edgecolor="#c8c8c8", linewidth=0.8)
    ax.add_patch(square)
    text = f"{_wrapped(verdict)}\n{signed_points(difference)}"
    ax.text(x, y, text, ha="center", va="center", fontsize=7.5, color=INK)


def _wrapped(verdict: str) -> str:
    return verdict.replace(" often ", " often\n")
