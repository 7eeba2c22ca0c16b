"""Section: learning curves of another program's study, from its intermediate values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.marks import curve_of
from analysis.figures.style import INK, PALE, Picture, canvas, picture
from analysis.other_programs.study import OtherStudy, computable, in_words
from analysis.section import About, Estimates
from analysis.table import Column, N, Table
from analysis.wording import Sentence, Trials, sentence

_MOST = 60  # single curves in the figure
_ROWS = 8  # steps in the table
ABOUT = About(
    "Learning curves",
    "How did the reported values change while the trials ran?",
    {
        "milestones": Table(
            "Reported values of complete trials at some steps: median and middle half.",
            (
                *(Column("step"), N, Column("median")),
                Column("lower_quartile", heading="middle half", high="upper_quartile"),
            ),
        )
    },
    uses=("complete",),
)


def estimate(study: OtherStudy) -> Estimates:
    """curves: trial, step, value of what complete trials reported, where that is `computable`;
    best: that of the best trial; bands: n, median and quartiles of each step that at least half of
    them reported; milestones: some of its rows."""
    curves = study.curves.rename(columns={"intermediate_value": "value"})
    curves = curves[(curves["state"] == "complete") & computable(curves["value"])]
    curves = curves[["trial", "step", "value"]].reset_index(drop=True)
    groups = curves.groupby("step")["value"]
    bands = pd.DataFrame(
        {
            "n": groups.size(),
            "median": groups.median(),
            "lower_quartile": groups.quantile(0.25),
            "upper_quartile": groups.quantile(0.75),
        }
    ).reset_index()
    bands = bands[bands["n"] >= curves["trial"].nunique() / 2].reset_index(drop=True)
    rows = np.unique(np.linspace(0, len(bands) - 1, min(len(bands), _ROWS)).round().astype(int))
    ranked = study.ranked
    first = ranked["trial"].iloc[0] if len(ranked) else None
    return {
        "curves": curves,
        "best": curves[curves["trial"] == first].reset_index(drop=True),
        "bands": bands,
        "milestones": bands.iloc[rows].reset_index(drop=True),
    }


def draw(estimates: Estimates) -> list[Picture]:
    """Single curves in grey, their median and middle half, and the best trial."""
    curves, bands, best = (estimates[name] for name in ("curves", "bands", "best"))
    if len(bands) < 2:
        return []
    shown = curves[curves["trial"].isin(curves["trial"].unique()[:_MOST])]
    shown = shown[~shown["trial"].isin(best["trial"])]
    with canvas() as (figure, axes):
        one = axes[0, 0]
        for _, curve in shown.groupby("trial"):
            (line,) = one.plot(curve["step"], curve["value"], color=PALE, linewidth=0.5)
            curve_of(line, curve)
        quartiles = (bands["lower_quartile"], bands["upper_quartile"])
        one.fill_between(bands["step"], *quartiles, color="#0072b2", alpha=0.22, linewidth=0)
        one.plot(bands["step"], bands["median"], color="#0072b2", linewidth=2)
        (line,) = one.plot(best["step"], best["value"], color=INK, linestyle=":")
        curve_of(line, best)
        middle = curves["value"].quantile([0.02, 0.98])
        low, high = min(*middle, *best["value"]), max(*middle, *best["value"])
        pad = 0.08 * (high - low) or 1.0
        one.set_ylim(low - pad, high + pad)
        one.set_xlabel("step")
        one.set_ylabel("reported value")
        return [
            picture(
                figure,
                "learning-curves",
                f"Reported value by step of the complete trials. {conclude(estimates)}",
                f"Grey: complete trials, at most {_MOST}; line and band: their median and middle "
                "half, at steps that at least half of them reported; dots: the trial that ended "
                "best. Pruned and failed trials are left out at every step. The outermost values "
                "may lie beyond the picture.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The medians at the first and the last step, and the best trial's last report."""
    bands, best = estimates["bands"], estimates["best"]
    if bands.empty:
        return "No complete trial reported an intermediate value, so that there are no curves."
    first, last = bands.iloc[0], bands.iloc[-1]
    text = (
        f"The median of the complete trials goes from {in_words(first['median'])} at step "
        f"{int(first['step'])} to {in_words(last['median'])} at step {int(last['step'])}"
    )
    if best.empty:
        return f"{text}."
    end = best.iloc[-1]
    trial = Trials([int(end["trial"])])
    return sentence(f"{text}; the best (", trial, f") ended at {in_words(end['value'])}.")
