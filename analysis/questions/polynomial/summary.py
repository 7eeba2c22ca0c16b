"""Question 2 at one glance. Frames are those of `confirmed.estimate`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from analysis.fresh_seeds.pair_summary import certainty, headline_of
from analysis.section import Estimates
from analysis.summary import Judgement, Summary, fitting
from search_spaces.words.phrases import count, percent

Row = Mapping[Hashable, Any]
_TURNED = {
    "better": "worse",
    "worse": "better",
    "less often untrained": "more often untrained",
    "more often untrained": "less often untrained",
}
"""The verdict on the other one of a pair; the rest read the same from both sides."""


def summarise(estimates: Estimates) -> Summary:
    """The best exponent at tuned rates, every other one beside it, and what the mean rate says."""
    exponents, compared = estimates["exponents"], estimates["compared"]
    if exponents.empty:
        return Summary("No polynomial run has a result on fresh seeds yet.", "")
    found = exponents[exponents["found"]]
    if found.empty:
        return Summary(
            f"No run trained at {count(len(exponents), 'exponent')} of polynomial decay.", ""
        )
    if compared.empty:
        only = f"{found['exponent'].iloc[0]:.3g}"
        return Summary(f"Only exponent {only} trained; there is none to compare it with.", "")
    verdicts = dict(zip(compared["family"], compared["verdict"], strict=True))
    judged = [_judged(row, verdicts) for row in exponents.to_dict("records")]
    about = "Each exponent beside the best, at tuned rates"
    return Summary(_headline(estimates), certainty(compared), about, judged)


def _headline(estimates: Estimates) -> str:
    """The pairs, and what the mean rate explains where there is room for it."""
    rows = [
        row | {"family": str(row["family"]).removeprefix("exponent ")}
        for row in estimates["compared"].to_dict("records")
    ]
    head, share = headline_of(rows), estimates["share"]["share"].iloc[0]
    more = f"; the mean rate explains {100 * share:.0f} % of the variation."
    versions = [] if np.isnan(share) else [head.removesuffix(".") + more]
    return fitting([*versions, head])


def _judged(row: Row, verdicts: Mapping[str, str]) -> Judgement:
    name = f"{row['exponent']:.3g}"
    if not row["found"]:
        return Judgement(name, "untrained")
    verdict = verdicts.get(f"exponent {name}")
    turned = "best" if verdict is None else _TURNED.get(verdict, verdict)
    return Judgement(name, turned, f"{percent(row['accuracy'])} at rate {row['base_lr']:.2g}")
