"""Section: epochs spent, and saved by pruning."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from analysis.estimators.outcomes import budget
from analysis.figures.fitting import outside_legend
from analysis.figures.style import INK, Picture, canvas, picture, spoken
from analysis.reading.states import TERMINAL
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import SCHEDULE, Column, Table
from search_spaces.words.phrases import count, percent

ABOUT = About(
    "Budget",
    "How many epochs did the study spend, and how many did pruning save?",
    {
        "epochs": Table(
            "Epochs by schedule: asked for, trained, saved by pruning, unspent because training "
            "diverged, and lost to attempts that failed or were interrupted.",
            (
                *(SCHEDULE, Column("asked"), Column("trained"), Column("saved_by_pruning")),
                *(Column("unspent_by_divergence"), Column("lost")),
            ),
        )
    },
    uses=(*TERMINAL, "failed", "interrupted"),
    needs=0,
    applies=lambda spec: True,
)
_PARTS = {
    "trained": ("trained", "#4477aa"),
    "saved_by_pruning": ("saved by pruning", "#ccbb44"),
    "unspent_by_divergence": ("unspent: diverged", "#bbbbbb"),
    "lost": ("lost to failures", "#aa3344"),
}


def estimate(study: Study) -> Estimates:
    """epochs: `budget` of all attempts, since repeated ones are paid for as well."""
    return {"epochs": budget(study.attempts)}


def draw(estimates: Estimates) -> list[Picture]:
    """A bar for each family, where any epoch was not simply trained."""
    frame = estimates["epochs"]
    if not frame[list(_PARTS)[1:]].to_numpy().any():
        return []
    with canvas(height=1.4 + 0.3 * len(frame)) as (figure, axes):
        one, start = axes[0, 0], np.zeros(len(frame))
        for part, (name, colour) in _PARTS.items():
            width = frame[part].to_numpy(dtype=float)
            if width.any():
                one.barh(
                    range(len(frame)),
                    width,
                    left=start,
                    color=colour,
                    edgecolor="white",
                    label=name,
                    height=0.7,
                )
            start = start + width
        one.set_yticks(range(len(frame)), [spoken(name) for name in frame["family"]], color=INK)
        one.invert_yaxis()
        one.grid(visible=False, axis="y")
        one.set_xlabel("epochs")
        one.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        outside_legend(figure, ncols=2)
        return [
            picture(
                figure,
                "budget",
                "Epochs trained, saved and lost, a bar for each schedule. " + conclude(estimates),
                "Epochs of all attempts, those included that had to be repeated.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """The totals."""
    total = estimates["epochs"].drop(columns="family").sum()
    planned = int(total["asked"])
    if not planned:
        return f"No trial has ended; {count(int(total['lost']), 'epoch')} were lost to failures."
    return (
        f"{int(total['trained']):,} of {count(planned, 'epoch')} were trained; pruning saved "
        f"{int(total['saved_by_pruning']):,} ({percent(total['saved_by_pruning'] / planned)}), "
        f"divergence left {int(total['unspent_by_divergence']):,} unspent, and failures cost "
        f"{int(total['lost']):,} more."
    )
