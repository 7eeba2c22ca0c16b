"""After a search: its best configurations on fresh seeds, and the test images for one a family.

A search ranks single runs. `confirm` trains the best of every family again on fresh seeds, the same
for each, beside a small design for the question, and judges them on validation images. Then the
one that each family is represented by meets the test images, on other fresh seeds, so that nothing
that chose it judges it. Both stages are studies of their own in the same storage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from search_spaces.config import Arm, Budget, Parameters, Range, Ranges
from study.choosing import choose
from study.plan import Looks
from study.records import ClaimRecord, family_of
from study.spec import StudySpec, TrainOn


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
    """The study that reads the test images: the chosen configuration of each family.

    name: of the search; confirmed, trials: its confirm study. looks: seeds after which it is
    judged; it begins with those of the first. Raises ValueError where no run of it trained.
    """
    found = chosen(confirmed, trials)
    if not found:
        raise ValueError(
            f"no run of {sibling(name, 'confirm')!r} trained: there is nothing to test"
        )
    return _test(name, confirmed, found, looks, train_on)


def likely_test_spec(name: str, confirmed: StudySpec, seeds: int, train_on: TrainOn) -> StudySpec:
    """The test study if the search's best of each family were chosen: what it costs is known
    before the choice."""
    firsts: dict[str, Arm] = {}
    for arm in confirmed.arms:
        firsts.setdefault(arm.family, arm)
    return _test(name, confirmed, list(firsts.values()), (seeds,), train_on)


def _test(
    name: str, confirmed: StudySpec, arms: Sequence[Arm], looks: Looks, train_on: TrainOn
) -> StudySpec:
    budget = Budget(epochs=confirmed.budget.epochs) if train_on == "all" else confirmed.budget
    return _stage(
        name, confirmed, "test", arms, looks[0], budget=budget, train_on=train_on, looks=looks
    )


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
    best: dict[str, int] = {}
    for family in confirmed.families:
        places = [n for n, arm in enumerate(confirmed.arms) if _competes(confirmed, arm, family)]
        seeds = sorted({run.replicate for run in runs})
        scores = np.full((len(seeds), len(places)), np.nan)
        untrained = np.zeros(scores.shape, dtype=bool)
        for run in runs:
            if run.arm in places:
                at = seeds.index(run.replicate), places.index(run.arm)
                scores[at], untrained[at] = run.score, np.isnan(run.score)
        choice = choose(scores, untrained)
        if choice.best is not None:
            best[family] = places[choice.best]
    return best


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
    name: str, spec: StudySpec, stage: str, arms: Sequence[Arm], seeds: int, **changes: Any
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
