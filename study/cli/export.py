"""`lrstudy export`: the frames of a study as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from search_spaces.words.phrases import count
from study.cli.options import (
    DEFAULT_STORAGE,
    Failure,
    Storage,
    StudyName,
    storage_failures,
)
from study.cli.outputs import writing
from study.files import draft
from study.terminal import printable


def _show_columns(asked: bool) -> None:
    """What each column is, instead of writing any."""
    if not asked:
        return
    from analysis.reading.columns import dictionary

    typer.echo(dictionary(width=Console().width))
    raise typer.Exit


def export(
    name: StudyName,
    out: Annotated[Path, typer.Option("--out", help="The file to write, .parquet or .csv.")],
    curves: Annotated[bool, typer.Option("--curves", help="A row for every epoch.")] = False,
    attempts: Annotated[
        bool, typer.Option("--attempts", help="A row for every attempt at a trial.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    _columns: Annotated[
        bool,
        typer.Option(
            "--columns", help="Explain the columns.", is_eager=True, callback=_show_columns
        ),
    ] = False,
) -> None:
    """Write a study as Parquet or CSV: a row for every trial, attempt or epoch.

    The row of a trial is its result, or its last attempt where it has none. For another program's
    study: all that Optuna shows of its trials, or with --curves its intermediate values.

    Example: lrstudy export cosine --out trials.parquet
    """
    from analysis.reading.loading import read, write

    if out.suffix not in (".parquet", ".csv"):
        raise Failure(f"--out must end in .parquet or .csv, not {out.name!r}", 2)
    with storage_failures(storage):
        found = read(storage, [name], attempts=attempts)
    frame = found.curves if curves else found.trials
    with writing(out), draft(out) as part:
        existed = out.exists()
        mixed = write(frame, part)
    for note in found.notes:
        typer.echo(f"lrstudy: {printable(note)}", err=True)
    if mixed:
        names = printable(", ".join(mixed))
        typer.echo(f"lrstudy: written as JSON, since no type holds their values: {names}", err=True)
    row = "attempt" if attempts else "trial"
    if curves:
        row = f"{'epoch' if 'epoch' in frame else 'intermediate value'} of each {row}"
    rows = count(len(frame), "row")
    done = f"replaced {out} with {rows}" if existed else f"wrote {rows} to {out}"
    typer.echo(f"{done}: one for each {row}")
