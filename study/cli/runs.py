"""Create a study and run it; go on with one that stopped."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from study.cli.choices import Choices, make_spec
from study.cli.options import (
    DEFAULT_STORAGE,
    Device,
    Failure,
    Storage,
    StudyName,
    Timeout,
    Workers,
    checked_name,
    failures,
    print_json,
    storage_failures,
    wrong_use,
)
from study.spec import Pruner, Sampler, StudySpec

if TYPE_CHECKING:
    from study.runner import Ending
    from study.slots import SlotStorage


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
    workers: Workers = None,
    device: Device = "auto",
    sampler: Annotated[Sampler | None, typer.Option("--sampler", help="Default: tpe.")] = None,
    pruner: Annotated[
        Pruner | None,
        typer.Option("--pruner", help="Default: percentile, which keeps the best 75 %."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the design and training.")] = 0,
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
        fixed=fixed or (),
        bounds=bounds or (),
    )
    with wrong_use():
        spec = make_spec(choices)
    workers = _check(spec, device, workers)
    if dry_run:
        _estimate(spec, device, workers, as_json)
        return
    name = study or space
    _create(storage, name, spec)
    _launch(storage, name, spec, device=device, workers=workers, timeout=timeout)


def resume(
    name: StudyName,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="New total, not an addition.")
    ] = None,
    workers: Workers = None,
    device: Device = "auto",
    timeout: Timeout = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Go on with a study where it stopped, or make it larger.

    Example: lrstudy resume cosine --trials 60
    """
    from study.slots import attempts, slots_done
    from study.storage import load_spec, open_storage, set_spec

    with storage_failures(storage):
        opened = open_storage(storage)
        spec = load_spec(opened, name)
        with wrong_use():
            spec = spec.with_trials(trials or spec.trials)
        if len(slots_done(spec, attempts(opened, name))) == spec.trials:
            _report_failures(opened, name, spec)
            typer.echo(f"study {name!r} is finished: {spec.trials} of {spec.trials} trials")
            return
        workers = _check(spec, device, workers)
        set_spec(opened, name, spec)
    _launch(storage, name, spec, device=device, workers=workers, timeout=timeout)


def _check(spec: StudySpec, device: str, workers: int | None) -> int:
    """The number of workers, once device and data are known to be there: before anything is
    written."""
    from study import devices
    from study.data import DataError
    from study.objective import load_data
    from study.runner import default_workers

    with failures(DataError), wrong_use():
        chosen = devices.resolve(device)
        load_data(spec, devices.resolve("cpu"))
    return workers or default_workers(chosen, spec.trials)


def _estimate(spec: StudySpec, device: str, workers: int, as_json: bool) -> None:
    from study.devices import resolve
    from study.estimate import estimate

    cost = estimate(spec, device, workers)
    if as_json:
        print_json(cost.to_json())
        return
    typer.echo(
        f"{cost.trials} trials x {cost.epochs} epochs on {cost.train_images:,} images, "
        f"{cost.workers} worker{'s' if cost.workers > 1 else ''} on {resolve(device)}: "
        f"about {cost.hours:.2g} hours without pruning "
        f"({cost.seconds_per_trial:.0f} s a trial). Nothing was written."
    )


def _create(url: str, name: str, spec: StudySpec) -> None:
    from optuna.exceptions import DuplicatedStudyError

    from study.storage import create_study, load_spec, open_storage

    with storage_failures(url):
        storage = open_storage(url, create=True)
        try:
            create_study(storage, name, spec)
        except DuplicatedStudyError:
            load_spec(storage, name)  # another program's study cannot be resumed
            raise Failure(
                f"study {name!r} exists already; `lrstudy resume {shlex.quote(name)}` goes on with "
                "it, and --study NAME makes another",
                2,
            ) from None


def _launch(
    url: str,
    name: str,
    spec: StudySpec,
    *,
    device: str,
    workers: int,
    timeout: float | None,
) -> None:
    """Run the workers with a display; a study that was stopped ends with the command to resume."""
    from study.display import Display
    from study.runner import WorkersFailed, launch
    from study.slots import attempts, slots_done
    from study.storage import best_trial, open_storage

    console = Console()
    with storage_failures(url), failures(WorkersFailed):
        storage = open_storage(url)
        done = slots_done(spec, attempts(storage, name))
        with Display(
            console,
            name,
            total=spec.trials,
            done=len(done),
            epochs=spec.budget.epochs,
            best=best_trial(storage, name),
        ) as display:
            ending = launch(
                url,
                name,
                workers=workers,
                device=device,
                on_event=display.on_event,
                timeout=timeout,
            )
        left = spec.trials - len(slots_done(spec, attempts(storage, name)))
        if not left:
            _report_failures(storage, name, spec)
    _say_how_to_go_on(url, name, left, ending)


def _report_failures(storage: SlotStorage, name: str, spec: StudySpec) -> None:
    """Raises Failure where slots of a study that has ended failed for good."""
    from study.slots import attempts, slots_failed
    from study.storage import last_error

    failed = len(slots_failed(spec, attempts(storage, name)))
    if failed:
        raise Failure(
            f"study {name!r} has ended, but {failed} of {spec.trials} trials failed for good; "
            f"the last error: {last_error(storage, name)}"
        )


def _say_how_to_go_on(url: str, name: str, left: int, ending: Ending) -> None:
    """The next command; exit status 0 where the trials are done or the time was up."""
    word, option = shlex.quote(name), ""
    if url != DEFAULT_STORAGE:  # a server's URL may hold a password
        file = url.startswith("sqlite:")
        option = f" --storage {shlex.quote(url)}" if file else " with the same --storage"
    if not left:
        typer.echo(f"study {name!r} is complete; show it: lrstudy report {word}{option}")
        return
    are = "trial is" if left == 1 else "trials are"
    typer.echo(f"{left} {are} left; go on with: lrstudy resume {word}{option}")
    if ending != "timeout":
        raise typer.Exit(130 if ending == "stopped" else 1)
