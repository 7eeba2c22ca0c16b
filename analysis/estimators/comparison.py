"""Pairs of configurations over common seeds: estimates, corrections and the one rule of verdicts.

Each run has two outcomes: whether it trained (it is untrained if it stalled or diverged), and, if
it did, its score, a share in [0, 1]. The shares untrained of a pair are compared by McNemar's exact
test, the scores by the mean difference over the seeds on which both trained. That difference is
conditional on training: it says nothing of the seeds on which one of them failed, which is why both
shares stand beside it. Pruned values belong to another epoch and failed runs have none: neither may
be among the scores. A verdict concerns the configurations that were compared, after the search that
chose them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.estimators.intervals import DIFFERENCE, LEVEL, crossed_interval
from analysis.estimators.multiplicity import holm
from analysis.estimators.planning import further_seeds, likely_range
from analysis.estimators.shares import decisive, mcnemar, superiority
from analysis.estimators.skew import FEWEST, moments, reach, tail, tail_p

DELTA = 0.003  # differences within +- this share do not matter
RESOLUTION = 1e-9  # shares closer than this are the same share
SPLIT = 0.2
"""The part of a pair's error rate that the test of the shares untrained takes where it can decide
at all; the score has the rest. Where the shares cannot decide, the score has all of it."""
ONE_SIDED = 2.0
"""A claim of equivalence looks at the bound on one side alone, and where that is the side of the
tail, all of its errors lie there: its tail counts that much more."""
REVERSING = 2
"""So many more untrained runs withhold a verdict of the scores that they could reverse."""

Floats = npt.NDArray[np.float64]
Verdict = Literal[
    "more often untrained",
    "less often untrained",
    "too few",
    "equivalent",
    "better",
    "worse",
    "unresolved",
]


class _Scores(NamedTuple):
    """What the tests of mean paired differences rest on, (..., pairs) each; NaN where not known.
    skew: of the differences; part: the share of the standard error that seeds cause."""

    n: Floats
    mean: Floats
    sd: Floats
    image_se: Floats
    se: Floats
    df: Floats
    skew: Floats
    part: Floats


def _scores(differences: Floats, images: Sequence[Floats] | None) -> _Scores:
    """differences: (..., seeds, pairs), of scores, NaN where one did not train; images: of each
    pair the (seeds, images) differences of correctness. Fewer than FEWEST seeds have a mean alone.
    """
    n, mean, sd, skew = moments(differences, axis=-2)
    image_se, df, part = np.zeros(n.shape), n - 1.0, np.ones(n.shape)
    se = sd / np.sqrt(np.maximum(n, 1))
    if images is not None:
        crossed = [crossed_interval(each) for each in images]
        mean, sd, seed_se, image_se, df = (
            np.array([getattr(each, name) for each in crossed])
            for name in ("mean", "sd", "seed_se", "image_se", "df")
        )
        se = np.hypot(seed_se, image_se)
        part = np.divide(seed_se, se, out=np.ones(n.shape), where=se > 0)
    se = np.where(se < RESOLUTION, np.where(abs(mean) < RESOLUTION, 0.0, np.nan), se)
    return _Scores(n, mean, sd, image_se, np.where(n < FEWEST, np.nan, se), df, skew, part)


class _Sides(NamedTuple):
    """`tail` of the lower and of the upper bound of each pair's mean."""

    low: Floats
    high: Floats


def _sides(scores: _Scores) -> _Sides:
    """By each pair's own skewness or that of all pairs, whichever moves the bound further: few
    differences show little of their tail, and arms that share a reference share its shape."""
    known = scores.n >= FEWEST
    total = np.where(known, scores.skew, 0.0).sum(axis=-1, keepdims=True)
    common = total / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    cubed = scores.part**3
    low, high = (
        tail(np.maximum(side * scores.skew, side * common) * cubed, scores.n) for side in (-1, 1)
    )
    return _Sides(low, high)


def _statistics(scores: _Scores, against: float = 0.0) -> Floats:
    """How many standard errors each mean lies above ``against``; where there is no error, infinite,
    or 0 at equality."""
    distance = scores.mean - against
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(np.abs(distance) < RESOLUTION, 0.0, np.copysign(np.inf, distance))
        return np.where(scores.se == 0, exact, distance / scores.se)


