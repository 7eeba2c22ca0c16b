"""What commands write for a person: nothing foreign is replaced unasked, and nothing in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import Failure
from study.files import advice

Force = Annotated[
    bool, typer.Option("--force", help="Replace files that lrstudy did not write, too.")
]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns errors of the disk into a Failure that names the path that the user named."""
    try:
        yield
    except OSError as error:
        raise Failure(f"cannot write {path}: {advice(error)}") from None


def wrote(existed: bool) -> str:
    """The word for what became of a file: one that was there is not overwritten in silence."""
    return "replaced" if existed else "wrote"


def refuse_foreign(files: Sequence[Path], option: str, force: bool) -> None:
    """Raises Failure where these files would be replaced, which lrstudy did not write."""
    if files and not force:
        raise Failure(
            f"lrstudy did not write {' and '.join(map(str, files))}: choose another {option}, or "
            "replace it with --force",
            2,
        )
