"""After a search: its best configurations on fresh seeds, and the test images for one a family.

A search ranks single runs. `confirm` trains the best of every family again on fresh seeds, the same
for each, beside a small design for the question, and judges them on validation images. Then the
one that each family is represented by meets the test images, on other fresh seeds, so that nothing
that chose it judges it; and so does the best of each value of the parameter that the question is
about. Both stages are studies of their own in the same storage. A comparison of given
configurations is the last stage alone, without a search.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from search_spaces.config import Arm, Budget, Parameters, Range, Ranges
from search_spaces.given_schedules import check_whole
from study.choosing import choose
from study.plan import Looks
from study.records import ClaimRecord, family_of
from study.spec import StudySpec, TrainOn

Key = TypeVar("Key", str, float)


def sibling(name: str, stage: str) -> str:
    """The name of a search's later stage, e.g. ``cosine-confirm``."""
    return f"{name}-{stage}"


def confirm_spec(
    name: str,
    spec: StudySpec,
    trials: Sequence[FrozenTrial],
    *,
    top: int,
    seeds: int,
    train_images: int,
    margin: float | None = None,
) -> StudySpec:
    """The study that trains the ``top`` best configurations of each family, and the space's grid.

    trials: of the search. seeds: runs of each configuration. train_images: how many the search
    trains on. margin: see `candidates`. Raises ValueError where it is no search, or has no complete
    trial.
    """
    if spec.stage != "search" or spec.designed:
        raise ValueError(f"{name!r} is no search: only the result of a search can be confirmed")
    found = candidates(spec, trials, top, margin)
    if not found:
        raise ValueError(f"study {name!r} has no complete trial, so that nothing can be confirmed")
    return _confirm(name, spec, found, seeds, train_images)


def likely_confirm_spec(
    name: str, spec: StudySpec, *, top: int, seeds: int, train_images: int
) -> StudySpec:
    """The confirm study if the middle of the ranges were best: what it costs is known before the
    search."""
    middle = {
        name: math.sqrt(each.low * each.high) if each.log else (each.low + each.high) / 2
        for name, each in spec.ranges.items()
    }
    found = [
        Arm(family=family, parameters=middle, role="candidate")
        for family in spec.families
        for _ in range(top)
    ]
    return _confirm(name, spec, found, seeds, train_images)


def _confirm(
    name: str, spec: StudySpec, found: Sequence[Arm], seeds: int, train_images: int
) -> StudySpec:
    """The candidates and the grid around the best of them, each with every seed."""
    best: dict[str, Parameters] = {}
    for arm in found:
        best.setdefault(arm.family, arm.parameters)
    budget = spec.budget.model_copy(update={"train_size": train_images})
    grid = [
        arm
        for arm in spec.search_space.grid(best, budget)
        if not any(arm.same_run(each) for each in found)
    ]
    return _stage(name, spec, "confirm", [*found, *grid], seeds, looks=(seeds,))


def candidates(
    spec: StudySpec, trials: Iterable[FrozenTrial], top: int, margin: float | None = None
) -> list[Arm]:
    """The ``top`` best complete trials of each family by validation accuracy, as arms, best first.

    Pruned, failed, diverged and stalled trials are none; a configuration is taken once. margin:
    those whose accuracy (a share) is further behind their family's best are left out: seeds do not
    make up for that much.
    """
    ranked = sorted(_complete(trials), key=lambda trial: (-float(trial.value or 0), trial.number))
    found: list[Arm] = []
    for family in spec.families:
        mine: list[Arm] = []
        best: float | None = None
        for trial in ranked:
            arm = Arm(
                family=family,
                parameters={
                    name: trial.params[name] for name in spec.ranges if name in trial.params
                },
                role="candidate",
                origin=trial.number,
            )
            is_new = not any(arm.same_run(each) for each in mine)
            if family_of(trial.user_attrs) == family and is_new and len(mine) < top:
                score = float(trial.value or 0)
                best = score if best is None else best
                if margin is None or score >= best - margin:
                    mine.append(arm)
        found += mine
    return found


