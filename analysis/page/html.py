"""The report as one HTML file, pictures within it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import date

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis.figures.style import Picture
from analysis.page.glossary import explainer
from analysis.page.leaderboard import in_common, sort_keys, trial_columns
from analysis.page.links import linked, trial_links
from analysis.page.other_report import OtherReport
from analysis.page.study_report import STAGES, StudyReport
from analysis.page.svg import inline
from analysis.page.tables import printed_rows
from analysis.table import Column
from search_spaces.spaces import CHAPTER


def render_page(
    reports: Sequence[StudyReport | OtherReport], made: date, latex: bool = False
) -> str:
    """The HTML file. made: the day that it tells. latex: name the files for a paper beside what
    they hold."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = _inliner()
    environment.filters["printed_rows"] = _printed_rows
    environment.filters["zip"] = zip
    environment.filters["explained"] = explainer()
    environment.filters["trial_columns"] = trial_columns
    environment.filters["in_common"] = in_common
    environment.filters["sort_keys"] = sort_keys
    environment.filters["linked"] = lambda text, report: linked(text, report.slug, report.anchors)
    template = environment.get_template("report.html.j2")
    others = all(isinstance(each, OtherReport) for each in reports)
    subject = "Hyperparameters" if others else "Learning-rate schedules"
    known = {"made": made, "chapter": CHAPTER, "STAGES": STAGES, "subject": subject}
    return template.render(reports=reports, latex=latex, **known)


def _printed_rows(
    columns: Sequence[Column], frame: pd.DataFrame, report: StudyReport | OtherReport
) -> tuple[list[str], list[list[str]]]:
    return printed_rows(
        columns,
        frame,
        lambda stage, numbers: trial_links(numbers, report.slug, stage, report.anchors),
    )


def _inliner() -> Callable[[Picture, StudyReport | OtherReport], Markup]:
    """A filter for the pictures of one page, the ids of each with a prefix of its own."""
    numbers = itertools.count(1)

    def inlined(picture: Picture, report: StudyReport | OtherReport) -> Markup:
        return inline(picture.svg, picture.alt, f"picture{next(numbers)}-", report.marks)

    return inlined
