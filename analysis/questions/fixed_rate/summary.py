"""Question 1 at one glance. Frames are those of `confirmed.estimate`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.skew import FEWEST
from analysis.section import Estimates
from analysis.summary import Judgement, Summary, fitting
from analysis.wording import listed
from search_spaces.words.phrases import count, percent

Row = Mapping[Hashable, Any]


def summarise(estimates: Estimates) -> Summary:
    """The best rate, and how every other one stands to it."""
    rates = estimates["rates"]
    if rates.empty:
        return Summary("No run on fresh seeds has a result yet.", "")
    rows = rates.to_dict("records")
    about = "Each fixed rate beside the best"
    return Summary(headline(rows), _certainty(estimates), about, [_judged(row) for row in rows])


def headline(rows: list[dict[Hashable, Any]]) -> str:
    """The best of those rates, which are in ascending order, and which may be as good.

    >>> rows = [{"base_lr": 0.1, "standing": "tied"}, {"base_lr": 0.2, "standing": "best"}]
    >>> headline([row | {"complete": 8} for row in rows])
    'A rate of 0.2 is the best of 2 fixed rates; 0.1 cannot be told from it.'
    """
    best = next((row for row in rows if row["standing"] == "best"), None)
    if best is None:
        return f"No rate trained: every run at {count(len(rows), 'fixed rate')} was untrained."
    rate, tried = f"{best['base_lr']:.2g}", count(len(rows), "fixed rate")
    if len(rows) == 1:
        return f"One fixed rate was tried, {rate}; there is none to compare it with."
    if best["complete"] < FEWEST:
        seeds = count(best["complete"], "seed")
        return f"Too few to tell: {rate} came out best of {tried} on {seeds}."
    open_ = [float(row["base_lr"]) for row in rows if row["standing"] in ("tied", "too few")]
    if not open_:
        return f"A rate of {rate} is the best of {tried}; all others are worse or fail to train."
    head = f"A rate of {rate} is the best of {tried}; "
    named = listed([f"{each:.2g}" for each in open_])
    return fitting(
        [
            *([f"{head}{named} cannot be told from it."] if len(open_) <= 3 else []),
            *([f"{head}those {_span(open_)} cannot be told from it."] if _whole(rows) else []),
            f"{head}{len(open_)} others cannot be told from it.",
        ]
    )


def _whole(rows: list[dict[Hashable, Any]]) -> bool:
    """Whether the best and what cannot be told from it are neighbours."""
    places = [n for n, row in enumerate(rows) if row["standing"] in ("best", "tied", "too few")]
    return places == [*range(places[0], places[-1] + 1)]


def _span(rates: list[float]) -> str:
    return f"from {min(rates):.2g} to {max(rates):.2g}"


def _judged(row: Row) -> Judgement:
    verdict = "unresolved" if row["standing"] == "tied" else str(row["standing"])
    words = percent(row["accuracy"]) if not np.isnan(row["accuracy"]) else ""
    failed = f"{row['untrained']} of {row['n']} untrained" if row["untrained"] else ""
    return Judgement(f"{row['base_lr']:.2g}", verdict, ", ".join(filter(None, [words, failed])))


def _certainty(estimates: Estimates) -> str:
    rates, top = estimates["rates"], estimates["peak"].iloc[0]
    seeds = count(int(rates["n"].max()), "new seed")
    text = f"Judged on validation images over up to {seeds} of each rate"
    if rates["complete"].max() < FEWEST:
        return f"{text}: it takes {FEWEST} to tell anything."
    text += "; a truly best rate is called worse in at most 5 % of such studies"
    if top["n"] >= FEWEST and not pd.isna(top["low"]):
        text += f". The best rate lies between {top['low']:.2g} and {top['high']:.2g} (95 %)"
        ends = [name for name in ("low", "high") if top[f"open_{name}"]]
        text += ", or beyond what was tried" if ends else ""
    return text + "."
