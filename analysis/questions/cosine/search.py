"""Answers question 3: how does cosine compare with the other schedules?"""

from __future__ import annotations

import pandas as pd

from analysis.estimators.intervals import seeds_needed
from analysis.estimators.outcomes import scored
from analysis.figures.axes import accuracy_axis
from analysis.figures.marks import scatter_trials
from analysis.figures.style import INK, Picture, canvas, picture, spoken, style
from analysis.reading.states import TERMINAL
from analysis.section import About, Estimates
from analysis.sections.by_rate import SUMMARY, close_call, families
from analysis.study import Study
from analysis.table import POINTS, SCHEDULE, Column, Table
from analysis.wording import Sentence, points, sentence, with_trial
from search_spaces import cosine as space
from search_spaces.words.phrases import count, percent

PAIRED_SD = 0.007  # of the difference of two schedules over common seeds, on this task
ABOUT = About(
    "Cosine and the other schedules",
    space.QUESTION,
    {
        "ranking": Table(
            "Schedules by their best single run, each with the same number of trials. "
            "Validation accuracy of complete trials; diverged share with its 95 % interval "
            "(Wilson).",
            (SCHEDULE, Column("behind_accuracy", POINTS, "behind the best"), *SUMMARY),
        )
    },
    uses=TERMINAL,
)


def estimate(study: Study) -> Estimates:
    """trials: family, trial, state, accuracy; ranking: `summary` of each family, best first, with
    ``behind``, the distance of its best accuracy from the best of all."""
    trials = scored(study.ended(ABOUT.uses))[["family", "trial", "state", "accuracy"]]
    ranking = families(study).sort_values("best_accuracy", ascending=False)
    behind = ranking["best_accuracy"].max() - ranking["best_accuracy"]
    ranking.insert(1, "behind_accuracy", behind)
    return {
        "trials": trials.reset_index(drop=True),
        "ranking": ranking.reset_index(drop=True),
    }


def draw(estimates: Estimates) -> list[Picture]:
    """A row of marks for each schedule, best on top."""
    trials, ranking = estimates["trials"], estimates["ranking"]
    known = ranking.dropna(subset=["best_accuracy"])
    if known.empty:
        return []
    with canvas(height=1.2 + 0.36 * len(known)) as (figure, axes):
        one = axes[0, 0]
        for row, entry in enumerate(known.to_dict("records")):
            colour, mark = style(entry["family"])
            group = trials[trials["family"] == entry["family"]].dropna(subset=["accuracy"])
            points = (group["accuracy"], [row] * len(group), group)
            scatter_trials(one, *points, color=colour, marker=mark, s=30, alpha=0.7)
            one.plot(
                [entry["median_accuracy"]] * 2, [row - 0.35, row + 0.35], color=INK, linewidth=2
            )
        accuracy_axis(one, trials["accuracy"], "x")
        names = zip(known["family"], known["complete"], strict=True)
        one.set_yticks(range(len(known)), [f"{spoken(name)} (n = {n})" for name, n in names])
        one.set_ylim(len(known) - 0.4, -0.6)
        return [
            picture(
                figure,
                "ranking",
                "Validation accuracy of the complete trials of each schedule, a row each, the "
                f"schedule with the best single run on top. {conclude(estimates)}",
                "Each mark is one complete trial; a bar marks the median of the schedule. n counts "
                "complete trials. The spread comes from rates and other parameters, not from "
                "seeds alone. The accuracy axis is logarithmic in the error.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence | str:
    """Cosine's place, the gap, and what it would take to tell."""
    known = estimates["ranking"].dropna(subset=["best_accuracy"]).reset_index(drop=True)
    if known.empty:
        return "No trial ran to its end, so that no schedule can be judged."
    first = known.iloc[0]
    head = sentence("Best single run: ", _run(first))
    cosine = known[known["family"] == "cosine"]
    if len(known) == 1 or cosine.empty:
        return sentence(head, "; there is no pair with cosine to compare.")
    at = int(cosine.index[0])
    other = known.iloc[1] if at == 0 else cosine.iloc[0]
    gap = float(first["best_accuracy"] - other["best_accuracy"])
    place = sentence("next is ", _run(other))
    if at > 0:
        place = sentence(f"cosine is number {at + 1} of {len(known)} with ", _score(other))
    end = f", {points(gap)} behind, {close_call(gap)}"
    if gap > 0:
        end += (
            "; to tell such a gap takes about "
            f"{count(seeds_needed(gap, PAIRED_SD), 'fresh seed')} each"
        )
    return sentence(head, "; ", place, f"{end}.")


def _run(row: pd.Series) -> Sentence:
    return sentence(f"{spoken(row['family'])} ", _score(row))


def _score(row: pd.Series) -> Sentence:
    score = percent(row["best_accuracy"])
    return with_trial(score, row["best_trial"], f", best of {row['n']}")
