"""Part: what the page shows of one study, whichever program made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from analysis.figures.marks import curves, tag
from analysis.figures.style import Picture
from analysis.page.leaderboard import mark_title
from analysis.page.links import anchor, curve_anchor
from analysis.page.svg import Mark
from analysis.recommendation import Recommendation, schedule_picture
from analysis.section import Finding
from analysis.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a report says of a study.

    slug: its name for files and anchors; label: for people, with the storage where two studies have
    the same name. summary: the answer at one glance. facts: how each stage was measured. trials:
    the leaderboard of each stage, a row for every trial. anchors: names of these rows on the page.
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

    @cached_property
    def schedule(self) -> Picture | None:
        """The recommended schedule, drawn."""
        return None if self.recommendation is None else schedule_picture(self.recommendation)

    @property
    def findings(self) -> list[Finding]:
        """The answer and the sections."""
        return [self.answer, *self.sections]

    @cached_property
    def marks(self) -> dict[str, Mark]:
        """Each trial as the marks of figures show it, by its `tag`."""
        return {
            tag(stage, row["trial"]): Mark(
                anchor(self.slug, stage, row["trial"]),
                curve_anchor(self.slug, stage, row["trial"]),
                mark_title(row),
            )
            for stage, rows in self.trials.items()
            for row in rows.to_dict("records")
        }

    @cached_property
    def curves(self) -> frozenset[str]:
        """The tags of the trials whose learning curves its pictures show."""
        pictures = [picture for finding in self.findings for picture in finding.pictures]
        return frozenset().union(*(curves(picture.figure) for picture in pictures))
