"""`lrstudy best`: which configuration was best, as JSON values and in words; its export."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from search_spaces.config import TrialConfig
from search_spaces.recipes import optimizer_in_words
from search_spaces.schedules.problems import first_problem
from search_spaces.wording import method_in_words
from search_spaces.words.phrases import count, percent
from study.cli.options import (
    DEFAULT_STORAGE,
    AsJson,
    Device,
    Failure,
    Storage,
    StudyName,
    failures,
    preparing,
    print_json,
    say_left_out,
    storage_failures,
    wrong_use,
)
from study.cli.outputs import Force, refuse_foreign, writing, wrote
from study.spec import StudySpec
from study.stages import sibling
from study.storage.hints import with_command
from study.terminal import printable

if TYPE_CHECKING:
    from analysis.other_programs.study import OtherStudy
    from analysis.settled import Settled
    from analysis.study import Study

Facts = dict[str, Any]
_MOST_THREADS = 4096  # of one process


def best_facts(
    name: str, spec: StudySpec, trial: Any, config: TrialConfig, chosen: Settled | None
) -> Facts:
    """spec: of the stage that the numbers are of; trial: the row of the run that stands for the
    configuration. accuracy is that run's where ``chosen`` is None, else the mean over seeds."""
    facts: Facts = {
        "study": name,
        "stage": spec.stage,
        "trial": int(trial["trial"]),
        "seeds": 1,
        "accuracy": float(trial["value"]),
        "measured_on": "test" if spec.reads_test else "validation",
        "schedule": method_in_words(config.schedule, config.weight_sampling),
        "recipe": spec.recipe,
        "config": config.model_dump(mode="json"),
    }
    if chosen is not None:
        facts |= {
            "family": chosen.family,
            "search_trial": chosen.origin,
            "seeds": chosen.seeds,
            "untrained": chosen.untrained,
            "accuracy": _number(chosen.accuracy),
            "accuracy_low": _number(chosen.low),
            "accuracy_high": _number(chosen.high),
            "trials": chosen.trials,
        }
    return facts


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def best_in_words(study: Study, facts: Facts, chosen: Settled | None) -> Iterator[str]:
    """A line with the configuration and its score; one with what they rest on; the next command."""
    config = facts["config"]
    what = (
        f"{facts['measured_on']} accuracy with {printable(facts['schedule'])}; "
        f"{count(config['epochs'], 'epoch')} of {optimizer_in_words(config)}"
    )
    if chosen is None:
        yield f"trial {facts['trial']}: {percent(facts['accuracy'])} {what}"
        yield "One run of a search: the best of many looks better than it is. Expect a little less."
    else:
        yield f"{_mean(chosen)} {what}"
        yield _basis(study, chosen)
    yield from _next(study, chosen)


def _mean(chosen: Settled) -> str:
    """The mean with what it is worth."""
    if math.isnan(chosen.accuracy):
        return f"no run of {count(chosen.untrained, 'seed')} trained: no"
    seeds = count(chosen.seeds, "seed")
    if math.isnan(chosen.low):
        return f"{percent(chosen.accuracy)} (mean of {seeds}, too few for an interval)"
    bounds = f"95 % interval {percent(chosen.low)} to {percent(chosen.high)}"
    return f"{percent(chosen.accuracy)} (mean of {seeds}, {bounds})"


def _basis(study: Study, chosen: Settled) -> str:
    """Where the numbers come from."""
    from analysis.wording import numbered

    trials = numbered("trial", chosen.trials)
    untrained = ""
    if chosen.untrained:
        runs = chosen.seeds + chosen.untrained
        untrained = f" Untrained: {chosen.untrained} of {count(runs, 'run')}, left out of the mean."
    if study.spec.designed:
        return f"The highest mean of the design, on the images that judge it ({trials}).{untrained}"
    if study.spec.compares:
        return (
            "Of the given schedules it does best in pairs on validation images; the accuracy is "
            f"that on the test images ({trials}).{untrained}{_left(study, chosen)}"
        )
    confirmed = sibling(study.name, "confirm")
    where = (
        "does best in pairs on the fresh seeds and validation images of "
        f"{confirmed!r}, of the configurations of every schedule"
    )
    if chosen.stage == "confirm":
        judged = f", which chose it and judge it here ({trials})"
    else:
        judged = f" and was tested in {sibling(study.name, 'test')!r} ({trials})"
    name = "The grid's configuration" if chosen.origin is None else f"Trial {chosen.origin}"
    return f"{name} of {study.name!r} {where}{judged}.{untrained}{_left(study, chosen)}"


def _left(study: Study, chosen: Settled) -> str:
    stage = study.stage(chosen.stage)
    runs = count(stage.spec.trials, "run")
    return f" Not finished: {stage.left} of {runs} are left." if stage.left else ""


