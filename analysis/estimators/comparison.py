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

from analysis.estimators.differences import (
    RESOLUTION,
    Sides,
    bounds,
    difference_p,
    differences,
    equivalence_p,
    sides_of,
)
from analysis.estimators.intervals import DIFFERENCE, LEVEL
from analysis.estimators.multiplicity import Holm, holm
from analysis.estimators.planning import further_seeds, likely_range
from analysis.estimators.shares import decisive, mcnemar, superiority
from analysis.estimators.skew import FEWEST
from analysis.estimators.spending import Look

DELTA = 0.003  # differences within +- this share do not matter
SPLIT = 0.2
"""The part of a pair's error rate that the test of the shares untrained takes where it can decide
at all; the score has the rest. Where the shares cannot decide, the score has all of it."""
ONE_SIDED = 2.0
"""A claim of equivalence looks at the bound on one side alone, and where that is the side of the
tail, all of its errors lie there: its tail counts that much more."""
REVERSING = 2
"""So many more untrained runs withhold a verdict of the scores that they could reverse."""

Floats = npt.NDArray[np.float64]
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Places of the first and of the second configuration of each pair."""
Verdict = Literal[
    "more often untrained",
    "less often untrained",
    "too few",
    "equivalent",
    "better",
    "worse",
    "unresolved",
    "not judged yet",
]
NOT_JUDGED: Verdict = "not judged yet"
"""Of a test that is planned in looks, before its first look is complete."""
OPEN: tuple[Verdict, ...] = ("unresolved", "too few", NOT_JUDGED)
"""Verdicts that leave a pair open: more seeds may tell."""


class Turn(NamedTuple):
    """What is judged at a planned look. open: (..., pairs), the pairs that are; besides: of the
    hypotheses of no difference, and of those of a difference, how many belong to stopped pairs and
    are not rejected, (...,) each."""

    look: Look
    open: npt.NDArray[np.bool_]
    besides: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


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
    pairs = [(first, other) for other in others]
    names = [first, *others]
    values, failed = outcomes_of(scores, untrained, names)
    images = None if correct is None else image_differences(values, correct, names, pairs)
    trained = None if images is None else [trained_rows(each) for each in images]
    found = paired_columns(values, failed, trained, delta, level, within)
    del found["equivalence_level"]  # which only planned looks need
    return pd.DataFrame({"first": first, "second": list(others), **found})


def outcomes_of(
    scores: pd.DataFrame, untrained: pd.DataFrame | None, names: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Scores and whether untrained, (seeds, configurations), of the columns of those names.

    >>> outcomes_of(pd.DataFrame({"a": [0.8], "b": [0.7]}), None, ["b"])
    (array([[0.7]]), array([[False]]))
    """
    values = scores[[*names]].to_numpy(dtype=np.float64)
    if untrained is None:
        return values, np.zeros(values.shape, dtype=bool)
    return values, untrained[[*names]].to_numpy(dtype=bool)


def image_differences(
    values: Floats,
    correct: Mapping[str, npt.ArrayLike],
    names: Sequence[str],
    pairs: Sequence[tuple[str, str]],
) -> list[Floats]:
    """Of each pair correctness of the first minus the second, (seeds, images), NaN on seeds on
    which not both trained. values: (seeds, names). Raises ValueError where correct has other rows.

    >>> correct = {"a": [[1, 1], [1, 0]], "b": [[1, 0], [0, 0]]}
    >>> image_differences(np.array([[1, 0.5], [0.5, np.nan]]), correct, ["a", "b"], [("a", "b")])
    [array([[ 0.,  1.],
           [nan, nan]])]
    """
    found = []
    for first, second in pairs:
        a, b = (np.asarray(correct[name], dtype=np.float64) for name in (first, second))
        if not len(a) == len(b) == len(values) or a.shape != b.shape:
            raise ValueError(
                f"correct of {first} and {second} must be {len(values)} seeds x the same images, "
                f"not {a.shape} and {b.shape}"
            )
        scores = values[:, names.index(first)] - values[:, names.index(second)]
        found.append(np.where(np.isnan(scores)[:, None], np.nan, a - b))
    return found


