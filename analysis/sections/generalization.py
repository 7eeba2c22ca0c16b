"""Section: generalization gap against training loss, by schedule."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.figures.axes import scatter_families
from analysis.figures.style import INK, Picture, canvas, family_legend, picture, spoken
from analysis.section import About, Estimates, allows
from analysis.study import Study
from analysis.table import LOSS, SCHEDULE, Column, N, Table

ABOUT = About(
    "Generalization gap",
    "At the same training loss, does one schedule generalize better than another?",
    {
        "gaps": Table(
            "Medians of complete trials, and Spearman's rank correlation of gap and training "
            "loss within the schedule. Losses in nats.",
            (
                *(SCHEDULE, N, Column("median_train_loss", LOSS), Column("median_gap", LOSS)),
                Column("rank_correlation"),
            ),
        )
    },
    uses=("complete",),
    # Few trials of mixed rates say little of it, and a plan goes on to fresh seeds (`gap`).
    applies=lambda spec: not spec.designed and allows(spec),
)


def estimate(study: Study) -> Estimates:
    """trials: family, trial, train_loss and gap (validation minus training loss) in nats after the
    last epoch; families: their medians and rank correlation (NaN for fewer than three trials)."""
    complete = study.ended(ABOUT.uses)
    trials = complete[["family", "trial", "train_loss"]].assign(
        gap=complete["val_loss"] - complete["train_loss"]
    )
    trials = trials.dropna().reset_index(drop=True)
    rows = [
        (family, len(group), group["train_loss"].median(), group["gap"].median(), _rank(group))
        for family, group in trials.groupby("family", sort=False)
    ]
    return {"trials": trials, "gaps": pd.DataFrame(rows, columns=ABOUT.tables["gaps"].names)}


def _rank(group: pd.DataFrame) -> float:
    if len(group) < 3 or (group[["gap", "train_loss"]].std() == 0).any():
        return np.nan  # scipy warns of constant values
    return float(stats.spearmanr(group["train_loss"], group["gap"]).statistic)


def draw(estimates: Estimates) -> list[Picture]:
    """One figure: a mark for each complete trial."""
    trials = estimates["trials"]
    if trials.empty:
        return []
    with canvas() as (figure, axes):
        one = axes[0, 0]
        scatter_families(one, trials, "train_loss", "gap")
        one.axhline(0, color=INK, linewidth=0.8)
        one.locator_params(axis="x", nbins=6)
        one.set_xlabel("training loss of the last epoch (nats)")
        one.set_ylabel("validation - training loss (nats)")
        family_legend(figure, list(trials["family"].unique()))
        return [
            picture(
                figure,
                "generalization-gap",
                "Validation minus training loss against training loss after the last epoch, a mark "
                "for each complete trial. " + conclude(estimates),
                "Each mark is one complete trial. The training loss is the running mean of the "
                "last epoch, measured while the weights still change, so that a gap below 0 is "
                "no error: the validation loss is measured after the epoch.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """The median gap of each schedule, at its median training loss."""
    rows = estimates["gaps"]
    if rows.empty:
        return "No trial ran to its end, so that there is no gap to compare."
    medians = "; ".join(
        f"{spoken(row['family'])} {row['median_gap']:+.3f} nats at a training loss of "
        f"{row['median_train_loss']:.3f} (n = {row['n']})"
        for row in rows.to_dict("records")
    )
    return f"Median gap: {medians}."
