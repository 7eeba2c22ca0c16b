"""The report: the findings of one or several studies as one HTML file and as data."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    learning,
    polynomial,
    schedules,
    spending,
    warmup,
)
from analysis.figures import Picture
from analysis.findings import Finding, Section, Study, find, load_study
from analysis.provenance import facts
from analysis.tables import cells

ANSWERS: Mapping[str, Section] = {
    "fixed_rate": fixed_rate,
    "polynomial": polynomial,
    "cosine": cosine,
    "warmup": warmup,
    "chapter": chapter,
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


@dataclass(frozen=True)
class StudyReport:
    """What the report says of a study. slug: its name for files and anchors."""

    slug: str
    study: Study
    answer: Finding
    sections: Sequence[Finding]
    facts: Mapping[str, str]

    @property
    def findings(self) -> list[Finding]:
        """The answer and the sections."""
        return [self.answer, *self.sections]


def write_report(url: str, names: Sequence[str], out: Path) -> Path:
    """Write the report of the studies of those names into the directory ``out``.

    report.html (pictures embedded, no network), findings.json, trials.parquet, curves.parquet and
    figures/. Returns the path of the HTML file. Other files in ``out`` stay; if writing fails, what
    was there before stays as it was. Raises StorageError for a study that is not there or is not
    lrstudy's, ValueError if no study is named, OSError where ``out`` cannot be written.
    """
    if not names:
        raise ValueError("a report needs the name of at least one study")
    distinct = list(dict.fromkeys(names))
    studies = [load_study(url, name) for name in distinct]
    slugs = _distinct_slugs(distinct)
    reports = [report_study(study, slug) for study, slug in zip(studies, slugs, strict=True)]
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


def report_study(study: Study, slug: str) -> StudyReport:
    """All findings of a study."""
    answer = find(ANSWERS[study.spec.space], study)
    sections = [find(section, study) for section in sections_of(study)]
    return StudyReport(slug, study, answer, sections, facts(study))


def sections_of(study: Study) -> Sequence[Section]:
    """What every study of this kind is asked, besides its own question."""
    if study.spec.search_space.DESIGNED:
        return (spending,)
    if study.spec.space == "fixed_rate":
        return _SEARCH[1:]  # its answer is the figure of the first
    return _SEARCH


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
                stem = folder / "figures" / f"{report.slug}-{each.name}"
                stem.with_suffix(".png").write_bytes(each.png)
                stem.with_suffix(".svg").write_bytes(each.svg)
    for name in ("attempts", "curves"):
        frame = pd.concat([getattr(each.study, name) for each in reports], ignore_index=True)
        file = "trials" if name == "attempts" else name
        frame.to_parquet(folder / f"{file}.parquet", index=False)
    values = {each.study.name: _values(each) for each in reports}
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
        "facts": dict(report.facts),
        "findings": [
            {
                "title": finding.title,
                "question": finding.question,
                "verdict": finding.verdict,
                "basis": finding.basis,
                "caution": finding.caution,
                "estimates": {
                    name: json.loads(frame.to_json(orient="records", double_precision=12))
                    for name, frame in finding.estimates.items()
                },
                "figures": [f"figures/{report.slug}-{each.name}.png" for each in finding.pictures],
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
    environment.filters["cells"] = cells
    template = environment.get_template("report.html.j2")
    return template.render(reports=reports)


def _source(picture: Picture) -> str:
    """The picture as a data URI."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.svg).decode()}"
