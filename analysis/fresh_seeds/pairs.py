"""One family against every other, over common seeds: estimates and tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.estimators.comparison import compare_pairs, with_plan
from analysis.estimators.intervals import wilson
from analysis.estimators.looks import compare_in_looks
from analysis.estimators.seeds import by_seed
from analysis.fresh_seeds.frames import (
    Scores,
    chosen_runs,
    confirm_runs,
    ids,
    on_test,
    tested,
    tested_runs,
)
from analysis.study import Study
from analysis.table import (
    NAME,
    PERCENT,
    POINTS,
    RUNS,
    SCHEDULE,
    TEST_RUNS,
    YES_NO,
    Column,
    N,
    Table,
    bounded,
    interval,
    names_of,
)
from study.spec import Stage

_NAMES = {"second": "family", "mean": "difference_accuracy"} | {
    f"{old}{end}": f"{new}_{end}"
    for old, new in (
        ("", "difference_accuracy"),
        ("adjusted_", "adjusted_accuracy"),
        ("equivalence_", "equivalence_accuracy"),
    )
    for end in ("low", "high")
}
_NAMES |= {"unbiased": "unbiased_accuracy", "exploratory_mean": "exploratory_accuracy"}
_NAMES |= {f"exploratory_{end}": f"exploratory_accuracy_{end}" for end in ("low", "high")}
_SUPERIORITY = {f"superiority{end}": f"wins_share{end}" for end in ("", "_low", "_high")}
FIRST = Column("first", NAME)
"""Printed where not all rows have the same."""
_FURTHER = (Column("further_seeds"), interval("further", heading="further seeds may be"))
_LOOKS = (
    *(Column("look"), Column("stopped", YES_NO)),
    Column("unbiased_accuracy", POINTS, "median-unbiased difference"),
    *(Column("new_seeds", heading="seeds of a new study"), interval("new", heading="may be")),
    Column("exploratory_n", heading="exploratory: n"),
    Column("exploratory_accuracy", POINTS, "exploratory: difference"),
    interval("exploratory_accuracy", POINTS, "exploratory: 95 % interval"),
)
_JUDGED = (
    *(SCHEDULE, N, *bounded("difference_accuracy", POINTS)),
    *(interval("adjusted_accuracy", POINTS), *bounded("wins_share", PERCENT)),
    *(bounded("worst_rank", PERCENT, "wins with untrained runs last")),
    Column("verdict"),
)
COLUMNS = (*_JUDGED, *_FURTHER, *_LOOKS, RUNS, TEST_RUNS)
"""Of `table`: with the runs of the stage that judged, and what only a test in looks has."""
PLANNED_COLUMNS = (FIRST, *_JUDGED, *_LOOKS, TEST_RUNS)
"""The same where the test is planned in looks, of one schedule or of every two."""
UNTRAINED = Table(
    "Runs that stalled or diverged, of those with a result: their share with Wilson's 95 % "
    "interval. Scores are compared over the seeds on which both of a pair trained.",
    (SCHEDULE, Column("runs"), Column("untrained"), *bounded("untrained_share", PERCENT)),
)


def pairs(study: Study, first: str, weights: str = "last") -> pd.DataFrame:
    """Family ``first`` minus every other, a row each: the columns of `compare_pairs` and
    `with_plan` under the names of tables, delta, stage and trials. Where the user gave the
    configurations and wants all pairs, every two of them.

    stage is test where the test images were read. Else it is confirm: what represents each family,
    on the validation images that chose it, which flatters all of them. trials: numbers of both
    families' runs in that stage. Empty where ``first`` has no run or is alone. weights: of the test
    images, as `on_test` takes them. Where looks are planned: see `compare_planned`.
    """
    scores, used, stage = judged(study, weights)
    of, test = (scores, first, study.delta), tested(study)
    if test is not None and stage == "test" and (test.spec.looks or test.spec.all_pairs):
        frame = compare_planned(*of, test.spec.looks, every=test.spec.all_pairs)
    else:
        frame = compare(*of)
    frame = frame.assign(delta=study.delta, stage=stage)
    both = zip(frame["first"], frame["family"], strict=True) if len(frame) else ()
    trials = [ids(used[used["family"].isin(pair)]) for pair in both]
    frame["trials"] = pd.Series(trials, frame.index, dtype=object)
    return frame


def judged(study: Study, weights: str = "last") -> tuple[Scores, pd.DataFrame, Stage]:
    """Both outcomes of what represents each family, the runs behind them and their stage."""
    scores, test = on_test(study, weights), tested(study)
    if test is not None and not scores.accuracy.empty:
        return scores, tested_runs(study), "test"
    used = chosen_runs(study)
    return Scores(*by_seed(used, "family"), {}), used, "confirm"


def compare(scores: Scores, first: str, delta: float) -> pd.DataFrame:
    """`compare_pairs` of those scores under the names of tables, by falling difference."""
    others = [str(name) for name in scores.accuracy if name != first]
    if first not in scores.accuracy or not others:
        return _no_pair(_FURTHER)
    frame = compare_pairs(
        scores.accuracy,
        first,
        others,
        untrained=scores.untrained,
        correct=scores.correct or None,
        delta=delta,
    )
    return _named(with_plan(frame, delta))


def compare_planned(
    scores: Scores, first: str, delta: float, looks: Sequence[int], *, every: bool = False
) -> pd.DataFrame:
    """`compare_in_looks` of those scores, a row for each seed in order, under the names of tables:
    ``first`` with each other one, or every two. looks: a list of them, or of every row its own.

    With looks there are no further seeds to add: where a pair is unresolved when judging is over,
    new_seeds, new_low and new_high say how many a new study would need.
    """
    names = [str(name) for name in scores.accuracy]
    chosen = [(first, each) for each in names if each != first]
    chosen = list(combinations(names, 2)) if every else chosen
    if first not in names or not chosen:
        return _no_pair(_LOOKS if looks else _FURTHER)
    frame = compare_in_looks(
        *(scores.accuracy, chosen, looks),
        untrained=scores.untrained,
        correct=scores.correct or None,
        delta=delta,
    )
    frame = with_plan(frame, delta)
    if not looks:
        return _named(frame)
    over = (frame["look"] == len(looks)) & (frame["verdict"] == "unresolved")
    new = {"new_seeds": "further_seeds", "new_low": "further_low", "new_high": "further_high"}
    needed = {
        name: (frame[old] + frame["n"].astype("Int64")).where(over) for name, old in new.items()
    }
    frame = frame.assign(**needed).drop(columns=list(new.values()))
    ahead = [looks[k] if k < len(looks) else 0 for k in frame["look"]]
    return _named(frame.assign(looks=len(looks), next_look=ahead))


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.rename(columns=_NAMES | _SUPERIORITY)
    return frame.sort_values("difference_accuracy", ascending=False, ignore_index=True)


def _no_pair(columns: Sequence[Column]) -> pd.DataFrame:
    return pd.DataFrame(columns=["first", *names_of([*_JUDGED, *columns]), *_UNPRINTED])


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
    """What of `pairs` is printed, with the trials under their stage's name. Without an exploratory
    seed their columns are left out."""
    stage = frame["stage"].iloc[0] if len(frame) else "test"
    printed = [name for name in names_of((*_JUDGED, *_FURTHER, *_LOOKS)) if name in frame]
    if "exploratory_n" in printed and frame["exploratory_n"].isna().all():
        printed = [name for name in printed if not name.startswith("exploratory")]
    if len(set(frame["first"])) > 1:
        printed = ["first", *printed]
    return frame[printed].assign(**{f"{stage}_trials": frame["trials"]})
