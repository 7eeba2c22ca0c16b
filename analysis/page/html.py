"""The report as one HTML file, pictures embedded."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import date

import jinja2
import pandas as pd

from analysis.figures.style import Picture
from analysis.page.glossary import explainer
from analysis.page.links import linked, trial_columns, trial_links
from analysis.page.other_report import OtherReport
from analysis.page.study_report import STAGES, StudyReport
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
    environment.filters["source"] = _source
    environment.filters["printed_rows"] = _printed_rows
    environment.filters["zip"] = zip
    environment.filters["explained"] = explainer()
    environment.filters["trial_columns"] = trial_columns
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


def _source(picture: Picture) -> str:
    """The picture as a data URI."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.svg).decode()}"
