"""The forest of pairs: a row for each, with its intervals and what they decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.axes import percent_ticks
from analysis.figures.style import (
    INK,
    Picture,
    canvas,
    on,
    picture,
    plain,
    spoken,
    style,
    told_apart,
)
from analysis.fresh_seeds.pair_words import (
    ADJUSTED,
    EQUIVALENCE,
    IMAGES,
    NEVER,
    Row,
    at_look,
    failures,
    plan,
    rounded,
)
from analysis.wording import points


def forest(frame: pd.DataFrame, first: str, alt: str) -> list[Picture]:
    """A row for each other family: difference, intervals, and in words what they decide."""
    known = frame.dropna(subset=["difference_accuracy"])
    if known.empty:
        return []
    rows, delta = known.to_dict("records"), float(known["delta"].iloc[0])
    lines = max(_beside(row).count("\n") + 1 for row in rows)
    with canvas(
        1, 2, 1.25 + max(0.48, 0.19 * lines) * len(rows), width_ratios=[1.4, 1], sharey=True
    ) as (
        figure,
        axes,
    ):
        left, right = axes[0]
        _intervals(left, known)
        for place, row in enumerate(rows):
            right.text(0, place, _beside(row), va="center", fontsize=9)
        right.axis("off")
        caption = (
            "Marks: mean difference over the seeds on which both trained. Thick: interval of two "
            "one-sided 5 % tests, Holm-corrected; equivalent where it lies within the shaded zone "
            f"of +-{points(delta)}. Thin: 95 % interval, Holm-corrected, cut off where it leaves "
            "the picture; better or worse where it excludes 0. In brackets: the order of size of "
            "the seeds that would resolve it (∞: none, it takes more test images). P: share of "
            f"seeds on which {spoken(first)} wins, with Wilson's interval; it decides nothing."
        )
        if "looks" in known:
            caption += (
                " Intervals are repeated ones, of the look at which a pair was judged last. Bar: "
                "median-unbiased difference. Grey: over all seeds, also those after the last "
                "planned look, exploratory: it decides nothing."
            )
        return [picture(figure, f"{plain(first)}-against-others", alt, caption)]


def _intervals(ax: Axes, known: pd.DataFrame) -> None:
    """A row for each pair: a mark, the interval of equivalence thick, the adjusted one thin, and
    the zone of equivalence; the frame has a row."""
    rows, delta = known.to_dict("records"), float(known["delta"].iloc[0])
    first, images = str(known["first"].iloc[0]), IMAGES[str(known["stage"].iloc[0])]
    ax.axvspan(-delta, delta, color="#e8e8e8", linewidth=0)
    ax.axvline(0, color=INK, linewidth=0.8)
    for place, row in enumerate(rows):
        colour, mark = style(row["family"])
        thin = [row["adjusted_accuracy_low"], row["adjusted_accuracy_high"]]
        ax.plot(thin, [place] * 2, color=colour, linewidth=1.2)
        ax.plot([row[each] for each in EQUIVALENCE], [place] * 2, color=colour, linewidth=4)
        ax.plot(row["difference_accuracy"], place, mark, color=colour, ms=7, mec="white")
        if "looks" in row:
            _beside_judged(ax, row, place)
    several = len(set(known["first"])) > 1
    ax.set_yticks(
        range(len(rows)), [_pair(row) if several else spoken(row["family"]) for row in rows]
    )
    ax.set_ylim(len(rows) - 0.4, -0.6)
    reach = _reach(known, delta)
    ax.set_xlim(-reach, reach)
    ax.grid(visible=False, axis="y")
    minus = "the first minus the second" if several else f"{spoken(first)} minus the other"
    ax.set_xlabel(f"{minus},\n{images} accuracy (points)")
    percent_ticks(ax.xaxis)


def _pair(row: Row) -> str:
    return f"{spoken(str(row['first']))} - {spoken(str(row['family']))}"


def _beside_judged(ax: Axes, row: Row, place: int) -> None:
    """The median-unbiased difference as a bar, and what all seeds give in grey, below."""
    ax.plot([row["unbiased_accuracy"]] * 2, [place - 0.25, place + 0.25], color=INK, linewidth=2)
    ends = [row[f"exploratory_accuracy_{end}"] for end in ("low", "high")]
    ax.plot(ends, [place + 0.32] * 2, color="#999999", linewidth=1)
    ax.plot(row["exploratory_accuracy"], place + 0.32, "o", color="#999999", ms=4)


def comparison_forest(pairs: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw by how much one schedule is better than each other one, with what the intervals decide.

    pairs: ``lrstudy.estimates(study)["comparison"]`` of a confirmed study of the space cosine or
        langevin, a row a pair: first (the one), family (the other), difference_accuracy (first
        minus the other over the seeds on which both trained), equivalence_accuracy_low and
        equivalence_accuracy_high (the interval that decides equivalence),
        adjusted_accuracy_low and adjusted_accuracy_high (the 95 % one after Holm's correction),
        verdict, delta, all in shares; stage, whose images judged. Pairs without a common run are
        left out.
    ax: where to draw; the current axes without it. Returns it: x in points of accuracy, the zone of
    equivalence (+- delta) shaded, its intervals thick, adjusted ones thin, verdicts at the right.

    >>> from matplotlib.figure import Figure
    >>> pairs = pd.DataFrame(
    ...     {
    ...         "first": "cosine",
    ...         "family": ["factor", "constant"],
    ...         "difference_accuracy": [0.021, 0.002],
    ...         "equivalence_accuracy_low": [0.014, -0.004],
    ...         "equivalence_accuracy_high": [0.028, 0.008],
    ...         "adjusted_accuracy_low": [0.009, -0.009],
    ...         "adjusted_accuracy_high": [0.033, 0.013],
    ...         "verdict": ["better", "unresolved"],
    ...         "delta": 0.003,
    ...         "stage": "test",
    ...     }
    ... )
    >>> ax = comparison_forest(pairs, Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['better', 'unresolved']
    """
    ax, known = on(ax), pairs.dropna(subset=["difference_accuracy"])
    if known.empty:
        return ax
    with told_apart([*known["first"].unique(), *known["family"]]):
        _intervals(ax, known)
    for place, verdict in enumerate(known["verdict"]):
        ax.text(1.02, place, verdict, va="center", transform=ax.get_yaxis_transform())
    return ax


def _reach(frame: pd.DataFrame, delta: float) -> float:
    """How far the axis goes: to the longest interval, but no further than four times the largest
    difference, so that one wide interval does not hide where all the others lie."""
    ends = frame[[*ADJUSTED, *EQUIVALENCE]].abs().to_numpy(dtype=float)
    longest = np.max(ends, initial=0.0, where=~np.isnan(ends))
    marks = max(float(frame["difference_accuracy"].abs().max()), 2 * delta)
    return 1.08 * min(max(float(longest), marks), 4 * marks)


def _beside(row: Row) -> str:
    wins, low, high = (row[f"wins_share{end}"] for end in ("", "_low", "_high"))
    text = str(row["verdict"])
    if "looks" in row:
        text += f"\n{at_look(row)}"
    elif text == "unresolved" and not pd.isna(row["further_seeds"]):
        noun = "seed" if row["further_seeds"] == 1 else "seeds"
        text += f" (+{rounded(row['further_seeds'])} {noun})"
    elif text == "unresolved" and plan(row) == NEVER:
        text += " (+∞ seeds)"
    failed = failures(row)
    if failed:
        text += f"\n{failed}"
    return f"{text}\nP = {100 * wins:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
