"""Sample a posterior that is known exactly, with the optimizer that networks are trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from study.cli.completion import complete_study
from study.cli.options import (
    DEFAULT_STORAGE,
    Failure,
    Storage,
    checked_name,
    opened,
    preparing,
)
from study.cli.outputs import writing, wrote


def sample(
    problem: Annotated[
        Literal["gaussian", "mixture"],
        typer.Argument(
            help="A normal posterior at many step sizes; the mixture of Welling & Teh (2011)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write; default: samples/PROBLEM."),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            metavar="NAME",
            help="Add it to this study, for its report.",
            callback=checked_name,
            autocompletion=complete_study,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of data and noise.")] = 0,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Sample a posterior that is known exactly, and draw the samples beside it.

    Example: lrstudy sample gaussian --into langevin
    """
    preparing(f"sampling the {problem} posterior")
    import torch

    from analysis.questions.langevin import known_posteriors
    from study.storage.studies import keep_samples, load_spec
    from study.training.exact import SAMPLED

    if into is not None:
        with opened(storage) as kept:
            space = load_spec(kept, into).space
        if space != "langevin":
            raise Failure(f"{into!r} is a study of {space}: only one of langevin shows samples", 2)
    torch.set_num_threads(1)  # the tensors are small: threads would only wait for each other
    found = SAMPLED[problem](seed)
    if into is not None:
        with opened(storage) as kept:
            keep_samples(kept, into, problem, found)
    estimates = known_posteriors.estimates({problem: found})
    directory = out or Path("samples") / problem
    with writing(directory):
        pictures = known_posteriors.draw(estimates)
        done = wrote(any((directory / f"{each.name}.png").exists() for each in pictures))
        directory.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            for kind in ("png", "svg"):
                drawn = picture.file(kind, f"samples of {problem}, seed {seed}")
                (directory / f"{picture.name}.{kind}").write_bytes(drawn)
        for name, frame in estimates.items():
            if len(frame):
                frame.to_csv(directory / f"{name}.csv", index=False)
    typer.echo(known_posteriors.conclude(estimates))
    typer.echo(f"{done} {directory}" + (f"; kept in study {into!r}" if into else ""))