def _next(study: Study, chosen: Settled | None) -> Iterator[str]:
    """The command that leads on, or back."""
    if study.spec.designed:
        return
    if study.spec.compares:
        yield with_command("Whether it is better than another:", study.command("report"))
    elif chosen is not None:
        back = study.command("best", "--search")
        yield with_command("The best single run of the search:", back)
    elif study.confirm is not None and not study.confirm.left:
        yield with_command("On fresh seeds:", study.command("best"))
    elif not study.left:
        yield with_command("To train it on fresh seeds:", study.command("confirm"))


def best(
    name: StudyName,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="DIR", help="Train it again and write its weights and code."
        ),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="The best single run of the search, confirmed or not.")
    ] = False,
    device: Device = "auto",
    force: Force = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Say which configuration is best; --export writes its weights and code.

    After `lrstudy confirm` it is the confirmed configuration, with its mean over new seeds; of a
    `lrstudy compare` the one that does best on validation images, with its test accuracy. For
    another program's study it is the best trial.

    Example: lrstudy best cosine --export best/
    """
    from analysis.other_programs.study import is_of_another_program, load_other
    from analysis.progress import best_trial
    from analysis.reading.plausible import left_out
    from analysis.reading.studies import spec
    from analysis.settled import settled
    from analysis.study import load_study
    from search_spaces.config import TrialConfig

    with storage_failures(storage):
        if export is None and is_of_another_program(storage, name):
            _say_best_of(load_other(storage, name), as_json)
            return
        study = load_study(storage, name)
        stage = spec(storage, name).stage
    if search and study.spec.compares:
        raise Failure(f"study {name!r} compares given schedules: it has no search", 2)
    say_left_out(left_out(study.stage(stage).attempts))
    chosen = None if search else settled(study, stage)
    if chosen is None and stage != "search" and not search:
        raise Failure(f"study {name!r} has no result yet")
    trial = best_trial(study.trials) if chosen is None else chosen.run
    if trial is None or not isinstance(trial["config"], str):
        raise Failure(_nothing_complete(name, study))
    try:
        config = TrialConfig.model_validate_json(trial["config"])
    except ValidationError as error:
        raise Failure(f"trial {trial['trial']} cannot be read: {first_problem(error)}") from None
    stage_spec = study.spec if chosen is None else study.stage(chosen.stage).spec
    facts = best_facts(name, stage_spec, trial, config, chosen)
    done = "wrote"
    if export is not None:
        with writing(export):
            done = wrote(_check_export(export, force))
        facts |= _export(stage_spec, trial, config, export, device)
    if as_json:
        print_json(facts)
        return
    for line in best_in_words(study, facts, chosen):
        typer.echo(line)
    if export is not None:
        typer.echo(
            f"trained again, with the seed of trial {facts['trial']}: "
            f"{percent(facts['exported_accuracy'])}; {done} {export}"
        )


def _say_best_of(study: OtherStudy, as_json: bool) -> None:
    """The best trial of another program's study. Raises Failure where none has a value."""
    from analysis.other_programs.study import best_of, configuration, value_in_words

    top = best_of(study)
    if top is None:
        raise Failure(f"study {study.name!r} has no complete trial with a finite value")
    if as_json:
        print_json({"study": study.name, "direction": study.direction, **top})
        return
    at = configuration(top["params"])
    value = value_in_words(study, top["value"])
    typer.echo(printable(f"trial {top['trial']}: {value}{' at ' if at else ''}{at}"))
    typer.echo("One run of another program: the best of many looks better than it is.")


def _nothing_complete(name: str, study: Any) -> str:
    """Why no trial is the best: none has ended, or what became of those that have."""
    from analysis.progress import progress

    facts = progress(study.attempts, study.spec)
    states = ", ".join(f"{n} {state}" for state, n in facts["states"].items() if n)
    if facts["slots_left"]:
        return f"study {name!r} has no complete trial yet: {states}"
    return f"study {name!r} has ended, and none of its trials is complete: {states}"


def _check_export(directory: Path, force: bool) -> bool:
    """Whether a configuration was exported to the directory before. Raises Failure where its files
    are foreign."""
    from study.export.weights import exported_files, is_export

    ours, files = is_export(directory), exported_files(directory)
    refuse_foreign([] if ours else files, "--export", force)
    return bool(files)


def _export(spec: Any, trial: Any, config: Any, directory: Path, device: str) -> dict[str, Any]:
    from study import devices
    from study.export.weights import export
    from study.tasks.fashion_mnist import DataError
    from study.tasks.task import find_task
    from study.training.kernels.choice import check_kernel

    if not 1 <= trial["threads"] <= _MOST_THREADS:
        raise Failure(f"trial {trial['trial']} does not say with how many threads it was trained")
    slot, threads = int(trial["slot"]), int(trial["threads"])
    epochs = count(config.epochs, "epoch")
    with wrong_use():
        find_task(spec.task)  # a wrong one is told before anything else is said
    preparing(f"training trial {trial['trial']} again for {epochs}", logged=True)
    with writing(directory), failures(DataError), wrong_use():
        chosen = devices.resolve(device)
        check_kernel(spec.kernel, chosen)
        made = export(spec, slot, config, directory, device=chosen, threads=threads)
    return {"exported": str(made.directory), "exported_accuracy": made.accuracy}
