"""Puts into a planted database what lrstudy would never write there, past Optuna's checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from study.values import parsed

# JSON texts; Python reads the first ones as numbers that are none.
VALUES = {
    "nan": "NaN",
    "infinite": "Infinity",
    "minus_infinite": "-Infinity",
    "beyond_double": "1e400",
    "huge": "1e308",
    "many_digits": "9" * 6_000,
    "long_integer": "9" * 18,
    "negative": "-1",
    "fraction": "0.5",
    "boolean": "true",
    "null": "null",
    "list": '[[1], {"a": NaN}, "x"]',
    "object": '{"a": [1], "epochs": {}, "schedule": []}',
    "number_as_text": '"12"',
    "empty_text": '""',
    "markup": '"<script>alert(1)</script><img src=x onerror=alert(2)>"',
    "terminal": r'"\u001b[31m\u001b]0;owned\u0007\u009b[red]x[/]\r\n$\\frac{$"',
    "half_a_pair": r'"\ud800"',
}
ATTRIBUTES = (
    *("slot", "attempt", "family", "replicate", "seed", "arm", "baseline", "interrupted"),
    *("outcome", "diverged_epoch", "epochs_restored", "config", "history", "test", "test_correct"),
    *("predictive", "gradient_noise"),
    *("host", "pid", "device", "device_name", "threads", "versions", "revision", "error"),
)
# Where inside an attribute: keys and indices.
Place = tuple[str | int, ...]
PLACES: tuple[tuple[str, Place], ...] = (
    *(("config", (name,)) for name in ("epochs", "seed", "schedule", "batch_size")),
    *(("config", ("schedule", name)) for name in ("base_lr", "warmup", "family")),
    *(("history", (-1, name)) for name in ("epoch", "train_loss", "val_accuracy", "first_lr")),
    *(("history", (0, name)) for name in ("epoch", "val_loss", "averaged_val_accuracy")),
    *(("history", (-1, "weight_norm", *rest)) for rest in ((), ("conv1",))),
    *(("test", (name,)) for name in ("accuracy", "loss", "images", "best_epoch")),
    *(("test_correct", (name,)) for name in ("last", "averaged")),
    *(("predictive", ("sampled", "val", name)) for name in ("accuracy", "calibrated_nll", "brier")),
    *(("predictive", ("sampled", *rest)) for rest in ((), ("test", "ece"))),
    ("predictive", ("samples",)),
    *(("gradient_noise", (name,)) for name in ("trace", "temperature")),
    ("versions", ("torch",)),
)


@contextmanager
def writing(url: str) -> Iterator[sa.Connection]:
    """A transaction on the database."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def trial_id(connection: sa.Connection, name: str, number: int) -> int:
    query = sa.text(
        "SELECT trial_id FROM trials JOIN studies USING (study_id) "
        "WHERE study_name = :name AND number = :number"
    )
    return int(connection.execute(query, {"name": name, "number": number}).scalar_one())


def set_attribute(connection: sa.Connection, name: str, number: int, key: str, text: str) -> None:
    """Put a JSON text into a user attribute of a trial, whether it had it or not."""
    values = {"trial": trial_id(connection, name, number), "key": key}
    rest = "trial_user_attributes WHERE trial_id = :trial AND key = :key"
    connection.execute(sa.text(f"DELETE FROM {rest}"), values)
    into = "INSERT INTO trial_user_attributes (trial_id, key, value_json)"
    connection.execute(sa.text(f"{into} VALUES (:trial, :key, :text)"), values | {"text": text})


def attribute(connection: sa.Connection, name: str, number: int, key: str) -> Any:
    """The value of a user attribute, None where the trial does not have it."""
    values = {"trial": trial_id(connection, name, number), "key": key}
    rest = "trial_user_attributes WHERE trial_id = :trial AND key = :key"
    text = connection.execute(sa.text(f"SELECT value_json FROM {rest}"), values).scalar()
    return None if text is None else parsed(text)


_MARK = "what is hostile"


def set_inside(
    connection: sa.Connection, name: str, number: int, key: str, place: Place, text: str
) -> None:
    """Put a JSON text somewhere inside a user attribute; a trial without it, or that place in it,
    stays as it is."""
    whole = attribute(connection, name, number, key)
    if not whole:
        return
    part = whole
    for step in place[:-1]:
        if isinstance(part, dict) and step not in part:
            return
        part = part[step]
    part[place[-1]] = _MARK
    changed = json.dumps(whole).replace(json.dumps(_MARK), text)
    set_attribute(connection, name, number, key, changed)


def poison(url: str, name: str, text: str, trials: int) -> None:
    """The JSON text at one place after the other, in the study's trials in turn; every fourth
    trial is left as it is."""
    places = [*sorted(PLACES, key=lambda each: -len(each[1])), *((key, ()) for key in ATTRIBUTES)]
    victims = [number for number in range(trials) if number % 4]
    with writing(url) as connection:
        for index, (key, place) in enumerate(places):
            number = victims[index % len(victims)]
            if place:
                set_inside(connection, name, number, key, place, text)
            else:
                set_attribute(connection, name, number, key, text)
