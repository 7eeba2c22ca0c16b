"""Every two of several configurations over common seeds, corrected for all pairs at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.estimators.comparison import DELTA, compare_pairs, decide, with_plan
from analysis.estimators.intervals import LEVEL
from analysis.estimators.multiplicity import holm
from analysis.figures.style import INK, Picture, canvas, picture, spoken
from analysis.fresh_seeds.frames import Scores
from analysis.fresh_seeds.pairs import further, signed_points
from analysis.table import (
    NAME,
    PERCENT,
    TEST_RUNS,
    Column,
    N,
    Table,
    bounded,
    interval,
)
from analysis.wording import points
from search_spaces.words.phrases import count

TABLE = Table(
    "Each schedule minus each later one, paired by seed, over the n seeds on which both trained: "
    "mean difference with its 95 % interval for new seeds and new images; the interval after "
    "Holm's correction over all pairs, which decides better and worse; the verdict on the first of "
    "the two; the order of size of the seeds that would resolve it.",
    (
        *(Column("first", NAME, "schedule"), Column("family", NAME, "against"), N),
        *bounded("difference_accuracy", PERCENT),
        interval("adjusted_accuracy", PERCENT),
        *(Column("verdict"), Column("further_seeds")),
        *(interval("further", heading="further seeds may be"), TEST_RUNS),
    ),
)
_NAMES = {"second": "family", "mean": "difference_accuracy"} | {
    f"{old}{end}": f"{new}_accuracy_{end}"
    for old, new in (("", "difference"), ("adjusted_", "adjusted"), ("equivalence_", "equivalence"))
    for end in ("low", "high")
}
_BY_SHARES = ("more often untrained", "less often untrained")
_TURNED = {
    "better": "worse",
    "worse": "better",
    _BY_SHARES[0]: _BY_SHARES[1],
    _BY_SHARES[1]: _BY_SHARES[0],
}
_COLOURS = {
    "better": "#cfe6da",
    "worse": "#f6d9c8",
    "equivalent": "#dbe4f0",
    _BY_SHARES[0]: "#f6d9c8",
    _BY_SHARES[1]: "#cfe6da",
}


def every_pair(scores: Scores, delta: float = DELTA) -> pd.DataFrame:
    """Each configuration minus each later one, a row a pair: first, family (the other one), and the
    columns of `compare_pairs` and `with_plan` under the names of tables.

    scores: both outcomes by seed, a column for each configuration. The tests of all pairs share one
    Holm correction, and so do those of equivalence.

    >>> seeds = np.random.default_rng(0).normal(0.0, 0.01, (10, 1))
    >>> own = np.random.default_rng(1).normal([0.84, 0.84, 0.80], 0.001, (10, 3))
    >>> frame = pd.DataFrame(seeds + own, columns=["a", "b", "c"])
    >>> every_pair(Scores(frame, frame.isna(), {}))[["first", "family", "verdict"]]
      first family     verdict
    0     a      b  equivalent
    1     a      c      better
    2     b      c      better
    """
    couples = list(combinations(map(str, scores.accuracy), 2))
    if not couples:
        return pd.DataFrame(columns=[*TABLE.names, "delta", "stage", "seeds", "trials"])
    alone = _compared(scores, couples, [LEVEL] * len(couples), delta)
    adjusted, equivalent = holm(alone["adjusted_p"]), holm(alone["equivalence_p"])
    strict = _compared(scores, couples, adjusted.levels, delta)
    within = _compared(scores, couples, equivalent.levels, delta)
    bounds = {f"adjusted_{end}": strict[f"adjusted_{end}"] for end in ("low", "high")}
    bounds |= {f"equivalence_{end}": within[f"equivalence_{end}"] for end in ("low", "high")}
    levels = {"level": strict["level"], "by_shares": strict["verdict"].isin(_BY_SHARES)}
    corrected = {"adjusted_p": adjusted.adjusted, "equivalence_p": equivalent.adjusted}
    frame = alone.assign(**bounds, **levels, **corrected)
    decided = [_decided(row, delta) for row in frame.to_dict("records")]
    frame = frame.assign(
        verdict=[each[0] for each in decided], withheld=[each[1] for each in decided], delta=delta
    )
    return with_plan(frame, delta).rename(columns=_NAMES)


def _compared(
    scores: Scores, couples: Iterable[tuple[str, str]], levels: Iterable[float], delta: float
) -> pd.DataFrame:
    """`compare_pairs` of each couple by itself, at a level of its own."""
    frames = [
        compare_pairs(
            scores.accuracy,
            first,
            [second],
            untrained=scores.untrained,
            correct=scores.correct or None,
            delta=delta,
            level=LEVEL if np.isnan(level) else float(level),
        )
        for (first, second), level in zip(couples, levels, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


def _decided(row: Mapping[Hashable, Any], delta: float) -> tuple[str, bool]:
    return decide(
        row["n"],
        *(row["equivalence_low"], row["equivalence_high"]),
        *(row["adjusted_low"], row["adjusted_high"]),
        shares_differ=row["by_shares"],
        more_untrained=row["untrained_first"] - row["untrained_second"],
        delta=delta,
    )


_ENDS = ("low", "high")


def matrix(frame: pd.DataFrame, alt: str) -> list[Picture]:
    """A square of verdicts: the row's schedule against the column's."""
    known = frame.dropna(subset=["difference_accuracy"])
    if known.empty:
        return []
    names = list(dict.fromkeys([*known["first"], *known["family"]]))
    places = {name: place for place, name in enumerate(names)}
    with canvas(height=1.4 + 0.55 * len(names)) as (figure, axes):
        ax = axes[0, 0]
        for row in known.to_dict("records"):
            at, other = places[row["first"]], places[row["family"]]
            verdict, difference = str(row["verdict"]), float(row["difference_accuracy"])
            _cell(ax, other, at, verdict, difference)
            _cell(ax, at, other, _TURNED.get(verdict, verdict), -difference)
        ax.set_xticks(range(len(names)), [spoken(name) for name in names], rotation=30, ha="right")
        ax.set_yticks(range(len(names)), [spoken(name) for name in names])
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel("compared with")
        ax.grid(visible=False)
        caption = (
            "The verdict on the schedule of the row against that of the column, and their mean "
            "difference in points of test accuracy over the seeds on which both trained. One "
            "correction for all pairs. White: undecided."
        )
        return [picture(figure, "every-pair", alt, caption)]


def _cell(ax: Axes, x: int, y: int, verdict: str, difference: float) -> None:
    fill = _COLOURS.get(verdict, "white")
    square = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=fill, edgecolor="#c8c8c8", linewidth=0.8)
    ax.add_patch(square)
    text = f"{_wrapped(verdict)}\n{signed_points(difference)}"
    ax.text(x, y, text, ha="center", va="center", fontsize=7.5, color=INK)


def _wrapped(verdict: str) -> str:
    return verdict.replace(" often ", " often\n")


def sentence(frame: pd.DataFrame) -> str:
    """Which pairs are decided and how, without a full stop; the frame has a row."""
    rows = frame.to_dict("records")
    decided = [row for row in rows if row["verdict"] not in ("unresolved", "too few")]
    seeds = count(int(frame["seeds"].max()), "seed")
    head = f"On the test images, over {seeds}, {len(decided)} of {count(len(rows), 'pair')} "
    head += "is decided" if len(decided) == 1 else "are decided"
    open_ = [row for row in rows if row["verdict"] in ("unresolved", "too few")]
    parts = [f"{head}{': ' if decided else ''}{'; '.join(map(_words, decided))}"]
    if open_:
        parts.append(f"not decided: {'; '.join(map(_words, open_))}")
    how = "95 % intervals over the seeds on which both trained, adjusted for all pairs"
    return f"{'; '.join(parts)} ({how})"


def _words(row: Mapping[Hashable, Any]) -> str:
    """A pair with its difference and the interval that decided."""
    first, second, verdict = spoken(str(row["first"])), spoken(str(row["family"])), row["verdict"]
    name = "equivalence" if verdict == "equivalent" else "adjusted"
    values = [row["difference_accuracy"], *(row[f"{name}_accuracy_{end}"] for end in _ENDS)]
    if verdict in ("worse", _BY_SHARES[1]):
        first, second, verdict = second, first, _TURNED[verdict]
        values = [-values[0], -values[2], -values[1]]
    if verdict == _BY_SHARES[0]:
        failed = sorted((row["untrained_first"], row["untrained_second"]), reverse=True)
        return f"{first} is {verdict} than {second} ({failed[0]} against {failed[1]} runs)"
    mean, low, high = values
    if verdict == "too few" or np.isnan(low):
        return f"{first} and {second} (too few seeds on which both trained)"
    span = f"{signed_points(mean)} points, {signed_points(low)} to {signed_points(high)}"
    if verdict == "equivalent":
        return f"{first} is equivalent within {points(row['delta'])} to {second} ({span})"
    if verdict == "better":
        return f"{first} is better than {second} ({span})"
    more = row["further_seeds"]
    plan = "" if pd.isna(more) else f"; {further(more, row['further_low'], row['further_high'])}"
    return f"{first} against {second} ({span}{plan})"
