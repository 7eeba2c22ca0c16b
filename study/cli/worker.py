"""`lrstudy worker`: join a study from any machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from study.cli.crew import RAY_OPTIONS, USUAL_CREW, Crew, with_crew
from study.cli.launching import check, launch, prepare, report_failures, say_how_to_go_on
from study.cli.options import DEFAULT_STORAGE, Failure, Storage, StudyName, Timeout, opened
from study.storage.hints import command, with_command
from study.terminal import printable


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

    Exit status 0 once the study is complete or stopped: it need not be started again; else not 0.

    Example: lrstudy worker cosine --storage postgresql://me@server/studies
    """
    from study.storage.claims import attempts
    from study.storage.slots import slots_left
    from study.storage.studies import is_stopping, load_spec

    with opened(storage) as found:
        spec = load_spec(found, name)
        if is_stopping(found, found.get_study_id_from_name(name)):
            going_on = command(storage, "resume", name)
            typer.echo(with_command(f"study {name!r} is stopped; to continue it:", going_on))
            return
        left = slots_left(spec, attempts(found, name))
    if left:
        places = check(spec, crew)
        prepare(storage, crew)
        left, ending = launch(storage, name, spec, places, crew, timeout)
        if left:
            asked = crew if workers != 1 else replace(crew, workers=None)
            going_on = command(storage, "worker", name, *asked.options())
            say_how_to_go_on(storage, name, spec, left, ending, going_on, asked=0)
            return
    try:
        report_failures(storage, name, spec)
    except Failure as failure:  # a further start could not mend it
        typer.echo(f"lrstudy: {printable(str(failure))}", err=True)
    typer.echo(f"study {name!r} is complete")
