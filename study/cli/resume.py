"""`lrstudy resume`: continue a study that stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from search_spaces.words.phrases import count
from study.cli.crew import USUAL_CREW, Crew, with_crew
from study.cli.later_stages import say_exploratory
from study.cli.launching import check, launch, prepare, report_failures, say_how_to_go_on
from study.cli.on_ray import check_ray
from study.cli.options import (
    DEFAULT_STORAGE,
    Failure,
    Storage,
    StudyName,
    Timeout,
    opened,
    wrong_use,
)
from study.spec import StudySpec
from study.storage.hints import command


@with_crew()
def resume(
    name: StudyName,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="The new total, not how many to add.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help="The new number of seeds of a `lrstudy compare`."),
    ] = None,
    crew: Crew = USUAL_CREW,
    timeout: Timeout = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Continue a study where it stopped, or make it larger.

    Example: lrstudy resume cosine --trials 60
    """
    from study.storage.claims import attempts
    from study.storage.slots import slots_left
    from study.storage.studies import load_spec, set_spec, set_stopping

    check_ray(storage, crew)
    with opened(storage) as found:
        spec = load_spec(found, name)
        if spec.plan is not None and trials not in (None, spec.trials):
            raise Failure(f"study {name!r} has a plan, in which its number of trials is fixed", 2)
        with wrong_use():
            spec = _larger(name, spec, trials, seeds)
        if not slots_left(spec, attempts(found, name)):
            report_failures(storage, name, spec)
            typer.echo(
                f"study {name!r} is finished: {spec.trials} of {count(spec.trials, 'trial')}"
            )
            return
        places = check(spec, crew)
        say_exploratory(spec)
        prepare(storage, crew)
        set_spec(found, name, spec)
        set_stopping(found, name, False)
    left, ending = launch(storage, name, spec, places, crew, timeout)
    going_on = command(storage, "resume", name, *crew.options())
    say_how_to_go_on(storage, name, spec, left, ending, going_on)


def _larger(name: str, spec: StudySpec, trials: int | None, seeds: int | None) -> StudySpec:
    """The study with the total that is asked for. Raises ValueError."""
    if seeds is None:
        return spec.with_trials(trials or spec.trials)
    if trials is not None:
        raise ValueError("--trials and --seeds both say how large the study is: give one")
    if not spec.compares:
        larger = "confirm SEARCH --seeds" if spec.arms else "resume NAME --trials"
        raise ValueError(f"study {name!r} is no comparison: `lrstudy {larger}` makes it larger")
    return spec.with_seeds(seeds)
