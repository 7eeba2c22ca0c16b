"""The report's text and figures as Markdown, for a repository's readme or a paper's appendix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pandas as pd

from analysis.figures.style import Picture
from analysis.page.other_report import OtherReport
from analysis.page.study_report import StudyReport
from analysis.page.tables import printed_rows
from analysis.recommendation import Recommendation
from analysis.section import Finding
from analysis.table import Table

Report = StudyReport | OtherReport


def render_markdown(reports: Sequence[Report], made: date) -> str:
    """Headlines, verdicts, code, figures and tables of each study, without the lists of trials. The
    figures are the files of the folder ``figures`` beside it. made: the day that it tells."""
    blocks = [f"*lrstudy report, {made.isoformat()}*"]
    for report in reports:
        blocks += _glance(report)
        blocks += [f"## The answer in full: {_plain(report.label)}", _plain(report.recipe or "")]
        blocks += _finding(report.answer, report, first=1)
        for finding in report.sections:
            blocks += [f"## {_plain(finding.title)}", f"*{_plain(finding.question)}*"]
            blocks += _finding(finding, report)
    return "\n\n".join(filter(None, blocks)) + "\n"


def _glance(report: Report) -> Iterator[str]:
    """The page's first screen."""
    summary = report.summary
    yield f"# {_plain(summary.headline)}"
    yield f"*{_plain(report.answer.question)}*"
    yield _plain(summary.certainty)
    if summary.judgements:
        rows = [
            [each.of, f"{each.sign.sign} {each.words}", each.detail] for each in summary.judgements
        ]
        yield _table([summary.about, "verdict", "by"], rows)
    yield from _pictures(report.answer.pictures[:1], report.answer, report)
    if report.recommendation is not None:
        yield from _use(report.recommendation)
    if report.schedule is not None:
        yield from _pictures([report.schedule], report.answer, report)


def _use(found: Recommendation) -> Iterator[str]:
    """What to use, and its code."""
    trained = f", {found.trained}" if found.trained else ""
    yield "## What to use"
    yield _plain(f"{found.words}{trained}. {found.score}. Chosen: {found.how}.")
    if found.code is not None:
        yield f"```python\n{found.code.rstrip()}\n```"


def _finding(finding: Finding, report: Report, first: int = 0) -> Iterator[str]:
    """Verdict, what it rests on, figures from that number on, and tables."""
    yield f"{_plain(str(finding.verdict))} {_plain(finding.basis)}"
    if finding.caution:
        purpose, command = finding.caution.purpose, finding.caution.command
        yield f"> {_plain(finding.caution.reason)} {purpose}: `{command}`"
    yield from _pictures(finding.pictures[first:], finding, report)
    for name, table in finding.printed.items():
        yield _plain(table.caption)
        yield _printed(table, finding.estimates[name])


def _pictures(shown: Sequence[Picture], finding: Finding, report: Report) -> Iterator[str]:
    for each in shown:
        yield f"![{_plain(each.alt)}](figures/{report.stem(finding, each.name)}.png)"
        yield f"*{_plain(each.caption)}*" if each.caption else ""


def _printed(table: Table, frame: pd.DataFrame) -> str:
    headings, rows = printed_rows(
        table.columns, frame, lambda _, numbers: ", ".join(map(str, numbers))
    )
    return _table(headings, rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in lines)


_SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\`*_[]<>|#"})


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return " ".join(str(text).split()).translate(_SPECIAL)
