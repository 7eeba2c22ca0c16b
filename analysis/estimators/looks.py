"""A test of pairs that is planned in looks: what each look decides, and who goes on.

At a look only the pairs that are still open are judged, on the first so many seeds. What is
resolved stops and keeps the numbers of that look; its configurations need no more seeds, unless
another pair does. Differences and shares untrained are one family of hypotheses, equivalence
another, each at 5 % over all its pairs and looks: each look has its nominal level
(`estimators.spending`), and what is rejected passes its level on to the others (Maurer & Bretz
2013, by `holm`). Bounds are those of repeated intervals (Jennison & Turnbull 1989): the interval at
a look's nominal level decides there. Seeds beyond the last look decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.estimators.comparison import (
    DELTA,
    NOT_JUDGED,
    OPEN,
    Floats,
    Pairs,
    Turn,
    against_first,
    image_differences,
    outcomes_of,
    paired_columns,
    split_of,
    trained_rows,
)
from analysis.estimators.intervals import DIFFERENCE, LEVEL
from analysis.estimators.skew import FEWEST, reach
from analysis.estimators.spending import Look
from analysis.estimators.unbiased import median_unbiased

Bools = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]


def compare_in_looks(
    scores: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    looks: Sequence[int],
    *,
    untrained: pd.DataFrame | None = None,
    correct: Mapping[str, npt.ArrayLike] | None = None,
    delta: float = DELTA,
    level: float = LEVEL,
    within: tuple[float, float] = DIFFERENCE,
) -> pd.DataFrame:
    """The pairs, first minus second, by the planned looks at the seeds that there are, a row each.

    scores, untrained, correct, delta, level, within: as `compare_pairs` takes them, with a row for
    every seed in the order of training; NaN and not untrained where there is no result, or none
    yet. pairs: names of two columns each. looks: after how many seeds the pairs are judged, rising;
    empty: once, on the seeds that there are.

    The columns of `compare_pairs`, at the look at which a pair was judged last: its p-values are
    the least error rates of the whole test that would reject there (sequential p-values), its
    bounds those of repeated intervals. A look counts once every open pair has a result of both on
    all of its seeds; before the first, a pair has no numbers and is "not judged yet". Besides:
    look (1 is the first, 0 none), stopped (whether the pair is resolved), planned (seeds of the
    last look); unbiased: the median-unbiased estimate of the mean where judging is over, see
    `unbiased_means`; exploratory_n, exploratory_mean, exploratory_low, exploratory_high: over all
    seeds on which both trained, where judging is over and there are more than judged; the interval
    holds for seeds whose number was not decided by what was seen.
    With one look at all seeds the numbers are those of `compare_pairs`.

    >>> scores = pd.DataFrame(
    ...     {
    ...         "cosine": [0.84, 0.86, 0.85, 0.86, 0.85, 0.84],
    ...         "constant": [0.78, 0.79, 0.79, 0.80, 0.79, np.nan],
    ...         "factor": [0.84, 0.85, 0.86, 0.85, 0.86, 0.84],
    ...     }
    ... )
    >>> pairs = [("cosine", "constant"), ("cosine", "factor")]
    >>> compare_in_looks(scores, pairs, (5, 6))[["second", "n", "look", "stopped", "verdict"]]
         second  n  look  stopped     verdict
    0  constant  5     1     True      better
    1    factor  6     2    False  unresolved
    """
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    values, failed = outcomes_of(scores, untrained, names)
    images = None if correct is None else image_differences(values, correct, names, pairs)
    at = tuple(np.array([names.index(pair[k]) for pair in pairs], dtype=int) for k in (0, 1))
    found = looked_columns(
        *(values, failed, looks, images),
        pairs=(at[0], at[1]),
        delta=delta,
        level=level,
        within=within,
    )
    frame = pd.DataFrame({"first": [a for a, _ in pairs], "second": [b for _, b in pairs], **found})
    over = frame["stopped"] | (frame["look"] == max(len(looks), 1))
    means = unbiased_means(frame, looks, delta, level)
    trained = None if images is None else [trained_rows(each) for each in images]
    whole = paired_columns(values, failed, trained, delta, level, within, pairs=(at[0], at[1]))
    more = over & (whole["seeds"] > frame["seeds"])
    columns = {f"exploratory_{name}": whole[name] for name in ("n", "mean", "low", "high")}
    beyond = pd.DataFrame(columns, index=frame.index).where(more)
    return frame.assign(unbiased=np.where(over, means, np.nan), **beyond)


def looked_columns(
    values: Floats,
    failed: Bools,
    looks: Sequence[int],
    images: Sequence[Floats] | None = None,
    *,
    pairs: Pairs | None = None,
    delta: float = DELTA,
    level: float = LEVEL,
    within: tuple[float, float] = DIFFERENCE,
) -> Columns:
    """The columns of `compare_in_looks` up to ``planned``, (..., pairs) each, of one study or of
    many at once.

    values, failed, pairs: as `paired_columns` takes them. images: of each pair `image_differences`,
    of one study alone.

    >>> scores = np.random.default_rng(0).normal(0.8, 0.01, (1000, 10, 6))  # a thousand studies
    >>> found = looked_columns(scores, np.zeros(scores.shape, dtype=bool), (5, 10))
    >>> bool(np.isin(found["verdict"], ["better", "worse"]).any(axis=1).mean() < 0.05)
    True
    """
    pairs = against_first(values.shape[-1]) if pairs is None else pairs
    planned = tuple(looks) or (max(values.shape[-2], 1),)
    rules: dict[str, Any] = {"delta": delta, "level": level, "within": within, "pairs": pairs}
    found = paired_columns(values[..., :0, :], failed[..., :0, :], **rules)
    shape = found["n"].shape
    found["verdict"] = np.full(shape, NOT_JUDGED, dtype=object)
    found["look"] = np.zeros(shape, dtype=int)
    open_, going = np.ones(shape, dtype=bool), np.ones(shape[:-1], dtype=bool)
    rejected = {"adjusted_p": np.zeros(shape, bool), "equivalence_p": np.zeros(shape, bool)}
    for place, n in enumerate(planned):
        if looks:
            going = going & (~open_ | _complete(values, failed, n, pairs)).all(axis=-1)
        judged = open_ & going[..., None]
        if not judged.any():
            break
        left = [np.count_nonzero(~open_ & ~each, axis=-1) for each in rejected.values()]
        turn = Turn(Look(planned, place), judged, (left[0], left[1]))
        rows = None if images is None else _rows(images, n, judged)
        now = paired_columns(values[..., :n, :], failed[..., :n, :], rows, turn=turn, **rules)
        now["look"] = np.full(shape, place + 1)
        resolved = judged & ~np.isin(now["verdict"].astype(str), OPEN)
        for name, each in rejected.items():
            each |= resolved & (now[name] < 1 - level)
        found = {name: np.where(judged, now[name], old) for name, old in found.items()}
        open_ &= ~resolved
    return found | {"stopped": ~open_, "planned": np.full(shape, planned[-1])}


def _complete(values: Floats, failed: Bools, n: int, pairs: Pairs) -> Bools:
    """Whether both of each pair have a result on each of the first so many seeds."""
    known = ~np.isnan(values[..., :n, :]) | failed[..., :n, :]
    all_known = known.all(axis=-2) & (values.shape[-2] >= n)
    return np.asarray(all_known[..., pairs[0]] & all_known[..., pairs[1]])


def _rows(images: Sequence[Floats], n: int, judged: Bools) -> list[Floats]:
    """Of each pair that is judged the first seeds on which both trained, of the others none."""
    every = zip(images, judged, strict=True)
    return [trained_rows(each[:n]) if chosen else each[:0] for each, chosen in every]


def unbiased_means(
    frame: pd.DataFrame, looks: Sequence[int], delta: float = DELTA, level: float = LEVEL
) -> Floats:
    """`median_unbiased` of each row of `compare_in_looks`, under the pair's own rule: the bounds of
    superiority and of equivalence at all planned looks, at the level that the pair has now; its SD,
    that of the images and the share of seeds on which both trained are taken as known.

    >>> scores = pd.DataFrame({"a": [0.85, 0.86, 0.85, 0.87, 0.86], "b": 0.84})
    >>> found = compare_in_looks(scores, [("a", "b")], (5, 10))
    >>> bool(unbiased_means(found, (5, 10))[0] < found["mean"][0])
    True
    """
    rows = frame.to_dict("records")
    if len(looks) < 2:
        return np.array([row["mean"] for row in rows], dtype=np.float64)
    return np.array([_unbiased(row, tuple(looks), delta, level) for row in rows])


def _unbiased(row: Mapping[Any, Any], looks: tuple[int, ...], delta: float, level: float) -> float:
    if row["n"] < FEWEST:
        return float(row["mean"])
    n = np.array(looks) * row["n"] / row["seeds"]
    variances = row["sd"] ** 2 / n + row["image_se"] ** 2
    beyond, inside = [], []
    for place, se in enumerate(np.sqrt(variances)):
        look, df = Look(looks, place), max(n[place] - 1, 1)
        images = variances[place] * n[place] / row["sd"] ** 2 - 1 if row["sd"] > 0 else 0.0
        alpha = (1 - row["level"]) * (1 - float(split_of(row["alone"], look, level))) / 2
        beyond.append(se * float(reach(1 - 2 * look.nominal(alpha, images), df, 0.0)))
        equal = look.nominal(1 - row["equivalence_level"], images)
        inside.append(delta - se * float(reach(1 - 2 * equal, df, 0.0)))
    return median_unbiased(row["mean"], list(variances), beyond, inside)
