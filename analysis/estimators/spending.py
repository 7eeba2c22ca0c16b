"""Nominal levels of a group-sequential test: at which level each planned look may reject.

An error rate is spent look by look, linearly in the planned fraction of the seeds: alpha min(1, t)
(Lan & DeMets 1983; Kim & DeMets 1987 with rho = 1), so that all of it is spent at the last look.
The statistics of the looks are jointly normal, with correlation sqrt(I_j / I_k) of their
information (Jennison & Turnbull 2000, ch. 3 and 7). The nominal level of a look is that at which
the test rejects there, and at no look before, with just the probability spent there. It is applied
to p-values of t tests and exact tests alike (their "significance level approach", sec. 4.4).

A mean over n seeds that share their test images has the variance sd^2 / n + image_se^2. The images
are the same at every look, so that the covariance of two looks' means is the variance of the later
one, and the joint distribution is the same as that of seeds alone, with I = 1 / variance. Images
make looks more alike, which leaves more to later ones: to count them for too little is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]
MOST_IMAGES = 16.0
"""The largest ratio of variances, images to seeds, that is told from larger ones."""
_STEPS = 4  # to which the ratio is rounded down: this many in each doubling of 1 + ratio
_LEVELS = np.geomspace(1e-14, 0.9, 121)  # one-sided
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_FAR = 9.0  # standard errors: nothing lies beyond
_HALVINGS = 60


class Look(NamedTuple):
    """One of the planned looks of a test. seeds: of each look, rising, the last one included;
    place: which look it is, from 0.

    >>> Look((5, 10, 20), 1).fraction, Look((5, 10, 20), 2).last
    (0.5, True)
    """

    seeds: tuple[int, ...]
    place: int

    @property
    def n(self) -> int:
        """Its seeds."""
        return self.seeds[self.place]

    @property
    def fraction(self) -> float:
        """The part of the error rate that is spent when it is over."""
        return self.n / self.seeds[-1]

    @property
    def last(self) -> bool:
        """Whether everything is spent then."""
        return self.place == len(self.seeds) - 1

    def nominal(self, alpha: npt.ArrayLike, images: npt.ArrayLike = 0.0) -> Floats:
        """The one-sided level at which this look of a test of level ``alpha``, one-sided, rejects.

        images: the variance that the test images cause in the mean at this look, in units of that
        which the seeds cause. Broadcast against each other; NaN stays.

        >>> [float(Look((5, 10), place).nominal(0.025).round(4)) for place in (0, 1)]
        [0.0125, 0.0168]
        """
        return self._mapped(alpha, images, _forward)

    def overall(self, p: npt.ArrayLike, images: npt.ArrayLike = 0.0) -> Floats:
        """The least one-sided level of a test that rejects here for a one-sided p-value: the
        inverse of `nominal`. It may be above 1.

        >>> float(Look((5, 10), 1).overall(Look((5, 10), 1).nominal(0.025)).round(9))
        0.025
        """
        return self._mapped(p, images, _backward)

    def _mapped(
        self, values: npt.ArrayLike, images: npt.ArrayLike, way: Callable[..., Floats]
    ) -> Floats:
        x = np.asarray(values, dtype=np.float64)
        if len(self.seeds) == 1:
            return x
        steps = np.broadcast_to(_steps(images), np.broadcast_shapes(x.shape, np.shape(images)))
        x = np.broadcast_to(x, steps.shape)
        found = np.empty(x.shape)
        for step in np.unique(steps):
            chosen = steps == step
            found[chosen] = way(x[chosen], *_table(self, int(step)))
        return found


def _steps(images: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The ratio of variances, rounded down, as a step of the scale of `_ratio`; 0 where unknown."""
    ratio = np.clip(np.nan_to_num(np.asarray(images, dtype=np.float64)), 0.0, MOST_IMAGES)
    return np.asarray(np.floor(_STEPS * np.log2(1 + ratio) + 1e-9), dtype=np.int64)


def _ratio(step: int) -> float:
    return float(2 ** (step / _STEPS) - 1)


def _forward(alpha: Floats, levels: Floats, shift: Floats) -> Floats:
    """Linear between the tabled levels, all in logarithms, so that `_backward` is its inverse."""
    with np.errstate(divide="ignore"):
        x = np.log(alpha)
    return np.exp(x + np.interp(x, levels, shift))


def _backward(p: Floats, levels: Floats, shift: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        y = np.log(p)
    return np.exp(y - np.interp(y, levels + shift, shift))


@lru_cache(maxsize=4096)
def _table(look: Look, step: int) -> tuple[Floats, Floats]:
    """Logarithms of some levels, and what the logarithms of the nominal ones are above them."""
    n, ratio = np.array(look.seeds[: look.place + 1]), _ratio(step)
    information = (1 + ratio) / (n[-1] / n + ratio)
    spent = np.multiply.outer(_LEVELS, n / look.seeds[-1])
    bounds = boundaries(spent, information)
    return np.log(_LEVELS), special.log_ndtr(-bounds[:, -1]) - np.log(_LEVELS)


def boundaries(spent: npt.ArrayLike, information: Sequence[float] | Floats) -> Floats:
    """What the standardised statistic of each look must exceed: (tests, looks).

    spent: (tests, looks), the probability of having rejected by each look where the true mean is 0,
    rising and below 1; information: of each look, rising, in any unit. By recursive integration of
    the density of those that go on (Armitage, McPherson & Rowe 1969), with a Gauss-Legendre rule.

    >>> boundaries([[0.025]], [1.0]).round(3)
    array([[1.96]])
    """
    total, info = np.asarray(spent, dtype=np.float64), np.asarray(information, dtype=np.float64)
    bounds = np.empty(total.shape)
    bounds[:, 0] = -special.ndtri(total[:, 0])
    at, weight = _rule(bounds[:, 0])
    going_on = weight * _density(at)  # of the statistic at the nodes: (tests, nodes)
    for k in range(1, len(info)):
        keep, spread = np.sqrt(info[k - 1] / info[k]), np.sqrt(1 - info[k - 1] / info[k])
        means = keep * at
        bounds[:, k] = _solve(going_on, means, spread, total[:, k] - total[:, k - 1])
        at, weight = _rule(bounds[:, k])
        step = _density((at[:, None, :] - means[..., None]) / spread) / spread
        going_on = weight * np.einsum("ij,ijk->ik", going_on, step)
    return bounds


def _density(z: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))


def _rule(upper: Floats) -> tuple[Floats, Floats]:
    """Nodes and weights of integrals up to each bound."""
    half = (upper + _FAR)[:, None] / 2
    return upper[:, None] + half * (_NODES - 1), half * _WEIGHTS


def _solve(going_on: Floats, means: Floats, spread: float, increment: Floats) -> Floats:
    """The bounds that are exceeded with those probabilities, by halving."""
    low, high = np.full(len(means), -_FAR), np.full(len(means), 2 * _FAR)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        exceeded = (going_on * special.ndtr((means - middle[:, None]) / spread)).sum(axis=1)
        low, high = (
            np.where(exceeded > increment, middle, low),
            np.where(exceeded > increment, high, middle),
        )
    return np.asarray((low + high) / 2)
