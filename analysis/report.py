"""The report: the findings of one or several studies as one HTML file and as data."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis.estimators.comparison import DELTA
from analysis.figures.style import Picture
from analysis.page.glossary import explainer
from analysis.page.latex import tabular
from analysis.page.links import (
    anchors,
    linked,
    stages,
    trial_columns,
    trial_links,
    trial_rows,
)
from analysis.page.naming import distinct_slugs
from analysis.page.provenance import facts
from analysis.page.tables import cells
from analysis.questions import chapter
from analysis.questions.cosine import confirmed as fresh_cosine
from analysis.questions.cosine import search as cosine
from analysis.questions.fixed_rate import confirmed as fresh_fixed_rate
from analysis.questions.fixed_rate import search as fixed_rate
from analysis.questions.langevin import confirmed as fresh_langevin
from analysis.questions.langevin import search as langevin
from analysis.questions.polynomial import confirmed as fresh_polynomial
from analysis.questions.polynomial import search as polynomial
from analysis.questions.warmup import confirmed as fresh_warmup
from analysis.questions.warmup import search as warmup
from analysis.reading.database import split_name
from analysis.reading.loading import tidy, write
from analysis.reading.plausible import left_out, not_counted
from analysis.section import Caution, Estimates, Finding, Section, agreeing, find
from analysis.sections import (
    by_rate,
    gap,
    generalization,
    importance,
    learning,
    pruning_audit,
    schedules,
    spending,
    test_accuracy,
)
from analysis.study import Study, load_study
from analysis.table import Column, Table
from search_spaces.spaces import CHAPTER
from search_spaces.words.phrases import count

ANSWERS: Mapping[str, Section] = {
    "fixed_rate": fixed_rate,
    "polynomial": polynomial,
    "cosine": cosine,
    "warmup": warmup,
    "langevin": langevin,
    "chapter": chapter,
}
CONFIRMED: Mapping[str, Section] = {
    "fixed_rate": fresh_fixed_rate,
    "polynomial": fresh_polynomial,
    "cosine": fresh_cosine,
    "warmup": fresh_warmup,
    "langevin": fresh_langevin,
}
_SEARCH: tuple[Section, ...] = (
    by_rate,
    learning,
    schedules,
    generalization,
    importance,
    spending,
)
STAGES = {"search": "Search", "confirm": "Fresh seeds", "test": "Test images"}
PAGE = "report.html"
_FILES = (PAGE, "findings.json", "trials.parquet", "curves.parquet")
_MARK = b" - lrstudy report</title>"
_HEAD = 100_000  # bytes of a page in which its title stands


@dataclass(frozen=True)
class StudyReport:
    """What the report says of a study.

    slug: its name for files and anchors; label: for people, with the storage where two studies have
    the same name. facts: how each stage was measured. trials: of each stage,
    a row for every trial. anchors: names of these rows on the page.
    """

    slug: str
    label: str
    study: Study
    answer: Finding
    sections: Sequence[Finding]
    facts: Mapping[str, Mapping[str, str]]
    trials: Mapping[str, pd.DataFrame]
    anchors: frozenset[str]

    @property
    def findings(self) -> list[Finding]:
        """The answer and the sections."""
        return [self.answer, *self.sections]

    @property
    def exercise(self) -> int | None:
        """The number of the question among the chapter's exercises."""
        return self.study.spec.search_space.EXERCISE

    @property
    def unconfirmed(self) -> Caution | None:
        """Where only a search was run: what that means, and the next command that leads to an
        answer."""
        study = self.study
        if study.confirm is not None or study.spec.designed:
            return None
        reason = "A search ranks single runs, chosen on the images that judge them."
        if study.left:
            return Caution(reason, "To finish it", study.command("resume"))
        if study.ended(["complete"]).empty:
            total = str(study.spec.trials + len(study.spec.families))
            more = study.command("resume", "--trials", total)
            return Caution(reason, "None is complete. To add trials", more)
        answer = "For an answer that would survive other seeds"
        return Caution(reason, answer, study.command("confirm"))

    @property
    def not_counted(self) -> list[str]:
        """What each stage left out because it contradicts what was recorded, a sentence each."""
        begun = stages(self.study).items()
        found = {stage: not_counted(left_out(each.attempts)) for stage, each in begun}
        return [f"{STAGES[stage]}: {note}" for stage, note in found.items() if note is not None]

    @property
    def budget(self) -> str:
        """What the search that tuned them spent."""
        spec = self.study.spec
        each = count(spec.turn(spec.trials), "trial")
        return f"{each} of {count(spec.budget.epochs, 'epoch')} for each schedule"

    def attempts(self, stage: str) -> str:
        """What the rows of a stage are, of which a trial that was repeated has several."""
        rows, planned = len(self.trials[stage]), stages(self.study)[stage].spec.trials
        return f"{count(rows, 'attempt')} at {count(planned, 'trial')}"

    def stem(self, finding: Finding, name: str) -> str:
        """What the files of a picture or table of that name are called, without a suffix."""
        stage = "" if finding.stage == "search" else f"{finding.stage}-"
        return f"{self.slug}-{stage}{name}"


