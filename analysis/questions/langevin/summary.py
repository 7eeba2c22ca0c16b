"""Question 5 at one glance. Frames are those of `confirmed.estimate`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures.style import spoken
from analysis.fresh_seeds import pair_summary
from analysis.questions.langevin.confirmed import NATS
from analysis.section import Estimates
from analysis.summary import Judgement, Summary, fitting
from analysis.wording import points

Row = Mapping[Hashable, Any]


def summarise(estimates: Estimates) -> Summary:
    """SGD against each sampler, in accuracy and in likelihood."""
    accuracy, likelihood = estimates["comparison"], estimates["comparison_nll"]
    if accuracy.empty or likelihood.empty:
        return Summary(
            "Nothing to compare yet: SGD and no sampler have a run on a common seed.", ""
        )
    judged = [pair_summary.judgement(row) for row in accuracy.to_dict("records")]
    judgements = [
        *(Judgement(f"{each.of}, accuracy", each.verdict, each.detail) for each in judged),
        *(_in_likelihood(row) for row in likelihood.to_dict("records")),
    ]
    certainty = (
        f"{pair_summary.certainty(accuracy)} Likelihood, in nats and calibrated on validation "
        "images, is judged apart by the same rule."
    )
    return Summary(headline(accuracy, likelihood), certainty, "SGD against", judgements)


def headline(accuracy: pd.DataFrame, likelihood: pd.DataFrame) -> str:
    """Both measures in a headline.

    >>> pairs = pd.DataFrame({"family": ["sgld"], "verdict": ["better"], "delta": [0.003]})
    >>> headline(pairs, pairs.assign(verdict="worse"))
    'In accuracy SGD beats sgld; in likelihood it loses to sgld.'
    """
    within = points(accuracy["delta"].iloc[0])
    first = pair_summary.versions(accuracy.to_dict("records"), within)
    second = pair_summary.versions(likelihood.to_dict("records"), f"{NATS} nats")
    parted = [
        f"In accuracy SGD {one}; in likelihood it {other}."
        for one, other in zip(first, second, strict=True)
    ]
    judged = [
        dict(zip(each["family"], each["verdict"], strict=True)) for each in (accuracy, likelihood)
    ]
    alike = judged[0] == judged[1]
    if not alike or "equivalent" in set(accuracy["verdict"]):  # which has a measure of its own
        return fitting(parted)
    return fitting(f"In accuracy and in likelihood SGD {each}." for each in first)


def _in_likelihood(row: Row) -> Judgement:
    low, high = row["adjusted_nll_low"], row["adjusted_nll_high"]
    detail = f"{row['difference_nll']:+.3f} nats"
    if not np.isnan(low):
        detail += f" ({low:+.3f} to {high:+.3f})"
    return Judgement(f"{spoken(str(row['family']))}, likelihood", str(row["verdict"]), detail)
