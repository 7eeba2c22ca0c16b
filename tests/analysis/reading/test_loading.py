"""The frames that users get: rows, types, names, several studies, and what each column is."""

from __future__ import annotations

from pathlib import Path

import optuna
import pandas as pd
import pytest

import analysis
from analysis.reading import studies
from analysis.reading.columns import CURVES, FRAMES, INTEGERS, TRIALS, described, dictionary
from analysis.reading.loading import load, read, write
from search_spaces.spaces import SPACES, find_space
from study.storage.urls import StorageError
from tests.analysis.conftest import Plant, plant_stages, plant_study
from tests.security.hostile import set_attribute, writing


def test_every_column_has_a_line_and_every_line_a_column(everything: str, plant: Plant) -> None:
    url = plant("cosine", 24)
    plant_stages(Path(url.removeprefix("sqlite:///")), "cosine", seeds=2, top=1)
    names = [name for name in studies.names(everything) if name != "none yet"]
    trials, curves = load(everything, *names, f"{url}#cosine-test")
    assert [name for name in trials if described(TRIALS, name) is None] == []
    assert [name for name in curves if described(CURVES, name) is None] == []
    assert {name for name in TRIALS if not name.endswith("*")} == set(trials)
    fixed = [name for name in CURVES if not name.endswith("*")]
    assert list(curves)[: len(fixed)] == fixed
    assert trials["study"].nunique() == len(names) + 1


def test_every_parameter_of_a_space_has_a_line() -> None:
    for space in map(find_space, SPACES):
        assert set(space.ranges(space.PRESETS["quick"].budget)) <= set(TRIALS)


def test_users_can_read_the_lines() -> None:
    for columns in FRAMES.values():
        for name, (unit, meaning) in columns.items():
            assert f"  {name} " in dictionary()
            assert meaning
            assert unit == unit.strip()
    assert dictionary() in (load.__doc__ or "")
    assert max(map(len, dictionary(80).splitlines())) <= 80


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_whole_numbers_are_integers_and_names_attributes(
    plant: Plant, tmp_path: Path, ending: str
) -> None:
    states = {0: "complete", 1: "diverged", 2: "pruned"}
    found = read(plant("fixed_rate", 4, states=states), ["fixed_rate"])
    for frame in found[:2]:
        own = [name for name in INTEGERS if name in frame]
        assert {str(frame[name].dtype) for name in own} == {"Int64"}
        assert all(name.isidentifier() for name in frame)
    assert found.trials.schedule.tolist() == ["constant"] * 4
    assert found.trials.diverged_epoch.tolist()[1] == 0
    assert found.curves.weight_norm_conv1.notna().all()
    file = tmp_path / f"x{ending}"
    write(found.trials, file)
    if ending == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(file), found.trials)
    else:
        assert pd.read_csv(file, dtype=str)["epochs"].tolist() == ["6"] * 4


def test_a_row_is_a_trial_or_an_attempt(plant: Plant) -> None:
    url = plant("fixed_rate", 8, everything="complete", retries={1: "failed", 5: "interrupted"})
    trials, curves = load(url, "fixed_rate")
    assert trials["slot"].tolist() == list(range(8))
    assert set(trials["state"]) == {"complete"}
    assert set(curves["trial"]) == set(trials["trial"])
    every, all_curves = load(url, "fixed_rate", attempts=True)
    assert every["trial"].tolist() == list(range(10))
    assert set(all_curves["trial"]) == set(every["trial"])


def test_several_studies_and_storages_are_told_apart(tmp_path: Path) -> None:
    urls = [plant_study(tmp_path / f"{n}.db", "fixed_rate", 4) for n in range(2)]
    plant_study(tmp_path / "0.db", "warmup", 6)
    optuna.create_study(storage=urls[0], study_name="other").optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=2
    )
    names = ("fixed_rate", f"{urls[1]}#fixed_rate", "warmup", "other", "warmup")
    trials, curves = load(urls[0], *names)
    assert trials["study"].value_counts(sort=False).to_dict() == {
        f"fixed_rate ({urls[0]})": 4,
        f"fixed_rate ({urls[1]})": 4,
        "warmup": 6,
        "other": 2,
    }
    assert set(curves["study"]) == set(trials["study"]) - {"other"}
    assert trials["slot"].isna().sum() == trials["params_x"].notna().sum() == 2
    assert str(trials["slot"].dtype) == "Int64"


def test_an_empty_study_has_the_types_of_any_other(plant: Plant) -> None:
    """So that the two together have them, too."""
    url = plant("fixed_rate", 4, states={1: "failed"})
    plant("fixed_rate", 4, name="empty", upto=0)
    for full, empty in zip(load(url, "fixed_rate"), load(url, "empty"), strict=True):
        assert empty.empty
        pd.testing.assert_series_equal(full.dtypes[list(empty)], empty.dtypes)
    both = load(url, "empty", "fixed_rate")[0]
    pd.testing.assert_series_equal(both.dtypes, load(url, "fixed_rate")[0].dtypes)


def test_no_study_is_refused(plant: Plant) -> None:
    url = plant("fixed_rate", 1)
    with pytest.raises(ValueError, match="name at least one study"):
        load(url)
    with pytest.raises(StorageError, match="unknown study"):
        load(url, "fixed_rate", "warmup")


def test_what_contradicts_the_record_is_marked_and_warned_of(plant: Plant) -> None:
    url = plant("fixed_rate", 4, everything="complete")
    with writing(url) as connection:
        set_attribute(connection, "fixed_rate", 1, "seed", "3")
    with pytest.warns(UserWarning, match="study 'fixed_rate': not counted, 1 trial .*trial 1: "):
        trials, curves = analysis.load(url, "fixed_rate")
    assert trials["state"].tolist() == ["complete", "unusable", "complete", "complete"]
    assert trials["contradiction"].notna().tolist() == [False, True, False, False]
    assert set(curves.loc[curves["trial"] == 1, "state"]) == {"unusable"}


def test_what_is_left_out_of_the_curves_is_said(plant: Plant) -> None:
    url = plant("fixed_rate", 2, everything="complete")
    with writing(url) as connection:
        set_attribute(connection, "fixed_rate", 1, "history", "null")
    notes = read(url, ["fixed_rate"]).notes
    assert notes == [
        "study 'fixed_rate': 1 of its trials have no history: the curves lack their epochs"
    ]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [("note", '"mine"', "mine"), ("slot", '"first"', "first"), ("family", "7", 7)],
)
def test_an_attribute_that_lrstudy_does_not_write_keeps_its_value(
    plant: Plant, key: str, text: str, value: object
) -> None:
    url = plant("fixed_rate", 2, everything="complete")
    with writing(url) as connection:
        set_attribute(connection, "fixed_rate", 1, key, text)
    trials = read(url, ["fixed_rate"]).trials
    assert trials[f"user_attrs_{key}"].tolist()[1] == value
