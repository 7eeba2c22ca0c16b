"""From a budget of time to the plan of an answer: how much goes to the search, how much to seeds.

A search only has to find rates that are good; a verdict needs seeds. So the search gets a third at
most, and each family no more trials than find a good rate; the candidates that are trained again
get few seeds, and the rest goes to the stage whose runs decide: the test of what represents each
family or each value, or, where the question is answered by a grid, that grid.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from search_spaces.words.phrases import count
from study.durations import duration
from study.plan import FEWEST_AT_A_LOOK, FEWEST_JUDGED, Plan
from study.spec import StudySpec

SEARCH_SHARE = 1 / 3
FEWEST_TRIALS, MOST_TRIALS = 4, 24
"""Of each family. More than the most of two or three parameters hardly finds better rates."""
TOP = 2
FEW_SEEDS = FEWEST_JUDGED
"""Of each candidate, where another stage decides."""
START = 10.0
"""Seconds in which a stage's workers start and leave."""
REPORT = 20.0
MARGIN = 0.1
"""Of the budget, kept back: workers side by side are slower than the one that was timed."""

DecidedOn = Literal["confirm", "test"]


class Costs(NamedTuple):
    """Seconds of one worker for a run of the search, for one seed of all that `confirm` trains,
    and for one seed of all that is tested; at_once: workers that do not slow each other down."""

    trial: float
    confirm: float
    test: float
    at_once: int


def decided_on(spec: StudySpec, confirm: StudySpec) -> DecidedOn:
    """The stage whose runs answer the question of a search: the grid that `confirm` trains, where
    the space has one of its own size and compares nothing else; else the test."""
    space = spec.search_space
    if space.REFERENCE is not None or space.COMPARED is not None:
        return "test"
    answers = any(arm.role == "grid" and arm.budget is None for arm in confirm.arms)
    return "confirm" if answers else "test"


def make_plan(spec: StudySpec, decided: DecidedOn, budget: float, costs: Costs) -> Plan:
    """The plan of a search that is to be answered within ``budget`` seconds.

    spec: of the search; its number of trials does not matter. decided: see `decided_on`. Raises
    ValueError, naming the budget that it takes, where it is too small for FEWEST_TRIALS a family
    and FEWEST_AT_A_LOOK seeds.
    """
    families, fewest = len(spec.families), _fewest_trials(spec)
    shared = int(_seconds(budget, costs) * SEARCH_SHARE / (families * costs.trial))
    for each in range(min(max(shared, fewest), MOST_TRIALS), fewest - 1, -1):
        trials = families * each
        seeds, tested = _seeds(decided, _seconds(budget, costs) - trials * costs.trial, costs)
        if tested >= FEWEST_AT_A_LOOK:
            break
    else:
        least = duration(60 * math.ceil(least_budget(spec, decided, costs) / 60))
        raise ValueError(
            f"{duration(budget)} are too few for {count(families, 'schedule')} of this size here: "
            f"it takes about {least}, or fewer --epochs, a smaller --train-size, fewer schedules "
            "(--set schedule=A,B)"
        )
    expected = {
        "search": START + trials * costs.trial / costs.at_once,
        "confirm": START + seeds * costs.confirm / costs.at_once,
        "test": START + tested * costs.test / costs.at_once,
    }
    return Plan(
        budget=budget,
        trials=trials,
        top=TOP,
        seeds=seeds,
        looks=looks(spec, tested),
        expected={name: round(seconds, 1) for name, seconds in expected.items()},
    )


def _seeds(decided: DecidedOn, seconds: float, costs: Costs) -> tuple[int, int]:
    """Seeds of each configuration in confirm and in the test, for what the search leaves."""
    if decided == "confirm":
        both = int(seconds / (costs.confirm + costs.test))
        return both, both
    return FEW_SEEDS, int((seconds - FEW_SEEDS * costs.confirm) / costs.test)


def _seconds(budget: float, costs: Costs) -> float:
    """What all workers together can train in the budget."""
    return max(budget * (1 - MARGIN) - 3 * START - REPORT, 0.0) * costs.at_once


def _fewest_trials(spec: StudySpec) -> int:
    tries = max(len(spec.tried(family)) for family in spec.families)
    return max(FEWEST_TRIALS, tries)


def least_budget(spec: StudySpec, decided: DecidedOn, costs: Costs) -> float:
    """Seconds below which `make_plan` refuses."""
    trials = _fewest_trials(spec) * len(spec.families) * costs.trial
    confirmed = FEWEST_AT_A_LOOK if decided == "confirm" else FEW_SEEDS
    seeds = confirmed * costs.confirm + FEWEST_AT_A_LOOK * costs.test
    return ((trials + seeds) / costs.at_once + 3 * START + REPORT) / (1 - MARGIN)


def looks(spec: StudySpec, seeds: int) -> tuple[int, ...]:
    """After how many seeds the pairs of a test are judged: at a quarter, a half and all of them,
    none below FEWEST_AT_A_LOOK, where schedules are compared with one; else once.

    Large differences show at the first look, and seeds are saved; the last look has half of the
    error rate. Question 5 also compares likelihoods, which are judged once.
    """
    space = spec.search_space
    if space.REFERENCE is None or space.SAMPLES_WEIGHTS or seeds < 2 * FEWEST_AT_A_LOOK:
        return (seeds,)
    if seeds < 4 * FEWEST_AT_A_LOOK:
        return (seeds // 2, seeds)
    return (seeds // 4, seeds // 2, seeds)
