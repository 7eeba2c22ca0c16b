"""Section: the best trials of another program's study, and how the best value was reached."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.marks import scatter_trials
from analysis.figures.style import INK, Picture, canvas, picture
from analysis.other_programs.study import OtherStudy, computable, configuration, in_words
from analysis.section import About, Estimates
from analysis.table import Column, Table, trials
from analysis.wording import Sentence, sentence, with_trial
from search_spaces.words.phrases import count

MOST = 10  # trials in the table
_CUT = 0.9  # share of the trials, from the best, whose values the figure must show
ABOUT = About(
    "The best trials",
    "Which configuration did best?",
    {
        "best": Table(
            f"The best trials, at most {MOST}. Each is a single run: the best of many looks better "
            "than it is, and neighbours may owe their places to chance.",
            (trials("trial"), Column("value"), Column("configuration"), Column("seconds")),
        )
    },
    uses=("complete",),
)


def estimate(study: OtherStudy) -> Estimates:
    """best: the MOST best complete trials; history: trial, value and the best value so far;
    ended: direction and number of the complete trials that have a finite value, one row."""
    ranked = study.ranked
    top = ranked.head(MOST)
    words = [configuration(study.sampled(int(number))) for number in top["trial"]]
    best = top[["trial", "value", "seconds"]].assign(configuration=words)
    history = ranked.sort_values("trial", ignore_index=True)[["trial", "value"]]
    so_far = history["value"].cummin() if study.direction == "minimize" else None
    history["best"] = history["value"].cummax() if so_far is None else so_far
    ended = pd.DataFrame({"direction": [study.direction], "n": [len(ranked)]})
    return {"best": best[ABOUT.tables["best"].names], "history": history, "ended": ended}


def draw(estimates: Estimates) -> list[Picture]:
    """The value of each complete trial, and the best so far."""
    history = estimates["history"]
    history = history[computable(history["value"]) & computable(history["best"])]
    if history.empty:
        return []
    rising = estimates["ended"]["direction"].iloc[0] == "minimize"
    with canvas() as (figure, axes):
        one = axes[0, 0]
        points = (history["trial"], history["value"], history)
        scatter_trials(one, *points, color="#0072b2", s=16, alpha=0.7)
        one.step(history["trial"], history["best"], where="post", color=INK, linewidth=1.5)
        one.set_ylim(*_reach(history["value"], rising))
        one.set_xlabel("trial")
        one.set_ylabel(f"value ({'lower' if rising else 'higher'} is better)")
        one.xaxis.get_major_locator().set_params(integer=True)
        return [
            picture(
                figure,
                "values-by-trial",
                f"The value of each complete trial in their order. {conclude(estimates)}",
                "Marks: complete trials; steps: the best so far. The worst tenth of the values may "
                "lie beyond the picture; values beyond 3e38 are left out.",
            )
        ]


def _reach(values: pd.Series, rising: bool) -> tuple[float, float]:
    """From the best value to the worst of those that are shown, with a margin."""
    low, high = (0.0, _CUT) if rising else (1 - _CUT, 1.0)
    ends = values.quantile([low, high]).to_numpy()
    pad = 0.08 * float(ends[1] - ends[0]) or 0.05 * float(np.abs(ends).max()) or 1.0
    return float(ends[0]) - pad, float(ends[1]) + pad


def conclude(estimates: Estimates) -> Sentence | str:
    """The best trial, its parameters, and how far the next is."""
    ended, rows = estimates["ended"].iloc[0], estimates["best"].to_dict("records")
    if not rows:
        return "No trial is complete and has a finite value."
    first = rows[0]
    at = f" at {first['configuration']}" if first["configuration"] else ""
    known = f"of {count(int(ended['n']), 'complete trial')}"
    word = "Lowest" if ended["direction"] == "minimize" else "Highest"
    head = sentence(
        with_trial(f"{word} value {known}: {in_words(first['value'])}", first["trial"]), at
    )
    if len(rows) == 1:
        return sentence(head, ".")
    second = rows[1]
    next_one = with_trial(f"; the next is {in_words(second['value'])}", second["trial"])
    return sentence(head, next_one, ". Both are single runs, ranked by what chose them.")
