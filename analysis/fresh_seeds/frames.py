"""Frames of a search's later stages: the runs on fresh seeds, and the test of the chosen ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.states import RESULTS
from analysis.study import Study
from study.stages import Result, best_arms


class Scores(NamedTuple):
    """`Outcomes` on the test images, a column for each family; correct: of each family the (seeds,
    images) correctness behind its accuracies, row for row."""

    accuracy: pd.DataFrame
    untrained: pd.DataFrame
    correct: Mapping[str, npt.NDArray[np.float64]]


def confirm_runs(study: Study) -> pd.DataFrame:
    """The confirm runs that have a result, a row each, as `reading.frames` has them, with their
    arm's role, origin (the search's trial, <NA> for a grid run), images (training images) and
    ladder (whether it ran on a smaller problem than the search).

    Failed ones are left out. Empty where nothing was confirmed yet.
    """
    stage = study.confirm
    if stage is None:
        return study.trials.iloc[:0].assign(role="", origin=np.nan, images=np.nan, ladder=False)
    ended = stage.ended(RESULTS)
    arms = [stage.spec.arms[int(index)] for index in ended["arm"]]
    full = stage.spec.budget
    return ended.assign(
        role=[arm.role for arm in arms],
        origin=pd.array([arm.origin for arm in arms], dtype="Int64"),
        images=[float((arm.budget or full).train_size or np.nan) for arm in arms],
        ladder=[arm.budget is not None for arm in arms],
    )


def chosen_runs(study: Study) -> pd.DataFrame:
    """Of the confirm runs those of the candidate that represents each family (`study.stages`)."""
    runs = confirm_runs(study)
    if study.confirm is None:
        return runs
    best = best_arms(study.confirm.spec, list(_results(runs)))
    return runs[runs["arm"].isin(best.values())]


def _results(runs: pd.DataFrame) -> Iterator[Result]:
    for row in runs.to_dict("records"):
        score = float(row["value"]) if row["state"] == "complete" else np.nan
        yield Result(int(row["arm"]), int(row["replicate"]), score)


def chosen(study: Study) -> pd.DataFrame:
    """What each family is represented by on the test images: family, origin (the search's trial)
    and its parameters; empty where the test was not begun."""
    arms = () if study.test is None else study.test.spec.arms
    rows = [{"family": arm.family, "origin": arm.origin, **arm.parameters} for arm in arms]
    return pd.DataFrame(rows, columns=None if rows else ["family", "origin"])


def represented_runs(study: Study) -> pd.DataFrame:
    """The confirm runs of what each family is represented by on the test images, or will be."""
    if study.test is None or study.confirm is None:
        return chosen_runs(study)
    tested, arms = study.test.spec.arms, study.confirm.spec.arms
    places = [n for n, arm in enumerate(arms) if any(arm.same_run(each) for each in tested)]
    runs = confirm_runs(study)
    return runs[runs["arm"].isin(places)]


def on_test(study: Study, weights: str) -> Scores:
    """Test accuracy of the chosen configurations by seed and family, from the weights that
    `analysis.reading.predictive.WEIGHTS` names. Runs whose correctness was not kept are missing."""
    stage = study.test
    if stage is None or stage.correct[weights].empty:
        return Scores(pd.DataFrame(), pd.DataFrame(), {})
    bits = stage.correct[weights]
    ended = stage.ended(RESULTS)
    families = list(dict.fromkeys(arm.family for arm in stage.spec.arms))
    seeds = sorted(ended["replicate"].unique())
    rows = {
        family: np.full((len(seeds), bits.shape[1]), np.nan, dtype=np.float64)
        for family in families
    }
    index = pd.Index(seeds, name="replicate")
    untrained = pd.DataFrame(False, index, families)
    for run in ended.to_dict("records"):
        if run["state"] != "complete":
            untrained.loc[run["replicate"], run["family"]] = True
        elif run["trial"] in bits.index:
            rows[run["family"]][seeds.index(run["replicate"])] = bits.loc[run["trial"]].to_numpy(
                dtype=np.float64
            )
    means = {family: correct.mean(axis=1) for family, correct in rows.items()}
    return Scores(pd.DataFrame(means, index=index), untrained, rows)


def ids(runs: pd.DataFrame) -> list[int]:
    """The trial numbers of runs, which a printed estimate links to."""
    return sorted(int(trial) for trial in runs["trial"])
