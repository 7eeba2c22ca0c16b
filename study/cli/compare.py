"""`lrstudy compare`: given schedules on common seeds, without a search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from search_spaces.spaces import GIVEN
from study.cli.choices import NO_CHOICES, Choices, make_spec, with_choices
from study.cli.completion import complete_plot
from study.cli.crew import USUAL_CREW, Crew, with_crew
from study.cli.foresee import foresee
from study.cli.headlines import say_answer
from study.cli.later_stages import carry_out, say_exploratory
from study.cli.launching import (
    check,
    checkpoint_directory,
    prepare,
    report_failures,
    with_best_kernel,
)
from study.cli.on_ray import check_ray
from study.cli.options import (
    DEFAULT_STORAGE,
    DryRun,
    DryRunAsJson,
    Failure,
    Storage,
    Timeout,
    check_json,
    checked_name,
    opened,
    wrong_use,
)
from study.cli.report import write_page
from study.cli.run import say_cost
from study.cli.unfinished import say, unfinished_runs
from study.names import check_new_name
from study.spec import StudySpec
from study.stages import comparison_spec
from study.storage.hints import command, with_command

NAME, SEEDS = "compare", 10
_OF_A_SEARCH = ("space", "trials", "sampler", "pruner", "bank", "bounds", "schedules", "tries")
# What another run of the command may say otherwise of the same study.
_GROWS = {"trials", "looks", "rounds", "kernel"}


@with_crew()
@with_choices(*_OF_A_SEARCH)
def compare(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC SPEC...",
            help="Schedules, written in full as for `lrstudy plot`; the first is the reference.",
            autocompletion=complete_plot,
        ),
    ],
    study: Annotated[
        str,
        typer.Option("--study", help="Name of the study.", callback=checked_name),
    ] = NAME,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", min=1, help=f"Seeds, the same for each schedule; default: {SEEDS}."
        ),
    ] = None,
    all_pairs: Annotated[
        bool,
        typer.Option(
            "--all-pairs", help="Compare every two, corrected for all, not the first with each."
        ),
    ] = False,
    choices: Choices = NO_CHOICES,
    crew: Crew = USUAL_CREW,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: DryRunAsJson = False,
) -> None:
    """Compare given schedules on common seeds: is mine better than the one I have?

    Nothing is searched: each schedule is trained as it is written, with the same seeds. Each run
    reads the test images once. The verdict and a report come at the end.

    The same command continues where it stopped; a larger --seeds adds runs, which decide nothing
    that was planned without them.

    Example: lrstudy compare constant:base_lr=0.02 cosine:base_lr=0.03,final_lr=0.001 --seeds 10
    """
    check_json(as_json, dry_run)
    preset = choices.preset or "quick"
    choices = replace(choices, space=GIVEN, preset=preset, schedules=specs)
    with wrong_use():
        check_new_name(study)
        spec = comparison_spec(make_spec(choices), seeds or SEEDS, all_pairs=all_pairs)
    check_ray(storage, crew)
    places = check(spec, crew)
    if choices.leaves_kernel_open:
        spec = with_best_kernel(spec, places)
    ahead, short_of = foresee(spec), unfinished_runs(spec)
    if dry_run:
        say_cost(spec, places, crew, ahead, short_of, as_json=as_json)
        return
    checkpoint_directory(storage, crew.checkpoints)  # or it fails before anything is made
    spec, left = _made(storage, study, spec, choices, seeds)
    ahead.warn()
    say(short_of)
    say_exploratory(spec)
    if left:
        prepare(storage, crew)
        going_on = command(storage, "resume", study, *crew.options())
        carry_out(storage, study, spec, places, crew, timeout, going_on)
    _answer(storage, study, spec)


def _made(
    url: str, name: str, spec: StudySpec, choices: Choices, seeds: int | None
) -> tuple[StudySpec, int]:
    """The comparison as it is stored, made or made larger, and how many runs are left. Raises
    Failure where another study has its name."""
    from study.storage.claims import attempts
    from study.storage.slots import slots_left
    from study.storage.studies import create_study, load_spec, set_spec, set_stopping

    with opened(url, create=True) as storage:
        if name not in [each.study_name for each in storage.get_all_studies()]:
            create_study(storage, name, spec)
            return spec, spec.trials
        stored = load_spec(storage, name)
        ignored = _GROWS if choices.leaves_kernel_open else _GROWS - {"kernel"}
        if stored.model_dump(exclude=ignored) != spec.model_dump(exclude=ignored):
            raise Failure(
                f"study {name!r} exists already and is not this comparison; --study NAME makes "
                "another",
                2,
            )
        with wrong_use():
            spec = stored if seeds is None else stored.with_seeds(seeds)
        set_spec(storage, name, spec)
        set_stopping(storage, name, False)
        return spec, slots_left(spec, attempts(storage, name))


def _answer(url: str, name: str, spec: StudySpec) -> None:
    """The verdict, and the report. Raises Failure where runs failed for good."""
    from analysis.page.naming import folder
    from analysis.report import foreign

    directory = Path("reports") / folder([(url, name)], url)
    if foreign(directory):  # nothing that lrstudy did not write is replaced
        say_answer(url, name)
        elsewhere = command(url, "report", name, "--out", f"{directory}-1")
        typer.echo(with_command("for the report:", elsewhere))
    else:
        write_page(url, [name])
    report_failures(url, name, spec)
