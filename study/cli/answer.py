"""`lrstudy answer`: search, confirm, test and report in one command, within a budget of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from search_spaces.spaces import SPACES
from study.cli.answering import Answer
from study.cli.choices import NO_CHOICES, Choices, define, name_of, with_choices
from study.cli.completion import complete_space
from study.cli.crew import USUAL_CREW, Crew, with_crew
from study.cli.foresee import foresee
from study.cli.launching import (
    check,
    checkpoint_directory,
    create,
    prepare,
    with_best_kernel,
)
from study.cli.on_ray import check_ray
from study.cli.options import (
    DEFAULT_STORAGE,
    DryRun,
    DryRunAsJson,
    Failure,
    Storage,
    check_json,
    checked_name,
    opened,
    storage_failures,
    wrong_use,
)
from study.cli.plans import plan_for, read_plan, say_plan, seconds_of
from study.cli.report import write_page
from study.durations import duration
from study.plan import Plan
from study.spec import StudySpec
from study.storage.hints import command
from study.study_file import SUFFIX


@with_crew()
@with_choices("trials", "bank")
def answer(
    space: Annotated[
        str,
        typer.Argument(
            metavar="QUESTION",
            help="A search space, one of `lrstudy spaces`, or a file that `run --save` wrote.",
            autocompletion=complete_space,
        ),
    ],
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME",
            help="How long it may take on this machine, such as 20m or 1h30m. It decides the plan, "
            "and nothing is cut when it is over.",
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", help="Name of the study; default: QUESTION.", callback=checked_name
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="JSON",
            help="A plan to follow in place of --budget: what --dry-run --json prints, or a file "
            "of it.",
        ),
    ] = None,
    choices: Choices = NO_CHOICES,
    crew: Crew = USUAL_CREW,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the report goes; default: reports/NAME."),
    ] = None,
    dry_run: DryRun = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: DryRunAsJson = False,
) -> None:
    """Answer a question within a budget: search, confirm, test and report.

    The budget makes a plan: how many trials the search has, and how many new seeds the best
    configurations get. The plan is kept with the study. The same command, without --budget,
    continues where it stopped.

    Without other options the preset is quick, the sampler qmc, and nothing is pruned: trials then
    do not depend on each other, and whoever follows the plan gets the same ones.

    Example: lrstudy answer cosine --budget 20m
    """
    check_json(as_json, dry_run)
    check_ray(storage, crew)
    with wrong_use():
        stored = _stored(storage, study or name_of(space), choices, budget, plan)
        name, spec = stored or _asked(choices, study)
    places = check(spec, crew)
    made = spec.plan
    if made is None:
        if choices.leaves_kernel_open:
            spec = with_best_kernel(spec, places)
        made = _plan(name, spec, budget, plan, places, crew)
    if dry_run:
        say_plan(made, as_json=as_json)
        return
    if spec.plan is None:
        checkpoint_directory(storage, crew.checkpoints)
        with wrong_use():
            values = {"plan": made.model_dump(), "trials": made.trials}
            spec = StudySpec.model_validate(spec.model_dump() | values)
        create(storage, name, spec)
        foresee(spec).warn()
    prepare(storage, crew)
    Answer(storage, name, spec, made, places, crew).carry_out()
    write_page(storage, [name], out)


def _asked(choices: Choices, study: str | None) -> tuple[str, StudySpec]:
    """Name and search of a new answer. Raises ValueError where nothing is searched."""
    name, spec = define(_with_defaults(choices), study)
    if spec.designed:
        raise ValueError(
            f"{spec.space} is a fixed design: `lrstudy run {spec.space}` trains all of it"
        )
    return name, spec


def _with_defaults(choices: Choices) -> Choices:
    """A quick study, of which every trial is decided by its slot: it is the same study with any
    number of workers, and however often it was interrupted. A file has decided, and so has a fixed
    design."""
    known = SPACES.get(choices.space)
    if choices.space.endswith(SUFFIX) or (known is not None and known.DESIGNED):
        return choices
    return replace(
        choices,
        preset=choices.preset or "quick",
        sampler=choices.sampler or "qmc",
        pruner=choices.pruner or "none",
    )


def _stored(
    url: str, name: str, choices: Choices, budget: str | None, plan: str | None
) -> tuple[str, StudySpec] | None:
    """Name and search of the answer that is there already; None where there is none of that name.
    Raises Failure where it is another study, or is to be answered in another way, and ValueError
    where an option is wrong."""
    from study.storage.opening import is_filled
    from study.storage.studies import load_spec

    with storage_failures(url):
        if not is_filled(url):
            return None
    with opened(url) as storage:
        if name not in [each.study_name for each in storage.get_all_studies()]:
            return None
        stored = load_spec(storage, name)
    if stored.plan is None:
        raise Failure(
            f"study {name!r} exists already, without a plan; `{command(url, 'confirm', name)}` "
            "trains its best again, and --study NAME makes another",
            2,
        )
    free = {"trials", "plan", "kernel"}
    if choices.given or choices.space != stored.space:
        _, asked = _asked(choices, name)
        if asked.model_dump(exclude=free) != stored.model_dump(exclude=free):
            raise Failure(
                f"study {name!r} exists already, with other options; without them it goes on, and "
                "--study NAME makes another",
                2,
            )
    longer = budget is not None and seconds_of(budget) != stored.plan.budget
    if longer or (plan is not None and read_plan(plan) != stored.plan):
        raise Failure(
            f"study {name!r} has a plan for {duration(stored.plan.budget)}, which stays; "
            "--study NAME makes another",
            2,
        )
    return name, stored


def _plan(
    name: str,
    spec: StudySpec,
    budget: str | None,
    plan: str | None,
    places: Sequence[str],
    crew: Crew,
) -> Plan:
    """The given plan, or that of the budget."""
    if (budget is None) == (plan is None):
        raise Failure("an answer needs --budget TIME, such as 20m, or --plan JSON", 2)
    with wrong_use():
        if plan is not None:
            return read_plan(plan)
        return plan_for(name, spec, seconds_of(budget or ""), places, crew)
