"""After a search: its best configurations on fresh seeds, and the test images for one a family.

A search ranks single runs. `confirm` trains the best of every family again on fresh seeds, the same
for each, beside a small design for the question, and judges them on validation images. Then the
one that each family is represented by meets the test images, on other fresh seeds, so that nothing
that chose it judges it. Both stages are studies of their own in the same storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from search_spaces.config import Arm, Budget, Parameters, Range, Ranges
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
) -> StudySpec:
    """The study that trains the ``top`` best configurations of each family, and the space's grid.

    trials: of the search. seeds: runs of each configuration. train_images: how many the search
    trains on. Raises ValueError where it is no search, or has no complete trial.
    """
    if spec.stage != "search" or spec.designed:
        raise ValueError(f"{name!r} is no search: only the result of a search can be confirmed")
    found = candidates(spec, trials, top)
    if not found:
        raise ValueError(f"study {name!r} has no complete trial, so that nothing can be confirmed")
    best: dict[str, Parameters] = {}
    for arm in found:
        best.setdefault(arm.family, arm.parameters)
    budget = spec.budget.model_copy(update={"train_size": train_images})
    grid = [
        arm
        for arm in spec.search_space.grid(best, budget)
        if not any(arm.same_run(each) for each in found)
    ]
    return _stage(name, spec, "confirm", [*found, *grid], seeds)


def candidates(spec: StudySpec, trials: Iterable[FrozenTrial], top: int) -> list[Arm]:
    """The ``top`` best complete trials of each family by validation accuracy, as arms, best first.

    Pruned, failed, diverged and stalled trials are none; a configuration is taken once.
    """
    ranked = sorted(_complete(trials), key=lambda trial: (-float(trial.value or 0), trial.number))
    found: list[Arm] = []
    for family in spec.families:
        mine: list[Arm] = []
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
    seeds: int,
    train_on: TrainOn,
) -> StudySpec:
    """The study that reads the test images: the chosen configuration of each family.

    name: of the search; confirmed, trials: its confirm study. Raises ValueError where no candidate
    has a result.
    """
    found = chosen(confirmed, trials)
    if not found:
        raise ValueError(f"no candidate of study {name!r} has a result")
    return _test(name, confirmed, found, seeds, train_on)


def likely_test_spec(name: str, confirmed: StudySpec, seeds: int, train_on: TrainOn) -> StudySpec:
    """The test study if the search's best of each family were chosen: what it costs is known
    before the choice."""
    firsts: dict[str, Arm] = {}
    for arm in confirmed.arms:
        firsts.setdefault(arm.family, arm)
    return _test(name, confirmed, list(firsts.values()), seeds, train_on)


def _test(
    name: str, confirmed: StudySpec, arms: Sequence[Arm], seeds: int, train_on: TrainOn
) -> StudySpec:
    budget = Budget(epochs=confirmed.budget.epochs) if train_on == "all" else confirmed.budget
    return _stage(name, confirmed, "test", arms, seeds, budget=budget, train_on=train_on)


def chosen(confirmed: StudySpec, trials: Iterable[FrozenTrial]) -> list[Arm]:
    """For each family the candidate with the highest mean validation accuracy over its seeds.

    A diverged run counts with the task's worst score and a stalled one with its own: a
    configuration that fails on some seeds is no good choice. Runs that failed for good are missing
    from the mean. Grid runs are there for the question and are not chosen.
    """
    best = best_candidates(confirmed, mean_scores(confirmed, trials))
    return [confirmed.arms[best[family]] for family in confirmed.families if family in best]


def best_candidates(confirmed: StudySpec, means: Mapping[int, float]) -> dict[str, int]:
    """Of each family the index of the candidate with the highest mean, the first one of two.

    means: mean scores by index of the arm, those without a result left out.
    """
    best: dict[str, int] = {}
    for index in sorted(means):
        arm = confirmed.arms[index]
        if arm.role == "candidate" and means[index] > means.get(best.get(arm.family, -1), -np.inf):
            best[arm.family] = index
    return best


def mean_scores(confirmed: StudySpec, trials: Iterable[FrozenTrial]) -> dict[int, float]:
    """The mean score of each arm that has a result, by its index."""
    scores: dict[int, list[float]] = {}
    for trial in trials:
        # Trials that were added by other means have no slot.
        slot = _record(trial).slot
        if trial.state == TrialState.COMPLETE and slot is not None:
            index = slot % len(confirmed.arms)
            scores.setdefault(index, []).append(float(trial.value or 0))
    return {index: float(np.mean(scores[index])) for index in sorted(scores)}


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
