"""The report: the findings of one or several studies as one HTML file and as data."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.estimators.comparison import DELTA
from analysis.figures.style import told_apart
from analysis.other_programs.study import OtherStudy, is_of_another_program, load_other
from analysis.page.html import render_page
from analysis.page.latex import tabular
from analysis.page.links import stages
from analysis.page.markdown import render_markdown
from analysis.page.naming import distinct_slugs
from analysis.page.other_report import OtherReport, report_other
from analysis.page.study_report import StudyReport, report_study
from analysis.reading.database import split_name
from analysis.reading.loading import tidy, write
from analysis.study import Study, load_study

Report = StudyReport | OtherReport
PAGE = "report.html"
MARKDOWN = "report.md"
_FINDINGS = "findings.json"
_FILES = (PAGE, MARKDOWN, _FINDINGS, "trials.parquet", "curves.parquet")
_MARK = b" - lrstudy report</title>"
_HEAD = 100_000  # bytes of a page in which its title stands


def write_report(
    url: str,
    names: Sequence[str],
    out: Path,
    delta: float = DELTA,
    latex: bool = False,
    markdown: bool = False,
) -> Path:
    """Write the report of the studies of those names into the directory ``out``.

    A study of another storage is named ``URL#NAME``. delta: differences within +- this share do not
    matter. latex: for a paper, every printed table as tables/NAME.tex (`tabular`) and every figure
    as PDF besides. markdown: the page's text and figures as report.md, too.

    report.html (pictures embedded, no network), findings.json, trials.parquet, curves.parquet and
    figures/. Returns the path of the HTML file. Other files in ``out`` stay; if writing fails, what
    was there before stays as it was. Raises StorageError for a study that is not there, or another
    program's with several objectives, ValueError if no study is named, OSError where ``out`` cannot
    be written.
    """
    if not names:
        raise ValueError("a report needs the name of at least one study")
    studies = _load(url, names, delta)
    slugs = distinct_slugs([study.name for study in studies])
    parts = zip(studies, slugs, _labels(studies), strict=True)
    with told_apart(_families(studies)):
        reports = [_report(*part) for part in parts]
    existed = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        # Inside, hence on the same disk: moving the finished files needs no more room.
        with tempfile.TemporaryDirectory(dir=out, prefix=".report-") as draft:
            _write(reports, Path(draft), latex)
            if markdown:
                text = render_markdown(reports, date.today())
                (Path(draft) / MARKDOWN).write_text(text, encoding="utf-8")
            _move(Path(draft), out)
    except BaseException:
        if not existed:
            out.rmdir()
        raise
    return out / PAGE


def headlines(directory: Path) -> dict[str, tuple[str, str]]:
    """Of the report in that directory, by study: its headline, and how sure it is."""
    findings = json.loads((directory / _FINDINGS).read_text(encoding="utf-8"))
    return {name: (each["headline"], each["certainty"]) for name, each in findings.items()}


def is_report(directory: Path) -> bool:
    """Whether lrstudy wrote a report into the directory."""
    try:
        with (directory / PAGE).open("rb") as page:
            return _MARK in page.read(_HEAD)
    except FileNotFoundError:
        return False


def foreign(directory: Path) -> list[Path]:
    """The files that a report would replace and that no report wrote."""
    if is_report(directory):
        return []
    return [path for name in _FILES if (path := directory / name).exists()]


def _load(url: str, names: Sequence[str], delta: float) -> list[Study | OtherStudy]:
    """The studies by name, each once: a later stage's name stands for its search."""
    studies: dict[tuple[str, str], Study | OtherStudy] = {}
    for name in names:
        place, study_name = split_name(name, url)
        study: Study | OtherStudy
        if is_of_another_program(place, study_name):
            study = load_other(place, study_name)
        else:
            study = replace(load_study(place, study_name), delta=delta)
        studies.setdefault((place, study.name), study)
    return list(studies.values())


