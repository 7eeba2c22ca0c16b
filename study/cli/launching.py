"""Between a command and its workers: check, create, launch, and say how to go on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from study.cli.options import (
    DEFAULT_STORAGE,
    Failure,
    failures,
    storage_failures,
    wrong_use,
)
from study.spec import StudySpec

if TYPE_CHECKING:
    from study.estimate import Cost
    from study.runner import Ending


def check(spec: StudySpec, device: str, workers: int | None) -> int:
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


def in_words(cost: Cost, device: str) -> str:
    """What a study costs, in one sentence."""
    from study.devices import resolve

    return (
        f"{cost.trials} trials x {cost.epochs} epochs on {cost.train_images:,} images, "
        f"{cost.workers} worker{'s' if cost.workers > 1 else ''} on {resolve(device)}: "
        f"about {cost.hours:.2g} hours without pruning "
        f"({cost.seconds_per_trial:.0f} s a trial)."
    )


def create(url: str, name: str, spec: StudySpec) -> None:
    """Create the study; raises Failure where there is one of that name."""
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


def launch(
    url: str,
    name: str,
    spec: StudySpec,
    *,
    device: str,
    workers: int,
    timeout: float | None,
) -> tuple[int, Ending]:
    """Run the workers with a display: how many trials are left, and why it ended."""
    from study.display import Display
    from study.runner import WorkersFailed
    from study.runner import launch as run_workers
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
            ending = run_workers(
                url,
                name,
                workers=workers,
                device=device,
                on_event=display.on_event,
                timeout=timeout,
            )
        return spec.trials - len(slots_done(spec, attempts(storage, name))), ending


def report_failures(url: str, name: str, spec: StudySpec) -> None:
    """Raises Failure where slots of a study that has ended failed for good."""
    from study.slots import attempts, slots_failed
    from study.storage import last_error, open_storage

    with storage_failures(url):
        storage = open_storage(url)
        failed = len(slots_failed(spec, attempts(storage, name)))
        error = last_error(storage, name)
    if failed:
        raise Failure(
            f"study {name!r} has ended, but {failed} of {spec.trials} trials failed for good; "
            f"the last error: {error}"
        )


def say_how_to_go_on(url: str, name: str, spec: StudySpec, left: int, ending: Ending) -> None:
    """The next command; exit status 0 where the trials are done or the time was up. Raises Failure
    where trials failed for good."""
    if not left:
        report_failures(url, name, spec)
        typer.echo(f"study {name!r} is complete; show it: {command('report', name, url)}")
        return
    stop(left, ending, command("resume", name, url))


def stop(left: int, ending: Ending, going_on: str) -> None:
    """Name the command that goes on; raises typer.Exit unless the time was up."""
    are = "trial is" if left == 1 else "trials are"
    typer.echo(f"{left} {are} left; go on with: {going_on}")
    if ending != "timeout":
        raise typer.Exit(130 if ending == "stopped" else 1)


def command(verb: str, name: str, url: str) -> str:
    """`lrstudy VERB NAME` for the same storage; a server's URL may hold a password."""
    words = f"lrstudy {verb} {shlex.quote(name)}"
    if url == DEFAULT_STORAGE:
        return words
    file = url.startswith("sqlite:")
    return words + (f" --storage {shlex.quote(url)}" if file else " with the same --storage")
