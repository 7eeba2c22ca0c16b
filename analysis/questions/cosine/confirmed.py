"""Answers question 3 on fresh seeds: cosine against the other schedules."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.estimators.tuning import tuning_curves
from analysis.figures.axes import accuracy_axis
from analysis.figures.style import Picture, panels, picture, spoken, style
from analysis.fresh_seeds import ladder, pairs
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.cosine.literature import LITERATURE, literature
from analysis.reading.states import TERMINAL
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import Table
from search_spaces import cosine as space
from search_spaces.words.phrases import percent

FIRST = "cosine"
ABOUT = on_fresh_seeds(
    title="Cosine against each other schedule",
    question=space.QUESTION,
    tables={
        "pairs": Table(
            "Cosine minus each other schedule, the chosen configurations paired by seed: mean "
            "difference with its 95 % interval for new seeds and, where test images were read, new "
            "images; the interval after Holm's correction over these pairs, which decides better "
            "and worse; share of seeds on which cosine wins (Wilson); the verdict on cosine; how "
            "many more seeds would resolve it.",
            pairs.COLUMNS,
        ),
        "slopes": Table(
            "By how many points cosine's lead over each other schedule changes with every "
            "doubling of the problem (images x epochs), on validation images: least-squares slope, "
            "mean over seeds with 95 % interval. Rates were tuned at the full size.",
            ladder.SLOPE_COLUMNS,
        ),
        "ladder": Table(
            "Cosine minus each other schedule by size of the problem, on validation images: mean "
            "over seeds with 95 % interval; pairs with a lost run are left out.",
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
    """pairs: `pairs.table` of comparison: `pairs.pairs`; curves: `tuning_curves` of the search;
    ladder, slopes, differences, trend: `ladder.climb`; literature; missing."""
    comparison = pairs.pairs(study, FIRST)
    return {
        "pairs": pairs.table(comparison),
        "comparison": comparison,
        "curves": _curves(study),
        **ladder.climb(ladder.on_ladder(study), FIRST),
        "literature": literature(),
        "missing": missing(study),
    }


def _curves(study: Study) -> pd.DataFrame:
    """`tuning_curves`; the worst score is that of a diverged trial, or 0 where none tells it."""
    ended = study.ended(TERMINAL)
    worst = ended["value"].min() if (ended["state"] == "diverged").any() else 0.0
    return tuning_curves(study.trials, study.spec.bank, float(worst))


def draw(estimates: Estimates) -> list[Picture]:
    """Tuning curves, the forest of pairs, and the ladder."""
    comparison = estimates["comparison"]
    forest = pairs.forest(
        comparison,
        FIRST,
        f"Cosine minus each other schedule with intervals, a row each. {conclude(estimates)}",
    )
    delta = float(comparison["delta"].iloc[0]) if len(comparison) else 0.0
    return [*_tuning(estimates["curves"]), *forest, *ladder.steps(estimates, FIRST, delta)]


def _tuning(curves: pd.DataFrame) -> list[Picture]:
    """Every other family's curve beside that of cosine; one panel where it is alone."""
    names = [name for name in curves["family"].unique() if name != FIRST]
    names = names or list(curves["family"].unique())
    if not names:
        return []
    with panels(len(names), 1.85) as (figure, axes):
        for one, name in zip(axes, names, strict=True):
            for family in (FIRST, name):
                curve = curves[curves["family"] == family]
                colour, _ = style(family)
                band = curve["high"] - curve["low"]
                one.bar(curve["k"], band, 1.0, curve["low"], color=colour, alpha=0.18, linewidth=0)
                edges = np.arange(len(curve) + 1) + 0.5
                one.stairs(curve["median"], edges, baseline=None, color=colour, linewidth=1.8)
            one.set_title(spoken(name), color=style(name)[0])
        for one in axes:
            accuracy_axis(one, _shown(curves))
            one.set_ylabel("")
            one.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        figure.supxlabel("random trials k", fontsize="medium")
        figure.supylabel("best of k, validation accuracy (%)", fontsize="medium")
        return [picture(figure, "tuning-curves", _tuned(curves), _how(curves))]


def _shown(curves: pd.DataFrame) -> pd.Series:
    """The medians from the second trial on: a single trial may be anything."""
    later = curves.loc[curves["k"] > 1, "median"]
    return later if len(later) else curves["median"]


def _tuned(curves: pd.DataFrame) -> str:
    """The alt text: what the whole budget found."""
    last = curves.loc[curves.groupby("family", sort=False)["k"].idxmax()]
    best = ", ".join(
        f"{spoken(row['family'])} {percent(row['median'])} of {row['n']}"
        for row in last.sort_values("median", ascending=False).to_dict("records")
    )
    return (
        "Median validation accuracy of the best of k trials against k, a panel for each schedule "
        f"beside cosine. The best of all trials: {best}."
    )


def _how(curves: pd.DataFrame) -> str:
    text = "Blue: cosine; in its own colour: the schedule that the panel is named for. Steps: "
    text += "median of the best of k trials of the search, drawn from all of them. "
    if curves["banded"].any():
        most = int(curves.loc[curves["banded"], "k"].max())
        return text + (
            f"Bands: simultaneous 95 % bands, up to k = {most} (an eighth of the trials), cut off "
            "where they leave the picture; beyond, the steps are points without an interval. The "
            "axis is logarithmic in the error."
        )
    return text + (
        "Point curves: the trials are no independent random draws, so that no band is valid. The "
        "axis is logarithmic in the error."
    )


def conclude(estimates: Estimates) -> str:
    """Against which schedules cosine is better, worse, equivalent or unresolved; the slope."""
    comparison, end = estimates["comparison"], "ImageNet itself was not run"
    if comparison.empty:
        return f"There is no pair with cosine on fresh seeds yet; {end}."
    text = pairs.sentence(comparison, FIRST)
    if comparison["stage"].iloc[0] == "confirm":
        text += "; no test image was read yet, and validation images chose what they judge here"
    return f"{text}; {ladder.trend(estimates)}{missing_words(estimates['missing'])}; {end}."
