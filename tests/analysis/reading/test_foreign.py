"""What another program keeps in an Optuna storage is found in the frames, whatever its names."""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

import analysis
from analysis.reading.columns import FOREIGN_CURVES, FOREIGN_TRIALS, described
from analysis.reading.loading import write
from study.storage.studies import open_storage

# Names that lrstudy has for something else, and any other.
NAMES = st.sampled_from(
    [*("epochs", "seed", "warmup", "family", "state", "value", "slot", "schedule", "study_id")]
) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**70), 2**70)
CHOICES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3)
JSON = st.recursive(
    CHOICES | NUMBERS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner)
)


@st.composite
def parameter(draw: st.DrawFn) -> tuple[BaseDistribution, Any]:
    """A distribution of any kind and a value of it."""
    match draw(st.sampled_from(["float", "int", "choice"])):
        case "float":
            return FloatDistribution(-1e308, 1e308), draw(st.floats(-1e308, 1e308))
        case "int":
            return IntDistribution(-(2**40), 2**40), draw(st.integers(-(2**40), 2**40))
    choices = draw(st.lists(CHOICES, min_size=1, max_size=4))
    return CategoricalDistribution(choices), draw(st.sampled_from(choices))


@st.composite
def trial(draw: st.DrawFn, kinds: Mapping[str, Any], objectives: int) -> FrozenTrial:
    """A finished trial of a study with so many objectives."""
    ended = draw(st.sampled_from([TrialState.COMPLETE, TrialState.FAIL]))
    score = st.floats(allow_nan=False)
    values = draw(st.lists(score, min_size=objectives, max_size=objectives))
    own = {name: kinds[name] for name in kinds if draw(st.booleans())}
    return create_trial(
        state=ended,
        values=values if ended == TrialState.COMPLETE else None,
        params={name: value for name, (_, value) in own.items()},
        distributions={name: kind for name, (kind, _) in own.items()},
        user_attrs=draw(st.dictionaries(NAMES, JSON, max_size=3)),
        intermediate_values=draw(st.dictionaries(st.integers(0, 99), st.floats(), max_size=3)),
    )


@st.composite
def trials(draw: st.DrawFn) -> tuple[int, list[FrozenTrial]]:
    """Up to three trials, and the number of their study's objectives."""
    objectives = draw(st.integers(1, 3))
    kinds = draw(st.dictionaries(NAMES, parameter(), max_size=3))
    return objectives, draw(st.lists(trial(kinds, objectives), min_size=1, max_size=3))


def is_missing(value: Any) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and math.isnan(value))
    )


def same(mine: Any, theirs: Any) -> bool:
    return (is_missing(mine) and is_missing(theirs)) or bool(mine == theirs)


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(drawn=trials(), metrics=st.booleans())
def test_every_value_that_optuna_shows_is_in_the_frames(
    drawn: tuple[int, list[FrozenTrial]], metrics: bool
) -> None:
    objectives, planted = drawn
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/other.db"
        study = optuna.create_study(
            storage=open_storage(url, create=True),
            study_name="other",
            directions=["minimize"] * objectives,
        )
        if metrics and objectives > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is an experimental function
                study.set_metric_names([f"m {n}" for n in range(objectives)])
        study.add_trials(planted)
        found, curves = analysis.load(url, "other")
        expected, stored = study.trials_dataframe(), study.trials
        study._storage.remove_session()  # type: ignore[attr-defined]
    for name in expected:
        other = {"number": "trial", "datetime_start": "start", "datetime_complete": "complete"}
        if name in ("duration", "state", "datetime_start", "datetime_complete"):
            continue
        column = found[other.get(name, name)]
        pairs = list(zip(column, expected[name], strict=True))
        assert all(same(*each) for each in pairs), (name, pairs)
    reported = [
        (each.number, step, value)
        for each in stored
        for step, value in sorted(each.intermediate_values.items())
    ]
    rows = list(zip(curves["trial"], curves["step"], curves["intermediate_value"], strict=True))
    assert all(
        mine[:2] == theirs[:2] and same(mine[2], theirs[2])
        for mine, theirs in zip(rows, reported, strict=True)
    )
    assert [name for name in found if described(FOREIGN_TRIALS, name) is None] == []
    assert list(curves) == list(FOREIGN_CURVES)


@pytest.fixture
def other(tmp_path: Path) -> str:
    """A study of another program, with names that lrstudy has for something else."""
    url = f"sqlite:///{tmp_path}/other.db"
    study = optuna.create_study(storage=url, study_name="other")
    kinds = {"epochs": IntDistribution(1, 9), "warmup": CategoricalDistribution(["long", "none"])}
    for number, warmup in enumerate(("long", "none")):
        study.add_trial(
            create_trial(
                value=(math.inf, 1e308)[number],
                params={"epochs": 3 + number, "warmup": warmup},
                distributions=dict(kinds),
                user_attrs={
                    "family": "mine",
                    "nested": {"a": [1, None]},
                    "mixed": [7, "7"][number],
                },
                intermediate_values={0: 0.5, 1: math.inf, 2: math.nan},
            )
        )
    return url


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_file_holds_it_all(other: str, tmp_path: Path, ending: str) -> None:
    """And it is said which columns no type holds."""
    found, curves = analysis.load(other, "other")
    file = tmp_path / f"x{ending}"
    assert sorted(write(found, file)) == ["user_attrs_mixed", "user_attrs_nested"]
    kept = pd.read_csv(file) if ending == ".csv" else pd.read_parquet(file)
    assert kept["value"].tolist() == [math.inf, 1e308]
    assert kept["params_epochs"].tolist() == [3, 4]
    assert kept["params_warmup"].tolist() == ["long", "none"]
    assert kept["user_attrs_family"].tolist() == ["mine", "mine"]
    assert [json.loads(each) for each in kept["user_attrs_nested"]] == [{"a": [1, None]}] * 2
    assert [str(each) for each in kept["user_attrs_mixed"]] == ["7", "7"]
    assert "epochs" not in kept
    assert write(curves, file) == []


def test_types_are_kept(other: str) -> None:
    found, _ = analysis.load(other, "other")
    types = found.dtypes.astype(str)
    expected = {"trial": "int64", "value": "float64", "params_epochs": "Int64"}
    assert {name: types[name] for name in expected} == expected
    assert found["user_attrs_mixed"].tolist() == [7, "7"]
