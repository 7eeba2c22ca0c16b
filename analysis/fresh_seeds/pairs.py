"""One family against every other, over common seeds: estimates, forest plot and words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.estimators.comparison import compare_pairs
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
from analysis.fresh_seeds.frames import Scores, by_seed, chosen_runs, ids, on_test
from analysis.reading.states import RESULTS
from analysis.study import Study
from analysis.table import (
    PERCENT,
    RUNS,
    SCHEDULE,
    TEST_RUNS,
    Column,
    N,
    bounded,
    interval,
    names_of,
)
from analysis.wording import listed, points
from search_spaces.words.phrases import count

Row = Mapping[Hashable, Any]
_IMAGES = {"test": "test", "confirm": "validation"}
_NAMES = {"second": "family", "mean": "difference_accuracy"} | {
    f"{old}{end}": f"{new}_{end}"
    for old, new in (("", "difference_accuracy"), ("adjusted_", "adjusted_accuracy"))
    for end in ("low", "high")
}
_SUPERIORITY = {f"superiority{end}": f"wins_share{end}" for end in ("", "_low", "_high")}
_BOUNDS = [
    *("difference_accuracy_low", "difference_accuracy_high", "low90", "high90"),
    *("adjusted_accuracy_low", "adjusted_accuracy_high"),
]
_PRINTED = (
    *(SCHEDULE, N, *bounded("difference_accuracy", PERCENT)),
    *(interval("adjusted_accuracy", PERCENT), *bounded("wins_share", PERCENT)),
    *(Column("verdict"), Column("further_seeds")),
)
COLUMNS = (*_PRINTED, RUNS, TEST_RUNS)
"""Of `table`: with the runs of the stage that judged."""


def pairs(study: Study, first: str, weights: str = "last") -> pd.DataFrame:
    """Family ``first`` minus every other, a row each: the columns of `compare_pairs` under the
    names of tables, delta, stage and trials.

    stage is test where the test images were read. Else it is confirm: of each family the candidate
    with the highest mean on validation images, which flatters all of them; a diverged run counts
    with the task's worst score. trials: numbers of both families' runs in that stage. Empty where
    ``first`` has no run or is alone. weights: of the test images, as `on_test` takes them.
    """
    scores, stage = on_test(study, weights), "test"
    if study.test is not None and not scores.accuracy.empty:
        used = study.test.ended(RESULTS)
    else:
        used, stage = chosen_runs(study), "confirm"
        scores = Scores(by_seed(used, "family"), {})
    frame = compare(scores, first, study.delta)
    frame = frame.assign(delta=study.delta, stage=stage)
    trials = [ids(used[used["family"].isin([first, each])]) for each in frame["family"]]
    frame["trials"] = pd.Series(trials, frame.index, dtype=object)
    return frame


def compare(scores: Scores, first: str, delta: float) -> pd.DataFrame:
    """`compare_pairs` of those scores under the names of tables, by falling difference."""
    others = [str(name) for name in scores.accuracy if name != first]
    if first not in scores.accuracy or not others:
        return pd.DataFrame(columns=[*names_of(_PRINTED), "low90", "high90", "sd"])
    correct = scores.correct or None
    frame = compare_pairs(scores.accuracy, first, others, correct=correct, delta=delta)
    frame = frame.rename(columns=_NAMES | _SUPERIORITY)
    # With two or three seeds Student's bounds may leave what a difference of shares can be.
    frame[_BOUNDS] = frame[_BOUNDS].clip(-1.0, 1.0)
    return frame.sort_values("difference_accuracy", ascending=False, ignore_index=True)


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """What of `pairs` is printed, with the trials under their stage's name."""
    stage = frame["stage"].iloc[0] if len(frame) else "test"
    return frame[names_of(_PRINTED)].assign(**{f"{stage}_trials": frame["trials"]})


def forest(frame: pd.DataFrame, first: str, alt: str) -> list[Picture]:
    """A row for each other family: difference, intervals, and in words what they decide."""
    known = frame.dropna(subset=["difference_accuracy"])
    if known.empty:
        return []
    rows, delta = known.to_dict("records"), float(known["delta"].iloc[0])
    with canvas(1, 2, 1.25 + 0.48 * len(rows), width_ratios=[1.4, 1], sharey=True) as (
        figure,
        axes,
    ):
        left, right = axes[0]
        _intervals(left, known)
        for place, row in enumerate(rows):
            right.text(0, place, _beside(row), va="center", fontsize=9)
        right.axis("off")
        caption = (
            f"Marks: mean difference over common seeds. Thick: 90 % interval; equivalent where it "
            f"lies within the shaded zone of +-{points(delta)}. Thin: 95 % interval after Holm's "
            "correction, cut off where it leaves the picture; better or worse where it excludes 0. "
            "In brackets: about how many more "
            "seeds would resolve it (∞: none, it takes more test images). P: share of seeds on "
            f"which {spoken(first)} wins, with Wilson's interval; it describes and decides nothing."
        )
        return [picture(figure, f"{plain(first)}-against-others", alt, caption)]


