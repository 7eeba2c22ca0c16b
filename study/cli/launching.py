"""Between a command and its workers: check, create, launch, and say how to go on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from study.cli.on_ray import Ray, ray_places
from study.cli.options import (
    DEFAULT_STORAGE,
    Failure,
    failures,
    storage_failures,
    wrong_use,
)
from study.spec import StudySpec
from study.terminal import printable

if TYPE_CHECKING:
    from study.estimate import Cost
    from study.runner import Ending


@dataclass(frozen=True)
class Crew:
    """The workers: how many, where, for how long, and where they keep checkpoints.

    None: as `study.runner.place` decides; no time limit; beside a SQLite file; on this machine.
    """

    workers: int | None = None
    per_device: int | None = None
    device: str = "auto"
    timeout: float | None = None
    checkpoints: Path | None = None
    ray: Ray | None = None


def check(spec: StudySpec, crew: Crew) -> list[str]:
    """The device of each worker, once device and data are known to be there: before anything is
    written."""
    from study import devices
    from study.data import DataError
    from study.objective import load_data
    from study.runner import place

    with failures(DataError), wrong_use():
        if crew.ray is None:
            places = place(crew.device, crew.workers, crew.per_device, spec.trials)
        else:
            places = ray_places(crew.ray, crew.workers, crew.per_device, crew.device)
        load_data(spec, devices.resolve("cpu"))
    return places


def checkpoint_directory(url: str, given: Path | None) -> Path | None:
    """Where the checkpoints of a storage's studies lie: as given, or beside a SQLite file. Raises
    Failure where it cannot be written to."""
    from study.urls import database_file, parse_url

    with storage_failures(url):
        file = database_file(parse_url(url))
    if given is None:
        return None if file is None else file.with_name(f"{file.name}.checkpoints").absolute()
    try:
        given.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot make the directory {given}: {error.strerror}", 2) from None
    if not os.access(given, os.W_OK):
        raise Failure(f"cannot write checkpoints to {given}", 2)
    return given.absolute()


def in_words(cost: Cost, place: str) -> str:
    """What a study costs, in one sentence; place: the device of the first worker."""
    return (
        f"{cost.trials} trials x {cost.epochs} epochs on {cost.train_images:,} images, "
        f"{cost.workers} worker{'s' if cost.workers > 1 else ''} on {place}: "
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
    places: Sequence[str],
    crew: Crew,
) -> tuple[int, Ending]:
    """Run the workers with a display: how many trials are left, and why it ended."""
    from study.display import Display
    from study.runner import WorkersFailed
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
            ending = _run_workers(crew, places)(
                url,
                name,
                on_event=display.on_event,
                timeout=crew.timeout,
                checkpoints=checkpoint_directory(url, crew.checkpoints),
            )
        return spec.trials - len(slots_done(spec, attempts(storage, name))), ending


def _run_workers(crew: Crew, places: Sequence[str]) -> Callable[..., Ending]:
    """What starts the crew's workers and watches them."""
    if crew.ray is None:
        from study import runner

        return partial(runner.launch, places=places)
    from study import ray_launcher

    ray = crew.ray
    return partial(ray_launcher.launch, workers=len(places), gpus=ray.gpus, address=ray.address)


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
    """The next command; exit status 0 where the trials are done, the time was up, or `lrstudy stop`
    ended it. Raises Failure where trials failed for good."""
    if not left:
        report_failures(url, name, spec)
        typer.echo(f"study {name!r} is complete; show it: {command('report', name, url)}")
        return
    stop(left, _ending(url, name, ending), command("resume", name, url))


def _ending(url: str, name: str, ending: Ending) -> Ending:
    """Why the workers left: because all of the study's were asked to?"""
    from study.storage import is_stopping, open_storage

    with storage_failures(url):
        storage = open_storage(url)
        asked = is_stopping(storage, storage.get_study_id_from_name(name))
    return "asked" if ending == "done" and asked else ending


def stop(left: int, ending: Ending, going_on: str) -> None:
    """Name the command that goes on; raises typer.Exit unless the time was up, or `lrstudy stop`
    ended it."""
    are = "trial is" if left == 1 else "trials are"
    typer.echo(f"{left} {are} left; go on with: {going_on}")
    if ending not in ("timeout", "asked"):
        raise typer.Exit(130 if ending == "stopped" else 1)


def command(verb: str, name: str, url: str) -> str:
    """`lrstudy VERB NAME` for the same storage; a server's URL may hold a password."""
    words = f"lrstudy {verb} {printable(shlex.quote(name))}"
    if url == DEFAULT_STORAGE:
        return words
    file = url.startswith("sqlite:")
    return words + (f" --storage {shlex.quote(url)}" if file else " with the same --storage")
