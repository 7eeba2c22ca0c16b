"""`lrstudy worker`: join a study from any machine."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

import typer

from study.cli.crew import RAY_OPTIONS, USUAL_CREW, Crew, with_crew
from study.cli.launching import check, launch, prepare, report_failures, say_how_to_go_on
from study.cli.options import DEFAULT_STORAGE, Failure, Storage, StudyName, Timeout, opened
from study.spec import StudySpec
from study.storage.hints import command, with_command
from study.terminal import printable

_WAIT_SECONDS = 2.0


@with_crew(*RAY_OPTIONS)
def worker(
    name: StudyName,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes on this machine.")
    ] = 1,
    crew: Crew = USUAL_CREW,
    timeout: Timeout = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Join a study from any machine until no trial is left; safe to start and kill at any time.

    A study of `lrstudy answer` is followed through its stages, until its plan is carried out.

    Exit status 0 once the study is complete or stopped: it need not be started again; else not 0.

    Example: lrstudy worker cosine --storage postgresql://me@server/studies
    """
    from study.storage.studies import is_stopping, load_spec

    asked = crew if workers != 1 else replace(crew, workers=None)
    going_on = command(storage, "worker", name, *asked.options())
    ends = None if timeout is None else time.monotonic() + timeout
    made: str | None = name
    while made is not None:
        with opened(storage) as found:
            spec = load_spec(found, made)
            if is_stopping(found, found.get_study_id_from_name(made)):
                resume = command(storage, "resume", made)
                typer.echo(with_command(f"study {made!r} is stopped; to continue it:", resume))
                return
        if not _work(storage, made, spec, crew, ends, going_on):
            return
        made = _next_stage(storage, made, spec, ends, going_on)


def _work(
    url: str, name: str, spec: StudySpec, crew: Crew, ends: float | None, going_on: str
) -> bool:
    """Train what is left; whether the study is complete. ends: when to leave, None: never."""
    from study.storage.claims import attempts
    from study.storage.slots import slots_left

    with opened(url) as storage:
        left = slots_left(spec, attempts(storage, name))
    if left:
        places = check(spec, crew)
        prepare(url, crew)
        timeout = None if ends is None else max(1.0, ends - time.monotonic())
        left, ending = launch(url, name, spec, places, crew, timeout)
        if left:
            say_how_to_go_on(url, name, spec, left, ending, going_on, asked=0)
            return False
    try:
        report_failures(url, name, spec)
    except Failure as failure:  # a further start could not mend it
        typer.echo(f"lrstudy: {printable(str(failure))}", err=True)
    typer.echo(f"study {name!r} is complete")
    return True


def _next_stage(
    url: str, name: str, spec: StudySpec, ends: float | None, going_on: str
) -> str | None:
    """The study of a plan that has work next, once `lrstudy answer` has made it; None where there
    is no plan, or it was carried out. Raises typer.Exit where the time is up."""
    from study.cli.launching import LEFT
    from study.stages import sibling
    from study.storage.claims import attempts
    from study.storage.slots import slots_left
    from study.storage.studies import is_answered, load_spec

    if spec.plan is None:
        return None
    search, told = spec.source or name, False
    while True:
        with opened(url) as storage:
            known = [each.study_name for each in storage.get_all_studies()]
            for made in (search, sibling(search, "confirm"), sibling(search, "test")):
                if made in known and slots_left(load_spec(storage, made), attempts(storage, made)):
                    return made
            if is_answered(storage, search):
                return None
        if not told:
            typer.echo("waiting for the next stage, which `lrstudy answer` makes")
            told = True
        if ends is not None and time.monotonic() >= ends:
            typer.echo(with_command("the time is up; to continue:", going_on))
            raise typer.Exit(LEFT)
        time.sleep(_WAIT_SECONDS)
