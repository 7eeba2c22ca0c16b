"""What there is to try: the search spaces, the schedules as pictures, the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from search_spaces.config import Range
from search_spaces.presets import Preset
from search_spaces.schedules.text import parse_schedule
from search_spaces.schedules.unfinished import unfinished
from search_spaces.spaces import CHAPTER, SPACES, SearchSpace
from search_spaces.words.phrases import count
from study.cli.completion import complete_plot
from study.cli.layout import Grid
from study.cli.options import AsJson, Failure, failures, preparing, print_json, wrong_use
from study.cli.outputs import writing, wrote
from study.cli.unfinished import say


def spaces(as_json: AsJson = False) -> None:
    """List the search spaces: the question of each, its schedules, parameters and ranges.

    Example: lrstudy spaces
    """
    if as_json:
        print_json({name: _facts(space) for name, space in SPACES.items()})
        return
    console = Console()
    console.print("Exercises 1 to 5 are the chapter's:", highlight=False)
    console.print(CHAPTER, highlight=False, soft_wrap=True)
    console.print()
    for name, space in SPACES.items():
        console.print(Grid(("", ""), _rows(name, space)))
        console.print()


def _rows(name: str, space: SearchSpace) -> list[tuple[str, str]]:
    """What a person should know of a space, each with its label."""
    facts = _facts(space)
    exercise = "" if space.EXERCISE is None else f"exercise {space.EXERCISE}: "
    return [
        (name, f"{exercise}{facts['question']}"),
        ("schedules", ", ".join(facts["schedules"])),
        *facts["parameters"].items(),
        *((f"--preset {preset}", text) for preset, text in facts["presets"].items()),
    ]


def _facts(space: SearchSpace) -> dict[str, Any]:
    standard = space.PRESETS["standard"].budget
    return {
        "exercise": space.EXERCISE,
        "question": space.QUESTION,
        "schedules": list(space.FAMILIES),
        "parameters": {name: _widths(space, name) for name in space.ranges(standard)},
        "presets": {name: _budget(space, preset) for name, preset in space.PRESETS.items()},
    }


def _widths(space: SearchSpace, name: str) -> str:
    """Where a parameter is sampled with the standard preset; with another one where it differs."""
    found = {each: _words(space.ranges(made.budget)[name]) for each, made in space.PRESETS.items()}
    usual = found.pop("standard")
    others = [f"--preset {each}: {text}" for each, text in found.items() if text != usual]
    return f"{usual} ({'; '.join(others)})" if others else usual


def _budget(space: SearchSpace, preset: Preset) -> str:
    trials = preset.trials_per_family * len(space.FAMILIES)
    images = _images(preset.budget.train_size, space.DESIGNED)
    batches = "".join(f", {name} {value}" for name, value in preset.optimizer.items())
    each = count(preset.budget.epochs, "epoch")
    return f"{count(trials, 'trial')} of {each} on {images} training images{batches}"


def _words(interval: Range) -> str:
    scale = ", log scale" if interval.log else ""
    unit = f" {interval.unit}" if interval.unit else ""
    return f"{interval.low:g} to {interval.high:g}{unit}{scale}"


def _images(train_size: int | None, designed: bool) -> str:
    if train_size is not None:
        return f"{train_size:,}"
    return "all 60,000" if designed else "50,000"


_MOST_UPDATES = 10_000_000


def plot(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC...",
            help="Schedules, family:name=value,... each; `lrstudy schedules` lists them.",
            autocompletion=complete_plot,
        ),
    ],
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Length of training.")] = 30,
    steps_per_epoch: Annotated[
        int, typer.Option("--steps-per-epoch", min=1, help="Updates an epoch.")
    ] = 196,
    out: Annotated[Path, typer.Option("--out", help="The picture to write, .png or .svg.")] = Path(
        "schedules.png"
    ),
    csv: Annotated[bool, typer.Option("--csv", help="Print the rates instead.")] = False,
) -> None:
    """Draw schedules without training, and say what of them so many epochs do not reach.

    A horizon that is left out is the end of training. Milestones and horizons count from 0; a
    scheduler of torch (torch:scheduler=NAME) starts after the warmup. OneCycleLR and CyclicLR are
    stepped every update, the others every epoch (per=...).

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


def fetch(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Copy the files from this directory; torchvision's root will do, too."
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
