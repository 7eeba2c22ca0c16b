"""Section: what pruning did in another program's study, as far as its reports tell.

How a pruned trial would have ended is not known. What is known: how it stood where it was stopped,
beside the complete trials at the same step.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.style import INK, Picture, canvas, picture
from analysis.other_programs.study import OtherStudy
from analysis.section import About, Estimates
from analysis.table import PERCENT, Column, N, Table, trials
from search_spaces.words.phrases import count, percent

_ROWS = 20  # pruned trials in the table
ABOUT = About(
    "Pruning audit",
    "How did the pruned trials stand where they were stopped, and what did it save?",
    {
        "pruned": Table(
            f"Pruned trials, at most {_ROWS}, those that stood best first: their last report, how "
            "many complete trials reported that step, and the share of these that stood worse.",
            (
                *(trials("trial"), Column("step"), Column("value"), N),
                Column("ahead_share", PERCENT, "ahead of"),
            ),
        )
    },
    uses=("complete", "pruned"),
)


def estimate(study: OtherStudy) -> Estimates:
    """pruned: see ABOUT, at most _ROWS; stopped: the same of all pruned trials that reported
    something, ``ahead_share`` NaN where no complete trial reported the step; totals: one row:
    pruned, silent (without a report), reports, saved_share (of the reports that all would have made
    had the pruned ones made as many as the median complete trial)."""
    curves = study.curves.rename(columns={"intermediate_value": "value"})
    known = curves[np.isfinite(curves["value"])]
    complete = known[known["state"] == "complete"]
    last = known[known["state"] == "pruned"].sort_values("step")
    last = last.drop_duplicates("trial", keep="last")
    by_step = {step: group["value"] for step, group in complete.groupby("step")}
    rows = []
    for row in last.to_dict("records"):
        others = by_step.get(row["step"], pd.Series(dtype=float))
        worse = (~study.better(others, row["value"]) & (others != row["value"])).mean()
        rows.append((row["trial"], row["step"], row["value"], len(others), worse))
    stopped = pd.DataFrame(rows, columns=ABOUT.tables["pruned"].names).astype(
        {"ahead_share": float}
    )
    stopped = stopped.sort_values("ahead_share", ascending=False, ignore_index=True)
    made = curves.groupby(["trial", "state"]).size()
    states = made.index.get_level_values("state")
    full, short = made[states == "complete"], made[states == "pruned"]
    whole = float(full.median()) if len(full) else np.nan
    unmade = float(np.maximum(whole - short, 0).sum())
    n = int((study.trials["state"] == "pruned").sum())
    totals = pd.DataFrame(
        {
            "pruned": [n],
            "silent": [n - len(stopped)],
            "reports": [int(made.sum())],
            "saved_share": [unmade / (made.sum() + unmade) if len(made) else np.nan],
        }
    )
    return {"pruned": stopped.head(_ROWS), "stopped": stopped, "totals": totals}


def draw(estimates: Estimates) -> list[Picture]:
    """How each pruned trial stood against the step at which it was stopped."""
    known = estimates["stopped"].dropna(subset=["ahead_share"])
    if known.empty:
        return []
    with canvas() as (figure, axes):
        one = axes[0, 0]
        one.plot(known["step"], 100 * known["ahead_share"], "x", color="#d55e00", ms=6)
        one.axhline(50, color=INK, linewidth=0.8, linestyle=":")
        one.set_ylim(-4, 104)
        one.set_xlabel("step at which it was stopped")
        one.set_ylabel("ahead of complete trials (%)")
        one.xaxis.get_major_locator().set_params(integer=True)
        return [
            picture(
                figure,
                "pruned-trials",
                "The share of complete trials that stood worse than each pruned trial at the step "
                f"at which it was stopped. {conclude(estimates)}",
                "Each mark is a pruned trial. Above the dotted line it stood better than half of "
                "the complete trials did at that step; how it would have ended is not known.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """How many were pruned, how they stood, and what it saved."""
    totals, stopped = estimates["totals"].iloc[0], estimates["stopped"]
    pruned = int(totals["pruned"])
    if not pruned:
        return "No trial was pruned."
    known = stopped.dropna(subset=["ahead_share"])
    if known.empty:
        which = count(pruned, "pruned trial")
        return f"{which}, whose reports cannot be set beside those of complete trials."
    ahead = int((known["ahead_share"] > 0.5).sum())
    return (
        f"Of {count(len(known), 'pruned trial')} that can be compared, {ahead} stood better than "
        "half of the complete trials where stopped; pruning saved about "
        f"{percent(totals['saved_share'])} of the reports. How they would have ended is not known."
    )
