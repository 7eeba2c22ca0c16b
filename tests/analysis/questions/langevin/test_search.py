"""The search of question 5: what trials keep of their samples, best trials, and the picture."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes

from analysis.figures import style
from analysis.figures.axes import temperature_axis
from analysis.figures.style import canvas
from analysis.questions.langevin import search as langevin
from analysis.reading.frames import load
from analysis.reading.predictive import METRICS, SAMPLED, correctness, predictive, sampled
from analysis.report import write_report
from analysis.section import find
from analysis.study import Study, load_study
from study.records import from_bits, to_bits
from study.storage.studies import keep_samples, open_storage
from tests.analysis.conftest import IMAGES, Plant, plant_stages, plant_study
from tests.analysis.questions.langevin.test_known_posteriors import gaussian, mixture
from tests.analysis.test_report import page
from tests.security.hostile import VALUES, attribute, set_attribute, set_inside, writing

NAME = "langevin"
# JSON texts where a number is wanted.
NO_NUMBERS = ["null", '"0.5"', "true", "[0.5]", '{"a": 0.5}', "NaN", "Infinity", "1e308", "-1"]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with a trial of each method, its stages with a run of each."""
    path = tmp_path_factory.mktemp("kept") / "planted.db"
    plant_study(path, NAME, 5, everything="complete")
    plant_stages(path, NAME, seeds=1, top=1)
    return path


@pytest.fixture
def url(planted: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(planted, tmp_path / 'planted.db')}"


def put(url: str, number: int, key: str, text: str, *place: str | int) -> None:
    with writing(url) as connection:
        if place:
            set_inside(connection, NAME, number, key, place, text)
        else:
            set_attribute(connection, NAME, number, key, text)


# ---------------------------------------------------------------- what trials keep


def test_predictions_come_back_as_they_were_kept(url: str) -> None:
    found = predictive(url, NAME)
    assert list(zip(found["trial"], found["weights"], strict=True)) == [
        (trial, weights) for trial in range(5) for weights in ("last", "sampled")
    ]
    assert set(found["split"]) == {"val"}
    with writing(url) as connection:
        for row in found.to_dict("records"):
            kept = attribute(connection, NAME, row["trial"], "predictive")
            own = kept[row["weights"]][row["split"]]
            assert {name: row[name] for name in METRICS} == own
            assert row["samples"] == kept["samples"]
            noise = attribute(connection, NAME, row["trial"], "gradient_noise")
            assert row["noise_temperature"] == noise["temperature"]


def test_every_split_that_was_judged_has_its_row(url: str) -> None:
    found = predictive(url, "langevin-test")
    assert found.groupby(["trial", "weights"])["split"].agg(list).tolist() == [["val", "test"]] * 10
    assert set(predictive(url, "langevin-confirm")["split"]) == {"val"}


def test_a_study_that_samples_nothing_has_no_predictions(plant: Plant) -> None:
    url = plant("fixed_rate", 2, everything="complete")
    found = predictive(url, "fixed_rate")
    assert found.empty
    assert {"trial", "weights", "split", *METRICS, "samples", "noise_temperature"} == {*found}
    assert sampled(url, "fixed_rate") == {}


@pytest.mark.parametrize("name", METRICS)
def test_a_damaged_metric_is_missing_and_all_the_others_stay(url: str, name: str) -> None:
    sound = predictive(url, NAME)
    for place, text in enumerate(NO_NUMBERS):
        weights = ("last", SAMPLED)[place % 2]
        put(url, place // 2, "predictive", text, weights, "val", name)
    lost = sound.index < len(NO_NUMBERS)
    expected = sound.assign(**{name: sound[name].mask(lost)})
    pd.testing.assert_frame_equal(predictive(url, NAME), expected)
    assert expected[name].notna().sum() == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [("accuracy", "1.001"), ("ece", "1.001"), ("brier", "2.001"), ("nll", "-0.001")],
)
def test_a_metric_beyond_its_range_is_missing(url: str, name: str, text: str) -> None:
    put(url, 0, "predictive", text, "sampled", "val", name)
    found = predictive(url, NAME).set_index(["trial", "weights"])[name]
    assert math.isnan(found[0, SAMPLED])
    assert found.notna().sum() == 9


