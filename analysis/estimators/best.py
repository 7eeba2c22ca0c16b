"""The best of several configurations on common seeds, and which ones cannot be told from it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.estimators.intervals import LEVEL
from analysis.estimators.skew import FEWEST, moments, tail, tail_p
from study.choosing import choose

Standing = Literal["best", "tied", "worse", "too few", "more often untrained", "untrained"]
Floats = npt.NDArray[np.float64]
_RESOLUTION = 1e-9


def best_set(scores: pd.DataFrame, untrained: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Each configuration beside the best: name, n, untrained, effect, behind, p, standing.

    scores: a row for each seed, a column for each configuration, NaN where a run is missing or
    untrained; untrained: of the same shape, whether it stalled or diverged. Best first, by `choose`
    and its effects; n: seeds on which it trained; untrained: runs; behind: the mean difference to
    the best over the seeds on which both trained, NaN without one.
    standing: "untrained" if it never trained; "more often untrained" if it cannot be chosen for
    that (`study.choosing`); "too few" with fewer than FEWEST common seeds with some other one;
    "worse" if p < 1 - level; else "tied" with the best. p: the smallest one-sided p-value, paired
    over common seeds (`estimators.skew`), that some configuration that can be chosen has the higher
    mean, times their number less one (Bonferroni). So the one with the truly highest mean is called
    worse in at most 1 - level of all studies, whichever came out best.

    >>> scores = pd.DataFrame({"0.1": [0.80, 0.81, 0.81, 0.80], "0.2": [0.84, 0.86, 0.85, 0.85]})
    >>> best_set(scores, scores.isna())[["name", "behind", "standing"]].round(3)
      name  behind standing
    0  0.2   0.000     best
    1  0.1   0.045    worse
    """
    values = scores.to_numpy(dtype=np.float64)
    failed = untrained.to_numpy(dtype=bool)
    found = standings(values, failed, level)
    trained = ~np.isnan(values)
    best = found.best if found.best is not None else 0
    frame = pd.DataFrame(
        {
            "name": list(scores),
            "n": trained.sum(axis=0),
            "untrained": failed.sum(axis=0),
            "effect": found.effect,
            "behind": moments(values[:, [best]] - values, axis=0).mean,
            "p": found.p,
            "standing": found.standing,
        }
    )
    order = frame["standing"].map({"best": 0, "more often untrained": 2, "untrained": 3}).fillna(1)
    ranked = frame.assign(order=order).sort_values(
        ["order", "effect"], ascending=[True, False], kind="stable"
    )
    return ranked.drop(columns="order").reset_index(drop=True)


class Standings(NamedTuple):
    """Of each configuration, in their own order, what `best_set` says; best: the place of it."""

    best: int | None
    effect: Floats
    p: Floats
    standing: list[Standing]


def standings(values: Floats, failed: npt.NDArray[np.bool_], level: float = LEVEL) -> Standings:
    """What `best_set` finds; values, failed: (seeds, configurations).

    >>> scores = np.array([[0.80, 0.84], [0.81, 0.86], [0.81, 0.85], [0.80, 0.85]])
    >>> standings(scores, np.isnan(scores)).standing
    ['worse', 'best']
    """
    choice = choose(values, failed)
    ever, rivals = np.any(~np.isnan(values), axis=0), choice.eligible
    higher = _p_higher(values[:, rivals, None] - values[:, None, :])
    higher[np.flatnonzero(rivals)[:, None] == np.arange(len(ever))] = np.nan  # beside itself
    least = np.fmin.reduce(higher, axis=0, initial=np.nan)
    p = np.minimum(least * max(np.count_nonzero(rivals) - 1, 1), 1.0)
    standing = [
        _standing(choice.best == place, *each, level)
        for place, each in enumerate(zip(ever, rivals, p, strict=True))
    ]
    return Standings(choice.best, choice.effect, p, standing)


def _standing(best: bool, ever: bool, eligible: bool, p: float, level: float) -> Standing:
    if best:
        return "best"
    if not ever:
        return "untrained"
    if not eligible:
        return "more often untrained"
    if np.isnan(p):
        return "too few"
    return "worse" if p < 1 - level else "tied"


def _p_higher(differences: Floats) -> Floats:
    """One-sided p-values that the mean difference is above 0, over the seeds (the first axis) that
    have one; NaN for fewer than FEWEST seeds, and for equal nonzero differences, whose spread is
    not known."""
    n, mean, sd, skew = moments(differences, axis=0)
    se = sd / np.sqrt(np.maximum(n, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = tail_p(mean / se, n - 1, tail(-skew, n))
    p = np.where(se < _RESOLUTION, np.where(abs(mean) < _RESOLUTION, 1.0, np.nan), p)
    return np.where(n < FEWEST, np.nan, p)
