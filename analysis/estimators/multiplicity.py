"""Corrections for several tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.estimators.intervals import LEVEL

Floats = npt.NDArray[np.float64]


class Holm(NamedTuple):
    """Adjusted p-values, and for each test the level of the interval that decides the same."""

    adjusted: Floats
    levels: Floats


def holm(p_values: npt.ArrayLike, level: float = LEVEL, besides: npt.ArrayLike = 0) -> Holm:
    """Holm's step-down correction (1979): the k-th smallest of m p-values times m - k + 1.

    p_values: (..., m); each row of m is a family of its own. Adjusted values are cumulative maxima,
    at most 1; one below 1 - level is significant. Then, and only then, the test's own interval at
    its level of ``levels`` excludes 0: 1 - (1 - level) / (m - k + 1) for significant tests, and
    that of the step that stopped for all later ones. These intervals carry decisions; they do not
    cover jointly. NaN is no test, counts for none in m, and stays NaN. besides: (...,), hypotheses
    of each family that are not tested here and not rejected: m counts them, too. So a family that
    is tested in looks keeps to the graphical procedure of Maurer & Bretz (2013) with Holm's graph:
    what is rejected passes its level on in equal parts, what stopped otherwise keeps its own.

    >>> holm([0.01, 0.04, 0.03]).adjusted
    array([0.03, 0.06, 0.06])
    >>> holm([0.01, 0.04], besides=1).adjusted
    array([0.03, 0.08])
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1, kind="stable")  # NaN sorts last
    ranked = np.take_along_axis(p, order, axis=-1)
    tests = np.count_nonzero(~np.isnan(p), axis=-1, keepdims=True)
    tests = tests + np.asarray(besides)[..., None]
    factors = np.maximum(tests - np.arange(p.shape[-1]), 1)
    steps = np.minimum(np.maximum.accumulate(ranked * factors, axis=-1), 1)
    rejected = np.count_nonzero(steps < 1 - level, axis=-1, keepdims=True)
    stopped = tests - rejected  # factor of the step that stopped, 0 if none did
    known = np.where(np.isnan(ranked), np.nan, 1 - (1 - level) / np.maximum(factors, stopped))
    adjusted, levels = np.empty(p.shape), np.empty(p.shape)
    np.put_along_axis(adjusted, order, steps, axis=-1)
    np.put_along_axis(levels, order, known, axis=-1)
    return Holm(adjusted, levels)
