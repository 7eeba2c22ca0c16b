"""Answers question 3 on fresh seeds: cosine against the other schedules."""

from __future__ import annotations

from analysis.figures.style import Picture
from analysis.fresh_seeds import forest, ladder, pair_words, pairs
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions import tuning
from analysis.questions.cosine.literature import LITERATURE, literature
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import Table
from search_spaces import cosine as space

FIRST = str(space.REFERENCE)
ABOUT = on_fresh_seeds(
    "Cosine against each other schedule",
    space.QUESTION,
    {
        "pairs": Table(
            "Cosine minus each other schedule, the chosen configurations paired by seed, over the "
            "n seeds on which both trained: mean difference with its 95 % interval for new seeds "
            "and, where test images were read, new images; the interval after Holm's correction "
            "over these pairs, which decides better and worse; share of seeds on which cosine wins "
            "(Wilson), and of all seeds with untrained runs ranked last; the verdict on cosine; "
            "the order of size of the seeds that would resolve it.",
            pairs.COLUMNS,
        ),
        "untrained": pairs.UNTRAINED,
        "slopes": Table(
            "By how many points cosine's lead over each other schedule changes with every "
            "doubling of the problem (images x epochs), on validation images: least-squares slope, "
            "mean over seeds with 95 % interval. Rates were tuned at the full size.",
            ladder.SLOPE_COLUMNS,
        ),
        "ladder": Table(
            "Cosine minus each other schedule by size of the problem, on validation images: mean "
            "over seeds with 95 % interval; over the seeds on which both trained.",
            ladder.COLUMNS,
        ),
        "literature": Table(
            "From the literature, not measured here: top-1 accuracy on ImageNet, single "
            "published values without intervals.",
            LITERATURE,
        ),
    },
)


def estimate(study: Study) -> Estimates:
    """pairs: `pairs.table` of comparison: `pairs.pairs`; untrained: `pairs.untrained`; curves:
    `tuning.curves` of the search; ladder, slopes, differences, trend: `ladder.climb`; literature;
    missing."""
    comparison = pairs.pairs(study, FIRST)
    return {
        "pairs": pairs.table(comparison),
        "comparison": comparison,
        "untrained": pairs.untrained(study),
        "curves": tuning.curves(study),
        **ladder.climb(ladder.on_ladder(study), FIRST),
        "literature": literature(),
        "missing": missing(study),
    }


def draw(estimates: Estimates) -> list[Picture]:
    """The forest of pairs, tuning curves, and the ladder."""
    comparison = estimates["comparison"]
    drawn = forest.forest(
        comparison,
        FIRST,
        f"Cosine minus each other schedule with intervals, a row each. {conclude(estimates)}",
    )
    delta = float(comparison["delta"].iloc[0]) if len(comparison) else 0.0
    return [
        *drawn,
        *tuning.draw(estimates["curves"], FIRST),
        *ladder.steps(estimates, FIRST, delta),
    ]


def conclude(estimates: Estimates) -> str:
    """Against which schedules cosine is better, worse, equivalent or unresolved; the slope."""
    comparison, end = estimates["comparison"], "ImageNet itself was not run"
    if comparison.empty:
        never = pair_words.shares_words(estimates["untrained"])
        return f"There is no pair with cosine on fresh seeds yet{never}; {end}."
    text = pair_words.sentence(comparison, FIRST, estimates["untrained"])
    if comparison["stage"].iloc[0] == "confirm":
        text += "; no test image was read yet, and validation images chose what they judge here"
    return f"{text}; {ladder.trend(estimates)}{missing_words(estimates['missing'])}; {end}."
