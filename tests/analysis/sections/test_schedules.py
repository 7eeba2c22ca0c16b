"""Schedules as pictures: of text without training, and of the best trials."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.sections.schedules import conclude, draw, draw_rates, estimate, rates_of
from analysis.study import load_study
from search_spaces.config import TrialConfig
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.decays import Factor
from search_spaces.schedules.given import Plateau
from search_spaces.schedules.horizon import Cosine
from search_spaces.schedules.text import parse_schedule
from tests.analysis.conftest import Plant

RATES = pd.DataFrame(
    {
        "step": range(4),
        "epoch": [0.0, 0.5, 1.0, 1.5],
        "cosine:base=0.3,horizon=2": [0.3, 0.2, 0.1, 0.0],
        "cosine:base=<1>&": [1.0, 0.5, 0.5, 0.0],
        "_constant": [0.1] * 4,
    }
)


def test_a_png_and_an_svg(tmp_path: Path) -> None:
    draw_rates(RATES, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    draw_rates(RATES, tmp_path / "a.svg")
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        draw_rates(RATES, tmp_path / "absent" / "a.png")


@pytest.mark.usefixtures("unrendered")
def test_the_best_trial_of_each_family_with_the_rates_it_trained(plant: Plant) -> None:
    study = load_study(plant("cosine", 24), "cosine")
    found = estimate(study)
    complete = study.trials[study.trials["state"] == "complete"]
    best = complete.loc[complete.groupby("family")["value"].idxmax()].set_index("family")
    assert found["chosen"].set_index("family")["trial"].to_dict() == best["trial"].to_dict()
    for family, group in found["rates"].groupby("family"):
        config = TrialConfig.model_validate_json(best.loc[family, "config"])
        steps = np.rint(group["epoch"].to_numpy() * 25).astype(int)
        np.testing.assert_allclose(group["rate"], config.schedule(steps, 25), rtol=1e-12)
    assert [each.name for each in draw(found)] == ["schedules"]
    assert str(conclude(found)).startswith("The best trials' rates, base to last: constant 0.")


@pytest.mark.parametrize(
    "schedule",
    [
        Plateau(base_lr=0.3),
        Factor(base_lr=0.3, alpha=0.99, per="update"),
        parse_schedule("torch:base=0.3,scheduler=StepLR,step_size=1,until=1 then cosine", 2),
        parse_schedule("factor:base=0.3,alpha=0.9,per=update,until=1 then cosine", 2),
    ],
    ids=lambda schedule: schedule.family,
)
def test_where_epochs_alone_do_not_tell_the_recorded_rates_do(schedule: ScheduleConfig) -> None:
    config = TrialConfig(schedule=schedule, epochs=2, seed=0).model_dump_json()
    curves = pd.DataFrame(
        {
            "trial": [7, 7, 8],
            "epoch": [0, 1, 0],
            "first_lr": [0.3, 0.2, 9],
            "last_lr": [0.25, 0.1, 9],
        }
    )
    trial = pd.Series({"trial": 7, "family": "x", "epochs": 2.0, "config": config})
    found = rates_of(trial, curves)
    assert found["rate"].tolist() == [0.3, 0.25, 0.2, 0.1]
    assert found["epoch"].tolist() == [0, 0.99, 1, 1.99]


@pytest.mark.parametrize("config", [None, "{}", '{"schedule": {"family": "unheard"}}'])
def test_an_unreadable_configuration_leaves_the_recorded_rates(config: str | None) -> None:
    curves = pd.DataFrame({"trial": [0], "epoch": [0], "first_lr": [0.3], "last_lr": [0.2]})
    trial = pd.Series({"trial": 0, "family": "x", "epochs": 1.0, "config": config})
    assert rates_of(trial, curves)["rate"].tolist() == [0.3, 0.2]


def test_nothing_ran(plant: Plant) -> None:
    found = estimate(load_study(plant("cosine", 6, upto=0), "cosine"))
    assert draw(found) == []
    assert conclude(found) == "No trial ran to its end, so that there is no best one."


def test_hold_epochs_is_drawn_in_steps() -> None:
    schedule = Cosine(base_lr=0.3, horizon=4, hold_epochs=True)
    config = TrialConfig(schedule=schedule, epochs=4, seed=0).model_dump_json()
    trial = pd.Series({"trial": 0, "family": "cosine", "epochs": 4.0, "config": config})
    found = rates_of(trial, pd.DataFrame())
    assert found.groupby(found["epoch"] // 1)["rate"].nunique().tolist() == [1] * 4
