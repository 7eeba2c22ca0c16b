"""Work on a study together: join it from any machine, or ask all of its workers to leave."""

from __future__ import annotations

import typer

from study.cli.launching import Crew, check, launch, report_failures, say_how_to_go_on
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
    storage_failures,
)
from study.terminal import printable


def worker(
    name: StudyName,
    workers: Workers = 1,
    workers_per_device: WorkersPerDevice = None,
    device: Device = "auto",
    checkpoints: Checkpoints = None,
    timeout: Timeout = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Join a study from any machine until no trial is left; safe to start and kill at any time.

    Exit status 0 once the study is complete or is stopped, so that a batch system need not start
    it again; else not 0.

    Example: lrstudy worker cosine --storage postgresql://me@server/studies
    """
    from study.slots import attempts, slots_done
    from study.storage import is_stopping, load_spec, open_storage

    with storage_failures(storage):
        opened = open_storage(storage)
        spec = load_spec(opened, name)
        if is_stopping(opened, opened.get_study_id_from_name(name)):
            typer.echo(f"study {name!r} is stopped; `lrstudy resume` goes on with it")
            return
        left = spec.trials - len(slots_done(spec, attempts(opened, name)))
    if left:
        crew = Crew(workers, workers_per_device, device, timeout, checkpoints)
        left, ending = launch(storage, name, spec, check(spec, crew), crew)
        if left:
            say_how_to_go_on(storage, name, spec, left, ending)
            return
    try:
        report_failures(storage, name, spec)
    except Failure as failure:  # a further start could not mend it
        typer.echo(f"lrstudy: {printable(str(failure))}", err=True)
    typer.echo(f"study {name!r} is complete")


def stop(name: StudyName, storage: Storage = DEFAULT_STORAGE) -> None:
    """Ask all workers of a study, on any machine, to finish their epoch and leave.

    Example: lrstudy stop cosine
    """
    from study.storage import load_spec, open_storage, set_stopping

    with storage_failures(storage):
        opened = open_storage(storage)
        load_spec(opened, name)
        set_stopping(opened, name, True)
    typer.echo(f"the workers of {name!r} leave after their epoch; `lrstudy resume` goes on with it")