@pytest.mark.parametrize("text", [*NO_NUMBERS, "2.5"])
def test_a_damaged_number_of_samples_or_noise_is_missing(url: str, text: str) -> None:
    put(url, 0, "predictive", text, "samples")
    if text != "2.5":
        put(url, 1, "gradient_noise", text, "temperature")
    put(url, 2, "gradient_noise", text)
    found = predictive(url, NAME).groupby("trial")[["samples", "noise_temperature"]].first()
    assert found["samples"].isna().tolist() == [True, False, False, False, False]
    lost = [False, text != "2.5", True, False, False]
    assert found["noise_temperature"].isna().tolist() == lost


@pytest.mark.parametrize("text", ["null", "3", '"x"', "[]", "[[1]]", "{}", '[{"sampled": 1}]'])
def test_predictions_that_are_no_object_have_no_row(url: str, text: str) -> None:
    put(url, 0, "predictive", text)
    put(url, 1, "predictive", text, "sampled")
    found = predictive(url, NAME)
    rows = set(zip(found["trial"], found["weights"], strict=True))
    everything = {(trial, weights) for trial in range(5) for weights in ("last", SAMPLED)}
    assert rows == everything - {(0, "last"), (0, SAMPLED), (1, SAMPLED)}
    # A split that is no object is there, but nothing is known of it.
    put(url, 2, "predictive", text, "sampled", "val")
    found = predictive(url, NAME).set_index(["trial", "weights"])
    assert found.loc[(2, SAMPLED), list(METRICS)].isna().all()


def test_correctness_of_sampled_weights_is_read_beside_that_of_the_others(url: str) -> None:
    name = "langevin-test"
    flipped = to_bits(np.arange(IMAGES) % 3 == 0)
    with writing(url) as connection:
        kept = attribute(connection, name, 1, "test_correct")
        set_inside(connection, name, 1, "test_correct", ("sampled",), json.dumps(flipped))
        for number, text in ((2, '"!"'), (3, "[1]")):
            set_inside(connection, name, number, "test_correct", ("sampled",), text)
    found = correctness(url, name)
    assert found["sampled"].index.tolist() == [0, 1, 4]
    assert found["last"].index.tolist() == [0, 1, 2, 3, 4]
    assert found["sampled"].loc[1].tolist() == (np.arange(IMAGES) % 3 == 0).tolist()
    assert found["last"].loc[1].tolist() == from_bits(kept["last"], IMAGES).tolist()


def test_samples_kept_in_a_study_come_back(url: str) -> None:
    assert sampled(url, NAME) == {}
    keep_samples(open_storage(url), NAME, "gaussian", gaussian())
    assert sampled(url, NAME) == {"gaussian": gaussian()}
    keep_samples(open_storage(url), NAME, "mixture", mixture())
    assert sampled(url, NAME) == {"gaussian": gaussian(), "mixture": mixture()}


@pytest.mark.parametrize("kept", [3, "x", [1], True])
def test_kept_samples_that_are_no_object_are_empty(url: str, kept: Any) -> None:
    keep_samples(open_storage(url), NAME, "mixture", kept)
    assert sampled(url, NAME) == {"mixture": {}}


# ---------------------------------------------------------------- the section of a search


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("search") / "planted.db"
    states = {3: "diverged", 7: "pruned", 9: "failed"}
    return load_study(plant_study(path, NAME, 20, everything="complete", states=states), NAME)


def test_the_best_of_each_method_is_its_best_complete_trial(study: Study) -> None:
    found = langevin.estimate(study)
    trials = load_study(study.storage, NAME).trials
    complete = trials[trials["state"] == "complete"]
    best = found["best"].set_index("family")
    assert best["accuracy"].is_monotonic_decreasing
    assert {*best.index} == {*study.spec.families}
    for family, own in complete.groupby("family"):
        assert best.loc[family, "accuracy"] == pytest.approx(own["value"].max())
        assert best.loc[family, "trial"] == own.loc[own["value"].idxmax(), "trial"]
    cold = best.loc[["sgd", "swa", "snapshots"], "temperature"]
    assert (cold == 0).all()
    verdict = str(langevin.conclude(found))
    for row in found["best"].to_dict("records"):
        assert f"{row['family']} {100 * row['accuracy']:.1f} % (trial {row['trial']}" in verdict
    assert "nan" not in verdict


