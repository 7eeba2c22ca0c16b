"""How often estimates and verdicts are wrong, on each distribution and at each number of seeds.

A cell draws many studies whose truth is known, gives them to the product's own functions and counts
those that were told something false. Where a claim is made at 5 % or at 95 %, at most `LIMIT` may
be wrong; a cell fails only if that is beyond doubt. "Too few seeds" is no error, but its share is
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy import special

from analysis.estimators.best import standings
from analysis.estimators.comparison import paired_columns
from analysis.estimators.intervals import SHARE, crossed_interval, mean_interval
from tests.verdicts import designs, sequential
from tests.verdicts.distributions import DISTRIBUTIONS, LEVEL, SEEDS, Distribution, Floats

LIMIT = 0.07  # of studies may be told something false
DOUBT = 0.001  # a cell that holds is called failed that rarely
PAIRS = 5
DELTA = 0.1
"""Ten SD of a score: what a true difference of just that much tests is one bound of the interval,
never both, and that is the hardest."""


class Cell(NamedTuple):
    """wrong: studies told something false, of ``studies``; silent: those told "too few seeds"."""

    estimator: str
    distribution: str
    n: int
    studies: int
    wrong: int
    silent: int
    limit: float = LIMIT

    @property
    def rate(self) -> float:
        return self.wrong / self.studies

    @property
    def fails(self) -> bool:
        """Whether the one-sided 99.9 % bound of the rate (Clopper, Pearson) is beyond the limit."""
        return bool(special.bdtrc(self.wrong - 1, self.studies, self.limit) < DOUBT)


Outcome = tuple[Floats, Floats]
"""Of each study, whether it was told something false, and whether nothing at all."""
Measure = Callable[[Generator, Distribution, int, int], Outcome]


def missed(low: Floats, high: Floats, truth: float) -> Outcome:
    """Of intervals: whether the truth lies outside; NaN is no interval."""
    low, high = np.asarray(low), np.asarray(high)
    return (truth < low) | (truth > high), np.isnan(low)


def mean(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """The interval of a configuration's trained mean misses it."""
    scores = distribution.draw(rng, studies, n, 2).scores[..., 1]
    found = np.array([mean_interval(row, within=SHARE)[3:] for row in scores])
    return missed(*found.T, distribution.mean)


IMAGES = 100


