"""`lrstudy report`: the report of one or several studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from study.cli.completion import complete_study
from study.cli.headlines import say_headline
from study.cli.options import (
    DEFAULT_STORAGE,
    Failure,
    Storage,
    preparing,
    storage_failures,
    warn_of_password,
)
from study.cli.outputs import Force, refuse_foreign, writing, wrote


def report(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Studies to report on; URL#NAME names one in another storage.",
            autocompletion=complete_study,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write; default: reports/NAME."),
    ] = None,
    delta: Annotated[
        float,
        typer.Option(
            "--delta", min=0.0, help="Difference that does not matter, in points of accuracy."
        ),
    ] = 0.3,
    latex: Annotated[
        bool, typer.Option("--latex", help="Also write tables as .tex and figures as .pdf.")
    ] = False,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Also write text and figures as report.md, for a readme."),
    ] = False,
    show: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser when it is written.")
    ] = False,
    force: Force = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write the report: one HTML page, its figures, and the data behind them.

    For another program's study of one objective: its best trials, learning curves, importance of
    the parameters and what pruning did.

    Example: lrstudy report cosine warmup --out reports/both
    """
    options = {"latex": latex, "markdown": markdown, "force": force}
    directory = write_page(storage, names, out, delta / 100, **options)
    if latex:
        typer.echo(f"tables for LaTeX are in {directory / 'tables'}, figures as PDF beside the PNG")
    if markdown:
        typer.echo(f"text and figures for a readme are in {directory / 'report.md'}")
    if show:
        open_page(directory)


def write_page(
    storage: str,
    names: Sequence[str],
    out: Path | None = None,
    delta: float | None = None,
    *,
    latex: bool = False,
    markdown: bool = False,
    force: bool = False,
) -> Path:
    """Write the report of studies into a directory, reports/NAME without one, say its headlines and
    where its page is, and return the directory. delta: a share; the usual one without it."""
    from analysis.estimators.comparison import DELTA
    from analysis.other_programs.study import direction_of, is_of_another_program
    from analysis.page.naming import folder
    from analysis.reading.database import split_name
    from analysis.reading.studies import spec
    from analysis.report import foreign, headlines, is_report, write_report

    found = [split_name(name, storage) for name in names]
    for url in {url for url, _ in found} - {storage}:
        warn_of_password(url)
    for _, name in found:
        _refuse_password(name)
    with storage_failures(storage):
        directory = out or Path("reports") / folder(found, storage)
        for url, name in found:  # what cannot be reported is told before anything else is said
            (direction_of if is_of_another_program(url, name) else spec)(url, name)
        with writing(directory):
            refuse_foreign(foreign(directory), "--out", force)
            existed = is_report(directory)
            preparing("reading the trials, drawing the figures")
            share = DELTA if delta is None else delta
            page = write_report(storage, names, directory, share, latex, markdown)
    for label, (headline, certainty) in headlines(directory).items():
        say_headline(headline, certainty, label if len(found) > 1 else "")
    typer.echo(f"{wrote(existed)} {page}")
    return directory


def open_page(directory: Path) -> None:
    """Show the page of a report in the browser. Raises Failure where there is none to show it."""
    import webbrowser

    from analysis.report import PAGE

    page = (directory / PAGE).resolve()
    if not webbrowser.open(page.as_uri()):
        raise Failure(f"no browser could be opened here; the page is {page}")


def _refuse_password(name: str) -> None:
    """Raises Failure where the name is a storage URL that messages would repeat."""
    from study.storage.urls import has_password

    if has_password(name):
        raise Failure("a study of another storage is named URL#NAME, and no name was given", 2)