def _intervals(ax: Axes, known: pd.DataFrame) -> None:
    """A row for each pair: a mark, the 90 % interval thick, the adjusted one thin, and the zone of
    equivalence; the frame has a row."""
    rows, delta = known.to_dict("records"), float(known["delta"].iloc[0])
    first, images = str(known["first"].iloc[0]), _IMAGES[str(known["stage"].iloc[0])]
    ax.axvspan(-delta, delta, color="#e8e8e8", linewidth=0)
    ax.axvline(0, color=INK, linewidth=0.8)
    for place, row in enumerate(rows):
        colour, mark = style(row["family"])
        thin = [row["adjusted_accuracy_low"], row["adjusted_accuracy_high"]]
        ax.plot(thin, [place] * 2, color=colour, linewidth=1.2)
        ax.plot([row["low90"], row["high90"]], [place] * 2, color=colour, linewidth=4)
        ax.plot(row["difference_accuracy"], place, mark, color=colour, ms=7, mec="white")
    ax.set_yticks(range(len(rows)), [spoken(row["family"]) for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    reach = _reach(known, delta)
    ax.set_xlim(-reach, reach)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"{spoken(first)} minus the other,\n{images} accuracy (points)")
    percent_ticks(ax.xaxis)


def comparison_forest(pairs: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw by how much one schedule is better than each other one, with what the intervals decide.

    pairs: ``lrstudy.estimates(study)["comparison"]`` of a confirmed study of the space cosine or
        langevin, a row a pair: first (the one), family (the other), difference_accuracy (first
        minus the other over common seeds), low90 and high90 (its 90 % interval),
        adjusted_accuracy_low and adjusted_accuracy_high (the 95 % one after Holm's correction),
        verdict, delta, all in shares; stage, whose images judged. Pairs without a common run are
        left out.
    ax: where to draw; the current axes without it. Returns it: x in points of accuracy, the zone of
    equivalence (+- delta) shaded, 90 % intervals thick, adjusted ones thin, verdicts at the right.

    >>> from matplotlib.figure import Figure
    >>> pairs = pd.DataFrame(
    ...     {
    ...         "first": "cosine",
    ...         "family": ["factor", "constant"],
    ...         "difference_accuracy": [0.021, 0.002],
    ...         "low90": [0.014, -0.004],
    ...         "high90": [0.028, 0.008],
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
    ends = frame[["adjusted_accuracy_low", "adjusted_accuracy_high", "low90", "high90"]]
    marks = max(float(frame["difference_accuracy"].abs().max()), 2 * delta)
    longest = np.nanmax([ends.abs().to_numpy(dtype=float).max(initial=0.0), marks])
    return 1.08 * min(float(longest), 4 * marks)


def _beside(row: Row) -> str:
    wins, low, high = (row[f"wins_share{end}"] for end in ("", "_low", "_high"))
    text = str(row["verdict"])
    if text == "unresolved" and not pd.isna(row["further_seeds"]):
        text += f" (+{count(row['further_seeds'], 'seed')})"
    elif text == "unresolved" and _seeds(row) == _NEVER:
        text += " (+∞ seeds)"
    return f"{text}\nP = {100 * wins:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def sentence(frame: pd.DataFrame, first: str) -> str:
    """What the pairs decide, best first, without a full stop; the frame has a row."""
    stage, n = str(frame["stage"].iloc[0]), int(frame["n"].max())
    head = f"On the {_IMAGES[stage]} images, over {count(n, 'fresh seed')}, {spoken(first)} is "
    groups = []
    for verdict, lead in _LEADS.items():
        rows = frame[(frame["verdict"] == verdict) & (frame["n"] > 1)]
        if len(rows):
            each = [_words(row, verdict) for row in rows.to_dict("records")]
            groups.append(lead.format(points(float(rows["delta"].iloc[0]))) + listed(each))
    single = [spoken(name) for name in frame.loc[frame["n"] == 1, "family"]]
    absent = [spoken(name) for name in frame.loc[frame["n"] == 0, "family"]]
    if single:
        groups.append("known from one seed alone, which decides nothing, against " + listed(single))
    if absent:
        groups.append("without a common run with " + listed(absent))
    text = head + "; ".join(groups)
    if (frame["n"] > 1).any():
        compared = int((frame["n"] > 1).sum())
        text += f" (90 % intervals where equivalent, else 95 % ones{_holm(compared)})"
    return text


_LEADS = {
    "better": "better than ",
    "worse": "worse than ",
    "equivalent": "equivalent within {} to ",
    "unresolved": "unresolved against ",
}


def _holm(compared: int) -> str:
    return f", adjusted for {compared} pairs" if compared > 1 else ""


def _words(row: Row, verdict: str) -> str:
    """A family with the difference and the interval that decided."""
    bounds = ("low90", "high90") if verdict == "equivalent" else _ADJUSTED
    mean, low, high = (float(row[name]) for name in ("difference_accuracy", *bounds))
    if verdict == "worse":
        mean, low, high = -mean, -high, -low
    name = spoken(str(row["family"]))
    if np.isnan(low):
        return f"{name} ({signed_points(mean)} points on every seed, too coarse to tell)"
    if verdict == "unresolved":
        return (
            f"{name} ({signed_points(mean)} points, {signed_points(low)} to {signed_points(high)}; "
            f"{_seeds(row)})"
        )
    return f"{name} ({signed_points(mean)} points, {signed_points(low)} to {signed_points(high)})"


_NEVER = "no number of seeds can tell"
_ADJUSTED = ("adjusted_accuracy_low", "adjusted_accuracy_high")


def _seeds(row: Row) -> str:
    """How many more seeds a pair needs."""
    more = row["further_seeds"]
    if int(row["n"]) < 2:
        return "one seed"
    if not pd.isna(more):
        return f"about {count(int(more), 'more seed')}"
    if row["sd"] > 0 and row["stage"] == "test":
        return _NEVER
    return "seeds needed unknown"


def signed_points(difference: float) -> str:
    """A difference of shares in points with two decimals and its sign, since rounding to one may
    turn a bound into 0."""
    return f"{100 * difference:+.2f}".replace("+0.00", "0.00").replace("-0.00", "0.00")
