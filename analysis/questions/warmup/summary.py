"""Question 4 at one glance. Frames are those of `confirmed.estimate`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from analysis.estimators.skew import FEWEST
from analysis.fresh_seeds.pair_words import signed_points
from analysis.questions.warmup.layers import length
from analysis.section import Estimates
from analysis.summary import Judgement, Summary, fitting
from analysis.wording import listed, points
from search_spaces.words.phrases import count

Row = Mapping[Hashable, Any]


def summarise(estimates: Estimates) -> Summary:
    """How long warmup should last, and how every length stands."""
    if estimates["cells"].empty:
        return Summary("No warmup was trained on fresh seeds yet.", "")
    facts, rows = estimates["facts"].iloc[0].to_dict(), estimates["lengths"].to_dict("records")
    about = "Each length of warmup beside the best"
    judged = [_judged(row, facts) for row in rows]
    return Summary(headline(facts, rows), _certainty(facts, rows), about, judged)


def headline(facts: Row, rows: list[dict[Hashable, Any]]) -> str:
    """The shortest length that is shown to be as good as every other one, or that none is.

    >>> facts = {"best": 1.0, "shortest": 0.0, "seeds": 8, "delta": 0.003}
    >>> headline(facts, [{"warmup": each, "standing": "tied"} for each in (0.0, 1.0)])
    'No warmup is needed: none is shown to be as good, within 0.3 points, as any other length.'
    """
    if np.isnan(facts["best"]):
        return "No run trained at any length of warmup."
    best = length(facts["best"])
    if len(rows) == 1:
        return f"Only {best} was tried; there is nothing to compare it with."
    if facts["seeds"] < FEWEST:
        seeds = count(facts["seeds"], "seed")
        return f"Too few to tell: {best} did best of {len(rows)} lengths on {seeds}."
    tied = [f"{row['warmup']:.2g}" for row in rows if row["standing"] in ("tied", "too few")]
    if not np.isnan(facts["shortest"]):
        return _enough(facts)
    if not tied:
        return f"{best[:1].upper()}{best[1:]} is best; every other length is worse."
    within = points(facts["delta"])
    head = f"{best} did best, but no length is shown to equal all others within {within}"
    return fitting([f"{head}; {listed(tied)} may be as good.", f"{head}."])


def _enough(facts: Row) -> str:
    shortest = facts["shortest"]
    end = f"is shown to be as good, within {points(facts['delta'])}, as any other length."
    if shortest == 0:
        return f"No warmup is needed: none {end}"
    return f"A warmup of {count(shortest, 'epoch', 2)} is enough: it {end}"


def _judged(row: Row, facts: Row) -> Judgement:
    standing = str(row["standing"])
    if standing == "tied":
        standing = "as good" if row["not_inferior"] else "unresolved"
    return Judgement(_short(row["warmup"]), standing, _behind(row, facts))


def _short(epochs: float) -> str:
    return "none" if epochs == 0 else count(epochs, "epoch", 2)


def _behind(row: Row, facts: Row) -> str:
    """The difference to the best with the interval that decides, or how many were untrained."""
    if row["standing"] in ("untrained", "more often untrained"):
        return f"{row['untrained']} of {row['n']} untrained"
    if row["warmup"] == facts["best"] or np.isnan(row["behind_accuracy"]):
        return ""
    text = f"{signed_points(row['behind_accuracy'])} points"
    low, high = row["behind_accuracy_low"], row["behind_accuracy_high"]
    return text if np.isnan(low) else f"{text} ({signed_points(low)} to {signed_points(high)})"


def _certainty(facts: Row, rows: list[dict[Hashable, Any]]) -> str:
    images = str(rows[0]["images"]) if rows else "validation"
    seeds = count(int(facts["seeds"]), "new seed")
    text = f"Judged on {images} images over {seeds} of each length, each at its best rate"
    if facts["seeds"] < FEWEST:
        return f"{text}: it takes {FEWEST} to tell anything."
    text += "; a length that is worse is called as good in at most 5 % of such studies"
    if images == "validation":
        text += ". The same images chose the rates: run the test"
    return text + "."
