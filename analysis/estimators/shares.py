"""Shares of runs and of seeds: how often one wins, and whether two fail as often."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.estimators.intervals import LEVEL, wilson


class Superiority(NamedTuple):
    """P(A > B) with Wilson's interval, from n pairs; NaN within (0, 1) where n is 0."""

    n: Any
    share: Any
    low: Any
    high: Any


def superiority(differences: npt.ArrayLike, level: float = LEVEL, axis: int = -1) -> Superiority:
    """P(A > B) from paired differences A - B along an axis, ties half (Bouthillier et al. 2021).

    A description of how often A wins, not a test of how much it wins by. NaN is left out.

    >>> float(superiority([0.02, 0.01, 0.0, -0.01]).share)  # two wins and a tie in four
    0.625
    """
    x = np.asarray(differences, dtype=np.float64)
    known = ~np.isnan(x)
    n = known.sum(axis=axis)
    wins = np.where(known, (np.sign(x) + 1) / 2, 0.0).sum(axis=axis)
    with np.errstate(invalid="ignore"):
        return Superiority(n, wins / n, *wilson(wins, n, level))


def mcnemar(first: npt.ArrayLike, second: npt.ArrayLike) -> Any:
    """Two-sided exact p-value that two configurations fail equally often (McNemar 1947).

    first, second: seeds on which that one alone failed, numbers or arrays. Under the hypothesis
    each of these seeds falls to either with probability 1/2. Without such a seed the value is 1.

    >>> mcnemar([0, 1], [8, 1])
    array([0.0078125, 1.       ])
    """
    alone = np.add(first, second)
    return np.minimum(2 * special.bdtr(np.minimum(first, second), alone, 0.5), 1.0)


def decisive(alone: npt.ArrayLike, alpha: float) -> Any:
    """Whether `mcnemar` can be at most ``alpha`` at all with so many seeds on which one alone
    failed: a test that cannot reject takes no part of an error rate (Tarone 1990).

    >>> decisive([7, 8], 0.01)
    array([False,  True])
    """
    return 2.0 ** (1 - np.asarray(alone, dtype=np.float64)) <= alpha
