"""A configuration that a user wants tried first, such as ``schedule=cosine,base_lr=0.2``."""

from __future__ import annotations

from collections.abc import Collection

from search_spaces.config import Parameters, Ranges
from search_spaces.schedules.text import field_name
from search_spaces.words.unknown import unknown


def try_of(
    text: str, families: Collection[str], ranges: Ranges
) -> tuple[tuple[str, ...], Parameters]:
    """The families that it is for, all of them where it names none, and its parameters; what it
    leaves out is sampled. Raises ValueError, in one line."""
    chosen: tuple[str, ...] = tuple(families)
    values: Parameters = {}
    for pair in text.split(","):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            raise ValueError(f"--try {text} is not of the form NAME=VALUE,...")
        name = field_name(key)
        if name in values or (name == "schedule" and len(chosen) < len(families)):
            raise ValueError(f"--try {text}: {key} is given twice")
        if name == "schedule":
            if value not in families:
                raise ValueError(unknown("schedule of --try", value, families))
            chosen = (value,)
        else:
            values[name] = _within(text, name, value, ranges)
    if not values:
        raise ValueError(f"--try {text} gives no parameter a value")
    return chosen, values


def _within(text: str, name: str, value: str, ranges: Ranges) -> float:
    """The value, which must be one that the study could sample."""
    if name not in ranges:
        raise ValueError(unknown("parameter of --try", name, ["schedule", *ranges]))
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"--try {text}: {value!r} is not a number") from None
    allowed = ranges[name]
    if not allowed.low <= number <= allowed.high:
        raise ValueError(
            f"--try {text}: {name} must lie in its range, {allowed.low:g} to {allowed.high:g}, "
            "which --range moves"
        )
    return number
