"""The plan of an answer: made of a budget, read from JSON, said in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from pydantic import ValidationError

from search_spaces.schedules.problems import first_problem
from search_spaces.words.phrases import count
from study.cli.crew import Crew
from study.cli.later_stages import train_images
from study.cli.launching import TIMING, estimated
from study.cli.options import preparing, print_json
from study.durations import duration
from study.files import read_text
from study.plan import Plan
from study.planning import FEW_SEEDS, TOP, Costs, decided_on, make_plan
from study.spec import StudySpec


def plan_for(name: str, spec: StudySpec, budget: float, places: Sequence[str], crew: Crew) -> Plan:
    """The plan of a budget, after a few timed steps of each stage."""
    from study.stages import likely_confirm_spec, likely_test_spec

    preparing(TIMING, logged=True)
    images = train_images(spec)
    confirm = likely_confirm_spec(name, spec, top=TOP, seeds=FEW_SEEDS, train_images=images)
    test = likely_test_spec(name, confirm, FEW_SEEDS, "train")
    trial, *later = (estimated(each, places, crew) for each in (spec, confirm, test))
    costs = Costs(
        trial=trial.seconds_per_trial,
        confirm=later[0].seconds_per_trial * len(confirm.arms),
        test=later[1].seconds_per_trial * len(test.arms),
        at_once=trial.at_once,
    )
    return make_plan(spec, decided_on(spec, confirm), budget, costs)


def seconds_of(text: str) -> float:
    """A duration such as ``20m``, ``1h30m`` or ``90 s``, in seconds. Raises ValueError."""
    import pandas as pd

    try:
        seconds = float(pd.Timedelta(text).total_seconds()) if text.strip("0123456789. ") else 0
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise ValueError(f"--budget must be a time such as 20m or 1h30m, not {text!r}")
    return seconds


def read_plan(text: str) -> Plan:
    """A plan from JSON, or from a file of it. Raises ValueError, in one line."""
    if not text.lstrip().startswith("{"):
        text = read_text(Path(text))
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"--plan: {first_problem(error)}") from None


def plan_in_words(plan: Plan) -> str:
    """What is planned, in one line."""
    *early, last = plan.looks
    looks = f", judged after {', '.join(map(str, early))} and {last}" if early else ""
    best = "the best" if plan.top == 1 else f"the best {plan.top}"
    return (
        f"search of {count(plan.trials, 'trial')}; {best} of each schedule with "
        f"{count(plan.seeds, 'new seed')}; a test with up to {count(last, 'seed')}{looks}"
    )


def say_plan(plan: Plan, *, as_json: bool) -> None:
    """The plan and how long each stage is thought to take, on standard output."""
    if as_json:
        print_json(plan.model_dump(mode="json"))
        return
    typer.echo(f"plan for {duration(plan.budget)}: {plan_in_words(plan)}")
    for stage, seconds in plan.expected.items():
        typer.echo(f"{stage}: about {duration(seconds)}")
    typer.echo("Nothing was written.")
