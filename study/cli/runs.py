"""Create a study and run it; go on with one that stopped."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from study.cli.choices import Choices, make_spec
from study.cli.launching import (
    Crew,
    check,
    command,
    create,
    in_words,
    launch,
    report_failures,
    say_how_to_go_on,
)
from study.cli.on_ray import GpusPerWorker, Launcher, RayAddress, on_ray
from study.cli.options import (
    DEFAULT_STORAGE,
    Checkpoints,
    Device,
    Failure,
    Storage,
    StudyName,
    Timeout,
    Workers,
    WorkersPerDevice,
    checked_name,
    print_json,
    storage_failures,
    wrong_use,
)
from study.spec import Pruner, Sampler


def run(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="One of `lrstudy spaces`.")],
    study: Annotated[
        str | None,
        typer.Option("--study", help="Its name; default: SPACE.", callback=checked_name),
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
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the design and training.")] = 0,
    bank: Annotated[
        bool,
        typer.Option("--bank", help="Independent random trials, not pruned, for bands and audits."),
    ] = False,
    timeout: Timeout = None,
    preset: Annotated[
        Literal["quick", "standard"], typer.Option("--preset", help="Trials, epochs and images.")
    ] = "standard",
    fixed: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Fix a parameter.")
    ] = None,
    bounds: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="NAME=LOW:HIGH", help="Sample between these."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much it is, and for how long.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: Annotated[bool, typer.Option("--json", help="Print a dry run as JSON.")] = False,
) -> None:
    """Create a study and run it.

    Example: lrstudy run cosine --preset quick --workers 2
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
        spec = make_spec(choices)
    ray = on_ray(storage, launcher, ray_address, gpus_per_worker)
    crew = Crew(workers or None, workers_per_device, device, timeout, checkpoints, ray)
    places = check(spec, crew)
    if dry_run:
        from study.estimate import estimate

        cost = estimate(spec, places[0], len(places))
        if as_json:
            print_json(cost.to_json())
        else:
            typer.echo(f"{in_words(cost, places[0])} Nothing was written.")
        return
    name = study or space
    create(storage, name, spec)
    if workers == 0:
        typer.echo(f"made study {name!r}; join it: {command('worker', name, storage)}")
        return
    left, ending = launch(storage, name, spec, places, crew)
    say_how_to_go_on(storage, name, spec, left, ending)


def resume(
    name: StudyName,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="New total, not an addition.")
    ] = None,
    workers: Workers = None,
    workers_per_device: WorkersPerDevice = None,
    device: Device = "auto",
    launcher: Launcher = "local",
    ray_address: RayAddress = None,
    gpus_per_worker: GpusPerWorker = None,
    checkpoints: Checkpoints = None,
    timeout: Timeout = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Go on with a study where it stopped, or make it larger.

    Example: lrstudy resume cosine --trials 60
    """
    from study.slots import attempts, slots_done
    from study.storage import load_spec, open_storage, set_spec, set_stopping

    ray = on_ray(storage, launcher, ray_address, gpus_per_worker)
    with storage_failures(storage):
        opened = open_storage(storage)
        spec = load_spec(opened, name)
        with wrong_use():
            spec = spec.with_trials(trials or spec.trials)
        if len(slots_done(spec, attempts(opened, name))) == spec.trials:
            report_failures(storage, name, spec)
            typer.echo(f"study {name!r} is finished: {spec.trials} of {spec.trials} trials")
            return
        crew = Crew(workers, workers_per_device, device, timeout, checkpoints, ray)
        places = check(spec, crew)
        set_spec(opened, name, spec)
        set_stopping(opened, name, False)
    left, ending = launch(storage, name, spec, places, crew)
    say_how_to_go_on(storage, name, spec, left, ending)