def write_report(
    url: str, names: Sequence[str], out: Path, delta: float = DELTA, latex: bool = False
) -> Path:
    """Write the report of the studies of those names into the directory ``out``.

    A study of another storage is named ``URL#NAME``. delta: differences within +- this share do not
    matter. latex: for a paper, every printed table as tables/NAME.tex (`tabular`) and every figure
    as PDF besides.

    report.html (pictures embedded, no network), findings.json, trials.parquet, curves.parquet and
    figures/. Returns the path of the HTML file. Other files in ``out`` stay; if writing fails, what
    was there before stays as it was. Raises StorageError for a study that is not there or is not
    lrstudy's, ValueError if no study is named, OSError where ``out`` cannot be written.
    """
    if not names:
        raise ValueError("a report needs the name of at least one study")
    studies = [replace(each, delta=delta) for each in _load(url, names)]
    slugs = distinct_slugs([study.name for study in studies])
    parts = zip(studies, slugs, _labels(studies), strict=True)
    reports = [report_study(*part) for part in parts]
    existed = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        # Inside, hence on the same disk: moving the finished files needs no more room.
        with tempfile.TemporaryDirectory(dir=out, prefix=".report-") as draft:
            _write(reports, Path(draft), latex)
            _move(Path(draft), out)
    except BaseException:
        if not existed:
            out.rmdir()
        raise
    return out / PAGE


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


def _load(url: str, names: Sequence[str]) -> list[Study]:
    """The studies by name, each once: a later stage's name stands for its search."""
    found: dict[tuple[str, str], Study] = {}
    for name in names:
        place, own = split_name(name, url)
        study = load_study(place, own)
        found.setdefault((place, study.name), study)
    return list(found.values())


def _labels(studies: Sequence[Study]) -> list[str]:
    """The studies' names, with their storages where they would be confused."""
    known = [study.name for study in studies]
    return [
        f"{study.name} ({study.storage})" if known.count(study.name) > 1 else study.name
        for study in studies
    ]


def estimates(study: Study) -> Estimates:
    """The frames behind the report's answer to the study's question, by name: from fresh seeds
    where they were run, else from the search. `lrstudy.figures` says which figure takes which."""
    sections = ANSWERS if study.confirm is None else CONFIRMED
    return sections[study.spec.space].estimate(study)


def report_study(study: Study, slug: str, label: str) -> StudyReport:
    """All findings of a study."""
    searched = find(ANSWERS[study.spec.space], study)
    sections = [find(section, study) for section in sections_of(study)]
    answer = searched
    if study.confirm is not None:
        answer = find(CONFIRMED[study.spec.space], study)
        later = [find(section, study) for section in (test_accuracy, gap)]
        title = f"The search: {searched.title[0].lower()}{searched.title[1:]}"
        sections = [*later, replace(searched, title=title), *sections]
    answer, *sections = agreeing([answer, *sections], study)
    begun = stages(study)
    return StudyReport(
        slug=slug,
        label=label,
        study=study,
        answer=answer,
        sections=sections,
        facts={stage: facts(each) for stage, each in begun.items()},
        trials={stage: trial_rows(each) for stage, each in begun.items()},
        anchors=anchors(study, slug),
    )


