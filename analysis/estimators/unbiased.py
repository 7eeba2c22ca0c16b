"""The estimate of a mean that was watched in looks: those that stop early are too far from 0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_PATHS = 2**11
_HALVINGS = 26
_FAR = 8.0  # standard errors of the first look, on either side


def median_unbiased(
    mean: float, variances: Sequence[float], beyond: Sequence[float], inside: Sequence[float]
) -> float:
    """The true mean with which the mean at stopping lies above the observed one half of the time.

    mean: the observed one, at whichever look it stopped. variances: of the mean at each planned
    look, falling, taken as known. The rule: it stops at the first look at which its size is above
    ``beyond`` or below ``inside``, and in any case at the last one. This is the median-unbiased
    estimate by the order of sample means (Emerson & Fleming 1990), on scrambled Sobol' paths. With
    one look it is the mean.

    >>> round(median_unbiased(0.02, [1e-4, 5e-5], beyond=[0.018, 0.012], inside=[0, 0]), 4)
    0.0181
    """
    spread = np.array(variances, dtype=np.float64)
    if len(spread) == 1 or not spread.min() > 0 or np.isnan(mean):
        return float(mean)
    information = 1 / spread
    steps = np.sqrt(np.diff(information, prepend=0.0))
    noise = np.cumsum(_normal(len(spread)) * steps, axis=1) / information
    low, high = (mean + side * _FAR * np.sqrt(spread[0]) for side in (-1, 1))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at = _at_stopping(middle + noise, np.array(beyond), np.array(inside))
        too_high = np.count_nonzero(at > mean) > len(at) / 2
        low, high = (low, middle) if too_high else (middle, high)
    return float((low + high) / 2)


def _at_stopping(means: Floats, beyond: Floats, inside: Floats) -> Floats:
    """Of each path the mean at the look where it stops."""
    size = np.abs(means)
    stops = (size > beyond) | (size < inside)
    stops[:, -1] = True
    return np.asarray(means[np.arange(len(means)), stops.argmax(axis=1)])


@lru_cache
def _normal(looks: int) -> Floats:
    """Independent standard normal steps of each path: the same ones for all."""
    from scipy.stats import qmc  # takes a quarter of a worker's start

    points = qmc.MultivariateNormalQMC(np.zeros(looks), rng=np.random.default_rng(0))
    return np.asarray(points.random(_PATHS))
