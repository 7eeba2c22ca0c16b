"""The sections of a report on another program's study, a module each, and how they are found."""

from __future__ import annotations

from typing import Protocol

from analysis.other_programs import importance, leaderboard, learning, pruning
from analysis.other_programs.study import OtherStudy
from analysis.section import Drawn, Estimates, Finding, finding
from search_spaces.words.phrases import count


class OtherSection(Drawn, Protocol):
    """A `Section` of another program's study; ``ABOUT.needs`` is not used: no command of lrstudy
    adds trials to it."""

    def estimate(self, study: OtherStudy) -> Estimates:
        """Frames of numbers by name."""


ANSWER: OtherSection = leaderboard
SECTIONS: tuple[OtherSection, ...] = (learning, importance, pruning)


def find(section: OtherSection, study: OtherStudy) -> Finding:
    """Estimate, draw and conclude."""
    return finding(section, section.estimate(study), _basis(study, section.ABOUT.uses))


def _basis(study: OtherStudy, states: tuple[str, ...]) -> str:
    """How many trials of which states a section rests on, and which it leaves out."""
    counts = study.trials["state"].value_counts()
    used = sum(int(n) for state, n in counts.items() if state in states)
    left = ", ".join(f"{n} {state}" for state, n in counts.items() if state not in states)
    text = f"Rests on {count(used, 'trial')}, single runs of another program"
    return text + (f"; left out: {left}." if left else ".")
