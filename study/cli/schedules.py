"""The schedule families in words, with a small drawing of each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from search_spaces.schedules.base import FAMILIES, Array, Schedule
from search_spaces.schedules.descriptions import SYMBOLS, Family, Parameter, describe
from search_spaces.schedules.given import Plateau
from search_spaces.schedules.text import parse_schedule
from study.cli.completion import complete_schedule
from study.cli.options import AsJson, print_json, wrong_use

_EPOCHS = 30
_WIDTH, _HEIGHT = 60, 8
_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " ......##"


def schedules(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A schedule family; without it, all are listed.",
            autocompletion=complete_schedule,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the schedule families, or explain one: parameters, formula, a drawing, an example.

    Example: lrstudy schedules cosine
    """
    with wrong_use():
        found = [describe(each) for each in (FAMILIES if name is None else [name])]
    if as_json:
        print_json([asdict(each) for each in found])
        return
    console = Console()
    if name is None:
        table = Table(box=None, show_header=False, pad_edge=False)
        for each in found:
            table.add_row(Text(each.name, "bold"), each.summary)
        console.print(table, highlight=False)
        console.print("\n`lrstudy schedules NAME` explains one.", highlight=False)
        return
    _explain(console, found[0])


def _explain(console: Console, family: Family) -> None:
    plot = f"lrstudy plot {shlex.quote(family.example)}"
    if FAMILIES[family.name] is Plateau:  # which no plot without a loss can show
        plot = f"in Python: lrstudy.parse_schedule({family.example!r})"
    console.print(Text.assemble((family.name, "bold"), f"  {family.summary}\n"))
    facts = {
        "formula": f"{family.formula}\n{SYMBOLS}",
        "reference": family.reference,
        "example": plot,
    }
    _print_pairs(console, facts)
    for heading, parameters in {"Parameters": family.own, "In front": family.common}.items():
        console.print(f"\n{heading}", highlight=False)
        words = {", ".join(each.names): _in_words(each) for each in parameters}
        _print_pairs(console, words)
    console.print()
    for line in _drawing(family, console.options.ascii_only):
        console.print(Text(line), no_wrap=True, crop=True)


def _print_pairs(console: Console, pairs: Mapping[str, str]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(min_width=15)
    for name, text in pairs.items():
        table.add_row(Text(name, "bold"), Text(text, overflow="fold"))
    console.print(table, highlight=False)


def _in_words(parameter: Parameter) -> str:
    """What a parameter is, in a sentence, and its values, in another line."""
    values = " ".join(filter(None, (parameter.unit, parameter.allowed)))
    default = "must be given" if parameter.default is None else f"default: {parameter.default}"
    return f"{parameter.meaning}\n{values}; {default}"


def _drawing(family: Family, ascii_only: bool) -> Iterator[str]:
    """The example's rates over 30 epochs, with its axes."""
    rates = example_rates(family.example, _WIDTH)
    top = float(rates.max())
    rows = sketch(rates, _HEIGHT, _ASCII if ascii_only else _BLOCKS)
    for row, line in enumerate(rows):
        label = f"{top:g}" if row == 0 else "0" if row == _HEIGHT - 1 else ""
        yield f"{label:>8} |{line}"
    yield f"{'epoch':>8} 0{_EPOCHS:>{_WIDTH}}"
    if FAMILIES[family.name] is Plateau:
        yield f"{'':9} drawn for a loss that never improves"


def example_rates(text: str, points: int) -> Array:
    """Rates of a schedule at so many moments of 30 epochs; (points,). One that follows the loss is
    given a loss that never improves."""
    schedule = parse_schedule(text, _EPOCHS)
    each = points // _EPOCHS
    steps = np.arange(_EPOCHS * each)
    if isinstance(schedule, Schedule):
        return schedule(steps, each)
    from study.training.torch_schedules import PlateauState, closed_form, plateau_rates

    if not isinstance(schedule, Plateau):
        return closed_form(schedule, _EPOCHS, each)(steps, each)
    state, rates = PlateauState.start(schedule, each), []
    for epoch in range(_EPOCHS):
        rates.append(plateau_rates(schedule, state, steps[epoch * each : (epoch + 1) * each], each))
        state = state.after_epoch(1.0)
    return np.concatenate(rates)


def sketch(values: npt.ArrayLike, height: int, blocks: str = _BLOCKS) -> list[str]:
    """Values >= 0 as columns of characters, the highest as high as the drawing; lines from the top.

    blocks: nine characters from empty to full. A value above 0 shows at least the lowest part.
    """
    column = np.asarray(values, dtype=np.float64)
    top = float(column.max(initial=0.0))
    eighths = np.ceil(column / top * height * 8 - 1e-9) if top > 0 else np.zeros_like(column)
    return [
        "".join(blocks[int(np.clip(filled - 8 * row, 0, 8))] for filled in eighths)
        for row in reversed(range(height))
    ]
