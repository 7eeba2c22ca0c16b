"""`lrstudy run`: create a study and run it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from study.cli.choices import Choices, define
from study.cli.completion import complete_space
from study.cli.foresee import foresee
from study.cli.launching import (
    TIMING,
    Crew,
    check,
    checkpoint_directory,
    create,
    estimated,
    in_words,
    launch,
    prepare,
    say_how_to_go_on,
)
from study.cli.on_ray import GpusPerWorker, Launcher, RayAddress, on_ray
from study.cli.options import (
    DEFAULT_STORAGE,
    Checkpoints,
    Device,
    Failure,
    Storage,
    Timeout,
    WorkersPerDevice,
    checked_name,
    preparing,
    print_json,
    wrong_use,
)
from study.cli.unfinished import say, unfinished_runs
from study.spec import Pruner, Sampler
from study.storage.hints import command, with_command
from study.study_file import write_study


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
            "--study", help="Its name; default: SPACE, or the file's.", callback=checked_name
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Their total.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Of each trial.")] = None,
    train_size: Annotated[
        int | None, typer.Option("--train-size", min=1, help="Training images of each trial.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            help="Processes on this machine; default: one a CPU core. 0: only make the study, for "
            "`lrstudy worker`.",
        ),
    ] = None,
    workers_per_device: WorkersPerDevice = None,
    device: Device = "auto",
    launcher: Launcher = "local",
    ray_address: RayAddress = None,
    gpus_per_worker: GpusPerWorker = None,
    checkpoints: Checkpoints = None,
    sampler: Annotated[Sampler | None, typer.Option("--sampler", help="Default: tpe.")] = None,
    pruner: Annotated[
        Pruner | None,
        typer.Option("--pruner", help="Default: percentile, which keeps the best 75 %."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the design and training; default: 0.")
    ] = None,
    bank: Annotated[
        bool,
        typer.Option("--bank", help="Independent random trials, not pruned, for bands and audits."),
    ] = False,
    timeout: Timeout = None,
    preset: Annotated[
        Literal["quick", "standard"] | None,
        typer.Option("--preset", help="Trials, epochs and images; default: standard."),
    ] = None,
    fixed: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Fix a parameter.")
    ] = None,
    bounds: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="NAME=LOW:HIGH", help="Sample between these."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE.toml",
            help="Write the study's definition, to run it again; with --dry-run, only that.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much it is, and for how long.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: Annotated[bool, typer.Option("--json", help="Print a dry run as JSON.")] = False,
) -> None:
    """Create a study and run it.

    A file in place of SPACE defines the whole study. Beside it go its name, workers, device,
    storage and other options of the machine; options that would change the study are refused.

    Example: lrstudy run cosine --preset quick --workers 2

    Example: lrstudy run study.toml --workers 2
    """
    if as_json and not dry_run:
        raise Failure("--json prints a dry run: give --dry-run too", 2)
    choices = Choices(
        space=space,
        preset=preset,
        trials=trials,
        epochs=epochs,
        train_size=train_size,
        sampler=sampler,
        pruner=pruner,
        seed=seed,
        bank=bank,
        fixed=fixed or (),
        bounds=bounds or (),
    )
    with wrong_use():
        name, spec = define(choices, study)
    ray = on_ray(storage, launcher, ray_address, gpus_per_worker)
    crew = Crew(workers or None, workers_per_device, device, timeout, checkpoints, ray)
    places = check(spec, crew)
    ahead = foresee(spec)
    short_of = unfinished_runs(spec)
    if save is not None:
        with wrong_use():
            write_study(save, name, spec)
    if dry_run:
        preparing(TIMING, logged=True)
        cost = estimated(spec, places, crew)
        if as_json:
            print_json(cost.to_json() | ahead.to_json() | {"unfinished": short_of})
        else:
            ahead.warn()
            say(short_of)
            ahead.say_updates()
            written = "Nothing was written." if save is None else f"Wrote {save}."
            typer.echo(f"{in_words(cost, places[0])} {written}")
        return
    checkpoint_directory(storage, crew.checkpoints)  # or it fails before anything is made
    create(storage, name, spec)
    ahead.warn()
    say(short_of)
    if workers == 0:
        join = command(storage, "worker", name)
        typer.echo(with_command(f"made study {name!r}; join it:", join))
        return
    going_on = command(storage, "resume", name, *crew.options())
    try:
        prepare(storage, crew)
        left, ending = launch(storage, name, spec, places, crew)
    except KeyboardInterrupt:  # before there were workers
        typer.echo(with_command(f"study {name!r} is made; go on with:", going_on))
        raise
    say_how_to_go_on(storage, name, spec, left, ending, going_on)
