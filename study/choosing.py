"""Which configuration did best on common seeds: chosen from pairs, and by training at all first.

A configuration's own mean is over the seeds on which it trained, which its failures chose: where
hard seeds fail, the mean of the rest flatters it. So configurations are compared within seeds only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TOLERATED = 1
"""A configuration may have that many more untrained runs than the one with the fewest."""


class Choice(NamedTuple):
    """effect: of each configuration its score against the others' on common seeds, mean 0 over
    those that ever trained, NaN for the rest; eligible: whether it can be chosen; best: the place
    of the eligible one with the highest effect, None without any."""

    effect: npt.NDArray[np.float64]
    eligible: npt.NDArray[np.bool_]
    best: int | None


def choose(scores: npt.ArrayLike, untrained: npt.ArrayLike) -> Choice:
    """The best of several configurations.

    scores: (seeds, configurations), NaN where a run is missing or untrained. untrained: of the same
    shape, whether a run stalled or diverged. Effects are the least-squares fit of score = seed +
    configuration to the runs that trained: what pairs within seeds say, all together. Eligible are
    those that trained at least once and have at most TOLERATED more untrained runs than the one
    with the fewest. Of two equal ones the first is the best.

    >>> scores = [[0.80, 0.84], [0.82, np.nan], [0.70, 0.75]]  # the second misses an easy seed
    >>> choose(scores, np.isnan(scores)).best
    1
    """
    x = np.asarray(scores, dtype=np.float64)
    failed = np.asarray(untrained, dtype=bool)
    trained = ~np.isnan(x)
    effect = _effects(x, trained)
    ever = np.any(trained, axis=0)
    if not ever.any():
        return Choice(effect, ever, None)
    failures = failed.sum(axis=0)
    eligible = ever & (failures <= failures[ever].min() + TOLERATED)
    best = int(np.nanargmax(np.where(eligible, np.round(effect, 12), np.nan)))
    return Choice(effect, eligible, best)


def _effects(x: npt.NDArray[np.float64], trained: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Least-squares effects of the columns beside those of the rows, from the entries there are."""
    seeds, columns = x.shape
    row, column = np.nonzero(trained)
    design = np.zeros((len(row), seeds + columns))
    design[np.arange(len(row)), row] = 1
    design[np.arange(len(row)), seeds + column] = 1
    found = np.linalg.lstsq(design, x[row, column], rcond=None)[0][seeds:]
    ever = np.any(trained, axis=0)
    return np.where(ever, found - (found[ever].mean() if ever.any() else 0.0), np.nan)
