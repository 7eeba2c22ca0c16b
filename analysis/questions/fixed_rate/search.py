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
from analysis.section import ENOUGH, Estimates
from analysis.sections import by_rate
from analysis.study import Study
from analysis.wording import points
from search_spaces import fixed_rate as space
from search_spaces.words.phrases import count, percent
from study.spec import Stage

TITLE = "The best fixed rate"
QUESTION = space.QUESTION
STAGE: Stage = "search"
USES: tuple[str, ...] = TERMINAL
NEEDS = ENOUGH
SHOWS = (by_rate,)  # sections whose figure this answer has
# Trial numbers that may be missing, and that a row must not turn into floats.
EDGE_TYPES = {"survivor": "Int64", "diverger": "Int64"}
CLOSE = 0.005  # a rate comes close to the best if its accuracy is within half a point of it
TABLES = {
    "close": f"The best rate and those within {points(CLOSE)} of its validation accuracy "
    "(single runs).",
    "edge": "Where divergence begins: the largest rate that survived, the smallest that did not.",
}


def estimate(study: Study) -> Estimates:
    """trials: trial, base_lr, state, accuracy, seed of all that ended; close: the best of them and
    those within CLOSE, best first; edge: one row, the fields of `divergence_edge`."""
    trials = scored(study.ended(USES))
    columns = ["family", "trial", "base_lr", "state", "accuracy", "replicate"]
    trials = trials[columns].reset_index(drop=True)
    close = trials[trials["accuracy"] >= trials["accuracy"].max() - CLOSE]
    close = close.sort_values("accuracy", ascending=False).drop(columns=["family", "state"])
    edge = pd.DataFrame([divergence_edge(trials)]).astype(EDGE_TYPES)
    return {"trials": trials, "close": close.reset_index(drop=True), "edge": edge}


def draw(estimates: Estimates) -> list[Picture]:
    """Accuracy against rate, with the range of close rates and the edge of divergence."""
    trials, close, edge = (estimates[name] for name in ("trials", "close", "edge"))
    if trials.empty:
        return []
    with rate_figure(trials) as (figure, axes):
        if len(close) > 1:
            axes.axvspan(close["base_lr"].min(), close["base_lr"].max(), color="#0072b2", alpha=0.1)
        if len(close):
            best = close.iloc[0]
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
                + conclude(estimates),
                f"Each mark is one training run. Shaded: the rates within {points(CLOSE)} of the "
                "best. Dotted: the smallest rate that diverged. The accuracy axis is logarithmic "
                "in the error; runs without a comparable accuracy stand below.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """The best rate, which come close, and where divergence begins."""
    trials, close = estimates["trials"], estimates["close"]
    edge = _edge(estimates["edge"].to_dict("records")[0])
    if close.empty:
        return f"None of {count(len(trials), 'constant rate')} trained to the end; {edge}."
    best, others = close.to_dict("records")[0], len(close) - 1
    near = "no other rate comes"
    if others:
        low, high = close["base_lr"].min(), close["base_lr"].max()
        near = f"{count(others, 'other trial')} between {low:.2g} and {high:.2g} "
        near += "comes" if others == 1 else "come"
    return (
        f"Best of {count(len(trials), 'constant rate')}: {best['base_lr']:.2g} with "
        f"{percent(best['accuracy'])} validation accuracy (trial {best['trial']}); {near} within "
        f"{points(CLOSE)} of it; {edge}."
    )


def _edge(edge: Mapping[Hashable, Any]) -> str:
    survived, diverged = edge["largest_survived"], edge["smallest_diverged"]
    if np.isnan(diverged):
        return "no rate diverged"
    if np.isnan(survived):
        return f"the smallest rate that diverged is {diverged:.2g} (trial {edge['diverger']})"
    between = f"{survived:.2g} (trial {edge['survivor']})"
    if survived < diverged:
        return f"divergence begins between {between} and {diverged:.2g} (trial {edge['diverger']})"
    return (
        f"rates from {diverged:.2g} (trial {edge['diverger']}) on can diverge, although {between} "
        "did not"
    )
