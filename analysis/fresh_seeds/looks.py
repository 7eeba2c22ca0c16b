"""A test that is planned in looks: which pairs it judges, and which arms still train."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from analysis.estimators.looks import compare_in_looks
from analysis.fresh_seeds.frames import best_family, on_test, tested
from analysis.reading.states import RESULTS
from analysis.study import Study


def reference(study: Study) -> str | None:
    """The family that is compared with each other one: the first that the user gave, that of the
    search space, or the one that validation images found best."""
    if study.spec.compares:
        return study.spec.arms[0].family
    return study.spec.search_space.REFERENCE or best_family(study)


def planned_pairs(study: Study) -> list[tuple[str, str]]:
    """The pairs of families that the test judges, in the order of its arms."""
    stage = tested(study)
    if stage is None:
        return []
    families = list(dict.fromkeys(arm.family for arm in stage.spec.arms))
    if stage.spec.all_pairs:
        return list(combinations(families, 2))
    first = reference(study)
    return [(first, each) for each in families if each != first] if first in families else []


def open_arms(study: Study) -> list[int]:
    """Places in the test's arms of those that train on for the next look: those of a pair that is
    open, the reference included.

    All before the first look is complete; none when every pair is resolved or the last look is
    over. Without any pair all arms train until they have the seeds of the last look. Raises
    ValueError where no test was made, or without looks.
    """
    stage, frame = _planned(study), _judged(study)
    every = list(range(len(stage.spec.arms)))
    if frame is None:
        return [] if _has_results(stage, stage.spec.looks[-1]) else every
    if frame["look"].max() == len(stage.spec.looks):
        return []
    left = frame[~frame["stopped"]]
    families = {*left["first"], *left["second"]}
    return [place for place in every if stage.spec.arms[place].family in families]


def look_complete(study: Study) -> bool:
    """Whether the look that the test's seeds reach now is over: every open pair has a result of
    both on all of them, and was judged. False before the seeds reach the first look.

    Raises ValueError where no test was made, or without looks.
    """
    stage, frame = _planned(study), _judged(study)
    reached = [n for n in stage.spec.looks if n <= stage.spec.seeds]
    if not reached:
        return False
    if frame is None:
        return _has_results(stage, reached[-1])
    return bool(frame["stopped"].all()) or int(frame["look"].max()) >= len(reached)


def _planned(study: Study) -> Study:
    stage = tested(study)
    if stage is None or not stage.spec.looks:
        raise ValueError(f"study {study.name!r} has no test that is planned in looks")
    return stage


def _judged(study: Study) -> pd.DataFrame | None:
    """`compare_in_looks` of the planned pairs; None where there is none."""
    stage, pairs, scores = _planned(study), planned_pairs(study), on_test(study, "last")
    if not pairs:
        return None
    return compare_in_looks(
        *(scores.accuracy, pairs, stage.spec.looks),
        untrained=scores.untrained,
        correct=scores.correct or None,
        delta=study.delta,
    )


def _has_results(stage: Study, seeds: int) -> bool:
    """Whether every arm has a result on each of so many first seeds."""
    ended = stage.ended(RESULTS)
    known = ended[ended["replicate"] < seeds].drop_duplicates(["arm", "replicate"])
    return len(known) == seeds * len(stage.spec.arms)
