"""Which exponent to use, and at which rate: what the answer to question 2 leads to."""

from __future__ import annotations

import numpy as np

from analysis.estimators.intervals import Interval
from analysis.fresh_seeds.advice import Advice
from analysis.questions.polynomial.confirmed import best_row, estimate
from analysis.study import Study
from search_spaces.words.phrases import count


def advice(study: Study) -> Advice | None:
    """The exponent that did best at its tuned rate; None where none trained."""
    frames = estimate(study)
    row = best_row(frames)
    if row is None:
        return None
    trials = study.stage("confirm").trials
    runs = trials[trials["trial"].isin(row["confirm_trials"])]
    tried, seeds = count(len(frames["exponents"]), "exponent"), count(row["n"], "seed")
    low, high = float(row["accuracy_low"]), float(row["accuracy_high"])
    mean = Interval(int(row["trained"]), float(row["accuracy"]), np.nan, low, high)
    how = f"best of {tried}, each at its best rate, on validation images over {seeds}"
    return Advice("confirm", runs, mean, how)
