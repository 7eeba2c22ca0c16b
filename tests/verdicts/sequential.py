"""A test that is planned in looks, as a whole: every look, all pairs, until nothing is open.

The number of seeds of a cell is that of the last look; `DESIGNS` has the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from analysis.estimators.looks import looked_columns
from tests.verdicts.distributions import LEVEL, UNIT, Distribution, Floats

DESIGNS = {8: (5, 8), 20: (5, 10, 20)}
PAIRS, FALSE = 5, 2
"""Pairs, and how many of them differ in truth where not all are equal."""
LEAD = 1.5 * np.sqrt(2) * UNIT
"""By how much the first is better where cover is counted: pairs then stop at every look."""
IMAGES, OWN, STEEP = 100, 0.1, 3.0
"""Images; how much one's difficulty differs between configurations (SD); how much a score counts:
seeds and images then cause errors of like size."""

Outcome = tuple[Floats, Floats]
Measure = Callable[[Generator, Distribution, int, int], Outcome]
Columns = dict[str, Floats]


def told(found: Columns, pairs: slice, *verdicts: str) -> Outcome:
    """Whether any of those pairs has one of the verdicts; whether all are "too few"."""
    given = found["verdict"][:, pairs]
    return np.isin(given.astype(str), verdicts).any(axis=1), (given == "too few").all(axis=1)


def _false(distribution: Distribution) -> tuple[str, ...]:
    """What may be told of no pair that is equal."""
    shares = ("more often untrained", "less often untrained") if distribution.equal else ()
    return ("better", "worse", *shares)


def complete_null(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """Any of five equal pairs is told to differ, at any look."""
    found = looked_columns(*distribution.draw(rng, studies, n, 1 + PAIRS), DESIGNS[n])
    return told(found, slice(None), *_false(distribution))


def partial_null(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """Any of three equal pairs is, where two others differ by a lot and pass their level on."""
    scores, untrained = distribution.draw(rng, studies, n, 1 + PAIRS)
    scores[..., 1 : 1 + FALSE] -= 5 * UNIT
    found = looked_columns(scores, untrained, DESIGNS[n])
    return told(found, slice(FALSE, None), *_false(distribution))


DELTA = 0.1


def at_delta(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
    """Any of five pairs that differ by exactly delta is equivalent, at any look."""
    scores, untrained = distribution.draw(rng, studies, n, 1 + PAIRS)
    scores[..., 0] += np.where(np.arange(studies) % 2, DELTA, -DELTA)[:, None]
    found = looked_columns(scores, untrained, DESIGNS[n], delta=DELTA)
    return told(found, slice(None), "equivalent")


def missed(by: int | None = None) -> Measure:
    """The repeated interval of a pair's true difference misses it when judging is over; by: only
    where the pair stopped at that look or before, which has its part of the error rate."""

    def measure(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
        scores, untrained = distribution.draw(rng, studies, n, 2)
        scores[..., 0] += LEAD
        return _outside(looked_columns(scores, untrained, DESIGNS[n]), LEAD, by)

    return measure


def _outside(found: Columns, truth: float, by: int | None) -> Outcome:
    low, high = found["adjusted_low"][:, 0], found["adjusted_high"][:, 0]
    counted = True if by is None else (found["stopped"] & (found["look"] <= by))[:, 0]
    return ((truth < low) | (truth > high)) & counted, np.isnan(low)


def limit(estimator: str, n: int, usual: float) -> float:
    """What part of the usual limit is spent by the look that the estimator's name ends with."""
    look = estimator[-1]
    return usual * DESIGNS[n][int(look) - 1] / n if look.isdigit() else usual


def correctness(rng: Generator, scores: Floats) -> Floats:
    """(seeds, configurations, images) of one study: an image's difficulty has a part in common and
    one of each configuration's own, of mean 0."""
    common = rng.uniform(-0.1, 0.1, IMAGES)
    own = OWN * rng.normal(size=(scores.shape[1], IMAGES))
    chance = 0.5 + STEEP * np.nan_to_num(scores - LEVEL)[..., None] + common + own
    return (rng.random(chance.shape) < chance).astype(float)


def over_images(pairs: int, lead: float, *verdicts: str) -> Measure:
    """Of pairs that differ by ``lead`` over all seeds and images: whether any is told one of the
    verdicts, or without any whether the repeated interval of the first misses it."""

    def measure(rng: Generator, distribution: Distribution, n: int, studies: int) -> Outcome:
        scores, untrained = distribution.draw(rng, studies, n, 1 + pairs)
        scores[..., 0] += lead / STEEP
        found: list[Columns] = []
        for x, failed in zip(scores, untrained, strict=True):
            right = correctness(rng, x)
            right[failed] = np.nan
            means = right.mean(axis=2)
            images = [right[:, 0] - right[:, each] for each in range(1, 1 + pairs)]
            found.append(looked_columns(means, failed, DESIGNS[n], images, delta=lead or 1e-9))
        columns = {name: np.array([each[name] for each in found]) for name in found[0]}
        return told(columns, slice(None), *verdicts) if verdicts else _outside(columns, lead, None)

    return measure


MEASURES = {
    "looks: all equal": complete_null,
    "looks: two of five differ": partial_null,
    "looks: equivalent at delta": at_delta,
    "looks: interval": missed(),
    "looks: interval, stopped by look 1": missed(1),
    "looks: interval, stopped by look 2": missed(2),
    "looks, images: all equal": over_images(PAIRS, 0.0, "better", "worse"),
    "looks, images: equivalent at delta": over_images(PAIRS, 0.15, "equivalent"),
    "looks, images: interval": over_images(1, 0.12),
}
OF_IMAGES = ("normal", "left", "all stall on hard seeds")
KINDS = dict.fromkeys([name for name in MEASURES if "images" in name], OF_IMAGES)
"""One study at a time: see `MOST`."""
MOST = 1000
"""Studies of such a cell."""
