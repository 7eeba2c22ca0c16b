"""The best trial of a study, as the display, `status` and `best` say it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.progress import best_so_far, best_trial, progress
from analysis.reading.frames import load
from analysis.reading.studies import spec
from study.spec import StudySpec
from tests.analysis.conftest import Plant, plant_stages, plant_study


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


def test_only_what_may_be_chosen_is_the_best_of_a_later_stage(tmp_path: Path) -> None:
    """`best` names no run of the question's design, and so does `status`."""
    file = tmp_path / "one.db"
    plant_study(file, "polynomial", 8, noise=0.0)
    url = plant_stages(file, "polynomial", seeds=2, stages=("confirm",), noise=0.0)
    trials, wanted = load(url, "polynomial-confirm")[0], spec(url, "polynomial-confirm")
    designed = {index for index, arm in enumerate(wanted.arms) if arm.role == "grid"}
    trials.loc[trials["arm"].isin(designed), "value"] += 0.05
    means = trials[~trials["arm"].isin(designed)].groupby("arm")["value"].mean()
    assert progress(trials, wanted)["best"]["value"] == pytest.approx(means.max())


def test_a_trial_without_a_slot_is_waited_for_and_said(plant: Plant) -> None:
    trials, wanted = planted(plant)
    trials.loc[5, "slot"] = float("nan")
    found = progress(trials, wanted)
    assert (found["states"]["waiting"], found["slots_left"]) == (1, 1)
    assert [each.partition(":")[0] for each in found["left_out"]] == ["trial 5"]
