"""The shortest warmup that is shown to be as good as any other length."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.estimators.best import Floats, Standing, standings
from analysis.estimators.intervals import (
    DIFFERENCE,
    LEVEL,
    CrossedInterval,
    Interval,
    crossed_interval,
    mean_interval,
)
from analysis.estimators.responses import tuned
from analysis.estimators.seeds import Outcomes, by_seed
from analysis.reading.states import RESULTS
from study.choosing import choose


class Warmups(NamedTuple):
    """shortest: the shortest length shown to be as good as every other one, None where none is
    shown; best: the length that did best, None where no run trained; level: two-sided, of the
    intervals that decide; lengths: see `shortest_warmup`."""

    shortest: float | None
    best: float | None
    level: float
    lengths: pd.DataFrame


def shortest_warmup(runs: pd.DataFrame, delta: float = 0.003, level: float = LEVEL) -> Warmups:
    """The shortest warmup not inferior within ``delta`` (a share), each length at its tuned rate.

    Lengths are taken at their `tuned` base rate, and the best one is what `choose` finds among
    these. lengths, a row each: warmup, base_lr, runs and untrained (there), mean (of those that
    trained), n (seeds on which both it and the best trained), behind (mean difference to the best
    over these, in general below 0), low and high (its interval; none of the best itself), least
    (the lowest such bound against any other length), standing (beside the best, see `best_set`),
    not_inferior.

    not_inferior: the length has at most TOLERATED more untrained runs than the one with the fewest
    (`study.choosing`), of which the exact test of the shares cannot say that it is more than
    chance, and over the seeds on which both trained its difference to every other length that can
    be chosen lies above -delta, one-sided at ``level``. To be shown against all of them is harder
    than against one, so that this needs no correction (Berger 1982, intersection-union), and no
    luck of the best one helps. Where k rates of a length cannot be told apart, its tuned one is the
    luckiest of them, so that the tests are then at 1 - (1 - level) / k, for the largest k of a
    length that can be chosen. The best is tested, then ever shorter lengths until one is not shown
    (fixed sequence, Maurer et al. 1995): the error of ``shortest`` stays that of one test.

    Too few seeds on which both trained show nothing; nor does a single length.

    >>> rates, n = np.repeat([0.2, 0.4], 5), np.tile(range(5), 2)
    >>> runs = pd.DataFrame({"base_lr": rates, "warmup": 0.0, "replicate": n, "state": "complete"})
    >>> runs["value"] = 0.85 + 0.1 * rates + 0.002 * n
    >>> longer = runs.assign(warmup=2.0, value=runs["value"] + [0.0, 0.001, 0.001, 0.0, 0.001] * 2)
    >>> shortest_warmup(pd.concat([runs, longer])).shortest
    0.0
    """
    rates = tuned(runs, "warmup", "base_lr", level)
    ended = runs[runs["state"].isin(RESULTS)]
    chosen = ended[ended["base_lr"] == ended["warmup"].map(rates.set_index("warmup")["base_lr"])]
    outcomes = Outcomes(*(each.sort_index(axis=1) for each in by_seed(chosen, "warmup")))
    eligible = outcomes.accuracy.columns[choose(*outcomes).eligible]
    alpha = (1 - level) / _rivals(ended[ended["warmup"].isin(eligible)])
    frame = rates.assign(runs=rates["n"] + rates["untrained"])
    frame = frame[["warmup", "base_lr", "runs", "untrained", "mean"]]
    return _warmups(frame, outcomes, delta, 1 - alpha)


def shortest_at(
    outcomes: Outcomes,
    rates: Mapping[Any, float],
    delta: float = 0.003,
    level: float = LEVEL,
    *,
    correct: Mapping[Any, npt.ArrayLike] | None = None,
) -> Warmups:
    """`shortest_warmup` where other runs chose the rate of each length: these rates were no luck of
    the scores, so that no test needs its level lowered.

    outcomes: by seed and length (epochs, ascending); rates: the base rate of each length. correct:
    see `not_inferior`; standings and the best rest on seeds alone.

    >>> scores = pd.DataFrame({0.0: [0.84, 0.86, 0.85, 0.86], 2.0: [0.84, 0.86, 0.85, 0.86]})
    >>> found = shortest_at(Outcomes(scores, scores.isna()), {0.0: 0.2, 2.0: 0.4})
    >>> found.shortest, round(found.level, 3)
    (0.0, 0.9)
    """
    trained, untrained = outcomes.accuracy.notna().sum(), outcomes.untrained.sum()
    frame = pd.DataFrame(
        {
            "warmup": list(outcomes.accuracy),
            "base_lr": [rates[each] for each in outcomes.accuracy],
            "runs": (trained + untrained).to_numpy(),
            "untrained": untrained.to_numpy(),
            "mean": outcomes.accuracy.mean().to_numpy(),
        }
    )
    return _warmups(frame, outcomes, delta, level, correct)


def _warmups(
    rates: pd.DataFrame,
    outcomes: Outcomes,
    delta: float,
    level: float,
    correct: Mapping[Any, npt.ArrayLike] | None = None,
) -> Warmups:
    """What the tests at ``level`` say of lengths at those rates."""
    standing = dict(zip(outcomes.accuracy, _standing(outcomes, level), strict=True))
    frame = rates.merge(not_inferior(outcomes, delta, level, correct=correct), "left")
    frame = frame.fillna({"n": 0, "not_inferior": False})
    frame = frame.astype({"n": int, "not_inferior": bool})
    frame["standing"] = frame["warmup"].map(standing).astype(object).fillna("untrained")
    best = next(iter(frame.loc[frame["standing"] == "best", "warmup"]), None)
    shortest = next(iter(frame.loc[frame["not_inferior"], "warmup"]), None)
    return Warmups(shortest, best, 2 * level - 1, frame)


def _rivals(ended: pd.DataFrame) -> int:
    """The largest number of rates of one length that cannot be told apart."""
    sets = [_standing(by_seed(cell, "base_lr")) for _, cell in ended.groupby("warmup")]
    return max([1, *(sum(each in ("best", "tied", "too few") for each in one) for one in sets)])


def _standing(outcomes: Outcomes, level: float = LEVEL) -> list[Standing]:
    """How each column stands beside the best, as in `best_set`; none without columns."""
    values, failed = (each.to_numpy() for each in outcomes)
    return standings(values.astype(np.float64), failed, level).standing if values.size else []


def not_inferior(
    outcomes: Outcomes,
    delta: float,
    level: float = LEVEL,
    *,
    correct: Mapping[Any, npt.ArrayLike] | None = None,
) -> pd.DataFrame:
    """The tests of `shortest_warmup`, one-sided at ``level``: warmup, n, behind, low, high, least
    and not_inferior.

    outcomes: by seed and length (epochs, ascending), each at one base rate. correct: of each length
    the (seeds, images) correctness behind its scores, row for row; the bounds then also carry the
    sampling of the images that all runs share (`crossed_interval`).

    >>> scores = pd.DataFrame({0.0: [0.84, 0.86, 0.85, 0.86], 2.0: [0.84, 0.86, 0.85, 0.86]})
    >>> not_inferior(Outcomes(scores, scores.isna()), 0.003)["not_inferior"].tolist()
    [True, False]
    """
    values, names = outcomes.accuracy.to_numpy(dtype=np.float64), list(outcomes.accuracy)
    choice = choose(values, outcomes.untrained)
    rows = []
    for place, warmup in enumerate(names):
        against = [
            _interval(
                values[:, place] - values[:, n],
                None if correct is None else (correct[warmup], correct[other]),
                2 * level - 1,
            )
            for n, other in enumerate(names)
        ]
        beside = mean_interval([]) if choice.best is None else against[choice.best]
        if place == choice.best:
            beside = beside._replace(low=np.nan, high=np.nan)
        others = [other for other in np.flatnonzero(choice.eligible) if other != place]
        lows = np.array([against[other].low for other in others if choice.eligible[place]])
        least = float(lows.min()) if len(lows) else np.nan  # NaN if any is
        rows.append((warmup, beside.n, beside.mean, beside.low, beside.high, least))
    frame = pd.DataFrame(rows, columns=["warmup", "n", "behind", "low", "high", "least"])
    down = range(-1 if choice.best is None else choice.best, -1, -1)
    shown = list(itertools.takewhile(lambda place: rows[place][-1] > -delta, down))
    return frame.assign(not_inferior=frame.index.isin(shown))


def _interval(
    differences: Floats, images: tuple[npt.ArrayLike, npt.ArrayLike] | None, level: float
) -> Interval | CrossedInterval:
    """The mean difference of two lengths over the seeds on which both trained; images: the
    correctness of both, where their sampling counts."""
    if images is None:
        return mean_interval(differences, level, DIFFERENCE)
    first, second = (np.asarray(each, dtype=np.float64) for each in images)
    return crossed_interval((first - second)[~np.isnan(differences)], level, DIFFERENCE)
