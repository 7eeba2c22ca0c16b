"""`lrstudy report`: the report of one or several studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from study.cli.completion import complete_study
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
    force: Force = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write the report: one HTML page, its figures, and the data behind them.

    For another program's study of one objective: its best trials, learning curves, importance of
    the parameters and what pruning did.

    Example: lrstudy report cosine warmup --out reports/both
    """
    directory = write_page(storage, names, out, delta / 100, latex=latex, force=force)
    if latex:
        typer.echo(f"tables for LaTeX are in {directory / 'tables'}, figures as PDF beside the PNG")


def write_page(
    storage: str,
    names: Sequence[str],
    out: Path | None = None,
    delta: float | None = None,
    *,
    latex: bool = False,
    force: bool = False,
) -> Path:
    """Write the report of studies into a directory, reports/NAME without one, say where its page
    is, and return the directory. delta: a share; the usual one without it."""
    from analysis.estimators.comparison import DELTA
    from analysis.other_programs.study import direction_of, is_of_another_program
    from analysis.page.naming import folder
    from analysis.reading.database import split_name
    from analysis.reading.studies import spec
    from analysis.report import foreign, is_report, write_report

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
            page = write_report(storage, names, directory, DELTA if delta is None else delta, latex)
    typer.echo(f"{wrote(existed)} {page}")
    return directory


def _refuse_password(name: str) -> None:
    """Raises Failure where the name is a storage URL that messages would repeat."""
    from study.storage.urls import has_password

    if has_password(name):
        raise Failure("a study of another storage is named URL#NAME, and no name was given", 2)
