"""The stages after a search: reading, making, extending and carrying them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from search_spaces.words.phrases import count
from study.cli.crew import Crew
from study.cli.launching import create, launch, stop, why_left
from study.cli.options import Failure, opened, say_left_out
from study.spec import StudySpec

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from study.storage.claims import SlotStorage


def carry_out(
    url: str,
    made: str,
    spec: StudySpec,
    places: Sequence[str],
    crew: Crew,
    timeout: float | None,
    going_on: str,
    above: Sequence[str] = (),
) -> None:
    """Train what a stage lacks, with a display. going_on: the command that continues it. above:
    lines that stand over the display. Raises typer.Exit, after a line that names it, where trials
    are left."""
    if not stage_left(url, made, spec):
        return
    remaining, ending = launch(url, made, spec, places, crew, timeout, above)
    if remaining:
        stop(remaining, why_left(url, made, ending), going_on)


def train_images(spec: StudySpec) -> int:
    """How many images a search trains on."""
    from study.devices import resolve
    from study.trials.objective import load_data

    return len(load_data(spec, resolve("cpu")).train.labels)


def say_exploratory(spec: StudySpec) -> None:
    """One line where a stage has more seeds than it was planned with."""
    planned = spec.looks[-1] if spec.looks else spec.seeds
    if spec.seeds > planned:
        typer.echo(
            f"lrstudy: {count(planned, 'seed')} were planned; further ones are shown as "
            "exploratory and change no verdict",
            err=True,
        )


def stage_left(url: str, name: str, spec: StudySpec) -> int:
    """How many of a study's trials are left."""
    from study.storage.claims import attempts
    from study.storage.slots import slots_left

    with opened(url) as storage:
        return slots_left(spec, attempts(storage, name))


def check_search(storage: SlotStorage, name: str, spec: StudySpec, going_on: str) -> None:
    """Raises Failure where it is no search, or not finished and has to go on first."""
    from study.storage.claims import attempts
    from study.storage.slots import slots_left

    if spec.compares:
        raise Failure(f"study {name!r} compares given schedules: there is no search to confirm", 2)
    if spec.source is not None:
        raise Failure(f"study {name!r} is a later stage of {spec.source!r}: confirm that one", 2)
    left = slots_left(spec, attempts(storage, name))
    if left:
        raise Failure(
            f"study {name!r} is not finished: {left} of {count(spec.trials, 'trial')} are left; "
            f"`{going_on}` continues it"
        )


def stored_stage(storage: SlotStorage, made: str, name: str) -> StudySpec | None:
    """The spec of the later stage where it exists. Raises Failure if it is something else."""
    from study.storage.studies import load_spec

    if made not in [each.study_name for each in storage.get_all_studies()]:
        return None
    spec = load_spec(storage, made)
    if spec.source != name:
        raise Failure(f"study {made!r} exists already and is no stage of {name!r}", 2)
    return spec


def trials_of(url: str, storage: SlotStorage, name: str, spec: StudySpec) -> list[FrozenTrial]:
    """The trials of a stage that are somebody's result; says which are not."""
    import optuna

    from analysis.reading.frames import load
    from analysis.reading.plausible import UNUSABLE, left_out, marked

    judged = marked(load(url, name)[0], spec)
    say_left_out(left_out(judged))
    unusable = set(judged.loc[judged["state"] == UNUSABLE, "trial"])
    study = optuna.load_study(study_name=name, storage=storage)
    return [each for each in study.get_trials(deepcopy=False) if each.number not in unusable]


def create_or_extend(url: str, made: str, spec: StudySpec) -> bool:
    """Whether the stage is new."""
    from study.storage.studies import set_spec, set_stopping

    with opened(url) as storage:
        if made in [each.study_name for each in storage.get_all_studies()]:
            set_spec(storage, made, spec)
            set_stopping(storage, made, False)
            return False
    create(url, made, spec)
    return True
