"""An answer's headline on the terminal: the same that stands above the report's page."""

from __future__ import annotations

import typer

from study.cli.options import storage_failures
from study.terminal import printable


def say_headline(headline: str, certainty: str, label: str = "") -> None:
    """The answer, and below it how sure it is. label: the study's name, where there are several."""
    typer.echo(printable(f"{label}: {headline}" if label else headline))
    if certainty:
        typer.echo(f"  {printable(certainty)}")


def say_answer(url: str, name: str) -> None:
    """The headline of a study, without its report."""
    from analysis.answers import at_a_glance
    from analysis.study import load_study

    with storage_failures(url):
        found = at_a_glance(load_study(url, name))
    say_headline(found.headline, found.certainty)
