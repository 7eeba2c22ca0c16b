"""The application: its commands, its version, and how errors reach a person."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable
from typing import Annotated

import optuna
import typer
from typer.exceptions import TyperException

from study.cli import answers, catalogue, joining, runs
from study.cli.confirm import confirm
from study.cli.options import Failure
from study.cli.sample import sample
from study.terminal import printable

app = typer.Typer(
    name="lrstudy",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Studies of learning-rate schedules: which schedule, which rate, which decay, how much "
    "warmup - and how sure are you?",
)
data_app = typer.Typer(no_args_is_help=True, help="Find or get the Fashion-MNIST images.")
data_app.command()(catalogue.fetch)
data_app.command()(catalogue.where)
_COMMANDS: tuple[Callable[..., None], ...] = (
    *(catalogue.spaces, runs.run, runs.resume, joining.worker, joining.stop, confirm),
    *(answers.status, answers.best),
    *(catalogue.plot, sample, answers.report, answers.export, answers.dashboard),
)
for _command in _COMMANDS:
    app.command()(_command)
app.add_typer(data_app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lrstudy {importlib.metadata.version('lrstudy')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the application itself."""


def main() -> None:
    """Run the command line; every expected error is one line on standard error.

    Exit status: 0 ok, 1 the job failed, 2 wrong use, 130 stopped by Ctrl-C.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        status = app(standalone_mode=False)
    except Failure as failure:
        typer.echo(f"lrstudy: {printable(str(failure))}", err=True)
        sys.exit(failure.status)
    except TyperException as error:
        message = " ".join(error.format_message().replace("Value error, ", "").split())
        if message:  # none where the help was shown for want of a command
            typer.echo(f"lrstudy: {printable(message)} See `lrstudy --help`.", err=True)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