def test_a_lost_trial_is_not_the_best_of_its_method(study: Study) -> None:
    trials = study.trials
    trials = trials.assign(
        state=trials["state"].mask(trials["family"] == "swa", "diverged"),
        value=trials["value"].mask(trials["family"] == "swa", 0.1),
    )
    found = langevin.estimate(replace(study, trials=trials))
    assert "swa" not in set(found["best"]["family"])
    assert "swa" not in str(langevin.conclude(found))
    nothing = langevin.estimate(replace(study, trials=trials.assign(state="diverged", value=0.1)))
    assert str(langevin.conclude(nothing)) == (
        "No trial ran to its end, so that nothing can be compared."
    )
    assert langevin.draw(nothing) == []


def test_marks_are_the_trials_numbers_and_zero_has_its_place(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[set[tuple[float, float]]] = []
    limits: list[tuple[float, float]] = []

    def keep(figure: Any, name: str, alt: str, caption: str) -> style.Picture:
        for axes in figure.axes:
            marks = [each.get_offsets().data for each in axes.collections]
            shown.append({*map(tuple, np.concatenate(marks))})
            limits.append(axes.get_xlim())
        return style.Picture(name, alt, caption, b"", figure)

    monkeypatch.setattr(langevin, "picture", keep)
    found = langevin.estimate(study)
    [picture] = langevin.draw(found)
    assert str(langevin.conclude(found)) in picture.alt
    complete = found["trials"][found["trials"]["state"] == "complete"]
    coldest = complete.loc[complete["temperature"] > 0, "temperature"].min()
    for marks, (low, high), name in zip(shown, limits, ("accuracy", "calibrated_nll"), strict=True):
        warm = complete[complete["temperature"] > 0]
        expected = {*zip(warm["temperature"], warm[name], strict=True)}
        assert expected < marks
        rest = marks - expected
        cold = complete.loc[complete["temperature"] == 0, name]
        assert sorted(y for _, y in rest) == sorted(cold)
        assert all(low < x < coldest < high for x, _ in rest)


@pytest.mark.usefixtures("unrendered")
def test_a_search_alone_shows_its_samples_and_later_stages_show_them_instead(study: Study) -> None:
    kept = replace(study, sampled={"gaussian": gaussian(), "mixture": mixture()})
    names = ["stationary-variance", "mixture", "temperature"]
    assert [each.name for each in find(langevin, kept).pictures] == names
    assert [each.name for each in find(langevin, study).pictures] == ["temperature"]
    later = find(langevin, replace(kept, confirm=study))
    assert [each.name for each in later.pictures] == ["temperature"]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("everything", ["diverged", "failed", "pruned"])
def test_a_study_without_a_complete_trial_is_reported(
    plant: Plant, tmp_path: Path, everything: str
) -> None:
    url = plant(NAME, 5, everything=everything)
    keep_samples(open_storage(url), NAME, "gaussian", gaussian())
    path = write_report(url, [NAME], tmp_path / "out")
    assert "No trial ran to its end, so that nothing can be compared." in page(path).text
    assert (path.parent / "figures" / "langevin-stationary-variance.png").exists()
    assert not (path.parent / "figures" / "langevin-temperature.png").exists()


@pytest.mark.usefixtures("unrendered")
def test_a_search_alone_is_reported_with_its_picture_and_numbers(
    plant: Plant, tmp_path: Path
) -> None:
    url = plant(NAME, 10, everything="complete")
    path = write_report(url, [NAME], tmp_path / "out")
    values = json.loads((path.parent / "findings.json").read_text(encoding="utf-8"))[NAME]
    [finding] = [each for each in values["findings"] if each["title"] == langevin.ABOUT.title]
    assert finding["figures"] == ["figures/langevin-temperature.png"]
    trials = load(url, NAME)[0]
    assert finding["estimates"]["best"][0]["accuracy"] == pytest.approx(trials["value"].max())
    assert len(finding["estimates"]["trials"]) == 10
    assert finding["verdict"] in page(path).text
    assert any("against the temperature of its noise" in alt for alt in page(path).alts)


DRAWN = [VALUES[name] for name in ("long_integer", "negative", "fraction", "null")]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("text", VALUES.values(), ids=VALUES)
def test_a_value_in_any_place_leaves_the_other_trials_as_they_are(
    study: Study, tmp_path: Path, text: str
) -> None:
    planted = study.storage.removeprefix("sqlite:///")
    url = f"sqlite:///{shutil.copy(planted, tmp_path / 'planted.db')}"
    places: list[tuple[str, tuple[str, ...]]] = [("predictive", ()), ("gradient_noise", ())]
    places += [("predictive", (each,)) for each in ("sampled", "last", "samples")]
    places += [("predictive", ("sampled", "val", *rest)) for rest in ((), *((m,) for m in METRICS))]
    places += [("gradient_noise", ("temperature",))]
    victims = [0, 1, 2, 5, 6, 8, 10, 11]
    for index, (key, place) in enumerate(reversed(places)):
        put(url, victims[index % len(victims)], key, text, *place)
    found = langevin.estimate(load_study(url, NAME))
    before = langevin.estimate(study)["trials"].set_index("trial").drop(index=victims)
    # One whose samples predict another accuracy than it scored is not there any more.
    after = found["trials"].set_index("trial").drop(index=victims, errors="ignore")
    pd.testing.assert_frame_equal(after, before)
    assert not np.isinf(found["trials"].select_dtypes(float)).any(axis=None)
    assert str(langevin.conclude(found)).startswith(
        "Best trials, by the accuracy of what they predict:"
    )
    if text in DRAWN:
        [picture] = langevin.draw(found)
        assert "nan" not in picture.alt


# ---------------------------------------------------------------- the axis of temperatures


def shown(axes: Axes) -> tuple[list[float], list[str]]:
    axes.figure.draw_without_rendering()
    ticks = axes.get_xticks().tolist()
    return ticks, [text.get_text() for text in axes.get_xticklabels()]


def test_zero_stands_a_decade_left_of_the_coldest_and_ticks_are_plain_numbers() -> None:
    with canvas() as (_, axes):
        zero = temperature_axis(axes[0, 0], [0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])
        ticks, labels = shown(axes[0, 0])
    assert zero == pytest.approx(1e-5)
    np.testing.assert_allclose(ticks, [zero, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert labels == ["0", "0.0001", "0.001", "0.01", "0.1", "1"]


def test_fewer_ticks_keep_the_warmest_and_zero_and_are_as_far_apart() -> None:
    with canvas() as (_, axes):
        temperature_axis(axes[0, 0], [0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], 3)
        _, labels = shown(axes[0, 0])
    assert labels == ["0", "0.01", "1"]


def test_temperatures_between_two_powers_of_ten_have_ticks_too() -> None:
    with canvas() as (_, axes):
        temperature_axis(axes[0, 0], [0.2, 0.5])
        _, labels = shown(axes[0, 0])
    assert labels == ["0", "0.2", "0.5"]


@given(
    st.lists(st.just(0.0) | st.just(np.nan) | st.floats(1e-5, 1.0), max_size=8), st.integers(1, 6)
)
@settings(deadline=None, max_examples=25)
def test_ticks_rise_within_the_limits_and_zero_is_left_of_all_that_is_warm(
    temperatures: list[float], most: int
) -> None:
    with canvas() as (_, axes):
        zero = temperature_axis(axes[0, 0], temperatures, most)
        ticks, labels = shown(axes[0, 0])
        low, high = axes[0, 0].get_xlim()
    warm = [each for each in temperatures if each > 0]
    assert ticks == sorted(set(ticks))
    assert low < ticks[0] == zero
    assert ticks[-1] < high
    assert 2 <= len(ticks) <= most + 1
    assert labels[0] == "0"
    assert "0" not in labels[1:]
    assert all(zero < each < high for each in warm)
