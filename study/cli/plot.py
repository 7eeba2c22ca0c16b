"""`lrstudy plot`: schedules as a picture or a table, without any training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from search_spaces.schedules.text import parse_schedule
from search_spaces.schedules.unfinished import unfinished
from study.cli.completion import complete_plot
from study.cli.options import Failure, wrong_use
from study.cli.outputs import writing, wrote
from study.cli.unfinished import say

_MOST_UPDATES = 10_000_000


def plot(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC...",
            help="Schedules, each as family:name=value,...; `lrstudy schedules` lists them.",
            autocompletion=complete_plot,
        ),
    ],
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Epochs of training.")] = 30,
    steps_per_epoch: Annotated[
        int, typer.Option("--steps-per-epoch", min=1, help="Updates per epoch.")
    ] = 196,
    out: Annotated[Path, typer.Option("--out", help="The file to draw to, .png or .svg.")] = Path(
        "schedules.png"
    ),
    csv: Annotated[
        bool, typer.Option("--csv", help="Print the rates instead of drawing them.")
    ] = False,
) -> None:
    """Draw schedules without training, and say which parts lie beyond the last epoch.

    Without a horizon, a schedule ends with training. Milestones and horizons are in epochs from
    the start and include the warmup; a scheduler of torch (torch:scheduler=NAME) starts after the
    warmup. OneCycleLR and CyclicLR step every update, the others every epoch (per=...).

    Example: lrstudy plot cosine:base=0.3,final=0.01,horizon=20,warmup=5 factor:base=0.3,alpha=0.9
    """
    import pandas as pd

    from study.training.torch_schedules import closed_form

    if epochs * steps_per_epoch > _MOST_UPDATES:
        raise Failure(f"{epochs * steps_per_epoch:,} updates are too many to draw", 2)
    steps = np.arange(epochs * steps_per_epoch)
    columns: dict[str, Any] = {"step": steps, "epoch": steps / steps_per_epoch}
    said: list[str] = []
    with wrong_use():
        for spec in specs:
            parsed = parse_schedule(spec, epochs)
            columns[spec] = closed_form(parsed, epochs, steps_per_epoch)(steps, steps_per_epoch)
            said += [f"{spec}: {each}" for each in unfinished(parsed, epochs, steps_per_epoch)]
    say(said)
    rates = pd.DataFrame(columns)
    if csv:
        typer.echo(rates.to_csv(index=False), nl=False)
        return
    if out.suffix not in (".png", ".svg"):
        raise Failure(f"--out must end in .png or .svg, not {out.name!r}", 2)
    from analysis.sections.schedules import draw_rates

    with writing(out):
        done = wrote(out.exists())
        draw_rates(rates, out)
    typer.echo(f"{done} {out}")