def _bounds(
    scores: _Scores, sides: _Sides, level: float | Floats, within: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Low and high of each mean's interval, at one level or one for each, cut to ``within``."""
    down, up = (reach(level, scores.df, side) * scores.se for side in sides)
    return np.clip(scores.mean - down, *within), np.clip(scores.mean + up, *within)


def _difference_p(scores: _Scores, sides: _Sides) -> Floats:
    """Two-sided p-values that the mean difference is 0."""
    t = _statistics(scores)
    side = np.where(t > 0, sides.low, sides.high)
    return np.asarray(np.minimum(2 * tail_p(np.abs(t), scores.df, side), 1.0))


def _equivalence_p(scores: _Scores, sides: _Sides, delta: float) -> Floats:
    """The larger of the two one-sided p-values that the difference leaves +- delta."""
    above = tail_p(_statistics(scores, -delta), scores.df, sides.low)
    below = tail_p(-_statistics(scores, delta), scores.df, sides.high)
    return np.asarray(np.maximum(above, below))


def compare_pairs(
    scores: pd.DataFrame,
    first: str,
    others: Sequence[str],
    *,
    untrained: pd.DataFrame | None = None,
    correct: Mapping[str, npt.ArrayLike] | None = None,
    delta: float = DELTA,
    level: float = LEVEL,
    within: tuple[float, float] = DIFFERENCE,
) -> pd.DataFrame:
    """Configuration ``first`` against each other one over the seeds that both have, a row each.

    scores: a row for each seed, a column for each configuration, NaN where a run is missing or
    untrained. untrained: of the same shape, whether a run stalled or diverged; none without it.
    correct: of each configuration the (seeds, images) correctness behind the scores, row for row;
    the intervals then also carry the sampling of test images (`crossed_interval`). within: where a
    difference can lie.

    first, second.
    Shares untrained: seeds (with a result of both), untrained_first, untrained_second (runs among
    them), alone (seeds on which just one trained), shares_p (McNemar, exact, two-sided).
    Scores: n (seeds on which both trained), mean of first minus second and its sd; low, high
    (``level``); skewness moves their bounds, see `estimators.skew`; p (two-sided); adjusted_p,
    adjusted_low, adjusted_high (Holm over these pairs, with the test of the shares: SPLIT);
    equivalence_p, equivalence_low, equivalence_high (two one-sided tests, Holm over these pairs:
    within +- delta they show equivalence); image_se (0 without ``correct``).
    superiority, superiority_low, superiority_high: P(first > second) over those n seeds;
    worst_rank, worst_rank_low, worst_rank_high: the same over all ``seeds``, untrained last.
    level: that of the adjusted step. verdict: see `decide`; withheld: whether the runs untrained
    keep it back; flips: whether it is better or worse, but with the untrained ranked last the other
    one wins more often.
    Raises ValueError where correct has other rows.

    >>> scores = pd.DataFrame(
    ...     {
    ...         "cosine": [0.84, 0.86, 0.85, 0.86],
    ...         "constant": [0.80, 0.81, 0.81, 0.82],
    ...         "factor": [0.84, 0.85, 0.86, 0.85],
    ...     }
    ... )
    >>> pairs = compare_pairs(scores, "cosine", ["constant", "factor"])
    >>> pairs[["second", "n", "adjusted_low", "adjusted_high", "verdict"]].round(3)
         second  n  adjusted_low  adjusted_high     verdict
    0  constant  4         0.032          0.063      better
    1    factor  4        -0.021          0.024  unresolved
    """
    values = scores[[first, *others]].to_numpy(dtype=np.float64)
    failed = np.zeros(values.shape, dtype=bool)
    if untrained is not None:
        failed = untrained[[first, *others]].to_numpy(dtype=bool)
    images = None
    if correct is not None:
        images = [_images(values, correct, first, *each) for each in enumerate(others, 1)]
    found = paired_columns(values, failed, images, delta, level, within)
    return pd.DataFrame({"first": first, "second": list(others), **found})


def _images(
    values: Floats, correct: Mapping[str, npt.ArrayLike], first: str, place: int, second: str
) -> Floats:
    """Correctness of first minus second, (seeds, images), on the seeds that both trained on."""
    a, b = (np.asarray(correct[name], dtype=np.float64) for name in (first, second))
    if not len(a) == len(b) == len(values) or a.shape != b.shape:
        raise ValueError(
            f"correct of {first} and {second} must be {len(values)} seeds x the same images, "
            f"not {a.shape} and {b.shape}"
        )
    common = ~np.isnan(values[:, 0] - values[:, place])
    return a[common] - b[common]


def paired_columns(
    values: Floats,
    failed: npt.NDArray[np.bool_],
    images: Sequence[Floats] | None = None,
    delta: float = DELTA,
    level: float = LEVEL,
    within: tuple[float, float] = DIFFERENCE,
) -> dict[str, npt.NDArray[Any]]:
    """The columns of `compare_pairs`, (..., pairs) each, of one study or of many at once.

    values, failed: (..., seeds, configurations), the first configuration against each other one.
    images: of each pair the (seeds, images) differences of correctness, of one study alone.

    >>> scores = np.random.default_rng(0).normal(0.8, 0.01, (1000, 5, 6))  # a thousand studies
    >>> verdicts = paired_columns(scores, np.zeros(scores.shape, dtype=bool))["verdict"]
    >>> bool((np.isin(verdicts, ["better", "worse"]).any(axis=1)).mean() < 0.05)
    True
    """
    found = _scores(values[..., :1] - values[..., 1:], images)
    columns: dict[str, npt.NDArray[Any]] = _shares(values, failed, level)
    more = columns["untrained_first"] - columns["untrained_second"]
    sides = _sides(found)
    wary = _Sides(*(ONE_SIDED * side for side in sides))
    split = np.where(decisive(columns["alone"], SPLIT * (1 - level)), SPLIT, 0.0)
    by_share = np.full(split.shape, np.nan)
    np.divide(columns["shares_p"], split, out=by_share, where=split > 0)
    p = _difference_p(found, sides)
    adjusted = holm(np.fmin(p / (1 - split), by_share), level)
    equivalent = holm(_equivalence_p(found, wary, delta), level)
    intervals = {
        "": _bounds(found, sides, level, within),
        "adjusted_": _bounds(found, sides, 1 - (1 - adjusted.levels) * (1 - split), within),
        "equivalence_": _bounds(found, wary, 1 - 2 * (1 - equivalent.levels), within),
    }
    columns |= {"n": found.n, "mean": found.mean, "sd": found.sd}
    for name, (low, high) in intervals.items():
        columns |= {f"{name}low": low, f"{name}high": high}
    columns |= {"p": p, "adjusted_p": adjusted.adjusted, "level": adjusted.levels}
    columns |= {"equivalence_p": equivalent.adjusted, "image_se": found.image_se}
    bounds = (f"{name}{end}" for name in ("equivalence_", "adjusted_") for end in ("low", "high"))
    rule = (found.n, *(columns[name] for name in bounds), by_share <= 1 - adjusted.levels, more)
    decided = [
        decide(*row, delta=delta)
        for row in zip(*(each.ravel().tolist() for each in rule), strict=True)
    ]
    columns["verdict"] = np.array([each[0] for each in decided], dtype=object).reshape(p.shape)
    columns["withheld"] = np.array([each[1] for each in decided], dtype=bool).reshape(p.shape)
    columns["flips"] = _flips(columns)
    return columns


def _shares(values: Floats, failed: npt.NDArray[np.bool_], level: float) -> dict[str, Any]:
    """What becomes of each pair on the seeds where both have a result, and who wins there."""
    known = ~np.isnan(values) | failed
    both = known[..., :1] & known[..., 1:]
    x, y = failed[..., :1] & both, failed[..., 1:] & both
    scores = values[..., :1] - values[..., 1:]
    ranked = np.where(x | y, y.astype(float) - x, np.where(both, scores, np.nan))
    alone = (x & ~y).sum(axis=-2), (y & ~x).sum(axis=-2)
    columns = {"seeds": both.sum(axis=-2), "untrained_first": x.sum(axis=-2)}
    columns |= {"untrained_second": y.sum(axis=-2), "alone": alone[0] + alone[1]}
    columns |= {"shares_p": mcnemar(*alone)}
    for name, each in (("superiority", scores), ("worst_rank", ranked)):
        wins = superiority(each, level, axis=-2)
        columns |= {name: wins.share, f"{name}_low": wins.low, f"{name}_high": wins.high}
    return columns


def decide(
    n: float,
    equivalence_low: float,
    equivalence_high: float,
    adjusted_low: float,
    adjusted_high: float,
    shares_differ: bool = False,
    more_untrained: float = 0,
    *,
    delta: float = DELTA,
) -> tuple[Verdict, bool]:
    """The one rule for first minus second, and whether a verdict was withheld.

    "more often untrained" (or "less") if the test of the shares decides; "too few" if fewer than
    FEWEST seeds trained with both; "equivalent" if the equivalence interval lies within +- delta
    (two one-sided tests, Schuirmann 1987); else "better" or "worse" if the adjusted interval
    excludes 0; else "unresolved". A verdict of the scores is withheld, and reads "unresolved",
    where the one that it favours has REVERSING or more untrained runs more than the other; of
    "equivalent" either one. more_untrained: runs of first less those of second.

    >>> decide(5, -0.001, 0.002, -0.002, 0.003), decide(5, 0.01, 0.02, 0.005, 0.03)
    (('equivalent', False), ('better', False))
    >>> decide(5, 0.01, 0.02, 0.005, 0.03, more_untrained=2)
    ('unresolved', True)
    """
    if shares_differ:
        return ("more often untrained" if more_untrained > 0 else "less often untrained"), False
    if n < FEWEST:
        return "too few", False
    if -delta <= equivalence_low and equivalence_high <= delta:
        return ("unresolved", True) if abs(more_untrained) >= REVERSING else ("equivalent", False)
    if adjusted_low > 0:
        return ("unresolved", True) if more_untrained >= REVERSING else ("better", False)
    if adjusted_high < 0:
        return ("unresolved", True) if more_untrained <= -REVERSING else ("worse", False)
    return "unresolved", False


def _flips(columns: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Whether a verdict of the scores turns round with the untrained ranked last."""
    failed = columns["untrained_first"] + columns["untrained_second"] > 0
    verdicts, rank = np.array(columns["verdict"], dtype=object), columns["worst_rank"]
    turned = ((verdicts == "better") & (rank < 0.5)) | ((verdicts == "worse") & (rank > 0.5))
    return np.asarray(failed & turned)


def with_plan(pairs: pd.DataFrame, delta: float = DELTA) -> pd.DataFrame:
    """The pairs with further_seeds, and how wide that estimate is: further_low and further_high.

    See `planning.further_seeds` and `planning.likely_range`. 0 where a pair is resolved; <NA> where
    the SD is not known, where fewer than FEWEST seeds trained, or where seeds alone cannot help.

    >>> scores = pd.DataFrame({"a": [0.84, 0.86, 0.85, 0.86], "b": [0.84, 0.85, 0.86, 0.85]})
    >>> plan = with_plan(compare_pairs(scores, "a", ["b"])).iloc[0]
    >>> bool(plan["further_low"] < plan["further_seeds"] < plan["further_high"])
    True
    """
    rows = []
    for row in pairs.to_dict("records"):
        open_ = row["verdict"] == "unresolved" and row["sd"] > RESOLUTION
        more = None
        if open_:
            more = further_seeds(
                row["n"], row["sd"], row["mean"], delta, row["image_se"], row["level"]
            )
        settled = 0 if row["verdict"] not in ("unresolved", "too few") else None
        rows.append(
            (settled, settled, settled) if more is None else (more, *likely_range(row["n"], more))
        )
    names = ["further_seeds", "further_low", "further_high"]
    plan = pd.DataFrame(rows, columns=names, index=pairs.index, dtype="Int64")
    return pairs.join(plan)
