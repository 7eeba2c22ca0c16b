"""Between a command and its workers: check, create, launch, and say how to go on."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from search_spaces.words.phrases import count
from study.cli.crew import CHECKPOINTS_VARIABLE, Crew
from study.cli.on_ray import ray_places
from study.cli.options import (
    Failure,
    failures,
    opened,
    preparing,
    storage_failures,
    wrong_use,
)
from study.durations import duration
from study.files import advice
from study.records import Kernel
from study.spec import StudySpec
from study.storage.hints import answer_command, command, with_command

if TYPE_CHECKING:
    from torch import nn

    from study.storage.slots import Attempt
    from study.workers.estimate import Cost
    from study.workers.local import Ending

TIMING = "timing a few steps of training"
LEFT = 3  # exit status where trials are left: the time was up, or `lrstudy stop` ended it
_KERNELS: dict[Kernel, str] = {"torch": "torch", "numba": "numba, compiled for this processor"}
_WITHOUT_LOG = (
    "the file system of {} cannot keep SQLite's write-ahead log, as networks often cannot: workers "
    "wait longer for each other there; a local disk or PostgreSQL serves them better"
)


def check(spec: StudySpec, crew: Crew) -> list[str]:
    """The device of each worker, once device and data are known to be there: before anything is
    written."""
    if "torch" not in sys.modules:  # what takes longest, and only once
        preparing("loading PyTorch, checking device and images", logged=True)
    from study import devices
    from study.tasks.fashion_mnist import DataError
    from study.training.kernels.choice import check_kernel, with_kernel
    from study.trials.objective import load_data
    from study.trials.pruners import find_pruner
    from study.trials.sampler import find_sampler
    from study.workers.local import place

    with failures(DataError), wrong_use():
        find_sampler(spec.sampler)
        find_pruner(spec.pruner)
        if crew.ray is None:
            places = place(crew.device, crew.workers, crew.workers_per_device, spec.trials)
        else:
            places = ray_places(crew.ray, crew.workers, crew.workers_per_device, crew.device)
        for each in sorted(set(places)):
            check_kernel(spec.kernel, devices.resolve(each))
        with_kernel(_network(spec), spec.kernel)
        data = load_data(spec, devices.resolve("cpu"))
        if spec.schedules:
            _check_schedules(spec, len(data.train.labels))
    return places


def _network(spec: StudySpec) -> nn.Module:
    """What the study's trials train."""
    from study.tasks.task import find_task

    _family, _budget, config = next(spec.extremes())
    return find_task(spec.task).build(config)


def with_best_kernel(spec: StudySpec, places: Sequence[str]) -> StudySpec:
    """The study with the fastest kernel for its network on the workers' devices, which it then
    keeps."""
    from study.training.kernels.choice import best_kernel

    return spec.model_copy(update={"kernel": best_kernel(_network(spec), places)})


def _check_schedules(spec: StudySpec, images: int) -> None:
    """Raises ValueError where a given schedule has no rates: only torch knows its own classes."""
    from study.training.loop import rates_of

    for family, budget, config in spec.extremes():
        steps_per_epoch = math.ceil((budget.train_size or images) / config.batch_size)
        try:
            rates_of(config, steps_per_epoch, validates=spec.validates)
        except ValueError as error:
            raise ValueError(f"{family}: {error}") from None


def checkpoint_directory(url: str, given: Path | None) -> Path | None:
    """Where the checkpoints of a storage's studies lie: as given, or beside a SQLite file. Raises
    Failure where it cannot be written to."""
    from study.storage.urls import database_file, parse_url

    with storage_failures(url):
        file = database_file(parse_url(url))
    if given is None:
        return None if file is None else file.with_name(f"{file.name}.checkpoints").absolute()
    try:
        given.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot make the directory {given}: {advice(error)}", 2) from None
    if not os.access(given, os.W_OK):
        raise Failure(f"cannot write checkpoints to {given}", 2)
    return given.absolute()


def prepare(url: str, crew: Crew) -> None:
    """Make the directory of checkpoints, or say before anything is trained that there is none.

    Raises Failure where the one that was asked for cannot be written to.
    """
    place = checkpoint_directory(url, crew.checkpoints)
    if place is None:
        problem = "there is no directory of checkpoints"
    elif place.exists() and not (place.is_dir() and os.access(place, os.W_OK)):
        problem = f"cannot write checkpoints to {place}"
    else:
        return
    typer.echo(
        f"lrstudy: {problem}: a trial that is interrupted starts again from its first epoch. "
        f"--checkpoints DIR, or {CHECKPOINTS_VARIABLE}, names one that all machines share",
        err=True,
    )


def in_words(cost: Cost, place: str) -> str:
    """What a study costs, in one sentence; place: the device of the first worker."""
    crowded = f", no faster than {cost.at_once}, one a core" if cost.at_once < cost.workers else ""
    return (
        f"{count(cost.trials, 'trial')} x {count(cost.epochs, 'epoch')} on "
        f"{count(cost.train_images, 'image')}, {count(cost.workers, 'worker')} on "
        f"{place}{crowded}: about {duration(3600 * cost.hours)} without pruning "
        f"({duration(cost.seconds_per_trial)} a trial)."
    )


def ready_kernel(spec: StudySpec) -> None:
    """Compile the study's kernel where that is not done, before workers do it side by side."""
    if spec.kernel == "torch":
        return
    from study.training.kernels import compiling

    if not compiling.is_kept():
        preparing(
            f"cannot keep the compiled kernel in {compiling.directory()}: each worker compiles it",
            logged=True,
        )
    elif not compiling.is_compiled():
        preparing("compiling LeNet's kernel, once a machine", logged=True)
        compiling.compile_kernels()


