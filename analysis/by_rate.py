"""Section: validation accuracy against base rate, by schedule."""

from __future__ import annotations

import pandas as pd

from analysis.figures import Picture, family_legend, picture, rate_figure, spoken
from analysis.findings import ENOUGH, SEED_SPREAD, Estimates, Study, count, percent, points
from analysis.frames import TERMINAL
from analysis.statistics import scored, summary
from study.spec import Stage

TITLE = "Accuracy against base rate"
QUESTION = "Which base rates suit which schedule, and where does training diverge?"
STAGE: Stage = "search"
USES: tuple[str, ...] = TERMINAL
NEEDS = ENOUGH
TABLES = {
    "families": "What became of the trials of each schedule. Accuracy of complete trials on "
    "validation images; diverged share with its 95 % interval (Wilson)."
}


def estimate(study: Study) -> Estimates:
    """trials: a row for each slot that ended; families: their `summary`."""
    trials = scored(study.ended(USES))
    columns = ["family", "trial", "base_lr", "state", "accuracy"]
    return {"trials": trials[columns], "families": families(study)}


def families(study: Study) -> pd.DataFrame:
    """`summary` of the slots that ended, its values named for what they are: accuracies."""
    ended = study.ended([*TERMINAL, "failed"])
    return summary(ended).rename(columns={"best": "best_accuracy", "median": "median_accuracy"})


def draw(estimates: Estimates) -> list[Picture]:
    """One figure: a mark for each trial, those without a comparable accuracy in a strip below."""
    trials = estimates["trials"]
    if trials.empty:
        return []
    with rate_figure(trials) as (figure, _):
        family_legend(figure, list(trials["family"].unique()))
        return [
            picture(
                figure,
                "accuracy-by-rate",
                "Validation accuracy of each complete trial against its base learning rate, one "
                "mark and colour for each schedule. " + conclude(estimates),
                "Each mark is one training run. The accuracy axis is logarithmic in the error. "
                "Runs that have no comparable accuracy stand below: a pruned run was stopped "
                "early, a diverged one has no usable weights.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """The best trial of each schedule, best first, and how many diverged."""
    rows = estimates["families"].dropna(subset=["best_accuracy"])
    ended = estimates["trials"]
    lost = int((ended["state"] == "diverged").sum())
    diverged = f"{lost} of {count(len(ended), 'trial')} diverged"
    if rows.empty:
        return f"No trial ran to its end; {diverged}."
    rates = ended.set_index("trial")["base_lr"]
    best = "; ".join(
        f"{spoken(row['family'])} {percent(row['best_accuracy'])} at "
        f"{rates[row['best_trial']]:.2g} (trial {row['best_trial']})"
        for row in rows.sort_values("best_accuracy", ascending=False).to_dict("records")
    )
    return f"Best single runs: {best}; {diverged}."


def close_call(gap: float) -> str:
    """What a difference between two single runs is worth."""
    if gap < SEED_SPREAD:
        return f"which is less than a change of seed alone can make ({points(SEED_SPREAD)})"
    return "but both are single runs, chosen on the images that they are judged by"
