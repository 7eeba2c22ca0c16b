"""Answers by how much given configurations differ: the first against each other one, or all pairs.

Nothing was searched or chosen: the user gave the configurations, and test images judge them.
"""

from __future__ import annotations

import pandas as pd

from analysis.figures.style import Picture, spoken
from analysis.fresh_seeds import pairs
from analysis.fresh_seeds.frames import ids
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.comparison import every_pair
from analysis.section import FEWEST_SEEDS, About, Estimates
from analysis.study import Study
from analysis.table import Table
from search_spaces.given_schedules import COMPARED

ABOUT = About(
    "Given schedules on common seeds",
    COMPARED,
    {
        "pairs": Table(
            "The first schedule minus each other one, paired by seed, over the n seeds on which "
            "both trained: mean difference with its 95 % interval for new seeds and new images; "
            "the interval after Holm's correction over these pairs, which decides better and "
            "worse; share of seeds on which the first one wins (Wilson), and of all seeds with "
            "untrained runs ranked last; the verdict on the first one; the order of size of the "
            "seeds that would resolve it.",
            pairs.COLUMNS,
        ),
        "every_pair": every_pair.TABLE,
        "untrained": pairs.UNTRAINED,
    },
    stage="test",
    needs=FEWEST_SEEDS,
)


def estimate(study: Study) -> Estimates:
    """comparison: `pairs.pairs` of the first schedule with each other one, or `every_pair`; pairs,
    every_pair: what of it is printed, one of the two empty; untrained; missing."""
    nothing = pd.DataFrame()
    if study.spec.all_pairs:
        comparison = _every_pair(study)
        printed = {"pairs": nothing, "every_pair": _printed(comparison)}
    else:
        comparison = pairs.pairs(study, study.spec.families[0])
        printed = {"pairs": pairs.table(comparison), "every_pair": nothing}
    shares = {"untrained": pairs.untrained(study), "missing": missing(study)}
    return {**printed, "comparison": comparison, **shares}


def _every_pair(study: Study) -> pd.DataFrame:
    scores, used, stage = pairs.judged(study)
    frame = every_pair.every_pair(scores, study.delta).assign(stage=stage)
    couples = zip(frame["first"], frame["family"], strict=True)
    trials = [ids(used[used["family"].isin(couple)]) for couple in couples]
    return frame.assign(trials=pd.Series(trials, frame.index, dtype=object))


def _printed(frame: pd.DataFrame) -> pd.DataFrame:
    known = [name for name in every_pair.TABLE.names if name in frame]
    return frame[known].assign(test_trials=frame["trials"])


def draw(estimates: Estimates) -> list[Picture]:
    """The forest of the first schedule's pairs, or the square of all."""
    comparison = estimates["comparison"]
    if comparison.empty:
        return []
    if len(estimates["every_pair"]):
        return every_pair.matrix(comparison, f"Verdicts on every pair. {conclude(estimates)}")
    first = str(comparison["first"].iloc[0])
    alt = f"{spoken(first)} minus each other schedule with intervals, a row each. "
    return pairs.forest(comparison, first, alt + conclude(estimates))


def conclude(estimates: Estimates) -> str:
    """What the pairs decide."""
    comparison, end = estimates["comparison"], missing_words(estimates["missing"])
    if comparison.empty:
        return f"No two schedules have a run on a common seed yet{end}."
    shares = estimates["untrained"]
    if len(estimates["every_pair"]):
        return f"{every_pair.sentence(comparison)}{pairs.shares_words(shares)}{end}."
    return f"{pairs.sentence(comparison, str(comparison['first'].iloc[0]), shares)}{end}."
