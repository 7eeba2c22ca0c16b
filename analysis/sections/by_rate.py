"""Section: validation accuracy against base rate, by schedule."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.estimators.outcomes import scored, summary
from analysis.figures.axes import (
    accuracy_axis,
    draw_absent,
    rate_axis,
    rate_figure,
    scatter_families,
)
from analysis.figures.style import (
    ABSENT,
    INK,
    Picture,
    by_family,
    family_legend,
    family_mark,
    on,
    picture,
    spoken,
    told_apart,
)
from analysis.reading.states import TERMINAL
from analysis.section import SEED_SPREAD, About, Estimates
from analysis.study import Study
from analysis.table import BEST_TRIAL, OUTCOMES, PERCENT, SCHEDULE, Column, N, Table, interval
from analysis.wording import Sentence, joined, points, sentence, with_trial
from search_spaces.words.phrases import count, percent

SUMMARY = (
    *(N, Column("complete"), *OUTCOMES),
    *(Column("diverged_share", PERCENT), interval("diverged", PERCENT)),
    *(Column("best_accuracy", PERCENT), BEST_TRIAL, Column("median_accuracy", PERCENT)),
)
"""The columns of `families` behind the family."""
ABOUT = About(
    "Accuracy against base rate",
    "Which base rates suit which schedule, and where does training diverge?",
    {
        "families": Table(
            "What became of the trials of each schedule. Accuracy of complete trials on "
            "validation images; diverged share with its 95 % interval (Wilson).",
            (SCHEDULE, *SUMMARY),
        )
    },
    uses=TERMINAL,
)


def estimate(study: Study) -> Estimates:
    """trials: a row for each slot that ended; families: their `summary`."""
    trials = scored(study.ended(ABOUT.uses))
    columns = ["family", "trial", "base_lr", "state", "accuracy"]
    return {"trials": trials[columns], "families": families(study)}


def families(study: Study) -> pd.DataFrame:
    """`summary` of the slots that ended, its values named for what they are: accuracies."""
    ended = study.ended([*TERMINAL, "failed"])
    return summary(ended).rename(columns={"best": "best_accuracy", "median": "median_accuracy"})


def score_by_rate(trials: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw validation accuracy against base rate, a mark a trial: the landscape of tuning.

    trials: a row a trial, as `lrstudy.load` and ``Study.trials`` have it: schedule (or
        family), base_lr (> 0), state, value (accuracy, a share in [0, 1]).
    ax: where to draw; the current axes without it. Returns it: x logarithmic, y in per cent and
    logarithmic in the error, a legend. Only complete trials have a height of their own: the others'
    value belongs to another epoch or to no model, so that their marks stand at the foot.

    >>> from matplotlib.figure import Figure
    >>> trials = pd.DataFrame(
    ...     {
    ...         "family": "cosine",
    ...         "base_lr": [0.1, 0.3, 3.0],
    ...         "state": ["complete", "complete", "diverged"],
    ...         "value": [0.81, 0.84, 0.1],
    ...     }
    ... )
    >>> ax = score_by_rate(trials, Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['cosine', 'diverged']
    """
    ax, trials = on(ax), scored(by_family(trials).dropna(subset=["base_lr"]))
    with told_apart(trials["family"].unique()):
        return _score_by_rate(trials, ax)


def _score_by_rate(trials: pd.DataFrame, ax: Axes) -> Axes:
    complete = trials[trials["state"] == "complete"]
    scatter_families(ax, complete, "base_lr", "accuracy")
    accuracy_axis(ax, complete["accuracy"])
    absent = [state for state in ABSENT if (trials["state"] == state).any()]
    for row, state in enumerate(absent):
        draw_absent(ax, trials, state, 0.03 + 0.05 * row, transform=ax.get_xaxis_transform())
    # Marks at a share of the height do not widen the axis by themselves.
    ax.update_datalim(trials[["base_lr", "value"]].fillna(0.0).to_numpy(), updatey=False)
    rate_axis(ax)
    marks = [family_mark(str(name)) for name in trials["family"].unique()]
    marks += [
        Line2D([], [], linestyle="", color=INK, marker=ABSENT[each], label=each) for each in absent
    ]
    if marks:
        ax.legend(handles=marks)
    return ax


def draw(estimates: Estimates) -> list[Picture]:
    """One figure: a mark for each trial, those without a comparable accuracy in a strip below."""
    trials = estimates["trials"]
    if trials["accuracy"].isna().all():
        return []
    with rate_figure(trials) as (figure, _):
        family_legend(figure, list(trials["family"].unique()))
        return [
            picture(
                figure,
                "accuracy-by-rate",
                "Validation accuracy of each complete trial against its base learning rate, one "
                f"mark and colour for each schedule. {conclude(estimates)}",
                "Each mark is one training run. The accuracy axis is logarithmic in the error. "
                "Runs that have no comparable accuracy stand below: a pruned run was stopped "
                "early, a diverged one has no usable weights.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence:
    """The best trial of each schedule, best first, and how many diverged."""
    rows = estimates["families"].dropna(subset=["best_accuracy"])
    ended = estimates["trials"]
    n_diverged = int((ended["state"] == "diverged").sum())
    diverged = f"{n_diverged} of {count(len(ended), 'trial')} diverged"
    if rows.empty:
        return sentence(f"No trial ran to its end; {diverged}.")
    rates = ended.set_index("trial")["base_lr"]
    best = [
        with_trial(
            f"{spoken(row['family'])} {percent(row['best_accuracy'])}"
            f"{_at(rates[row['best_trial']])}",
            row["best_trial"],
        )
        for row in rows.sort_values("best_accuracy", ascending=False).to_dict("records")
    ]
    return sentence("Best single runs: ", joined("; ", best), f"; {diverged}.")


def _at(rate: float) -> str:
    """At which base rate; a schedule that is a table has none."""
    return "" if np.isnan(rate) else f" at {rate:.2g}"


def close_call(gap: float) -> str:
    """What a difference between two single runs is worth."""
    if gap < SEED_SPREAD:
        return f"which is less than a change of seed alone can make ({points(SEED_SPREAD)})"
    return "but both are single runs, chosen on the images that they are judged by"
