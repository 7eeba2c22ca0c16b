"""Answers question 4: how long should warmup last?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimators.outcomes import binned, divergence_edge, scored
from analysis.figures.maps import rate_map
from analysis.figures.style import Picture, picture, spoken
from analysis.reading.states import TERMINAL
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import BEST_TRIAL, DIVERGED, PERCENT, Column, N, Table, interval
from analysis.wording import Sentence, sentence, with_trial
from search_spaces import warmup as space
from search_spaces.words.phrases import count, percent

BINS = 3
ABOUT = About(
    "The length of warmup",
    space.QUESTION,
    {
        "lengths": Table(
            "Survival and validation accuracy by length of warmup (epochs), all schedules "
            "together; diverged share with its 95 % interval (Wilson). Largest survived and "
            "smallest diverged are base rates.",
            (
                *(interval("warmup", heading="warmup"), N, DIVERGED),
                *(Column("diverged_share", PERCENT), interval("diverged", PERCENT)),
                *(Column("largest_survived"), Column("smallest_diverged")),
                *(Column("best_accuracy", PERCENT), BEST_TRIAL),
            ),
        )
    },
    uses=TERMINAL,
)


def estimate(study: Study) -> Estimates:
    """trials: family, trial, base_lr, warmup (epochs), state, accuracy; lengths: `binned` by warmup
    in BINS equal bins, with the `divergence_edge` of each."""
    trials = scored(study.ended(ABOUT.uses)).dropna(subset=["warmup", "base_lr"])
    columns = ["family", "trial", "base_lr", "warmup", "state", "accuracy", "value"]
    trials = trials[columns].reset_index(drop=True)
    return {"trials": trials, "lengths": _lengths(trials)}


def _lengths(trials: pd.DataFrame) -> pd.DataFrame:
    columns = ABOUT.tables["lengths"].names
    if trials.empty:
        return pd.DataFrame(columns=columns)
    longest = trials["warmup"].max()
    edges = np.linspace(0.0, longest, BINS + 1) if longest > 0 else np.zeros(2)
    lengths = binned(trials, "warmup", edges.tolist()).rename(
        columns={"low_edge": "warmup_low", "high_edge": "warmup_high", "best": "best_accuracy"}
    )
    last = lengths["warmup_high"].max()
    divergence_edges = [
        divergence_edge(
            trials[
                (trials["warmup"] >= row.warmup_low)
                & ((trials["warmup"] < row.warmup_high) | (row.warmup_high == last))
            ]
        )
        for row in lengths.itertuples()
    ]
    return lengths.join(pd.DataFrame(divergence_edges, lengths.index))[columns]


def draw(estimates: Estimates) -> list[Picture]:
    """The map of base rate and warmup."""
    trials = estimates["trials"]
    if trials["accuracy"].isna().all():
        return []
    with rate_map(trials, "warmup") as (figure, axes):
        axes[0].set_ylabel("warmup (epochs)")
        return [
            picture(
                figure,
                "rate-and-warmup",
                "Map of base rate and length of warmup, a panel for each schedule; colour is the "
                f"validation accuracy, crosses diverged. {conclude(estimates)}",
                "Each mark is one trial: filled ones are complete, open ones were pruned or "
                "stalled, crosses diverged. Colours are logarithmic in the distance behind the "
                "best. If warmup makes larger rates usable, the crosses retreat to the right as "
                "warmup grows.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The best length with its rate, and which rates survived without and with warmup."""
    trials, lengths = estimates["trials"], estimates["lengths"]
    known = trials.dropna(subset=["accuracy"])
    if known.empty:
        return "No trial ran to its end, so that no length of warmup can be judged."
    best = known.sort_values("accuracy").iloc[-1]
    text = with_trial(
        f"Best single run: {count(best['warmup'], 'epoch', 2)} of warmup to a base rate of "
        f"{best['base_lr']:.2g} under {spoken(best['family'])}, {percent(best['accuracy'])}",
        best["trial"],
    )
    if len(lengths) < 2:
        return sentence(text, "; there is no other length to compare.")
    short, long = lengths.iloc[0], lengths.iloc[-1]
    return sentence(
        text,
        f"; with warmups below {count(short['warmup_high'], 'epoch', 2)} "
        f"{_survival(short)}, with {long['warmup_low']:.2g} or more {_survival(long)}.",
    )


def _survival(row: pd.Series) -> str:
    diverged = f"{int(row['diverged'])} of {int(row['n'])} diverged"
    if np.isnan(row["largest_survived"]):
        return diverged
    return f"{diverged} and rates up to {row['largest_survived']:.2g} survived"
