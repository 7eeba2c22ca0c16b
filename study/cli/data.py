"""`lrstudy data`: find or get the Fashion-MNIST images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import AsJson, failures, preparing, print_json


def fetch(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Copy the files from this directory, which may be torchvision's root."
        ),
    ] = None,
) -> None:
    """Get the four files of Fashion-MNIST, unless they are there already.

    Example: lrstudy data fetch
    """
    from study.tasks import fashion_mnist

    preparing("looking for Fashion-MNIST, 30 MB to get where it is not here")
    with failures(fashion_mnist.DataError):
        typer.echo(f"Fashion-MNIST is in {fashion_mnist.fetch(source)}")


def where(as_json: AsJson = False) -> None:
    """Say where the data are looked for, and where they are.

    Example: lrstudy data where
    """
    from study.tasks import fashion_mnist

    with failures(fashion_mnist.DataError):
        found = fashion_mnist.find()
    if as_json:
        looked = {place.name: str(place.path) for place in fashion_mnist.places()}
        print_json({"found": str(found), "places": looked})
        return
    typer.echo(str(found))
