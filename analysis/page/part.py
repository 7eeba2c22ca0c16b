"""Part: what the page shows of one study, whichever program made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.figures.style import Picture
from analysis.recommendation import Recommendation, schedule_picture
from analysis.section import Finding
from analysis.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a report says of a study.

    slug: its name for files and anchors; label: for people, with the storage where two studies have
    the same name. summary: the answer at one glance. facts: how each stage was measured. trials: of
    each stage, a row for every trial. anchors: names of these rows on the page.
    recommendation: what to use.
    """

    slug: str
    label: str
    answer: Finding
    summary: Summary
    sections: Sequence[Finding]
    facts: Mapping[str, Mapping[str, str]]
    trials: Mapping[str, pd.DataFrame]
    anchors: frozenset[str]
    recommendation: Recommendation | None

    @property
    def schedule(self) -> Picture | None:
        """The recommended schedule, drawn."""
        return None if self.recommendation is None else schedule_picture(self.recommendation)

    @property
    def findings(self) -> list[Finding]:
        """The answer and the sections."""
        return [self.answer, *self.sections]