def sections_of(study: Study) -> Sequence[Section]:
    """What every search of this kind is asked, besides its own question."""
    if study.spec.designed:
        return (spending,)
    shown = ANSWERS[study.spec.space].ABOUT.shows
    asked = tuple(section for section in _SEARCH if section not in shown)
    return (*asked, pruning_audit) if study.spec.bank else asked


def _write(reports: Sequence[StudyReport], folder: Path, latex: bool) -> None:
    (folder / "figures").mkdir()
    for report in reports:
        for finding in report.findings:
            for each in finding.pictures:
                stem = folder / "figures" / report.stem(finding, each.name)
                stem.with_suffix(".png").write_bytes(each.png)
                stem.with_suffix(".svg").write_bytes(each.svg)
    if latex:
        _write_for_paper(reports, folder)
    studies = [study for report in reports for study in stages(report.study).values()]
    for name in ("attempts", "curves"):
        frame = pd.concat([tidy(getattr(each, name)) for each in studies], ignore_index=True)
        file = "trials" if name == "attempts" else name
        write(frame, folder / f"{file}.parquet")
    values = {each.label: _values(each) for each in reports}
    text = json.dumps(values, allow_nan=False)
    (folder / "findings.json").write_text(text, encoding="utf-8")
    (folder / PAGE).write_text(render_page(reports, latex), encoding="utf-8")


def _write_for_paper(reports: Sequence[StudyReport], folder: Path) -> None:
    """The tables as LaTeX, the figures as PDF."""
    (folder / "tables").mkdir()
    for report in reports:
        for finding in report.findings:
            for each in finding.pictures:
                figure = folder / "figures" / f"{report.stem(finding, each.name)}.pdf"
                figure.write_bytes(each.pdf())
            for name, table in printed(finding).items():
                file = folder / "tables" / f"{report.stem(finding, name)}.tex"
                file.write_text(tabular(table, finding.estimates[name]), encoding="utf-8")


def printed(finding: Finding) -> dict[str, Table]:
    """The tables that have a row."""
    return {
        name: table for name, table in finding.tables.items() if not finding.estimates[name].empty
    }


def _move(draft: Path, out: Path) -> None:
    """Moves every file into place, the page last: when it is new, all it rests on is there."""
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: path.name == PAGE):
        place = out / path.relative_to(draft)
        place.parent.mkdir(exist_ok=True)
        path.replace(place)


def _values(report: StudyReport) -> dict[str, Any]:
    """A study's findings as JSON values; numbers that are not finite become null."""
    return {
        "question": report.answer.question,
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


def render_page(reports: Sequence[StudyReport], latex: bool = False) -> str:
    """The HTML file. latex: name the files for a paper beside what they hold."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["source"] = _source
    environment.filters["cells"] = _cells
    environment.filters["zip"] = zip
    environment.filters["explained"] = explainer()
    environment.filters |= {"printed": printed, "trial_columns": trial_columns}
    environment.filters["linked"] = lambda text, report: linked(text, report.slug, report.anchors)
    template = environment.get_template("report.html.j2")
    return template.render(reports=reports, latex=latex, chapter=CHAPTER, STAGES=STAGES)


def _cells(
    columns: Sequence[Column], frame: pd.DataFrame, report: StudyReport
) -> tuple[list[str], list[list[str]]]:
    return cells(
        columns,
        frame,
        lambda stage, numbers: trial_links(numbers, report.slug, stage, report.anchors),
    )


def _source(picture: Picture) -> str:
    """The picture as a data URI."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.svg).decode()}"
