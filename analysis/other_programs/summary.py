"""Another program's study at one glance. Frames are those of `leaderboard.estimate`."""

from __future__ import annotations

from analysis.other_programs.study import in_words
from analysis.section import Estimates
from analysis.summary import Summary, fitting
from search_spaces.words.phrases import count


def summarise(estimates: Estimates) -> Summary:
    """The best trial."""
    ended, rows = estimates["ended"].iloc[0], estimates["best"].to_dict("records")
    if not rows:
        return Summary("No trial is complete and has a finite value.", "")
    best = rows[0]
    tried = count(int(ended["n"]), "complete trial")
    head = f"trial {best['trial']} is best of {tried}: {in_words(best['value'])}"
    at = f" at {best['configuration']}" if best["configuration"] else ""
    return Summary(
        fitting([f"{head}{at}.", f"{head}."]), "Single runs, ranked by the values that chose them."
    )
