"""One family against every other, over common seeds: estimates, forest plot and words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.estimators.comparison import compare_pairs, with_plan
from analysis.estimators.intervals import wilson
from analysis.estimators.seeds import by_seed
from analysis.estimators.skew import FEWEST
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
from analysis.fresh_seeds.frames import (
    Scores,
    chosen_runs,
    confirm_runs,
    ids,
    on_test,
    tested_runs,
)
from analysis.study import Study
from analysis.table import (
    PERCENT,
    RUNS,
    SCHEDULE,
    TEST_RUNS,
    Column,
    N,
    Table,
    bounded,
    interval,
    names_of,
)
from analysis.wording import listed, points
from search_spaces.words.phrases import count, percent
from study.spec import Stage

Row = Mapping[Hashable, Any]
_IMAGES = {"test": "test", "confirm": "validation"}
_NAMES = {"second": "family", "mean": "difference_accuracy"} | {
    f"{old}{end}": f"{new}_{end}"
    for old, new in (
        ("", "difference_accuracy"),
        ("adjusted_", "adjusted_accuracy"),
        ("equivalence_", "equivalence_accuracy"),
    )
    for end in ("low", "high")
}
_SUPERIORITY = {f"superiority{end}": f"wins_share{end}" for end in ("", "_low", "_high")}
_PRINTED = (
    *(SCHEDULE, N, *bounded("difference_accuracy", PERCENT)),
    *(interval("adjusted_accuracy", PERCENT), *bounded("wins_share", PERCENT)),
    *(bounded("worst_rank", PERCENT, "wins with untrained runs last")),
    *(Column("verdict"), Column("further_seeds")),
    interval("further", heading="further seeds may be"),
)
COLUMNS = (*_PRINTED, RUNS, TEST_RUNS)
"""Of `table`: with the runs of the stage that judged."""
UNTRAINED = Table(
    "Runs that stalled or diverged, of those with a result: their share with Wilson's 95 % "
    "interval. Scores are compared over the seeds on which both of a pair trained.",
    (SCHEDULE, Column("runs"), Column("untrained"), *bounded("untrained_share", PERCENT)),
)


def pairs(study: Study, first: str, weights: str = "last") -> pd.DataFrame:
    """Family ``first`` minus every other, a row each: the columns of `compare_pairs` and
    `with_plan` under the names of tables, delta, stage and trials.

    stage is test where the test images were read. Else it is confirm: what represents each family,
    on the validation images that chose it, which flatters all of them. trials: numbers of both
    families' runs in that stage. Empty where ``first`` has no run or is alone. weights: of the test
    images, as `on_test` takes them.
    """
    scores, used, stage = judged(study, weights)
    frame = compare(scores, first, study.delta)
    frame = frame.assign(delta=study.delta, stage=stage)
    trials = [ids(used[used["family"].isin([first, each])]) for each in frame["family"]]
    frame["trials"] = pd.Series(trials, frame.index, dtype=object)
    return frame


def judged(study: Study, weights: str = "last") -> tuple[Scores, pd.DataFrame, Stage]:
    """Both outcomes of what represents each family, the runs behind them and their stage."""
    scores = on_test(study, weights)
    if study.test is not None and not scores.accuracy.empty:
        return scores, tested_runs(study), "test"
    used = chosen_runs(study)
    return Scores(*by_seed(used, "family"), {}), used, "confirm"


def compare(scores: Scores, first: str, delta: float) -> pd.DataFrame:
    """`compare_pairs` of those scores under the names of tables, by falling difference."""
    others = [str(name) for name in scores.accuracy if name != first]
    if first not in scores.accuracy or not others:
        return pd.DataFrame(columns=[*names_of(_PRINTED), *_UNPRINTED])
    frame = compare_pairs(
        scores.accuracy,
        first,
        others,
        untrained=scores.untrained,
        correct=scores.correct or None,
        delta=delta,
    )
    frame = with_plan(frame, delta).rename(columns=_NAMES | _SUPERIORITY)
    return frame.sort_values("difference_accuracy", ascending=False, ignore_index=True)


_UNPRINTED = (
    *("seeds", "untrained_first", "untrained_second", "sd", "withheld", "flips"),
    *("equivalence_accuracy_low", "equivalence_accuracy_high"),
)


def untrained(study: Study, weights: str = "last") -> pd.DataFrame:
    """The table UNTRAINED: a row for each family of the search, also where no run of it trained and
    nothing represents it."""
    scores, used, _ = judged(study, weights)
    represented = set(scores.accuracy)
    runs = confirm_runs(study).query("role == 'candidate' and not ladder")
    rows = []
    for family in study.spec.families:
        mine = (used if family in represented else runs).query("family == @family")
        failed = int((mine["state"] != "complete").sum())
        share = failed / len(mine) if len(mine) else np.nan
        rows.append((family, len(mine), failed, share, *wilson(failed, len(mine))))
    return pd.DataFrame(rows, columns=UNTRAINED.names)


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
            "Marks: mean difference over the seeds on which both trained. Thick: interval of two "
            "one-sided 5 % tests, Holm-corrected; equivalent where it lies within the shaded zone "
            f"of +-{points(delta)}. Thin: 95 % interval, Holm-corrected, cut off where it leaves "
            "the picture; better or worse where it excludes 0. In brackets: the order of size of "
            "the seeds that would resolve it (∞: none, it takes more test images). P: share of "
            f"seeds on which {spoken(first)} wins, with Wilson's interval; it decides nothing."
        )
        return [picture(figure, f"{plain(first)}-against-others", alt, caption)]


def _intervals(ax: Axes, known: pd.DataFrame) -> None:
    """A row for each pair: a mark, the interval of equivalence thick, the adjusted one thin, and
    the zone of equivalence; the frame has a row."""
    rows, delta = known.to_dict("records"), float(known["delta"].iloc[0])
    first, images = str(known["first"].iloc[0]), _IMAGES[str(known["stage"].iloc[0])]
    ax.axvspan(-delta, delta, color="#e8e8e8", linewidth=0)
    ax.axvline(0, color=INK, linewidth=0.8)
    for place, row in enumerate(rows):
        colour, mark = style(row["family"])
        thin = [row["adjusted_accuracy_low"], row["adjusted_accuracy_high"]]
        ax.plot(thin, [place] * 2, color=colour, linewidth=1.2)
        ax.plot([row[each] for each in _EQUIVALENCE], [place] * 2, color=colour, linewidth=4)
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
    ends = frame[[*_ADJUSTED, *_EQUIVALENCE]].abs().to_numpy(dtype=float)
    longest = np.max(ends, initial=0.0, where=~np.isnan(ends))
    marks = max(float(frame["difference_accuracy"].abs().max()), 2 * delta)
    return 1.08 * min(max(float(longest), marks), 4 * marks)


def _beside(row: Row) -> str:
    wins, low, high = (row[f"wins_share{end}"] for end in ("", "_low", "_high"))
    text = str(row["verdict"])
    if text == "unresolved" and not pd.isna(row["further_seeds"]):
        noun = "seed" if row["further_seeds"] == 1 else "seeds"
        text += f" (+{rounded(row['further_seeds'])} {noun})"
    elif text == "unresolved" and _plan(row) == _NEVER:
        text += " (+∞ seeds)"
    failed = _failures(row)
    if failed:
        text += f"\n{failed}"
    return f"{text}\nP = {100 * wins:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def sentence(frame: pd.DataFrame, first: str, shares: pd.DataFrame) -> str:
    """What the pairs decide, best first, without a full stop; the frame has a row. shares: of
    `untrained`, which names what takes no part."""
    stage, n = str(frame["stage"].iloc[0]), int(frame["seeds"].max())
    head = f"On the {_IMAGES[stage]} images, over {count(n, 'fresh seed')}, {spoken(first)} is "
    groups = []
    for verdict, lead in _LEADS.items():
        rows = frame[frame["verdict"] == verdict]
        if len(rows):
            each = [_words(row, verdict) for row in rows.to_dict("records")]
            groups.append(lead.format(points(float(rows["delta"].iloc[0]))) + listed(each))
    text = head + "; ".join(groups)
    decided = int((frame["n"] >= FEWEST).sum())
    if decided:
        text += f" ({_how(decided, 'equivalent' in set(frame['verdict']))})"
    return text + shares_words(shares)


_LEADS = {
    "better": "better than ",
    "worse": "worse than ",
    "equivalent": "equivalent within {} to ",
    "more often untrained": "more often untrained than ",
    "less often untrained": "less often untrained than ",
    "unresolved": "unresolved against ",
    "too few": "compared on too few seeds with ",
}
"""In the order of a sentence, for what the verdict on the first one is."""


def _how(compared: int, equivalent: bool) -> str:
    text = "95 % intervals over the seeds on which both trained"
    if equivalent:
        text += ", where equivalent those of two one-sided 5 % tests"
    return text + (f", adjusted for {compared} pairs" if compared > 1 else "")


def shares_words(shares: pd.DataFrame) -> str:
    """That no run was untrained, or which schedules have none that trained or no run at all."""
    known = shares[shares["runs"] > 0]
    never = known[known["untrained"] == known["runs"]]
    absent = [spoken(name) for name in shares.loc[shares["runs"] == 0, "family"]]
    text = ""
    if len(known) and not known["untrained"].any():
        least = int(known["runs"].min())
        most = percent(wilson(0, least)[1])
        text = f"; no run was untrained (0 of {least} of each, which leaves up to {most})"
    for row in never.to_dict("records"):
        text += f"; none of {count(row['runs'], 'run')} of {spoken(str(row['family']))} trained"
    if absent:
        text += f"; {listed(absent)} {'has' if len(absent) == 1 else 'have'} no run"
    return text


def _words(row: Row, verdict: str) -> str:
    """A family with the difference, the interval that decided, and the runs untrained."""
    name, failed = spoken(str(row["family"])), _failures(row)
    if verdict in ("more often untrained", "less often untrained"):
        return f"{name} ({failed})"
    end = f", {failed}" if failed else ""
    bounds = _EQUIVALENCE if verdict == "equivalent" else _ADJUSTED
    mean, low, high = (float(row[each]) for each in ("difference_accuracy", *bounds))
    if verdict == "too few":
        if not row["n"]:
            return f"{name} (no seed on which both trained{end})"
        return f"{name} ({signed_points(mean)} points over {count(row['n'], 'seed')}{end})"
    if verdict == "worse":
        mean, low, high = -mean, -high, -low
    if np.isnan(low):
        return f"{name} ({signed_points(mean)} points on every seed, too coarse to tell{end})"
    text = f"{signed_points(mean)} points, {signed_points(low)} to {signed_points(high)}{end}"
    if row["withheld"]:
        return f"{name} ({text}: the runs untrained keep a verdict on the scores back)"
    if row["flips"]:
        text += "; with untrained runs ranked last it turns round"
    return f"{name} ({text}; {_plan(row)})" if verdict == "unresolved" else f"{name} ({text})"


def _failures(row: Row) -> str:
    """How many runs of each were untrained; empty where none was."""
    first, second, seeds = (
        int(row[each]) for each in ("untrained_first", "untrained_second", "seeds")
    )
    return f"{first} against {second} of {seeds} untrained" if first or second else ""


_NEVER = "no number of seeds can tell"
_ADJUSTED = ("adjusted_accuracy_low", "adjusted_accuracy_high")
_EQUIVALENCE = ("equivalence_accuracy_low", "equivalence_accuracy_high")


def _plan(row: Row) -> str:
    """The order of size of the seeds that a pair needs."""
    more = row["further_seeds"]
    if not pd.isna(more):
        return further(int(more), int(row["further_low"]), int(row["further_high"]))
    if row["sd"] > 0 and row["stage"] == "test":
        return _NEVER
    return "seeds needed unknown"


def further(more: int, low: int, high: int) -> str:
    """``about 20 more seeds (9 to 100)``: an order of size, and how wide it is."""
    seeds = "more seed" if more == 1 else "more seeds"
    return f"about {rounded(more)} {seeds} ({rounded(low)} to {rounded(high)})"


def rounded(number: int) -> str:
    """A whole number to one digit: its order of size.

    >>> rounded(7), rounded(114)
    ('7', '100')
    """
    return f"{int(float(f'{number:.1g}')):,}"


def signed_points(difference: float) -> str:
    """A difference of shares in points with two decimals and its sign, since rounding to one may
    turn a bound into 0."""
    return f"{100 * difference:+.2f}".replace("+0.00", "0.00").replace("-0.00", "0.00")
