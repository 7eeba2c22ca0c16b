"""The report: the findings of one or several studies as one HTML file and as data."""

from __future__ import annotations

import base64
import json
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis import (
    by_rate,
    chapter,
    cosine,
    fixed_rate,
    generalization,
    importance,
    langevin,
    learning,
    polynomial,
    pruning_audit,
    schedules,
    spending,
    warmup,
)
from analysis.comparison import DELTA
from analysis.confirmed import cosine as fresh_cosine
from analysis.confirmed import fixed_rate as fresh_fixed_rate
from analysis.confirmed import gap, winners
from analysis.confirmed import langevin as fresh_langevin
from analysis.confirmed import polynomial as fresh_polynomial
from analysis.confirmed import warmup as fresh_warmup
from analysis.figures import Picture
from analysis.findings import Finding, Section, Study, count, find, load_study
from analysis.links import anchors, linked, stages, trial_links, trial_rows
from analysis.provenance import facts
from analysis.tables import cells

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
PAGE = "report.html"
_ELSEWHERE = re.compile(r"([a-z][a-z0-9+]*://.+)#(.+)")


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
    def unconfirmed(self) -> str | None:
        """The command that would answer the question, where only a search was run."""
        if self.study.confirm is not None or self.study.spec.search_space.DESIGNED:
            return None
        return f"lrstudy confirm {shlex.quote(self.study.name)}"

    @property
    def budget(self) -> str:
        """What the search that tuned them spent."""
        spec = self.study.spec
        each = count(spec.turn(spec.trials), "trial")
        return f"{each} of {count(spec.budget.epochs, 'epoch')} for each schedule"

    def stem(self, finding: Finding, picture: Picture) -> str:
        """The name of a picture's files."""
        stage = "" if finding.stage == "search" else f"{finding.stage}-"
        return f"{self.slug}-{stage}{picture.name}"


def write_report(url: str, names: Sequence[str], out: Path, delta: float = DELTA) -> Path:
    """Write the report of the studies of those names into the directory ``out``.

    A study of another storage is named ``URL#NAME``. delta: differences within +- this share do not
    matter.

    report.html (pictures embedded, no network), findings.json, trials.parquet, curves.parquet and
    figures/. Returns the path of the HTML file. Other files in ``out`` stay; if writing fails, what
    was there before stays as it was. Raises StorageError for a study that is not there or is not
    lrstudy's, ValueError if no study is named, OSError where ``out`` cannot be written.
    """
    if not names:
        raise ValueError("a report needs the name of at least one study")
    studies = [replace(each, delta=delta) for each in _load(url, names)]
    slugs = _distinct_slugs([study.name for study in studies])
    parts = zip(studies, slugs, _labels(studies), strict=True)
    reports = [report_study(*part) for part in parts]
    existed = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        # Inside, hence on the same disk: moving the finished files needs no more room.
        with tempfile.TemporaryDirectory(dir=out, prefix=".report-") as draft:
            _write(reports, Path(draft))
            _move(Path(draft), out)
    except BaseException:
        if not existed:
            out.rmdir()
        raise
    return out / PAGE


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


def report_study(study: Study, slug: str, label: str) -> StudyReport:
    """All findings of a study."""
    searched = find(ANSWERS[study.spec.space], study)
    sections = [find(section, study) for section in sections_of(study)]
    answer = searched
    if study.confirm is not None:
        answer = find(CONFIRMED[study.spec.space], study)
        later = [find(section, study) for section in (winners, gap)]
        title = f"The search: {searched.title[0].lower()}{searched.title[1:]}"
        sections = [*later, replace(searched, title=title), *sections]
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
    if study.spec.search_space.DESIGNED:
        return (spending,)
    # The answer of a fixed-rate study is the figure of the first section.
    asked = _SEARCH[1:] if study.spec.space == "fixed_rate" else _SEARCH
    return (*asked, pruning_audit) if study.spec.bank else asked


def split_name(name: str, url: str) -> tuple[str, str]:
    """Storage and study of ``URL#NAME``, or of a plain name in the storage ``url``."""
    found = _ELSEWHERE.fullmatch(name)
    return (found[1], found[2]) if found else (url, name)


def slug(name: str) -> str:
    """A name for files and anchors, whatever ``name`` is: lower-case letters, digits, dashes and
    underscores."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:60].strip("-") or "study"


def _distinct_slugs(names: Sequence[str]) -> list[str]:
    """The slugs, numbered where a later one equals an earlier one."""
    found: list[str] = []
    for name in names:
        base, n = slug(name), 1
        word = base
        while word in found:
            n += 1
            word = f"{base}-{n}"
        found.append(word)
    return found


def _write(reports: Sequence[StudyReport], folder: Path) -> None:
    (folder / "figures").mkdir()
    for report in reports:
        for finding in report.findings:
            for each in finding.pictures:
                stem = folder / "figures" / report.stem(finding, each)
                stem.with_suffix(".png").write_bytes(each.png)
                stem.with_suffix(".svg").write_bytes(each.svg)
    studies = [study for report in reports for study in stages(report.study).values()]
    for name in ("attempts", "curves"):
        frame = pd.concat([getattr(each, name) for each in studies], ignore_index=True)
        file = "trials" if name == "attempts" else name
        frame.to_parquet(folder / f"{file}.parquet", index=False)
    values = {each.label: _values(each) for each in reports}
    text = json.dumps(values, allow_nan=False)
    (folder / "findings.json").write_text(text, encoding="utf-8")
    (folder / PAGE).write_text(render_page(reports), encoding="utf-8")


def _move(draft: Path, out: Path) -> None:
    """Moves every file into place, the page last: when it is new, all it rests on is there."""
    (out / "figures").mkdir(exist_ok=True)
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: path.name == PAGE):
        path.replace(out / path.relative_to(draft))


def _values(report: StudyReport) -> dict[str, Any]:
    """A study's findings as JSON values; numbers that are not finite become null."""
    return {
        "question": report.answer.question,
        "verdict": report.answer.verdict,
        "storage": report.study.storage,
        "facts": {stage: dict(each) for stage, each in report.facts.items()},
        "findings": [
            {
                "title": finding.title,
                "stage": finding.stage,
                "question": finding.question,
                "verdict": finding.verdict,
                "basis": finding.basis,
                "caution": finding.caution,
                "estimates": {
                    name: json.loads(frame.to_json(orient="records", double_precision=12))
                    for name, frame in finding.estimates.items()
                },
                "figures": [
                    f"figures/{report.stem(finding, each)}.png" for each in finding.pictures
                ],
            }
            for finding in report.findings
        ],
    }


def render_page(reports: Sequence[StudyReport]) -> str:
    """The HTML file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["source"] = _source
    environment.filters["cells"] = _cells
    environment.filters["zip"] = zip
    environment.filters["linked"] = lambda text, report: linked(text, report.slug, report.anchors)
    template = environment.get_template("report.html.j2")
    return template.render(reports=reports)


def _cells(
    frame: pd.DataFrame, report: StudyReport, shares: bool = False
) -> tuple[list[str], list[list[str]]]:
    return cells(
        frame,
        shares,
        lambda stage, numbers: trial_links(numbers, report.slug, stage, report.anchors),
    )


def _source(picture: Picture) -> str:
    """The picture as a data URI."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.svg).decode()}"
