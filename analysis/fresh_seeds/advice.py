"""Advice: the configuration that the answer to a question leads to."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.estimators.intervals import Interval
from study.spec import Stage


class Advice(NamedTuple):
    """stage: whose runs are counted; runs: those of the configuration there, a row each; mean: of
    the accuracies of those that trained; how: what chose it, in a phrase."""

    stage: Stage
    runs: pd.DataFrame
    mean: Interval
    how: str
