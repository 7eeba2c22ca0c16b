"""Any question at one glance: from a search alone, and from fresh seeds without a section."""

from __future__ import annotations

from analysis.figures.style import spoken
from analysis.fresh_seeds import pair_summary
from analysis.progress import best_so_far
from analysis.section import Estimates
from analysis.study import Study
from analysis.summary import Summary, fitting
from search_spaces.words.phrases import count, percent

_CHOSEN = (
    "Single runs, ranked by the images that chose them: the best of many looks better "
    "than it is. Fresh seeds decide."
)


def of_search(study: Study) -> Summary:
    """The best single run, and that it decides nothing."""
    best = best_so_far(study.trials, study.spec)
    tried = count(len(study.ended(["complete"])), "complete trial")
    if best is None:
        return Summary("No trial ran to its end yet.", f"{len(study.trials)} were begun.")
    score, configuration = best
    head = f"best single run of {tried}: {percent(score)}"
    end = "; a search decides nothing."
    return Summary(
        fitting([f"{head}, {configuration}{end}", f"{head}{end}"]),
        _CHOSEN,
    )


def of_fresh_seeds(estimates: Estimates) -> Summary:
    """The schedules against the best one; without a pair the best configuration alone."""
    if len(estimates["comparison"]):
        return pair_summary.summarise(estimates["comparison"])
    known = estimates["configurations"].dropna(subset=["accuracy"])
    if known.empty:
        return Summary("No configuration has a run that trained on fresh seeds yet.", "")
    row = known.iloc[0]
    head = f"{spoken(str(row['family']))} reaches {percent(row['accuracy'])}"
    tried = count(len(known), "configuration")
    ends = (f"{tried} at {row['configuration']}", tried)
    return Summary(
        fitting(f"{head}, the best of {end}; there is no other schedule." for end in ends),
        f"Judged on validation images over {count(int(row['complete']), 'new seed')}.",
    )
