"""The best trial of a study, as the display, `status` and `best` say it."""

from __future__ import annotations

import pandas as pd

from analysis.frames import load, spec
from analysis.progress import best_so_far, best_trial, progress
from study.spec import StudySpec
from tests.analysis.conftest import Plant


def planted(plant: Plant) -> tuple[pd.DataFrame, StudySpec]:
    url = plant("cosine", 12, everything="complete", states={0: "diverged", 1: "pruned"})
    return load(url, "cosine")[0], spec(url, "cosine")


def test_the_best_trial_is_the_highest_complete_one(plant: Plant) -> None:
    trials, wanted = planted(plant)
    complete = trials[trials["state"] == "complete"]
    found = best_so_far(trials, wanted)
    assert found is not None
    assert found[0] == complete["value"].max()
    row = complete.loc[complete["value"].idxmax()]
    assert found[1].split()[:2] == [row["family"], f"base_lr={row['base_lr']:.3g}"]
    assert best_so_far(trials[trials["state"] != "complete"], wanted) is None
    assert best_so_far(trials.iloc[:0], wanted) is None


def test_a_value_that_its_history_denies_is_nowhere_the_best(plant: Plant) -> None:
    trials, wanted = planted(plant)
    honest = best_trial(trials)
    assert honest is not None
    trials.loc[5, "value"] = 0.99
    found = progress(trials, wanted)
    assert found["best"]["trial"] == honest["trial"] != 5
    assert [each.partition(":")[0] for each in found["left_out"]] == ["trial 5"]
    best = best_so_far(trials, wanted)
    assert best is not None
    assert best[0] == honest["value"]


def test_a_trial_without_a_slot_is_waited_for_and_said(plant: Plant) -> None:
    trials, wanted = planted(plant)
    trials.loc[5, "slot"] = float("nan")
    found = progress(trials, wanted)
    assert (found["states"]["waiting"], found["slots_left"]) == (1, 1)
    assert [each.partition(":")[0] for each in found["left_out"]] == ["trial 5"]
