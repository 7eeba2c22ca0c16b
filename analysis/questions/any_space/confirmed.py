"""What fresh seeds say of the best of any space: each configuration, and one schedule against the
others.

The schedule that is set against the others is chosen by runs that do not judge it: by fresh seeds
where test images judge, before that by the search.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import best_set
from analysis.estimators.responses import response
from analysis.figures.axes import accuracy_axis, cut_off
from analysis.figures.style import Picture, canvas, picture, spoken, style
from analysis.fresh_seeds import pairs
from analysis.fresh_seeds.frames import by_seed, chosen_runs, confirm_runs, ids
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.progress import best_trial
from analysis.questions.any_space.search import QUESTION, configuration
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import (
    ACCURACY,
    DIVERGED,
    ORIGIN,
    RUNS,
    SCHEDULE,
    STALLED,
    YES_NO,
    Column,
    N,
    Table,
)
from analysis.wording import Sentence, sentence, with_trial
from search_spaces.words.phrases import count, percent

ABOUT = About(
    "The best configurations on fresh seeds",
    QUESTION,
    {
        "configurations": Table(
            "The configurations that the search found best, on fresh seeds and validation images: "
            "mean of the complete runs with its 95 % interval over seeds. Best set: those that a "
            "one-sided paired test, adjusted for all of them, cannot tell from the best mean; a "
            "lost run takes part with the score it got.",
            (
                *(SCHEDULE, ORIGIN, Column("configuration"), N, Column("complete"), DIVERGED),
                *(STALLED, *ACCURACY, Column("in_best_set", YES_NO, "in the best set"), RUNS),
            ),
        ),
        "pairs": Table(
            "One schedule minus each other one, the chosen configurations paired by seed: mean "
            "difference with its 95 % interval for new seeds and, where test images were read, new "
            "images; the interval after Holm's correction over these pairs, which decides better "
            "and worse; share of seeds on which it wins (Wilson); the verdict on it; how many more "
            "seeds would resolve it.",
            pairs.COLUMNS,
        ),
    },
    stage="confirm",
    needs=3,
)


def estimate(study: Study) -> Estimates:
    """configurations: a row for each candidate, highest mean first, see ABOUT; pairs: `pairs.table`
    of comparison: `pairs.pairs` of one family with every other; missing."""
    comparison = _comparison(study)
    return {
        "configurations": _configurations(study),
        "pairs": pairs.table(comparison),
        "comparison": comparison,
        "missing": missing(study),
    }


def _comparison(study: Study) -> pd.DataFrame:
    weights = "sampled" if study.spec.search_space.SAMPLES_WEIGHTS else "last"
    means = chosen_runs(study).groupby("family")["value"].mean()
    if means.empty:
        return pairs.pairs(study, "", weights)
    frame = pairs.pairs(study, str(means.idxmax()), weights)
    if frame.empty or frame["stage"].iloc[0] == "test":
        return frame
    best = best_trial(study.trials)
    return frame if best is None else pairs.pairs(study, str(best["family"]), weights)


def _configurations(study: Study) -> pd.DataFrame:
    runs = confirm_runs(study)
    runs = runs[runs["role"] == "candidate"]
    names = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
    frame = response(runs, ["arm"]).rename(columns=names)
    scores = by_seed(runs, "arm")
    whole = len(scores.dropna()) > 0
    inside = best_set(scores).set_index("name")["in_set"] if whole else pd.Series(dtype=object)
    arms = [study.stage("confirm").spec.arms[int(arm)] for arm in frame["arm"]]
    frame = frame.assign(
        family=[arm.family for arm in arms],
        origin_trial=pd.array([arm.origin for arm in arms], dtype="Int64"),
        configuration=[configuration(arm.parameters) for arm in arms],
        in_best_set=frame["arm"].map(inside),
        confirm_trials=pd.Series(
            [ids(runs[runs["arm"] == arm]) for arm in frame["arm"]], frame.index, dtype=object
        ),
        all_runs=frame["arm"].map(runs.groupby("arm")["value"].mean()),
    )
    frame = frame.sort_values("all_runs", ascending=False, ignore_index=True)
    return frame[ABOUT.tables["configurations"].names]


def draw(estimates: Estimates) -> list[Picture]:
    """A row for each configuration; the forest of pairs."""
    comparison = estimates["comparison"]
    forest = []
    if len(comparison):
        first = str(comparison["first"].iloc[0])
        alt = f"{_capital(spoken(first))} minus each other schedule with intervals, a row each. "
        forest = pairs.forest(comparison, first, alt + str(conclude(estimates)))
    return [*_means(estimates), *forest]


def _means(estimates: Estimates) -> list[Picture]:
    known = estimates["configurations"].dropna(subset=["accuracy"])
    if known.empty:
        return []
    with canvas(height=1.1 + 0.36 * len(known)) as (figure, axes):
        one = axes[0, 0]
        for place, row in enumerate(known.to_dict("records")):
            colour, mark = style(row["family"])
            fill = "white" if row["in_best_set"] is False else colour
            one.plot([row["accuracy_low"], row["accuracy_high"]], [place] * 2, color=colour)
            one.plot(row["accuracy"], place, mark, color=colour, mfc=fill, ms=7)
        names = zip(known["family"], known["origin_trial"], strict=True)
        one.set_yticks(range(len(known)), [f"{spoken(name)}, trial {n}" for name, n in names])
        one.set_ylim(len(known) - 0.4, -0.6)
        one.grid(visible=False, axis="y")
        shown = cut_off(known["accuracy"], known[["accuracy_low", "accuracy_high"]])
        accuracy_axis(one, shown, "x")
        return [
            picture(
                figure,
                "configurations",
                "Mean validation accuracy of each configuration on fresh seeds with its interval, "
                f"a row each. {conclude(estimates)}",
                "Marks: means of the complete runs over seeds; lines: 95 % intervals, cut off "
                "where they leave the picture. Open: can be told from the best. The trial is that "
                "of the search. The axis is logarithmic in the error.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The configuration with the highest mean, what ties with it, and the pairs of schedules."""
    known = estimates["configurations"].dropna(subset=["accuracy"])
    end = missing_words(estimates["missing"])
    if known.empty:
        return f"No configuration has a complete run on fresh seeds yet{end}."
    return sentence(_best(known), "; ", _pairs(estimates["comparison"]), f"{end}.")


