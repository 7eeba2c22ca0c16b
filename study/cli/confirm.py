"""Confirm what a search found: fresh seeds, then the test images for one configuration a family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from study.cli.crew import USUAL_CREW, Crew, with_crew
from study.cli.foresee import Foreseen, foresee
from study.cli.headlines import say_answer
from study.cli.later_stages import (
    carry_out,
    check_search,
    create_or_extend,
    say_exploratory,
    stored_stage,
    train_images,
    trials_of,
)
from study.cli.launching import (
    TIMING,
    check,
    estimated,
    in_words,
    prepare,
    report_failures,
)
from study.cli.on_ray import check_ray
from study.cli.options import (
    DEFAULT_STORAGE,
    DryRun,
    DryRunAsJson,
    Failure,
    Storage,
    StudyName,
    Timeout,
    check_json,
    failures,
    opened,
    preparing,
    print_json,
    wrong_use,
)
from study.spec import StudySpec, TrainOn
from study.storage.hints import answer_command, command, with_command

TOP, SEEDS = 2, 5
_ELSEWHERE = " (options of a new `lrstudy run`)"


@with_crew()
def confirm(
    name: StudyName,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", min=1, help=f"How many of the best of each schedule; default: {TOP}."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help=f"New seeds for each configuration; default: {SEEDS}."),
    ] = None,
    train_on: Annotated[
        TrainOn | None,
        typer.Option(
            "--train-on",
            help="What the tested runs train on: the images of the search, or all 60,000.",
        ),
    ] = None,
    crew: Crew = USUAL_CREW,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: DryRunAsJson = False,
) -> None:
    """Train the best of a finished search with new seeds, then test one of each schedule.

    The same command continues where it stopped. A larger --seeds adds runs; the verdicts stay those
    of the seeds that were planned, because results that one has seen must not decide when to stop.

    Example: lrstudy confirm cosine --top 2 --seeds 5
    """
    from study.stages import sibling

    check_json(as_json, dry_run)
    check_ray(storage, crew)
    specs = {"confirm": _confirm_spec(storage, name, top, seeds, crew)}
    images = _train_on(storage, name, train_on)
    places = check(specs["confirm"], crew)
    ahead = foresee(specs["confirm"])
    if dry_run:
        _cost(name, specs["confirm"], ahead, images, places, crew, as_json)
        return
    prepare(storage, crew)
    options = [] if images == "train" else ["--train-on", images]
    going_on = command(storage, "confirm", name, *options, *crew.options())
    for stage in ("confirm", "test"):
        made = sibling(name, stage)
        if stage == "test":
            specs[stage] = _test_spec(storage, name, images)
            check(specs[stage], crew)
        spec = specs[stage]
        is_new = create_or_extend(storage, made, spec)
        if is_new and stage == "confirm":
            ahead.warn(_ELSEWHERE)
        say_exploratory(spec)
        carry_out(storage, made, spec, places, crew, timeout, going_on)
    for stage, spec in specs.items():
        report_failures(storage, sibling(name, stage), spec)
    say_answer(storage, name)
    show = command(storage, "report", name)
    typer.echo(with_command(f"study {name!r} is confirmed; show it:", show))


def _confirm_spec(url: str, name: str, top: int | None, seeds: int | None, crew: Crew) -> StudySpec:
    """The confirm study's spec: the stored one with the seeds asked for, or a new one."""
    from study.stages import confirm_spec, sibling
    from study.storage.studies import is_answered, load_spec

    with opened(url) as storage:
        search = load_spec(storage, name)
        if search.plan is not None and not is_answered(storage, name):
            going_on = answer_command(url, search.space, search.source or name)
            raise Failure(f"study {name!r} follows a plan; `{going_on}` continues it", 2)
        check_search(storage, name, search, command(url, "resume", name))
        stored = stored_stage(storage, sibling(name, "confirm"), name)
        count = seeds or (SEEDS if stored is None else stored.seeds)
        with wrong_use():
            if stored is not None and top is None:
                return stored.with_seeds(count)
            check(search, crew)
            wanted = confirm_spec(
                name,
                search,
                trials_of(url, storage, name, search),
                top=top or TOP,
                seeds=count,
                train_images=train_images(search),
            )
            return wanted if stored is None else _same_arms(stored, wanted, name)


def _train_on(url: str, name: str, train_on: TrainOn | None) -> TrainOn:
    """Images of the test stage: as asked for, or as it is stored. Raises Failure where the two
    differ."""
    from study.stages import sibling

    made = sibling(name, "test")
    with opened(url) as storage:
        stored = stored_stage(storage, made, name)
    if stored is None:
        return train_on or "train"
    if train_on not in (None, stored.train_on):
        raise Failure(f"study {made!r} exists already with --train-on {stored.train_on}", 2)
    return stored.train_on


def _test_spec(url: str, name: str, train_on: TrainOn) -> StudySpec:
    """The test study's spec, with as many seeds as the confirm study. What has met the test images
    once stays chosen."""
    from study.stages import sibling, test_spec
    from study.storage.studies import load_spec

    with opened(url) as storage:
        confirmed = load_spec(storage, sibling(name, "confirm"))
        stored = stored_stage(storage, sibling(name, "test"), name)
        seeds = confirmed.seeds
        with wrong_use():
            if stored is not None:
                return stored.with_seeds(max(stored.seeds, seeds))
        trials = trials_of(url, storage, sibling(name, "confirm"), confirmed)
        with failures(ValueError):
            return test_spec(name, confirmed, trials, looks=(seeds,), train_on=train_on)


def _same_arms(stored: StudySpec, wanted: StudySpec, name: str) -> StudySpec:
    """The stored stage, with more seeds if asked for. Raises Failure where its arms differ."""
    if stored.arms != wanted.arms:
        raise Failure(
            f"study {name!r} is being confirmed with other configurations, {len(stored.arms)} in "
            "all; without --top it continues with them",
            2,
        )
    return stored.with_seeds(wanted.seeds)


def _cost(
    name: str,
    spec: StudySpec,
    ahead: Foreseen,
    train_on: TrainOn,
    places: Sequence[str],
    crew: Crew,
    as_json: bool,
) -> None:
    """What both stages cost; which configurations the second one tests is not known before."""
    from study.stages import likely_test_spec

    second = likely_test_spec(name, spec, spec.seeds, train_on)
    stages = {"confirm": spec, "test": second}
    preparing(TIMING, logged=True)
    costs = {stage: estimated(each, places, crew) for stage, each in stages.items()}
    if as_json:
        aheads = {"confirm": ahead, "test": foresee(second)}
        print_json({stage: costs[stage].to_json() | aheads[stage].to_json() for stage in costs})
        return
    ahead.warn(_ELSEWHERE)
    ahead.say_updates()
    for stage, cost in costs.items():
        typer.echo(f"{stage}: {in_words(cost, places[0])}")
    typer.echo("Nothing was written.")