def crossed(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """The interval of a trained mean over seeds and images misses that over all of both: each
    image is right with its own probability, which a seed raises or lowers for all of them."""
    scores = distribution.draw(rng, studies, n, 2).scores[..., 1] - LEVEL
    image = rng.uniform(0.65, 0.85, (studies, 1, IMAGES))  # mean 0.75
    chance = image + 3 * scores[..., None]  # seeds 3 points apart
    correct = rng.random(chance.shape) < chance
    known = ~np.isnan(scores)
    found = [crossed_interval(rows[kept])[3:5] for rows, kept in zip(correct, known, strict=True)]
    return missed(*np.array(found).T, 0.75 + 3 * (distribution.mean - LEVEL))


def difference(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """The interval of a pair's mean difference misses 0."""
    found = paired_columns(*distribution.draw(rng, studies, n, 2))
    return missed(found["low"][:, 0], found["high"][:, 0], 0.0)


def told(found: dict[str, Floats], *verdicts: str) -> Outcome:
    """Whether any of a study's pairs has one of the verdicts; whether all are "too few"."""
    given = found["verdict"]
    wrong = np.logical_or.reduce([given == verdict for verdict in verdicts]).any(axis=1)
    return wrong, (given == "too few").all(axis=1)


def verdict(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """Any of five equal pairs is better or worse; where shares are equal, too, also any that is
    more or less often untrained."""
    found = paired_columns(*distribution.draw(rng, studies, n, 1 + PAIRS))
    shares = ("more often untrained", "less often untrained") if distribution.equal else ()
    return told(found, "better", "worse", *shares)


def equivalent(above: bool) -> Measure:
    """Any of five pairs that differ by exactly delta is equivalent; above: the first is better."""

    def measure(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
        scores, untrained = distribution.draw(rng, studies, n, 1 + PAIRS)
        scores[..., 0] += DELTA if above else -DELTA
        return told(paired_columns(scores, untrained, delta=DELTA), "equivalent")

    return measure


def share(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """Any of five pairs that stall equally often is more or less often untrained."""
    found = paired_columns(*distribution.draw(rng, studies, n, 1 + PAIRS))
    return told(found, "more often untrained", "less often untrained")


LADDER = np.array([0, 0, 0, 0.02, 0.05, 0.1, 0.15, 0.2])
WATCHED = 4


def best(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """One of eight rates with equal trained means, so that each is the best, is called worse;
    stalls grow with the rate, and the one that is watched stalls in one run of 20."""
    scores, untrained = distribution.draw(rng, studies, n, len(LADDER))
    untrained |= rng.random(untrained.shape) < LADDER
    scores[untrained] = np.nan
    pairs = zip(scores, untrained, strict=True)
    found = np.array([standings(*each).standing[WATCHED] for each in pairs])
    return found == "worse", np.isin(found, ["too few", "untrained"])


MEASURES: dict[str, Measure] = {
    "mean": mean,
    "mean over images": crossed,
    "difference": difference,
    "better, worse": verdict,
    "equivalent, +delta": equivalent(True),
    "equivalent, -delta": equivalent(False),
    "share untrained": share,
    "best of 8": best,
    "best rate": designs.best_rate,
    "share of the mean rate": designs.explained,
    "shortest warmup": designs.shortest,
    "regret": designs.regret,
    **sequential.MEASURES,
}
KINDS = {
    "mean over images": (
        *("normal", "left", "all stall 20%", "all stall on hard seeds", "stragglers", "cliff"),
    ),
    "best of 8": (
        *("normal", "left", "unequal skew", "all stall on hard seeds", "stragglers", "cliff"),
    ),
    "best rate": ("left", "all stall 20%", "cliff"),
    "share of the mean rate": ("normal", "left"),
    "shortest warmup": ("normal", "left", "all stall on hard seeds"),
    "regret": ("normal",),
    **sequential.KINDS,
}
"""Kinds for estimators that take one study at a time, which costs; some plant stalls themselves."""
FEW_AND_SOME = (5, 10)
"""Seeds for those that take a whole design."""


def applies(estimator: str, distribution: Distribution) -> bool:
    """Whether the cell says something that another one does not."""
    if estimator == "share untrained":
        return distribution.stalls and distribution.equal
    return distribution.name in KINDS.get(estimator, (distribution.name,))


def every() -> Iterator[tuple[str, str, int]]:
    """Estimator, distribution and number of seeds of each cell."""
    of_module = {designs.__name__: FEW_AND_SOME, sequential.__name__: tuple(sequential.DESIGNS)}
    for estimator, made in MEASURES.items():
        seeds = of_module.get(made.__module__, SEEDS)
        for distribution in DISTRIBUTIONS:
            if applies(estimator, distribution):
                yield from ((estimator, distribution.name, n) for n in seeds)


BATCH = 1000  # studies drawn at once: bounds the memory


def measure(estimator: str, distribution: Distribution, n: int, studies: int, seed: int) -> Cell:
    """The cell, from that many studies; the seed and the cell's name decide its chance."""
    name = f"{estimator} {distribution.name} {n}".encode()
    rng = np.random.default_rng([seed, *name])
    studies = min(studies, sequential.MOST) if estimator in sequential.KINDS else studies
    wrong = silent = 0
    for start in range(0, studies, BATCH):
        size = min(BATCH, studies - start)
        false, nothing = MEASURES[estimator](rng, distribution, n, size)
        wrong, silent = wrong + int(false.sum()), silent + int(nothing.sum())
    limit = sequential.limit(estimator, n, LIMIT) if n in sequential.DESIGNS else LIMIT
    return Cell(estimator, distribution.name, n, studies, wrong, silent, limit)
