"""Answers question 1: what is the best model that a fixed learning rate can give?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.outcomes import divergence_edge, scored
from analysis.figures.axes import rate_figure
from analysis.figures.style import INK, Picture, picture
from analysis.reading.states import TERMINAL
from analysis.section import About, Estimates
from analysis.sections import by_rate
from analysis.study import Study
from analysis.table import BASE_LR, PERCENT, Column, Table, trials
from analysis.wording import Sentence, points, sentence, with_trial
from search_spaces import fixed_rate as space
from search_spaces.words.phrases import count, percent

# Trial numbers that may be missing, and that a row must not turn into floats.
EDGE_TYPES = {"survivor": "Int64", "diverger": "Int64"}
CLOSE = 0.005  # a rate comes close to the best if its accuracy is within half a point of it
ABOUT = About(
    "The best fixed rate",
    space.QUESTION,
    {
        "close": Table(
            f"The best rate and those within {points(CLOSE)} of its validation accuracy "
            "(single runs).",
            (trials("trial"), BASE_LR, Column("accuracy", PERCENT), Column("replicate")),
        ),
        "edge": Table(
            "Where divergence begins: the largest rate that survived, the smallest that did not.",
            (
                *(Column("largest_survived"), trials("survivor")),
                *(Column("smallest_diverged"), trials("diverger")),
            ),
        ),
    },
    uses=TERMINAL,
    shows=(by_rate,),
)


def estimate(study: Study) -> Estimates:
    """trials: trial, base_lr, state, accuracy, seed of all that ended; close: the best of them and
    those within CLOSE, best first; edge: one row, the fields of `divergence_edge`."""
    trials = scored(study.ended(ABOUT.uses))
    columns = ["family", "trial", "base_lr", "state", "accuracy", "replicate"]
    trials = trials[columns].reset_index(drop=True)
    close = trials[trials["accuracy"] >= trials["accuracy"].max() - CLOSE]
    close = close.sort_values("accuracy", ascending=False).drop(columns=["family", "state"])
    edge = pd.DataFrame([divergence_edge(trials)]).astype(EDGE_TYPES)
    return {"trials": trials, "close": close.reset_index(drop=True), "edge": edge}


def draw(estimates: Estimates) -> list[Picture]:
    """Accuracy against rate, with the range of close rates and the edge of divergence."""
    trials, close, edge = (estimates[name] for name in ("trials", "close", "edge"))
    if close.empty:
        return []
    best = close.iloc[0]
    with rate_figure(trials) as (figure, axes):
        if len(close) > 1:
            axes.axvspan(close["base_lr"].min(), close["base_lr"].max(), color="#0072b2", alpha=0.1)
        axes.annotate(
            f"best: {best['base_lr']:.2g}",
            (best["base_lr"], best["accuracy"]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
        )
        smallest = edge["smallest_diverged"].iloc[0]
        if not np.isnan(smallest):
            for each in figure.axes:
                each.axvline(smallest, color=INK, linestyle=":")
        return [
            picture(
                figure,
                "best-fixed-rate",
                "Validation accuracy of each complete trial against its constant rate. "
                f"{conclude(estimates)}",
                f"Each mark is one training run. Shaded: the rates within {points(CLOSE)} of the "
                "best. Dotted: the smallest rate that diverged. The accuracy axis is logarithmic "
                "in the error; runs without a comparable accuracy stand below.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence:
    """The best rate, which come close, and where divergence begins."""
    trials, close = estimates["trials"], estimates["close"]
    edge = _edge(estimates["edge"].to_dict("records")[0])
    if close.empty:
        none = f"None of {count(len(trials), 'constant rate')} trained to the end; "
        return sentence(none, edge, ".")
    best, others = close.to_dict("records")[0], len(close) - 1
    near = "no other rate comes"
    if others:
        low, high = close["base_lr"].min(), close["base_lr"].max()
        near = f"{count(others, 'other trial')} between {low:.2g} and {high:.2g} "
        near += "comes" if others == 1 else "come"
    head = (
        f"Best of {count(len(trials), 'constant rate')}: {best['base_lr']:.2g} with "
        f"{percent(best['accuracy'])} validation accuracy"
    )
    around = f"; {near} within {points(CLOSE)} of it; "
    return sentence(with_trial(head, best["trial"]), around, edge, ".")


def _edge(edge: Mapping[Hashable, Any]) -> Sentence:
    if np.isnan(edge["smallest_diverged"]):
        return sentence("no rate diverged")
    diverged = _rate(edge["smallest_diverged"], edge["diverger"])
    if np.isnan(edge["largest_survived"]):
        return sentence("the smallest rate that diverged is ", diverged)
    survived = _rate(edge["largest_survived"], edge["survivor"])
    if edge["largest_survived"] < edge["smallest_diverged"]:
        return sentence("divergence begins between ", survived, " and ", diverged)
    return sentence("rates from ", diverged, " on can diverge, although ", survived, " did not")


def _rate(rate: float, trial: int) -> Sentence:
    return with_trial(f"{rate:.2g}", trial)
