"""`lrstudy run`: create a study and run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from study.cli.choices import NO_CHOICES, Choices, define, with_choices
from study.cli.completion import complete_space
from study.cli.crew import USUAL_CREW, Crew, with_crew
from study.cli.foresee import Foreseen, foresee
from study.cli.launching import (
    TIMING,
    check,
    checkpoint_directory,
    create,
    estimated,
    in_words,
    launch,
    prepare,
    say_how_to_go_on,
    with_best_kernel,
)
from study.cli.on_ray import check_ray
from study.cli.options import (
    DEFAULT_STORAGE,
    DryRun,
    DryRunAsJson,
    Storage,
    Timeout,
    check_json,
    checked_name,
    preparing,
    print_json,
    wrong_use,
)
from study.cli.unfinished import say, unfinished_runs
from study.spec import StudySpec
from study.storage.hints import command, with_command
from study.study_file import write_study


@with_crew()
@with_choices()
def run(
    space: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="One of `lrstudy spaces`, or a file that --save wrote: FILE.toml.",
            autocompletion=complete_space,
        ),
    ],
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            help="Name of the study; default: SPACE, or the name in the file.",
            callback=checked_name,
        ),
    ] = None,
    choices: Choices = NO_CHOICES,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            help="Processes on this machine; default: one for each GPU, else for each CPU "
            "core. 0: only create the study, for `lrstudy worker`.",
        ),
    ] = None,
    crew: Crew = USUAL_CREW,
    timeout: Timeout = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE.toml",
            help="Write the definition of the study to a file, to run it again; with --dry-run, "
            "nothing else.",
        ),
    ] = None,
    dry_run: DryRun = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: DryRunAsJson = False,
) -> None:
    """Create a study and run it.

    SPACE says what is sampled. --schedule adds a schedule to those of the space; the space
    `schedules` has only those that you add.

    A file in place of SPACE defines the whole study. Then only options that do not change the
    study are allowed, such as --study, --workers, --device and --storage.

    Example: lrstudy run cosine --preset quick --workers 2

    Example: lrstudy run schedules --schedule cosine --schedule one_cycle:start=0.01

    Example: lrstudy run study.toml --workers 2
    """
    check_json(as_json, dry_run)
    with wrong_use():
        name, spec = define(choices, study)
    check_ray(storage, crew)
    crew = replace(crew, workers=workers or None)
    places = check(spec, crew)
    if choices.leaves_kernel_open and workers != 0:  # else any machine may join
        spec = with_best_kernel(spec, places)
    ahead, short_of = foresee(spec), unfinished_runs(spec)
    if save is not None:
        with wrong_use():
            write_study(save, name, spec)
    if dry_run:
        say_cost(spec, places, crew, ahead, short_of, as_json=as_json, saved=save)
        return
    checkpoint_directory(storage, crew.checkpoints)  # or it fails before anything is made
    create(storage, name, spec)
    ahead.warn()
    say(short_of)
    if workers == 0:
        join = command(storage, "worker", name)
        typer.echo(with_command(f"made study {name!r}; join it:", join))
    else:
        _train(storage, name, spec, places, crew, timeout)


def say_cost(
    spec: StudySpec,
    places: Sequence[str],
    crew: Crew,
    ahead: Foreseen,
    short_of: Sequence[str],
    *,
    as_json: bool,
    saved: Path | None = None,
) -> None:
    """What the study costs, and what its trials do not reach. saved: the file that has it."""
    preparing(TIMING, logged=True)
    cost = estimated(spec, places, crew)
    if as_json:
        print_json(cost.to_json() | ahead.to_json() | {"unfinished": short_of})
        return
    ahead.warn()
    say(short_of)
    ahead.say_updates()
    written = "Nothing was written." if saved is None else f"Wrote {saved}."
    typer.echo(f"{in_words(cost, places[0])} {written}")


def _train(
    url: str, name: str, spec: StudySpec, places: Sequence[str], crew: Crew, timeout: float | None
) -> None:
    """Run the workers of the new study, and say how to go on."""
    going_on = command(url, "resume", name, *crew.options())
    try:
        prepare(url, crew)
        left, ending = launch(url, name, spec, places, crew, timeout)
    except KeyboardInterrupt:  # before there were workers
        typer.echo(with_command(f"study {name!r} is created; to continue:", going_on))
        raise
    say_how_to_go_on(url, name, spec, left, ending, going_on)
