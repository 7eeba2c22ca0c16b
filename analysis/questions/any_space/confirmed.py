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

from analysis.estimators.best import best_set
from analysis.estimators.responses import response
from analysis.estimators.seeds import by_seed
from analysis.figures.axes import accuracy_axis, cut_off
from analysis.figures.style import Picture, canvas, picture, spoken, style
from analysis.fresh_seeds import forest, pair_words, pairs
from analysis.fresh_seeds.frames import best_family, confirm_runs, ids
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
            "mean of the runs that trained with its 95 % interval over seeds. Standing: best, by "
            "pairs within seeds; tied with it or worse, by one-sided paired tests adjusted for all "
            "of them, over the seeds on which both trained.",
            (
                *(SCHEDULE, ORIGIN, Column("configuration"), N, Column("complete"), DIVERGED),
                *(STALLED, *ACCURACY, Column("standing"), RUNS),
            ),
        ),
        "pairs": Table(
            "One schedule minus each other one, the chosen configurations paired by seed, over the "
            "n seeds on which both trained: mean difference with its 95 % interval for new seeds "
            "and, where test images were read, new images; the interval after Holm's correction "
            "over these pairs, which decides better and worse; share of seeds on which it wins "
            "(Wilson), and of all seeds with untrained runs ranked last; the verdict on it; the "
            "order of size of the seeds that would resolve it.",
            pairs.COLUMNS,
        ),
        "untrained": pairs.UNTRAINED,
    },
    stage="confirm",
    needs=3,
)


def estimate(study: Study) -> Estimates:
    """configurations: a row for each candidate, best first, see ABOUT; pairs: `pairs.table`
    of comparison: `pairs.pairs` of one family with every other; untrained; missing."""
    comparison = _comparison(study)
    return {
        "configurations": _configurations(study),
        "pairs": pairs.table(comparison),
        "comparison": comparison,
        "untrained": pairs.untrained(study, _weights(study)),
        "missing": missing(study),
    }


def _comparison(study: Study) -> pd.DataFrame:
    weights = _weights(study)
    best = best_family(study)
    if best is None:
        return pairs.pairs(study, "", weights)
    frame = pairs.pairs(study, best, weights)
    if frame.empty or frame["stage"].iloc[0] == "test":
        return frame
    found = best_trial(study.trials)
    return frame if found is None else pairs.pairs(study, str(found["family"]), weights)


def _weights(study: Study) -> str:
    return "sampled" if study.spec.search_space.SAMPLES_WEIGHTS else "last"


def _configurations(study: Study) -> pd.DataFrame:
    runs = confirm_runs(study)
    runs = runs[runs["role"] == "candidate"]
    names = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
    frame = response(runs, ["arm"]).rename(columns=names)
    ranked = best_set(*by_seed(runs, "arm"))
    places = pd.Series(ranked.index, ranked["name"])
    arms = [study.stage("confirm").spec.arms[int(arm)] for arm in frame["arm"]]
    frame = frame.assign(
        family=[arm.family for arm in arms],
        origin_trial=pd.array([arm.origin for arm in arms], dtype="Int64"),
        configuration=[configuration(arm.parameters) for arm in arms],
        standing=frame["arm"].map(ranked.set_index("name")["standing"]),
        confirm_trials=pd.Series(
            [ids(runs[runs["arm"] == arm]) for arm in frame["arm"]], frame.index, dtype=object
        ),
        place=frame["arm"].map(places),
    )
    frame = frame.sort_values("place", ignore_index=True)
    return frame[ABOUT.tables["configurations"].names]


def draw(estimates: Estimates) -> list[Picture]:
    """The forest of pairs; a row for each configuration."""
    comparison = estimates["comparison"]
    drawn: list[Picture] = []
    if len(comparison):
        first = str(comparison["first"].iloc[0])
        alt = f"{_capital(spoken(first))} minus each other schedule with intervals, a row each. "
        drawn = forest.forest(comparison, first, alt + str(conclude(estimates)))
    return [*drawn, *_means(estimates)]


def _means(estimates: Estimates) -> list[Picture]:
    known = estimates["configurations"].dropna(subset=["accuracy"])
    if known.empty:
        return []
    with canvas(height=1.1 + 0.36 * len(known)) as (figure, axes):
        one = axes[0, 0]
        for place, row in enumerate(known.to_dict("records")):
            colour, mark = style(row["family"])
            fill = colour if row["standing"] in ("best", "tied", "too few") else "white"
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
                "Marks: means of the runs that trained; lines: 95 % intervals, cut off where "
                "they leave the picture. Open: worse than the best, or more often untrained. The "
                "trial is that of the search. The axis is logarithmic in the error.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The best configuration, what ties with it, and the pairs of schedules."""
    known, end = estimates["configurations"], missing_words(estimates["missing"])
    if not known["accuracy"].notna().any():
        return f"No configuration has a run that trained on fresh seeds yet{end}."
    return sentence(_best(known), "; ", _pairs(estimates), f"{end}.")


def _best(known: pd.DataFrame) -> Sentence:
    first, *others = known.to_dict("records")
    at = f" at {first['configuration']}" if first["configuration"] else ""
    return sentence(
        f"Of {count(len(known), 'configuration')}, ",
        with_trial(f"{spoken(str(first['family']))}{at}", first["origin_trial"]),
        f" is best on fresh seeds and validation images, {_mean(first)}; {_standings(others)}",
    )


_STANDINGS = {
    "tied": "cannot be told from it",
    "worse": "{is_} worse",
    "too few": "{has} too few common seeds with it to tell",
    "more often untrained": "{is_} more often untrained",
    "untrained": "never trained",
}


def _standings(others: list[dict[Hashable, Any]]) -> str:
    """How many of the others stand how to the best."""
    if not others:
        return "it is the only one"
    parts = []
    for standing, words in _STANDINGS.items():
        n = sum(row["standing"] == standing for row in others)
        if n:
            verb = {"is_": "is" if n == 1 else "are", "has": "has" if n == 1 else "have"}
            parts.append(f"{n} {words.format(**verb)}")
    head = "of the other" if len(others) == 1 else f"of the {len(others)} others"
    return f"{head}, {', '.join(parts)}"


def _mean(row: Mapping[Hashable, Any]) -> str:
    mean, low, high = (row[f"accuracy{bound}"] for bound in ("", "_low", "_high"))
    seeds = count(row["complete"], "seed")
    if np.isnan(low):
        return f"{percent(mean)} ({seeds}, too few for an interval)"
    return f"{percent(mean)} (95 % interval {percent(low)} to {percent(high)}, {seeds})"


def _pairs(estimates: Estimates) -> str:
    comparison = estimates["comparison"]
    if comparison.empty:
        return "there is no pair of schedules to compare"
    text = pair_words.sentence(comparison, str(comparison["first"].iloc[0]), estimates["untrained"])
    if comparison["stage"].iloc[0] == "confirm":
        text += "; no test image was read yet, and validation images chose what they judge here"
    return text[0].lower() + text[1:]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
