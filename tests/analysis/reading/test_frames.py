"""Database -> frames: against Optuna's own reading, and with what other programs leave there."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import sqlalchemy as sa

from analysis.reading.frames import load
from analysis.reading.states import STATES, final_attempts
from analysis.reading.studies import spec, studies
from search_spaces.config import TrialConfig
from study.spec import SPEC_ATTR
from study.storage.urls import StorageError
from tests.analysis.conftest import Plant, make_spec

ALL = {
    0: "complete",
    1: "diverged",
    2: "stalled",
    3: "pruned",
    4: "failed",
    5: "interrupted",
}


def optunas(url: str, name: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=url).trials


def test_trials_agree_with_optunas_own_reading(plant: Plant) -> None:
    url = plant("polynomial", 8)
    trials, _ = load(url, "polynomial")
    expected = optunas(url, "polynomial")
    assert trials["trial"].tolist() == [each.number for each in expected]
    assert trials["value"].tolist() == [each.value for each in expected]
    assert trials["family"].tolist() == [each.params["schedule"] for each in expected]
    for name in ("base_lr", "exponent"):
        assert trials[name].tolist() == [each.params[name] for each in expected]
    durations = [each.duration.total_seconds() for each in expected if each.duration]
    assert trials["seconds"].tolist() == durations


def test_curves_hold_every_record(plant: Plant) -> None:
    url = plant("fixed_rate", 3, everything="complete")
    _, curves = load(url, "fixed_rate")
    records = [
        record for each in optunas(url, "fixed_rate") for record in each.user_attrs["history"]
    ]
    assert len(curves) == len(records)
    for name in ("epoch", "first_lr", "last_lr", "train_loss", "val_accuracy", "seconds"):
        assert curves[name].tolist() == [record[name] for record in records]
    assert curves["distance_conv1"].tolist() == [record["distance"]["conv1"] for record in records]


def test_every_state_is_told_apart(plant: Plant) -> None:
    url = plant("fixed_rate", 6, states=ALL)
    trials, curves = load(url, "fixed_rate")
    assert dict(zip(trials["slot"], trials["state"], strict=True)) == ALL
    assert set(curves["state"]) == set(ALL.values())
    counted = studies(url).iloc[0]
    assert [counted[state] for state in STATES] == [list(ALL.values()).count(s) for s in STATES]
    assert (counted["name"], counted["space"]) == ("fixed_rate",) * 2
    assert (counted["attempts"], counted["planned"]) == (6, 6)


def test_a_running_and_a_waiting_trial(plant: Plant) -> None:
    url = plant("fixed_rate", 4, upto=1)
    study = optuna.load_study(study_name="fixed_rate", storage=url)
    study.ask()
    study.enqueue_trial({"base_lr": 0.1})
    trials, _ = load(url, "fixed_rate")
    assert trials["state"].tolist() == ["complete", "running", "waiting"]
    assert math.isnan(trials["value"].iloc[1])


def test_the_last_epoch_and_the_best_one(plant: Plant) -> None:
    trials, curves = load(plant("fixed_rate", 4, everything="complete"), "fixed_rate")
    for _, trial in trials.iterrows():
        own = curves[curves["trial"] == trial["trial"]].set_index("epoch")
        assert trial["epochs_trained"] == len(own)
        assert trial["train_loss"] == own.loc[own.index.max(), "train_loss"]
        assert trial["best_val_accuracy"] == own["val_accuracy"].max()
        assert trial["mean_lr"] == pytest.approx(trial["base_lr"])


def test_the_mean_rate_is_that_of_all_updates(plant: Plant) -> None:
    trials, curves = load(plant("warmup", 3, everything="complete"), "warmup")
    for _, trial in trials.iterrows():
        config = TrialConfig.model_validate_json(trial["config"])
        rates = config.schedule(np.arange(config.epochs * 10), 10)
        assert trial["mean_lr"] == pytest.approx(rates.mean(), rel=1e-8)
        own = curves[curves["trial"] == trial["trial"]]
        assert own["mean_lr"].tolist() == pytest.approx(rates.reshape(-1, 10).mean(axis=1))


@pytest.mark.parametrize("places", [slice(None), slice(1)])
def test_a_mean_rate_is_unknown_where_an_epoch_was_recorded_without(
    plant: Plant, places: slice
) -> None:
    url = plant("fixed_rate", 1, states={0: "complete"})
    history = optunas(url, "fixed_rate")[0].user_attrs["history"]
    for record in history[places]:
        del record["mean_lr"]
    _set(url, "history", history)
    trials, curves = load(url, "fixed_rate")
    assert math.isnan(trials["mean_lr"].iloc[0])
    assert trials["final_lr"].iloc[0] == history[-1]["last_lr"]
    assert curves["mean_lr"].isna().sum() == len(history[places])


def test_a_last_epoch_that_is_not_finite_is_not_replaced_by_an_earlier_one(plant: Plant) -> None:
    url = plant("fixed_rate", 1, states={0: "complete"})
    history = optunas(url, "fixed_rate")[0].user_attrs["history"]
    history[-1]["train_loss"] = None
    _set(url, "history", history)
    assert math.isnan(load(url, "fixed_rate")[0]["train_loss"].iloc[0])


def test_a_trial_that_ends_before_it_begins_took_no_known_time(plant: Plant) -> None:
    url = plant("fixed_rate", 2, everything="complete")
    engine = optuna.storages.RDBStorage(url).engine
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE trials SET datetime_complete='2001-02-03 00:00:00' WHERE number=0")
        )
    seconds = load(url, "fixed_rate")[0]["seconds"]
    assert math.isnan(seconds[0])
    assert seconds[1] == 7.5


def _set(url: str, key: str, value: Any) -> None:
    storage = optuna.storages.RDBStorage(url)
    study = storage.get_study_id_from_name("fixed_rate")
    trial = storage.get_trial_id_from_study_id_trial_number(study, 0)
    engine = storage.engine
    with engine.begin() as connection:
        text = sa.text(
            "UPDATE trial_user_attributes SET value_json=:v WHERE trial_id=:t AND key=:k"
        )
        connection.execute(text, {"v": json.dumps(value), "t": trial, "k": key})
    engine.dispose()


@pytest.mark.parametrize("history", [None, 3, "x", [], [1, None], [{"train_loss": 1}]])
def test_a_history_that_is_none_counts_as_missing(plant: Plant, history: Any) -> None:
    url = plant("fixed_rate", 1, states={0: "complete"})
    _set(url, "history", history)
    trials, curves = load(url, "fixed_rate")
    assert curves.empty
    assert math.isnan(trials["train_loss"].iloc[0])
    assert trials["epochs_trained"].iloc[0] == 6  # what was reported to the pruner


@pytest.mark.parametrize(
    ("key", "value", "column"),
    [
        ("config", "x", "epochs"),
        ("config", {"schedule": 3, "epochs": "many"}, "epochs"),
        ("seed", "a", "seed"),
        ("family", 7, "diverged_epoch"),
        ("versions", {"torch": [1]}, "version_torch"),
        ("device_name", {"a": 1}, "device_name"),
        ("threads", True, "threads"),
    ],
)
def test_what_another_program_wrote_counts_as_missing(
    plant: Plant, key: str, value: Any, column: str
) -> None:
    url = plant("fixed_rate", 1, states={0: "complete"})
    _set(url, key, value)
    trials, _ = load(url, "fixed_rate")
    assert trials[column].isna().all()


def test_numbers_that_are_texts_count_as_missing(plant: Plant) -> None:
    url = plant("fixed_rate", 1, states={0: "complete"})
    _set(url, "history", [{"epoch": 0, "train_loss": "low", "distance": {"a": "far"}}])
    _, curves = load(url, "fixed_rate")
    assert curves[["train_loss", "distance_a"]].isna().all(axis=None)


def test_final_attempts_prefer_a_result_to_a_later_failure() -> None:
    trials = pd.DataFrame(
        {
            "trial": range(7),
            "slot": [0, 0, 1, 1, 2, np.nan, np.nan],
            "state": [
                "failed",
                "complete",
                "failed",
                "interrupted",
                "pruned",
                "failed",
                "complete",
            ],
        }
    )
    assert final_attempts(trials)["trial"].tolist() == [1, 3, 4, 5, 6]


def test_a_retry_takes_its_slot_once(plant: Plant) -> None:
    url = plant("fixed_rate", 3, everything="complete", retries={1: "failed"})
    trials, _ = load(url, "fixed_rate")
    assert len(trials) == 4
    assert final_attempts(trials)["state"].tolist() == ["complete"] * 3


def test_an_empty_study_has_empty_frames_with_all_columns(plant: Plant) -> None:
    trials, curves = load(plant("fixed_rate", 4, upto=0), "fixed_rate")
    assert trials.empty
    assert curves.empty
    assert {"trial", "slot", "state", "value", "base_lr", "seed", "seconds"} <= set(trials)
    assert {"trial", "epoch", "train_loss", "val_accuracy"} <= set(curves)
    assert final_attempts(trials).empty


def test_the_spec_comes_back(plant: Plant) -> None:
    assert spec(plant("polynomial", 4), "polynomial") == make_spec("polynomial", 4)


def test_a_study_of_another_program(plant: Plant) -> None:
    url = plant("fixed_rate", 1)
    other = optuna.create_study(storage=url, study_name="other")
    with pytest.raises(StorageError) as error:
        spec(url, "other")
    assert str(error.value) == "study 'other' was not made by lrstudy"
    other.set_user_attr(SPEC_ATTR, {"space": "nowhere"})
    with pytest.raises(StorageError) as error:
        spec(url, "other")
    assert str(error.value).startswith("study 'other' was made by another version of lrstudy: ")
    assert "\n" not in str(error.value)
    assert load(url, "other")[0].empty


def test_a_study_takes_the_same_few_queries_whatever_its_size(
    plant: Plant,
) -> None:
    counted: list[str] = []

    def count(*arguments: Any) -> None:
        counted.append(arguments[2])

    urls = {name: plant("fixed_rate", n, name=name) for name, n in (("small", 2), ("large", 20))}
    sizes = []
    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        for name, url in urls.items():
            counted.clear()
            load(url, name)
            sizes.append(len([text for text in counted if text.lstrip().startswith("SELECT")]))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert sizes[0] == sizes[1] <= 12
