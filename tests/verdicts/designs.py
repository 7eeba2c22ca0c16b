"""Studies of a designed grid, and of a pruning audit, one at a time: what is told of their answers.

Scores have the noise and the stalls of a distribution around an effect that is planted.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from numpy.random import Generator

from analysis.estimators.bounded import bounded_interval
from analysis.estimators.fits import mean_rate_share, peak
from analysis.estimators.seeds import Outcomes
from analysis.estimators.warmups import not_inferior
from tests.verdicts.distributions import UNIT, Distribution, Floats

Outcome = tuple[Floats, Floats]
RATES, PEAK = np.geomspace(0.05, 3.2, 7), 0.55
_U = np.log(RATES / PEAK)
RISE_AND_CLIFF = -UNIT * np.where(_U < 0, 0.5, 5.0) * _U**2
"""A slow rise of the score with the rate to its peak between two tried rates, then a cliff."""


def runs(cells: pd.DataFrame, scores: Floats, untrained: Floats) -> pd.DataFrame:
    """A row a run: the cell, replicate, state and value; both arrays are (seeds, cells)."""
    seeds = len(scores)
    frame = pd.concat([cells] * seeds, ignore_index=True)
    return frame.assign(
        replicate=np.repeat(np.arange(seeds), len(cells)),
        state=np.where(untrained.ravel(), "stalled", "complete"),
        value=np.where(untrained, 0.1, scores).ravel(),
    )


def best_rate(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """The interval of the best rate leaves its peak out."""
    cells = pd.DataFrame({"base_lr": RATES})
    wrong, silent = [], []
    for scores, untrained in zip(*distribution.draw(rng, studies, n, len(RATES)), strict=True):
        found = peak(runs(cells, scores + RISE_AND_CLIFF, untrained), "base_lr")
        low = 0.0 if found.open_low else found.low
        high = np.inf if found.open_high else found.high
        silent.append(np.isnan(found.low))
        wrong.append(not silent[-1] and not low <= PEAK <= high)
    return np.array(wrong), np.array(silent)


GRID = pd.DataFrame(
    list(itertools.product([0.5, 1.0, 2.0], np.geomspace(0.1, 0.8, 4))),
    columns=["exponent", "base_lr"],
)
GRID["mean_lr"] = GRID["base_lr"] / (1 + GRID["exponent"])


def _surface() -> tuple[Floats, float]:
    """Effects of the cells of GRID, and the share of them that the mean rate explains."""
    z = np.log(GRID["mean_lr"].to_numpy())
    effect = UNIT * (-2 * (z - z.mean()) ** 2 + 1.5 * np.log2(GRID["exponent"].to_numpy()))
    explained = np.polyval(np.polyfit(z, effect, 2), z)
    return effect, float(np.corrcoef(explained, effect)[0, 1] ** 2)


SURFACE, SHARE = _surface()
TOP = GRID["base_lr"] == GRID["base_lr"].max()


def explained(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """The interval of the share that the mean rate explains leaves it out; 15 % of the runs at the
    highest rate stall besides."""
    wrong, silent = [], []
    for scores, untrained in zip(*distribution.draw(rng, studies, n, len(GRID)), strict=True):
        untrained = untrained | (TOP.to_numpy() & (rng.random(scores.shape) < 0.15))
        found = mean_rate_share(runs(GRID, scores + SURFACE, untrained))
        silent.append(np.isnan(found.low))
        wrong.append(not silent[-1] and not found.low <= SHARE <= found.high)
    return np.array(wrong), np.array(silent)


LENGTHS, MARGIN = [0.0, 1.0, 2.0], 2 * UNIT


def shortest(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """No warmup, which lies behind the others by just the margin, is told not to be inferior; 15 %
    of its runs stall besides."""
    wrong, silent = [], []
    for scores, untrained in zip(*distribution.draw(rng, studies, n, len(LENGTHS)), strict=True):
        untrained = untrained.copy()
        untrained[:, 0] |= rng.random(n) < 0.15
        scores = np.where(untrained, np.nan, scores - MARGIN * (np.array(LENGTHS) == 0))
        both = Outcomes(
            pd.DataFrame(scores, columns=LENGTHS), pd.DataFrame(untrained, columns=LENGTHS)
        )
        found = not_inferior(both, MARGIN)
        silent.append(bool(found["least"].isna().all()))
        wrong.append(bool(found["not_inferior"].iloc[0]))
    return np.array(wrong), np.array(silent)


MOST = 0.05  # points of accuracy that a schedule can lose at most


def regret(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """The interval of the mean regret of n schedules leaves it out; nine in ten lose nothing. The
    distribution plays no part."""
    losses = np.where(rng.random((studies, n)) < 0.1, rng.uniform(0, MOST, (studies, n)), 0.0)
    found = np.array([bounded_interval(row, MOST)[3:] for row in losses])
    truth = 0.1 * MOST / 2
    silent = np.isnan(found[:, 0])
    return ((truth < found[:, 0]) | (truth > found[:, 1])) & ~silent, silent
