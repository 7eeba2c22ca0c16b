"""`lrstudy stop`: ask all workers of a study to leave."""

from __future__ import annotations

import typer
from optuna.trial import TrialState

from study.cli.options import (
    DEFAULT_STORAGE,
    Storage,
    StudyName,
    opened,
)
from study.storage.hints import command, with_command


def stop(name: StudyName, storage: Storage = DEFAULT_STORAGE) -> None:
    """Ask all workers of a study, on any machine, to finish their epoch and leave.

    Example: lrstudy stop cosine
    """
    from study.storage.claims import attempts
    from study.storage.slots import slots_left
    from study.storage.studies import load_spec, set_stopping

    with opened(storage) as found:
        spec, tries = load_spec(found, name), attempts(found, name)
        if not slots_left(spec, tries):
            typer.echo(f"study {name!r} is finished: no worker is left to stop")
            return
        set_stopping(found, name, True)
    running = any(each.state == TrialState.RUNNING for each in tries)
    what = "its workers leave after their epoch" if running else "no worker trains it now"
    going_on = command(storage, "resume", name)
    typer.echo(with_command(f"study {name!r} is stopped: {what}; to continue it:", going_on))
