"""Frames of a search's later stages: the runs on fresh seeds, and the test of the chosen ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.states import RESULTS
from analysis.study import Study
from study.stages import best_candidates


class Scores(NamedTuple):
    """Test accuracies: a row for each seed (replicate), a column for each family, NaN where a run
    is missing; and of each family the (seeds, images) correctness behind them, row for row."""

    accuracy: pd.DataFrame
    correct: Mapping[str, npt.NDArray[np.float64]]


def confirm_runs(study: Study) -> pd.DataFrame:
    """The confirm runs that have a result, a row each, as `reading.frames` has them, with their
    arm's role, origin (the search's trial, <NA> for a grid run), images (training images) and
    ladder (whether it ran on a smaller problem than the search).

    A diverged run has the task's worst score, a stalled one its own; failed ones are left out.
    Empty where nothing was confirmed yet.
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
    """Of the confirm runs those of each family's candidate with the highest mean."""
    runs = confirm_runs(study)
    if study.confirm is None:
        return runs
    means = runs.groupby("arm")["value"].mean()
    known = dict(zip(means.index.astype(int).tolist(), means.tolist(), strict=True))
    best = best_candidates(study.confirm.spec, known)
    return runs[runs["arm"].isin(best.values())]


def chosen(study: Study) -> pd.DataFrame:
    """What each family is represented by on the test images: family, origin (the search's trial)
    and its parameters; empty where the test was not begun."""
    arms = () if study.test is None else study.test.spec.arms
    rows = [{"family": arm.family, "origin": arm.origin, **arm.parameters} for arm in arms]
    return pd.DataFrame(rows, columns=None if rows else ["family", "origin"])


def on_test(study: Study, weights: str) -> Scores:
    """Test accuracy of the chosen configurations by seed and family, from the weights that
    `analysis.reading.predictive.WEIGHTS` names.

    A diverged run counts with the task's worst score, on every image; a stalled one with its own.
    Runs whose correctness was not kept are missing.
    """
    stage = study.test
    if stage is None or stage.correct[weights].empty:
        return Scores(pd.DataFrame(), {})
    bits = stage.correct[weights]
    ended = stage.ended(RESULTS)
    families = list(dict.fromkeys(arm.family for arm in stage.spec.arms))
    seeds = sorted(ended["replicate"].unique())
    rows = {
        family: np.full((len(seeds), bits.shape[1]), np.nan, dtype=np.float64)
        for family in families
    }
    for run in ended.to_dict("records"):
        place = seeds.index(run["replicate"])
        if run["trial"] in bits.index:
            rows[run["family"]][place] = bits.loc[run["trial"]].to_numpy(dtype=np.float64)
        elif run["state"] == "diverged":
            rows[run["family"]][place] = run["value"]
    means = {family: correct.mean(axis=1) for family, correct in rows.items()}
    return Scores(pd.DataFrame(means, index=pd.Index(seeds, name="replicate")), rows)


def by_seed(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Scores of runs: a row for each replicate, a column for each value of ``column`` (a family, an
    arm, a rate), the mean where a replicate has several."""
    return runs.pivot_table(index="replicate", columns=column, values="value", sort=False)


def ids(runs: pd.DataFrame) -> list[int]:
    """The trial numbers of runs, which a printed estimate links to."""
    return sorted(int(trial) for trial in runs["trial"])
