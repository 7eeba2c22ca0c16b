"""Runs of planted grids.

Noise throughout: a replicate's effect of SD 0.004, shared by its runs, and SD 0.004 of each run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

NOISE = 0.004
RATES = np.geomspace(0.05, 3.2, 7)
Array = npt.NDArray[np.float64]
C, D, S = "complete", "diverged", "stalled"  # states


def grid(
    cells: pd.DataFrame, truth: Sequence[float] | Array, n: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Complete runs of every cell on n common replicates."""
    count = len(cells)
    values = np.asarray(truth)[:, None] + rng.normal(0, NOISE, n)
    values = values + rng.normal(0, NOISE, (count, n))
    runs = cells.loc[cells.index.repeat(n)].reset_index(drop=True)
    return runs.assign(
        replicate=np.tile(np.arange(n), count), state="complete", value=values.ravel()
    )


def lose(runs: pd.DataFrame, where: pd.Series, state: str = "diverged") -> pd.DataFrame:
    """The runs with some of them lost."""
    return runs.assign(state=runs["state"].mask(where, state), value=runs["value"].mask(where, 0.1))


def covers(hits: int, draws: int, share: float = 0.92) -> bool:
    """Whether ``hits`` may come of intervals that cover ``share``: one false alarm in 1,000."""
    return hits >= stats.binom.ppf(0.001, draws, share)
