"""The application: its commands, its version, and how errors reach a person."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import optuna
import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from search_spaces.schedules.problems import sentence
from study.cli import data
from study.cli.answer import answer
from study.cli.best import best
from study.cli.compare import compare
from study.cli.confirm import confirm
from study.cli.dashboard import dashboard
from study.cli.export import export
from study.cli.options import Failure
from study.cli.plot import plot
from study.cli.report import report
from study.cli.resume import resume
from study.cli.run import run as run_study
from study.cli.sample import sample
from study.cli.schedules import schedules
from study.cli.spaces import spaces
from study.cli.status import status
from study.cli.stop import stop
from study.cli.worker import worker
from study.files import advice
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
data_app.command()(data.fetch)
data_app.command()(data.where)
_COMMANDS: tuple[Callable[..., None], ...] = (
    *(answer, spaces, schedules, run_study, compare, resume, worker, stop, confirm),
    *(status, best),
    *(plot, sample, report, export, dashboard),
)
for _command in _COMMANDS:
    app.command(_command.__name__)(_command)
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


@contextmanager
def _log_on_standard_error() -> Iterator[None]:
    """What lrstudy logs, such as what it waits for, is a line as its errors are."""
    logger, handler = logging.getLogger("lrstudy"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("lrstudy: %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def run() -> int:
    """Run the command that `sys.argv` asks for; the exit status, after one line on standard error
    where it is not 0. What ended it by Ctrl-C has no line here."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with _log_on_standard_error():
            status = app(prog_name="lrstudy", standalone_mode=False)
    except Failure as failure:
        _say(str(failure), *failure.details)
        return failure.status
    except TyperException as error:
        if message := _wrong_use(error):  # none where the help was shown for want of a command
            _say(message)
        return error.exit_code
    except OSError as error:  # of a file that no command names better
        _say(f"cannot use {error.filename or 'the output'}: {advice(error)}")
        return 1
    return status if isinstance(status, int) else 0


def _say(message: str, *details: str) -> None:
    lines = [f"lrstudy: {printable(message)}", *(f"  {printable(each)}" for each in details)]
    typer.echo("\n".join(lines), err=True)


def _wrong_use(error: TyperException) -> str:
    """What is wrong with the options, and where they are explained."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    cause = error.__cause__
    problem = cause.errors()[0] if isinstance(cause, ValidationError) else None
    if problem and parameter and problem["type"] != "value_error":
        message = f"{parameter.opts[0]} {sentence(problem)}"
    else:
        message = " ".join(error.format_message().replace("Value error, ", "").split())
    command = context.command_path if context else "lrstudy"
    ending = "" if message.endswith((".", "?")) else "."
    return message and f"{message}{ending} See `{command} --help`."
