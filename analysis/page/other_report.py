"""OtherReport: what the report says of a study that another program made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.other_programs.sections import ANSWER, SECTIONS, find
from analysis.other_programs.study import OtherStudy, in_words
from analysis.other_programs.summary import summarise
from analysis.page.leaderboard import ranked
from analysis.page.links import anchor
from analysis.page.part import Part
from analysis.reading.foreign import PARAM
from analysis.recommendation import recommendation
from analysis.section import Finding
from analysis.wording import listed
from search_spaces.words.phrases import count
from study.durations import duration
from study.storage.hints import dashboard_command


@dataclass(frozen=True, kw_only=True)
class OtherReport(Part):
    """What the report says of another program's study, which has no fresh seeds."""

    study: OtherStudy
    exercise: None = None
    recipe: None = None
    concerns: None = None
    unconfirmed: None = None
    not_counted: Sequence[str] = ()

    @property
    def dashboard(self) -> str:
        """The command that opens the same database in optuna-dashboard."""
        return dashboard_command(self.study.storage)

    def attempts(self, stage: str) -> str:
        """What the rows of its one stage are."""
        return count(len(self.trials[stage]), "trial")

    def stem(self, finding: Finding, name: str) -> str:
        """What the files of a picture or table of that name are called, without a suffix."""
        return f"{self.slug}-{name}"

    def source(self, finding: Finding) -> str:
        """The study that a finding is about, for its figures."""
        return self.label


def report_other(study: OtherStudy, slug: str, label: str) -> OtherReport:
    """All findings of a study."""
    answer = find(ANSWER, study)
    return OtherReport(
        slug=slug,
        label=label,
        study=study,
        answer=answer,
        summary=summarise(answer.estimates),
        sections=[find(section, study) for section in SECTIONS],
        facts={"search": _facts(study)},
        trials={"search": _rows(study)},
        anchors=frozenset(anchor(slug, "search", int(n)) for n in study.trials["trial"]),
        recommendation=recommendation(study),
    )


def _facts(study: OtherStudy) -> dict[str, str]:
    """What a reader needs to judge the study, as far as its storage tells."""
    counts = study.trials["state"].value_counts()
    return {
        "Made by": "another program, not lrstudy",
        "Trials": listed([f"{n} {state}" for state, n in counts.items()]) or "none",
        "Direction": study.direction,
        "Parameters": ", ".join(study.parameters) or "none",
        "Time": f"{duration(float(study.trials['seconds'].sum()))}, summed over trials",
        "Judged on": "not recorded: the values are the program's own, one run each",
    }


def _rows(study: OtherStudy) -> pd.DataFrame:
    """A row for every trial, `ranked`: trial, its parameters as text, value, state, and
    seconds."""
    names = [PARAM + name for name in study.parameters]
    sampled = [study.sampled(int(number)) for number in study.trials["trial"]]
    texts = {
        PARAM + name: pd.Series([in_words(own[name]) if name in own else None for own in sampled])
        for name in study.parameters
    }
    frame = study.trials[["trial", "state", "value", "seconds"]]
    rows = frame.assign(**texts)[["trial", *names, "value", "state", "seconds"]]
    return ranked(rows, "value", rising=study.direction == "minimize")
