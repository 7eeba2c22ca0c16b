"""Frames as the report prints them: headings, units and digits by the names of the columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from analysis.figures.style import spoken

_NAMES = ("family", "run", "variant", "parameter", "metric")
_RANGES = ("warmup", "exponent")  # NAME_low and NAME_high are the bounds of a bin
# Columns of trial numbers, and the stage whose trials they are.
TRIALS = {
    "confirm_trials": "confirm",
    "test_trials": "test",
    **dict.fromkeys(
        ("trial", "trials", "best_trial", "origin_trial", "survivor", "diverger"), "search"
    ),
}
_OUTCOMES = ("diverged", "stalled", "pruned", "failed")  # counts; without any, no column
_HEADINGS = {
    "family": "schedule",
    "": "95 % interval",
    "behind accuracy": "behind the best",
    "behind accuracy 90": "behind the best, 90 % interval",
    "confirm trials": "runs",
    "test trials": "test runs",
    "origin trial": "trial of the search",
}
NONE = "–"  # noqa: RUF001 - a dash in a cell
Links = Callable[[str, Sequence[int]], Markup]


def cells(frame: pd.DataFrame, shares: bool, links: Links) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text; columns ``NAMElow`` and ``NAMEhigh`` become one, and outcomes that
    no trial had are left out.

    shares: whether columns that do not say what they are (mean, low, published, ...) hold shares.
    links: makes the links to trials of a stage, for columns of their numbers.
    """
    columns: dict[str, list[str]] = {}
    for name in map(str, frame.columns):
        if name in TRIALS:
            found = [_numbers(each) for each in frame[name]]
            columns[_heading(name, False)] = [
                links(TRIALS[name], numbers) if numbers else NONE for numbers in found
            ]
            continue
        stem = name.removesuffix("low")
        if name.endswith("high") and name.removesuffix("high") + "low" in frame:
            continue
        if name in _OUTCOMES and not frame[name].any():
            continue
        if name.endswith("low") and stem + "high" in frame:
            pairs = zip(frame[name], frame[stem + "high"], strict=True)
            texts = [_between(name, low, high, shares) for low, high in pairs]
            columns[_heading(stem, shares)] = texts
        else:
            columns[_heading(name, shares)] = [text(name, value, shares) for value in frame[name]]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _numbers(value: Any) -> list[int]:
    """One trial number or several, none where it is missing."""
    if isinstance(value, list):
        return value
    return [] if pd.isna(value) else [int(value)]


def text(name: str, value: Any, shares: bool = False) -> str:
    """One value of a column of that name."""
    if pd.isna(value):
        return NONE
    if name in _NAMES:
        return spoken(str(value))
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if _is_share(name, shares):
        return f"{100 * value:.1f}"
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.3f}" if {"loss", "gap"} & {*name.split("_")} else f"{value:.3g}"


def _between(name: str, low: Any, high: Any, shares: bool) -> str:
    if pd.isna(low) or pd.isna(high):
        return NONE
    return f"{text(name, float(low), shares)} to {text(name, float(high), shares)}"


def _is_share(name: str, shares: bool) -> bool:
    own = ("accuracy", "share", "importance", "diverged_low")
    return shares or any(word in name for word in own)


def _heading(name: str, shares: bool) -> str:
    """A column's name as words, with per cent where it holds shares."""
    stem = name.strip("_")
    words = stem.replace("_", " ")
    words = _HEADINGS.get(words, words)
    if name.endswith("_") and stem not in _RANGES and not stem.endswith("90"):
        words += " 95 % interval"
    number = name not in (*_NAMES, "n", "within") and "trial" not in name
    return (
        f"{words} (%)" if number and _is_share(name + "low" * name.endswith("_"), shares) else words
    )