def _best(known: pd.DataFrame) -> Sentence:
    first, *others = known.to_dict("records")
    ties = sum(row["in_best_set"] is True for row in others)
    if not others:
        tied = "it is the only one"
    elif first["n"] < 2 or pd.isna(first["in_best_set"]):
        tied = "the others cannot be compared with it yet"
    elif len(others) == 1:
        tied = f"the other {'cannot' if ties else 'can'} be told from it"
    else:
        tied = f"{ties} of the {count(len(others), 'other')} cannot be told from it"
    at = f" at {first['configuration']}" if first["configuration"] else ""
    return sentence(
        with_trial(
            f"Of {count(len(known), 'configuration')}, {spoken(str(first['family']))}{at}",
            first["origin_trial"],
        ),
        f" has the highest mean on fresh seeds and validation images, {_mean(first)}; {tied}",
    )


def _mean(row: Mapping[Hashable, Any]) -> str:
    mean, low, high = (row[f"accuracy{bound}"] for bound in ("", "_low", "_high"))
    seeds = count(row["complete"], "seed")
    if np.isnan(low):
        return f"{percent(mean)} ({seeds}, no interval)"
    return f"{percent(mean)} (95 % interval {percent(low)} to {percent(high)}, {seeds})"


def _pairs(comparison: pd.DataFrame) -> str:
    if comparison.empty:
        return "there is no pair of schedules to compare"
    text = pairs.sentence(comparison, str(comparison["first"].iloc[0]))
    if comparison["stage"].iloc[0] == "confirm":
        text += "; no test image was read yet, and validation images chose what they judge here"
    return text[0].lower() + text[1:]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