def estimated(spec: StudySpec, places: Sequence[str], crew: Crew) -> Cost:
    """What a study costs with the crew's workers; a cluster of Ray has cores of its own."""
    from study.workers.estimate import estimate

    ready_kernel(spec)
    cluster = crew.ray is not None and crew.ray.address is not None
    return estimate(spec, places[0], len(places), len(places) if cluster else None)


def create(url: str, name: str, spec: StudySpec) -> None:
    """Create the study; raises Failure where there is one of that name."""
    from optuna.exceptions import DuplicatedStudyError

    from study.storage.studies import create_study, load_spec

    with opened(url, create=True) as storage:
        try:
            create_study(storage, name, spec)
        except DuplicatedStudyError:
            load_spec(storage, name)  # another program's study cannot be resumed
            raise Failure(
                f"study {name!r} exists already; `{command(url, 'resume', name)}` continues it, "
                "and --study NAME makes another",
                2,
            ) from None


def launch(
    url: str,
    name: str,
    spec: StudySpec,
    places: Sequence[str],
    crew: Crew,
    timeout: float | None,
    above: Sequence[str] = (),
) -> tuple[int, Ending]:
    """Run the workers with a display: how many trials are left, and why it ended. timeout: seconds
    after which they stop, None: no limit. above: lines that stand over the display."""
    from study.cli.display import Display
    from study.storage.claims import attempts
    from study.storage.dashboard import annotate
    from study.storage.slots import slots_left
    from study.storage.studies import write_ahead
    from study.workers.local import WorkersFailed

    console, directory = Console(), checkpoint_directory(url, crew.checkpoints)
    with opened(url) as storage, failures(WorkersFailed):
        if not write_ahead(storage):
            typer.echo(f"lrstudy: {_WITHOUT_LOG.format(url)}", err=True)
        found = attempts(storage, name)
        best = _best(url, name, spec, found)
        ready_kernel(spec)
        typer.echo(f"The convolutions are computed by {_KERNELS[spec.kernel]}.")
        workers = len(places)
        with Display(
            console, name, spec, found, best=best, workers=workers, above=above
        ) as display:
            ending = _run_workers(crew, places)(
                url,
                name,
                on_event=display.on_event,
                timeout=timeout,
                checkpoints=directory,
            )
            found = attempts(storage, name)
            display.settle(found, _best(url, name, spec, found))
        annotate(storage, name)
        return slots_left(spec, found), ending


def _best(
    url: str, name: str, spec: StudySpec, found: Sequence[Attempt]
) -> tuple[float, str] | None:
    """The best score of the study's ended trials, whoever ran them, and the trial that has it."""
    from study.storage.slots import slots_done

    if not slots_done(spec, found):
        return None
    from analysis.progress import best_so_far
    from analysis.reading.frames import load

    return best_so_far(load(url, name)[0], spec)


def _run_workers(crew: Crew, places: Sequence[str]) -> Callable[..., Ending]:
    """What starts the crew's workers and watches them."""
    if crew.ray is None:
        from study.workers import local

        return partial(local.launch, places=places)
    from study.workers import ray_launcher

    ray = crew.ray
    return partial(ray_launcher.launch, workers=len(places), gpus=ray.gpus, address=ray.address)


def report_failures(url: str, name: str, spec: StudySpec) -> None:
    """Raises Failure where slots of a study that has ended failed for good."""
    from study.storage.claims import attempts
    from study.storage.slots import slots_failed
    from study.storage.studies import last_error

    with opened(url) as storage:
        failed = len(slots_failed(spec, attempts(storage, name)))
        error = last_error(storage, name)
    if failed:
        raise Failure(
            f"study {name!r} has ended, but {failed} of {count(spec.trials, 'trial')} failed for "
            f"good; the last error: {error}"
        )


def say_how_to_go_on(
    url: str,
    name: str,
    spec: StudySpec,
    left: int,
    ending: Ending,
    going_on: str,
    *,
    asked: int = LEFT,
) -> None:
    """The next command. going_on: the one that goes on. asked: the status if `lrstudy stop` ended
    it. Raises Failure where trials failed for good, typer.Exit where trials are left."""
    if not left:
        report_failures(url, name, spec)
        show = command(url, "report", name)
        typer.echo(with_command(f"study {name!r} is complete; show it:", show))
        if spec.plan is not None:
            going_on = answer_command(url, spec.space, name)
            typer.echo(with_command("it has a plan; what follows it:", going_on))
        elif spec.stage == "search" and not spec.designed:
            best = command(url, "confirm", name)
            typer.echo(with_command("to train its best on fresh seeds, for an answer:", best))
        return
    ending = why_left(url, name, ending)
    if ending == "asked":
        going_on = command(url, "resume", name)  # nothing else undoes a stop
    stop(left, ending, going_on, asked=asked)


def why_left(url: str, name: str, ending: Ending) -> Ending:
    """Why the workers left: because all of the study's were asked to?"""
    if ending == "done" and _is_stopping(url, name):
        return "asked"
    return ending


def _is_stopping(url: str, name: str) -> bool:
    """Whether all workers of the study were asked to leave."""
    from study.storage.studies import is_stopping

    with opened(url) as storage:
        return is_stopping(storage, storage.get_study_id_from_name(name))


def stop(left: int, ending: Ending, going_on: str, *, asked: int = LEFT) -> None:
    """Name the command that goes on, and raise typer.Exit: what follows it with && needs the
    trials that are left. asked: the status if `lrstudy stop` ended it."""
    are = "is" if left == 1 else "are"
    typer.echo(with_command(f"{count(left, 'trial')} {are} left; to continue:", going_on))
    raise typer.Exit({"timeout": LEFT, "asked": asked, "stopped": 130, "done": 1}[ending])
