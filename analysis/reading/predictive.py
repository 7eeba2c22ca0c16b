"""What trials predict with the weights that they sampled, diverged ones included."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.reading.frames import SAMPLED

MEASURES = ("accuracy", "calibrated_nll", "nll", "brier", "ece")


def measured(trials: pd.DataFrame, predictive: pd.DataFrame, split: str) -> pd.DataFrame:
    """The trials with MEASURES of their sampled weights on a split, samples and noise_temperature.

    A diverged run, whose value is a guess's, predicts all classes alike: its NLL is -log(value),
    its Brier score 1 - value, its ECE 0.
    """
    mine = predictive[(predictive["weights"] == SAMPLED) & (predictive["split"] == split)]
    mine = mine[["trial", *MEASURES, "samples", "noise_temperature"]]
    # A parameter of another program may have the name of a measure.
    own = trials[trials.columns.difference(mine.columns[1:], sort=False)]
    found = own.merge(mine, on="trial", how="left")
    lost = found["state"] == "diverged"
    guess = found.loc[lost, "value"]
    surprise = -np.log(guess.clip(lower=1e-9))
    found.loc[lost, list(MEASURES)] = np.column_stack(
        [guess, surprise, surprise, 1.0 - guess, np.zeros(len(guess))]
    )
    return found