def _complete(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    return [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE and _record(trial).outcome == "finished"
    ]


def _record(trial: FrozenTrial) -> ClaimRecord:
    return ClaimRecord.model_validate(trial.user_attrs)


def test_spec(
    name: str,
    confirmed: StudySpec,
    trials: Sequence[FrozenTrial],
    *,
    looks: Looks,
    train_on: TrainOn,
) -> StudySpec:
    """The study that reads the test images: the chosen configuration of each family, then those of
    `compared_arms`.

    name: of the search; confirmed, trials: its confirm study. looks: seeds after which it is
    judged; it begins with those of the first. Raises ValueError where no run of it trained.
    """
    runs = results(confirmed, trials)
    best = best_arms(confirmed, runs)
    if not best:
        raise ValueError(
            f"no run of {sibling(name, 'confirm')!r} trained: there is nothing to test"
        )
    compared = compared_arms(confirmed, runs)
    return _test(name, confirmed, best.values(), compared.values(), looks, train_on)


def likely_test_spec(name: str, confirmed: StudySpec, seeds: int, train_on: TrainOn) -> StudySpec:
    """The test study if the search's best of each family, and the first of each value compared,
    were chosen: what it costs is known before the choice."""
    compared = [places[0] for places in _by_value(confirmed).values()]
    return _test(name, confirmed, firsts(confirmed).values(), compared, (seeds,), train_on)


def firsts(spec: StudySpec) -> dict[str, int]:
    """Of each family the place of its first arm: of a test the one that represents it."""
    found: dict[str, int] = {}
    for place, arm in enumerate(spec.arms):
        found.setdefault(arm.family, place)
    return found


def _test(
    name: str,
    confirmed: StudySpec,
    represent: Collection[int],
    compared: Iterable[int],
    looks: Looks,
    train_on: TrainOn,
) -> StudySpec:
    """The test of the arms at those places: what represents the families first, then what is
    compared, unless it is among these."""
    arms = [confirmed.arms[place] for place in represent]
    others = [confirmed.arms[place] for place in compared if place not in represent]
    arms += [arm.model_copy(update={"role": "grid"}) for arm in others]
    budget = Budget(epochs=confirmed.budget.epochs) if train_on == "all" else confirmed.budget
    return _stage(
        name, confirmed, "test", arms, looks[0], budget=budget, train_on=train_on, looks=looks
    )


def comparison_spec(given: StudySpec, seeds: int, *, all_pairs: bool = False) -> StudySpec:
    """The study that trains given schedules as they are on common seeds, without a search; test
    images judge them once, after all of these seeds.

    given: a search of the space of given schedules, with the first one to compare first. all_pairs:
    compare every two, not the first with each other one. Raises ValueError, in one line, where
    there is but one schedule, two are the same, or one leaves out what a search would sample.
    """
    epochs = given.budget.epochs
    for family, text in zip(given.families, given.schedules, strict=True):
        usual = given.search_space.baselines(family, given.budget) or [{}]
        check_whole(text, usual[0], epochs)
    if len(given.schedules) < 2:
        raise ValueError(
            f"{given.schedules[0]} is one schedule: a comparison needs two or more, the first of "
            "which is compared with each other one"
        )
    arms = [Arm(family=family, parameters={}, role="candidate") for family in given.families]
    made = _stage(None, given, "test", arms, seeds, looks=(seeds,), all_pairs=all_pairs)
    texts = dict(zip(given.families, given.schedules, strict=True))
    known: dict[str, str] = {}
    for family, _budget, config in made.extremes():
        schedule = config.schedule.model_dump_json()
        if schedule in known:
            raise ValueError(f"{known[schedule]} and {texts[family]} are the same schedule")
        known[schedule] = texts[family]
    return made


class Result(NamedTuple):
    """A run of a later stage: the index of its arm, its replicate, and its score, NaN where it is
    untrained."""

    arm: int
    replicate: int
    score: float


def chosen(confirmed: StudySpec, trials: Iterable[FrozenTrial]) -> list[Arm]:
    """What represents each family on the test images: see `best_arms`."""
    best = best_arms(confirmed, results(confirmed, trials))
    return [confirmed.arms[best[family]] for family in confirmed.families if family in best]


def best_arms(confirmed: StudySpec, runs: Sequence[Result]) -> dict[str, int]:
    """Of each family the index of the arm that `choose` finds best over common seeds.

    The search's candidates compete. Where there is a single family, the grid's arms of the search's
    size compete as well; among several they would give one family more attempts than the others. A
    family of which no arm trained on any seed has none.
    """
    return _bests(competing(confirmed), runs)


def competing(confirmed: StudySpec) -> dict[str, list[int]]:
    """Of each family the indices of the arms that may represent it: see `best_arms`."""
    return {
        family: [n for n, arm in enumerate(confirmed.arms) if _competes(confirmed, arm, family)]
        for family in confirmed.families
    }


def compared_arms(confirmed: StudySpec, runs: Sequence[Result]) -> dict[float, int]:
    """Of each value of the space's COMPARED parameter on its grid the index of the arm that
    `choose` finds best over common seeds; empty where it has none.

    The rest of these arms' parameters is so fixed by validation images before test images are read.
    A value of which no arm trained on any seed has none.
    """
    return _bests(_by_value(confirmed), runs)


def _bests(places: Mapping[Key, Sequence[int]], runs: Sequence[Result]) -> dict[Key, int]:
    """Of each key the best of the arms at its places, where any trained."""
    best = {key: _best(each, runs) for key, each in places.items()}
    return {key: place for key, place in best.items() if place is not None}


def _best(places: Sequence[int], runs: Sequence[Result]) -> int | None:
    seeds = sorted({run.replicate for run in runs})
    scores = np.full((len(seeds), len(places)), np.nan)
    untrained = np.zeros(scores.shape, dtype=bool)
    for run in runs:
        if run.arm in places:
            at = seeds.index(run.replicate), places.index(run.arm)
            scores[at], untrained[at] = run.score, np.isnan(run.score)
    best = choose(scores, untrained).best
    return None if best is None else places[best]


def _by_value(confirmed: StudySpec) -> dict[float, list[int]]:
    """The arms on the grid by their value of the space's COMPARED parameter, in rising order."""
    name, found = confirmed.search_space.COMPARED, dict[float, list[int]]()
    for place in grid_places(confirmed) if name is not None else ():
        found.setdefault(confirmed.arms[place].parameters[str(name)], []).append(place)
    return dict(sorted(found.items()))


def grid_places(confirmed: StudySpec) -> list[int]:
    """The places of the arms on the search-sized grid of a confirm study, which is of one family:
    the grid's own, and candidates that have the parameters of a cell and stand for it."""
    grid = [arm for arm in confirmed.arms if arm.role == "grid" and arm.budget is None]
    if not grid:
        return []
    axes = {name: {arm.parameters[name] for arm in grid} for name in grid[0].parameters}
    return [
        place
        for place, arm in enumerate(confirmed.arms)
        if (arm.family, arm.budget) == (grid[0].family, None)
        and all(arm.parameters.get(name) in values for name, values in axes.items())
    ]


def compared_places(tested: StudySpec, confirmed: StudySpec) -> dict[float, int]:
    """Of each value of the COMPARED parameter that a test judges the place of its arm there, in
    rising order; empty of a test that was made without.

    These are the arms that represent no family. A family's representative stands for the value that
    has none of its own, where it is on the grid.
    """
    name, represent = confirmed.search_space.COMPARED, set(firsts(tested).values())
    others = [n for n in range(len(tested.arms)) if n not in represent]
    if name is None or not others:
        return {}
    grid = [confirmed.arms[place] for place in grid_places(confirmed)]
    on_grid = [n for n in represent if any(tested.arms[n].same_run(each) for each in grid)]
    # An arm of a value's own comes last, and replaces a representative that is not its best.
    found = {tested.arms[n].parameters[name]: n for n in (*on_grid, *others)}
    return dict(sorted(found.items()))


def _competes(confirmed: StudySpec, arm: Arm, family: str) -> bool:
    alone = len(confirmed.families) == 1 and arm.budget is None
    return arm.family == family and (arm.role == "candidate" or alone)


def results(confirmed: StudySpec, trials: Iterable[FrozenTrial]) -> list[Result]:
    """The runs that have a result. Trials that were added by other means have no slot."""
    found = []
    for trial in trials:
        record = _record(trial)
        if trial.state == TrialState.COMPLETE and record.slot is not None:
            arm, replicate = confirmed.arm_place(record.slot) or 0, confirmed.replicate(record.slot)
            score = float(trial.value or 0) if record.outcome == "finished" else np.nan
            found.append(Result(arm, replicate, score))
    return found


def _stage(
    name: str | None, spec: StudySpec, stage: str, arms: Sequence[Arm], seeds: int, **changes: Any
) -> StudySpec:
    """A later stage: nothing is sampled or pruned, and every arm has every seed."""
    values = spec.model_dump() | {
        "stage": stage,
        "source": name,
        "arms": tuple(arm.model_dump() for arm in arms),
        "families": tuple(dict.fromkeys(arm.family for arm in arms)),
        "ranges": _hull(spec.ranges, [arm.parameters for arm in arms]),
        "trials": len(arms) * seeds,
        "sampler": "random",
        "pruner": "none",
        "replicates": None,
        "bank": False,
        "tries": (),
    }
    return StudySpec.model_validate(values | changes)


def _hull(ranges: Ranges, parameters: Sequence[Mapping[str, float]]) -> dict[str, Range]:
    """The smallest ranges that hold the arms; a parameter that none of them has keeps its own."""
    found = {}
    for name, usual in ranges.items():
        values = [each[name] for each in parameters if name in each] or [usual.low, usual.high]
        bounds = {"low": min(values), "high": max(values), "log": usual.log and min(values) > 0}
        found[name] = Range(**usual.model_dump() | bounds)
    return found