def trained_rows(images: Floats) -> Floats:
    """The seeds on which both trained, of `image_differences`.

    >>> trained_rows(np.array([[0.0, 1.0], [np.nan, np.nan]]))
    array([[0., 1.]])
    """
    return images[~np.isnan(images).any(axis=1)]


def paired_columns(
    values: Floats,
    failed: npt.NDArray[np.bool_],
    images: Sequence[Floats] | None = None,
    delta: float = DELTA,
    level: float = LEVEL,
    within: tuple[float, float] = DIFFERENCE,
    *,
    pairs: Pairs | None = None,
    turn: Turn | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """The columns of `compare_pairs`, (..., pairs) each, of one study or of many at once.

    values, failed: (..., seeds, configurations). images: of each pair the (seeds, images)
    differences of correctness, of one study alone. pairs: places of the first and of the second of
    each; without it the first configuration against each other one. turn: which of them are judged
    at which planned look, on the seeds that are given; without it all, at the only look.

    >>> scores = np.random.default_rng(0).normal(0.8, 0.01, (1000, 5, 6))  # a thousand studies
    >>> verdicts = paired_columns(scores, np.zeros(scores.shape, dtype=bool))["verdict"]
    >>> bool((np.isin(verdicts, ["better", "worse"]).any(axis=1)).mean() < 0.05)
    True
    """
    first, second = against_first(values.shape[-1]) if pairs is None else pairs
    turn = _only(values.shape, len(first)) if turn is None else turn
    look, open_ = turn.look, turn.open[..., None, :]
    x, y = np.take(values, first, axis=-1), np.take(values, second, axis=-1)
    x_failed, y_failed = np.take(failed, first, axis=-1), np.take(failed, second, axis=-1)
    found = differences(np.where(open_, x - y, np.nan), images)
    columns: dict[str, npt.NDArray[Any]] = _shares(x, y, x_failed, y_failed, open_, level)
    sides = sides_of(found)
    wary = Sides(*(ONE_SIDED * side for side in sides))
    split = split_of(columns["alone"], look, level)
    by_share = np.full(split.shape, np.nan)
    overall = 2 * look.overall(columns["shares_p"] / 2)
    np.divide(overall, split, out=by_share, where=split > 0)
    p = np.minimum(2 * look.overall(difference_p(found, sides) / 2, found.images), 1.0)
    adjusted = _holm(np.fmin(p / (1 - split), by_share), level, turn, turn.besides[0])
    equal = look.overall(equivalence_p(found, wary, delta), found.images)
    equivalent = _holm(equal, level, turn, turn.besides[1])
    one_sided = {
        "": np.asarray((1 - level) / 2),
        "adjusted_": (1 - adjusted.levels) * (1 - split) / 2,
        "equivalence_": 1 - equivalent.levels,
    }
    columns |= {"n": found.n, "mean": found.mean, "sd": found.sd}
    for name, alpha in one_sided.items():
        nominal = 1 - 2 * look.nominal(alpha, found.images)
        low, high = bounds(found, wary if name == "equivalence_" else sides, nominal, within)
        columns |= {f"{name}low": low, f"{name}high": high}
    columns |= {"p": p, "adjusted_p": adjusted.adjusted, "level": adjusted.levels}
    columns |= {"equivalence_p": equivalent.adjusted, "equivalence_level": equivalent.levels}
    columns["image_se"] = found.image_se
    return columns | _decided(columns, by_share <= 1 - adjusted.levels, delta)


def against_first(configurations: int) -> Pairs:
    """The first of so many configurations with each other one.

    >>> against_first(3)
    (array([0, 0]), array([1, 2]))
    """
    return np.zeros(max(configurations - 1, 0), dtype=int), np.arange(1, configurations)


def _only(shape: tuple[int, ...], pairs: int) -> Turn:
    nothing = np.zeros(shape[:-2], dtype=int)
    return Turn(Look((max(shape[-2], 1),), 0), np.ones((*shape[:-2], pairs), bool), (nothing,) * 2)


def split_of(alone: npt.ArrayLike, look: Look, level: float) -> Floats:
    """The part of each pair's error rate that the test of the shares takes at a look: SPLIT where
    it can decide there, given on how many seeds just one trained.

    >>> split_of([7, 8], Look((25,), 0), 0.95)
    array([0. , 0.2])
    """
    alpha = 2 * look.nominal(SPLIT * (1 - level) / 2)
    return np.where(decisive(alone, float(alpha)), SPLIT, 0.0)


def _holm(p: Floats, level: float, turn: Turn, besides: npt.NDArray[np.int64]) -> Holm:
    """Holm's steps among the pairs that are judged. Before the last look a pair without a test
    counts, since it may have one later."""
    waiting = np.count_nonzero(np.isnan(p) & turn.open, axis=-1) * (not turn.look.last)
    return holm(p, level, besides + waiting)


def _shares(
    x: Floats,
    y: Floats,
    x_failed: npt.NDArray[np.bool_],
    y_failed: npt.NDArray[np.bool_],
    open_: npt.NDArray[np.bool_],
    level: float,
) -> dict[str, Any]:
    """What becomes of each pair on the seeds where both have a result, and who wins there."""
    both = (~np.isnan(x) | x_failed) & (~np.isnan(y) | y_failed) & open_
    x_only, y_only = x_failed & ~y_failed & both, y_failed & ~x_failed & both
    failed = (x_failed | y_failed) & both
    scores = np.where(open_, x - y, np.nan)
    ranked = np.where(failed, y_only.astype(float) - x_only, np.where(both, scores, np.nan))
    alone = x_only.sum(axis=-2), y_only.sum(axis=-2)
    columns = {"seeds": both.sum(axis=-2), "untrained_first": (x_failed & both).sum(axis=-2)}
    columns |= {"untrained_second": (y_failed & both).sum(axis=-2), "alone": alone[0] + alone[1]}
    columns |= {"shares_p": mcnemar(*alone)}
    for name, each in (("superiority", scores), ("worst_rank", ranked)):
        wins = superiority(each, level, axis=-2)
        columns |= {name: wins.share, f"{name}_low": wins.low, f"{name}_high": wins.high}
    return columns


def _decided(
    columns: Mapping[str, npt.NDArray[Any]], shares_differ: npt.NDArray[np.bool_], delta: float
) -> dict[str, npt.NDArray[Any]]:
    """verdict, withheld and flips, by `decide` of each pair."""
    names = (f"{name}{end}" for name in ("equivalence_", "adjusted_") for end in ("low", "high"))
    more = columns["untrained_first"] - columns["untrained_second"]
    rule = (columns["n"], *(columns[name] for name in names), shares_differ, more)
    rows = zip(*(each.ravel().tolist() for each in rule), strict=True)
    decided = [decide(*row, delta=delta) for row in rows]
    verdicts = np.array([each[0] for each in decided], dtype=object).reshape(more.shape)
    withheld = np.array([each[1] for each in decided], dtype=bool).reshape(more.shape)
    flips = _flips(columns, verdicts)
    return {"verdict": verdicts, "withheld": withheld, "flips": flips}


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


def _flips(
    columns: Mapping[str, npt.NDArray[Any]], verdicts: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Whether a verdict of the scores turns round with the untrained ranked last."""
    failed, rank = (
        columns["untrained_first"] + columns["untrained_second"] > 0,
        columns["worst_rank"],
    )
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
        settled = 0 if row["verdict"] not in OPEN else None
        rows.append(
            (settled, settled, settled) if more is None else (more, *likely_range(row["n"], more))
        )
    names = ["further_seeds", "further_low", "further_high"]
    plan = pd.DataFrame(rows, columns=names, index=pairs.index, dtype="Int64")
    return pairs.join(plan)
