"""What runs may give: scores and stalls of several configurations on common seeds, truth known.

All scores have the mean `LEVEL` over the runs that could train, so that the true difference of two
configurations, over the seeds where both train, is 0. Where stalls choose among the seeds, a
configuration's own trained mean is another; `Distribution.mean` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy import stats

LEVEL, UNIT = 0.8, 0.01
"""The mean score and its SD, both shares: an accuracy of 80 %, seeds 1 point apart."""

Floats = np.ndarray


class Arms(NamedTuple):
    """scores: (replicates, seeds, configurations), NaN where untrained; untrained: the same."""

    scores: Floats
    untrained: Floats


Noise = Callable[[Generator, tuple[int, ...]], Floats]
"""Draws of mean 0 and SD 1."""


@dataclass(frozen=True)
class Distribution:
    """draw: replicates, seeds, configurations, the first of which is the reference; mean: the true
    trained mean of the others; stalls: whether any run does; equal: whether all stall as often."""

    name: str
    draw: Callable[[Generator, int, int, int], Arms]
    mean: float = LEVEL
    stalls: bool = False
    equal: bool = True


def normal(rng: Generator, shape: tuple[int, ...]) -> Floats:
    return rng.normal(size=shape)


def t3(rng: Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_t(3, size=shape) / np.sqrt(3)


def left(sigma: float) -> Noise:
    """Lognormal with its long tail to the left; skewness -1.75 at .5 and -3.3 at .75."""
    square = np.exp(sigma**2)

    def noise(rng: Generator, shape: tuple[int, ...]) -> Floats:
        x = np.exp(sigma * rng.normal(size=shape))
        return (np.sqrt(square) - x) / np.sqrt((square - 1) * square)

    return noise


def stragglers(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """One run in 25 learned late and lies 8 SD of the others below them."""
    x = rng.normal(size=shape) - 8 * (rng.random(shape) < 0.04)
    return (x + 8 * 0.04) / np.sqrt(1 + 8**2 * 0.04 * 0.96)


def cliff(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """Half of the runs stand on a plateau, the others have fallen from it, some of them far."""
    x = 0.3 * rng.normal(size=shape) + 3 * np.minimum(rng.normal(size=shape), 0)
    return (x + 3 * stats.norm.pdf(0)) / np.sqrt(0.3**2 + 9 * (0.5 - stats.norm.pdf(0) ** 2))


def arms(
    first: Noise, others: Noise, spread: float = 1.0, stalls: tuple[float, float] = (0.0, 0.0)
) -> Callable[[Generator, int, int, int], Arms]:
    """The first of one kind, the others of another, ``spread`` times as wide; stalls: the shares of
    the runs of the first and of the others that stall by chance alone."""

    def draw(rng: Generator, replicates: int, seeds: int, configurations: int) -> Arms:
        rest = (replicates, seeds, configurations - 1)
        x = np.concatenate([first(rng, (*rest[:2], 1)), spread * others(rng, rest)], axis=2)
        share = np.r_[stalls[0], np.full(configurations - 1, stalls[1])]
        return trained(LEVEL + UNIT * x, rng.random(x.shape) < share)

    return draw


HARD, EASIER = 0.2, 0.7  # the share of hard seeds; how much of a score its seed decides


def hard_seeds(first: float, others: float) -> Callable[[Generator, int, int, int], Arms]:
    """Seeds differ in difficulty, for all alike, and on the hardest fifth of them a run stalls with
    that probability: never on others."""

    def draw(rng: Generator, replicates: int, seeds: int, configurations: int) -> Arms:
        difficulty = rng.normal(size=(replicates, seeds, 1))
        own = rng.normal(size=(replicates, seeds, configurations))
        x = np.sqrt(1 - EASIER**2) * own - EASIER * difficulty
        share = np.r_[first, np.full(configurations - 1, others)]
        hard = difficulty > stats.norm.isf(HARD)
        return trained(LEVEL + UNIT * x, hard & (rng.random(x.shape) < share))

    return draw


def mean_without_hard(stalled: float) -> float:
    """Of the runs that train where those on hard seeds stall with that probability."""
    missed = stalled * stats.norm.pdf(stats.norm.isf(HARD))
    return LEVEL + UNIT * EASIER * float(missed) / (1 - HARD * stalled)


def trained(scores: Floats, untrained: Floats) -> Arms:
    return Arms(np.where(untrained, np.nan, scores), untrained)


def stalling(first: float, others: float) -> Distribution:
    where = "all" if first else "the others"
    draw = arms(normal, normal, stalls=(first, others))
    return Distribution(f"{where} stall {others:.0%}", draw, stalls=True, equal=first == others)


DISTRIBUTIONS = (
    Distribution("normal", arms(normal, normal)),
    Distribution("t3", arms(t3, t3)),
    Distribution("left", arms(left(0.5), left(0.5))),
    Distribution("unequal skew", arms(normal, left(0.75), spread=3)),
    Distribution("unequal spread", arms(normal, normal, spread=3)),
    *(stalling(0, share) for share in (0.05, 0.1, 0.2)),
    *(stalling(share, share) for share in (0.05, 0.1, 0.2)),
    Distribution(
        "the others stall on hard seeds",
        hard_seeds(0, 1),
        mean_without_hard(1),
        stalls=True,
        equal=False,
    ),
    Distribution(
        "all stall on hard seeds", hard_seeds(0.5, 0.5), mean_without_hard(0.5), stalls=True
    ),
    Distribution("stragglers", arms(stragglers, stragglers)),
    Distribution("cliff", arms(cliff, cliff)),
)
SEEDS = (3, 5, 10, 25)


def named(name: str) -> Distribution:
    """That distribution."""
    return next(each for each in DISTRIBUTIONS if each.name == name)
