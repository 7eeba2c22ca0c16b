"""Answers by how much given configurations differ: the first against each other one, or all pairs.

Nothing was searched or chosen: the user gave the configurations, and test images judge them.
"""

from __future__ import annotations

from analysis.figures.style import Picture, spoken
from analysis.fresh_seeds import pair_words, pairs
from analysis.fresh_seeds.forest import forest
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.comparison.square import square
from analysis.section import FEWEST_SEEDS, About, Estimates
from analysis.study import Study
from analysis.table import Table
from search_spaces.given_schedules import COMPARISON

ABOUT = About(
    "Given schedules on common seeds",
    COMPARISON,
    {
        "pairs": Table(
            "The first schedule minus each other one, or each minus each later one, paired by "
            "seed, over the n seeds on which both trained: mean difference with its 95 % interval "
            "for new seeds and new images; the interval after Holm's correction over these pairs, "
            "which decides better and worse; share of seeds on which the first of the two wins "
            "(Wilson), and of all seeds with untrained runs ranked last; the verdict on the first "
            "of the two. All rest on the seeds that were planned; exploratory: over all seeds, "
            "also those that were added later, which decide nothing.",
            pairs.PLANNED_COLUMNS,
        ),
        "untrained": pairs.UNTRAINED,
    },
    stage="test",
    needs=FEWEST_SEEDS,
)


def estimate(study: Study) -> Estimates:
    """pairs: `pairs.table` of comparison: `pairs.pairs` of the first schedule with each other one,
    or of every two; untrained: `pairs.untrained`; missing."""
    comparison = pairs.pairs(study, study.spec.families[0])
    return {
        "pairs": pairs.table(comparison),
        "comparison": comparison,
        "untrained": pairs.untrained(study),
        "missing": missing(study),
    }


def draw(estimates: Estimates) -> list[Picture]:
    """The forest of the first schedule's pairs, or the square of all."""
    comparison = estimates["comparison"]
    if comparison.empty:
        return []
    if comparison["first"].nunique() > 1:
        return square(comparison, f"Verdicts on every pair. {conclude(estimates)}")
    first = str(comparison["first"].iloc[0])
    alt = f"{spoken(first)} minus each other schedule with intervals, a row each. "
    return forest(comparison, first, alt + conclude(estimates))


def conclude(estimates: Estimates) -> str:
    """What the pairs decide."""
    comparison, end = estimates["comparison"], missing_words(estimates["missing"])
    if comparison.empty:
        return f"No two schedules have a run on a common seed yet{end}."
    first, shares = str(comparison["first"].iloc[0]), estimates["untrained"]
    return f"{pair_words.sentence(comparison, first, shares)}{end}."
