"""Options that several commands share, and the error that all of them raise."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from pydantic import ValidationError

from search_spaces.recipes import RECIPES, RecipeName
from search_spaces.schedules.problems import first_problem
from study.cli.completion import complete_study
from study.storage.hints import DEFAULT_STORAGE as DEFAULT_STORAGE
from study.storage.hints import STORAGE_VARIABLE
from study.terminal import printable
from study.values import finite

if TYPE_CHECKING:
    from study.storage.claims import SlotStorage


class _Meant(Protocol):
    @property
    def meaning(self) -> str:
        """In a few words."""


def one_of(option: str, known: Mapping[str, _Meant], about: str) -> Any:
    """An option that takes one of those names; its help says what each means."""

    def checked(name: str | None) -> str | None:
        if name is not None and name not in known:
            names = ", ".join(map(repr, known))
            raise typer.BadParameter(f"{name!r} is not one of {names}.")
        return name

    meanings = "; ".join(f"{name}: {each.meaning}" for name, each in known.items())
    return typer.Option(
        option,
        metavar=f"[{'|'.join(known)}]",
        help=f"{about} {meanings}.",
        callback=checked,
        autocompletion=lambda incomplete: [name for name in known if name.startswith(incomplete)],
    )


def warned_of_password(context: typer.Context, url: str) -> str:
    """The URL, after a warning where it stands on the command line with a password."""
    source = context.get_parameter_source("storage")
    if not context.resilient_parsing and source is not None and source.name == "COMMANDLINE":
        warn_of_password(url)
    return url


def warn_of_password(url: str) -> None:
    """Say so where a URL of the command line shows a password to all users of the machine."""
    from study.storage.urls import has_password

    if has_password(url):
        typer.echo(
            "lrstudy: a password on the command line can be seen by all users of this machine; "
            "set LRSTUDY_STORAGE, PGPASSWORD or ~/.pgpass instead",
            err=True,
        )


Storage = Annotated[
    str,
    typer.Option(
        "--storage",
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
        callback=warned_of_password,
        metavar="URL",
        help="Database: sqlite:///FILE or postgresql://HOST/NAME.",
    ),
]


def checked_name(name: str | None) -> str | None:
    """The name, refused where the shell passed bytes that are no text, or a storage URL with a
    password, which messages would repeat."""
    from study.storage.urls import has_password

    try:
        (name or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("the name is not valid text") from None
    if has_password(name or ""):
        raise typer.BadParameter("the name is a storage URL; set LRSTUDY_STORAGE to it")
    return name


StudyName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Name of the study.",
        callback=checked_name,
        autocompletion=complete_study,
    ),
]
_RECIPES = "; ".join(f"{name}: {each.meaning}" for name, each in RECIPES.items())
AskedRecipe = Annotated[
    RecipeName | None,
    typer.Option("--recipe", help=f"What trains; default: that of the preset. {_RECIPES}."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Device = Annotated[
    str, typer.Option("--device", help="Where to train: auto, cpu, cuda, cuda:1 or mps.")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=1,
        help="Seconds after which the workers stop; exit status 3 if trials are left.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say how many trials and how long; write nothing.")
]
DryRunAsJson = Annotated[bool, typer.Option("--json", help="Print a dry run as JSON.")]


class Failure(Exception):  # noqa: N818 - it carries the exit status of either kind
    """What a person is told in one line. status: 1 the job failed, 2 wrong use. details: lines
    that follow, where one would be too long."""

    def __init__(self, message: str, status: int = 1, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status, self.details = status, details


def check_json(as_json: bool, dry_run: bool) -> None:
    """Raises Failure where JSON is asked for and there is none to print."""
    if as_json and not dry_run:
        raise Failure("--json prints a dry run: give --dry-run too", 2)


@contextmanager
def wrong_use() -> Iterator[None]:
    """Turns the errors of validation into a Failure with status 2."""
    try:
        yield
    except ValidationError as error:
        raise Failure(first_problem(error), 2) from None
    except ValueError as error:
        raise Failure(str(error), 2) from None


@contextmanager
def failures(*kinds: type[Exception]) -> Iterator[None]:
    """Turns errors of the given kinds into a Failure with status 1."""
    try:
        yield
    except kinds as error:
        message, *details = str(error).splitlines() or [""]
        raise Failure(message, details=details) from None


@contextmanager
def storage_failures(url: str) -> Iterator[None]:
    """Turns whatever goes wrong with the storage into a Failure: with status 2 where the name of a
    study is wrong, as that of a search space, else with status 1."""
    from study.storage.urls import StorageError, UnknownStudyError, database_errors

    try:
        with database_errors(url):
            yield
    except StorageError as error:
        status = 2 if isinstance(error, UnknownStudyError) else 1
        raise Failure(str(error), status) from None


@contextmanager
def opened(url: str, *, create: bool = False) -> Iterator[SlotStorage]:
    """The storage, and whatever goes wrong with it as `storage_failures`; closed afterwards, so
    that no files of a write-ahead log stay beside a SQLite file."""
    from study.storage.studies import open_storage

    with storage_failures(url):
        storage = open_storage(url, create=create)
        try:
            yield storage
        finally:
            storage.engine.dispose()


def say_left_out(reasons: Sequence[str]) -> None:
    """One line on standard error about the trials that are nobody's result, if there are any."""
    from analysis.reading.plausible import not_counted

    line = not_counted(reasons)
    if line is not None:
        typer.echo(f"lrstudy: {printable(line)}", err=True)


def preparing(what: str, *, logged: bool = False) -> None:
    """Say on standard error what takes a while, before it begins: to a person at a terminal, and
    to a log as well if it may take long."""
    if logged or sys.stderr.isatty():
        typer.echo(f"lrstudy: {what} ...", err=True)


def print_json(value: Any) -> None:
    """JSON on standard output; null for a number that is none or infinite, which JSON lacks."""
    typer.echo(json.dumps(finite(value), indent=2, default=str, allow_nan=False))