def _report(study: Study | OtherStudy, slug: str, label: str) -> Report:
    if isinstance(study, OtherStudy):
        return report_other(study, slug, label)
    return report_study(study, slug, label)


def _families(studies: Sequence[Study | OtherStudy]) -> list[str]:
    """The schedules of all studies, in order."""
    ours = [study for study in studies if isinstance(study, Study)]
    return [family for study in ours for family in study.spec.families]


def _labels(studies: Sequence[Study | OtherStudy]) -> list[str]:
    """The studies' names, with their storages where they would be confused."""
    known = [study.name for study in studies]
    return [
        f"{study.name} ({study.storage})" if known.count(study.name) > 1 else study.name
        for study in studies
    ]


def _write(reports: Sequence[Report], folder: Path, latex: bool) -> None:
    _write_figures(reports, folder / "figures", ("png", "svg", "pdf") if latex else ("png", "svg"))
    if latex:
        _write_tables(reports, folder / "tables")
    pairs = [pair for report in reports for pair in _frames(report)]
    for file, frames in zip(("trials", "curves"), zip(*pairs, strict=True), strict=True):
        write(pd.concat(frames, ignore_index=True), folder / f"{file}.parquet")
    values = {each.label: _values(each) for each in reports}
    text = json.dumps(values, allow_nan=False)
    (folder / _FINDINGS).write_text(text, encoding="utf-8")
    page = render_page(reports, date.today(), latex)
    (folder / PAGE).write_text(page, encoding="utf-8")


def _frames(report: Report) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """The trials and curves of each stage."""
    if isinstance(report, OtherReport):
        return [(report.study.trials, report.study.curves)]
    return [(tidy(each.attempts), tidy(each.curves)) for each in stages(report.study).values()]


def _write_figures(reports: Sequence[Report], folder: Path, kinds: Sequence[str]) -> None:
    """Every figure, with its study and stage below it: a file may leave its folder."""
    folder.mkdir()
    for report in reports:
        shown = [(each, finding) for finding in report.findings for each in finding.pictures]
        shown += [(each, report.answer) for each in (report.schedule,) if each is not None]
        for (each, finding), kind in itertools.product(shown, kinds):
            file = folder / f"{report.stem(finding, each.name)}.{kind}"
            file.write_bytes(each.file(kind, report.source(finding)))


def _write_tables(reports: Sequence[Report], folder: Path) -> None:
    """Every printed table as LaTeX."""
    folder.mkdir()
    for report in reports:
        for finding in report.findings:
            for name, table in finding.printed.items():
                file = folder / f"{report.stem(finding, name)}.tex"
                file.write_text(tabular(table, finding.estimates[name]), encoding="utf-8")


def _move(draft: Path, out: Path) -> None:
    """Moves every file into place, the page last: when it is new, all it rests on is there."""
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: path.name == PAGE):
        place = out / path.relative_to(draft)
        place.parent.mkdir(exist_ok=True)
        path.replace(place)


def _values(report: Report) -> dict[str, Any]:
    """A study's findings as JSON values; numbers that are not finite become null."""
    return {
        "question": report.answer.question,
        "headline": report.summary.headline,
        "certainty": report.summary.certainty,
        "verdict": str(report.answer.verdict),
        "storage": report.study.storage,
        "not_counted": report.not_counted,
        "facts": {stage: dict(each) for stage, each in report.facts.items()},
        "findings": [
            {
                "title": finding.title,
                "stage": finding.stage,
                "question": finding.question,
                "verdict": str(finding.verdict),
                "basis": finding.basis,
                "caution": None if finding.caution is None else str(finding.caution),
                "estimates": {
                    name: json.loads(frame.to_json(orient="records", double_precision=12))
                    for name, frame in finding.estimates.items()
                },
                "figures": [
                    f"figures/{report.stem(finding, each.name)}.png" for each in finding.pictures
                ],
            }
            for finding in report.findings
        ],
    }
