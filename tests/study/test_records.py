"""EpochRecords and their JSON form."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.records import EpochRecord, from_bits, to_bits

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

numbers = st.floats(width=32)  # what a float32 tensor can hold, nan and infinities included
shares = st.floats(0, 1, width=32)
layers = st.dictionaries(st.text(max_size=8), numbers, max_size=4)


@st.composite
def records(draw: st.DrawFn) -> EpochRecord:
    validated = draw(st.booleans())
    return EpochRecord(
        epoch=draw(st.integers(0, 1000)),
        first_lr=draw(st.floats(0, 10, width=32)),
        last_lr=draw(st.floats(0, 10, width=32)),
        train_loss=draw(numbers),
        train_accuracy=draw(shares),
        val_loss=draw(numbers) if validated else None,
        val_accuracy=draw(shares) if validated else None,
        averaged_val_loss=draw(numbers) if validated else None,
        averaged_val_accuracy=draw(shares) if validated else None,
        weight_norm=draw(layers),
        distance=draw(layers),
        seconds=draw(st.floats(0, 1e4, width=32)),
        mean_lr=draw(st.floats(0, 10, width=32)),
    )


def finite_or(value: Any, otherwise: Any) -> Any:
    if isinstance(value, dict):
        return {key: finite_or(item, otherwise) for key, item in value.items()}
    return otherwise if isinstance(value, float) and not math.isfinite(value) else value


@given(records())
def test_json_has_every_field_and_null_for_what_is_not_finite(record: EpochRecord) -> None:
    text = json.dumps(record.to_json(), allow_nan=False)
    written = json.loads(text)
    assert list(written) == [field.name for field in fields(EpochRecord)]
    expected = {name: finite_or(value, None) for name, value in asdict(record).items()}

    def as_float32(value: Any) -> Any:
        return float(np.float32(value)) if isinstance(value, float) else value

    for name, value in expected.items():
        found = written[name]
        if isinstance(value, dict):
            assert {key: as_float32(item) for key, item in found.items()} == value
        else:
            assert as_float32(found) == value


FINITE = EpochRecord(
    epoch=3,
    first_lr=0.3,
    last_lr=1 / 3,
    train_loss=0.5,
    train_accuracy=0.75,
    val_loss=0.25,
    val_accuracy=1.0,
    averaged_val_loss=0.125,
    averaged_val_accuracy=0.5,
    weight_norm={"conv1": 1.5},
    distance={"conv1": 0.5},
    seconds=2.0,
    mean_lr=0.25,
)


def test_by_hand() -> None:
    written = FINITE.to_json()
    assert written == asdict(FINITE) | {"last_lr": 0.333333333}
    exploded = replace(FINITE, train_loss=math.inf, val_loss=math.nan, distance={"conv1": math.nan})
    nulls = {"train_loss": None, "val_loss": None, "distance": {"conv1": None}}
    assert exploded.to_json() == written | nulls


# ---------------------------------------------------------------- which images were correct


@given(st.lists(st.booleans(), max_size=70))
def test_bits_survive_the_text(correct: list[bool]) -> None:
    text = json.loads(json.dumps(to_bits(np.array(correct, dtype=bool))))
    read = from_bits(text, len(correct))
    assert read.dtype == bool
    assert read.tolist() == correct
    assert len(text) <= len(correct) / 6 + 4


@given(st.lists(st.booleans(), min_size=1, max_size=70), st.integers(0, 100))
def test_bits_of_another_number_of_images_are_refused(correct: list[bool], count: int) -> None:
    text, kept = to_bits(np.array(correct)), -(-len(correct) // 8) * 8
    if kept - 8 < count <= kept:  # the last byte does not say how much of it counts
        assert len(from_bits(text, count)) == count
        return
    with pytest.raises(ValueError, match=rf"^{kept} bits cannot tell of {count} images$"):
        from_bits(text, count)


def test_bits_of_the_test_images_are_short() -> None:
    assert len(to_bits(np.ones(10_000, dtype=bool))) < 1_700
