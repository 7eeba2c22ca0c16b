"""Frames as the report prints them: headings and rows of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from analysis.table import Column, Unit, trial_numbers
from study.spec import Stage

NONE = "–"  # noqa: RUF001 - a dash in a cell
Links = Callable[[Stage, Sequence[int]], str]


def printed_rows(
    columns: Sequence[Column], frame: pd.DataFrame, links: Links
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text, NONE for missing values.

    columns: in order; those are left out in which the frame has nothing (`Column.tells`).
    links: makes the links to trials of a stage, for columns of their numbers.
    """
    shown = [column for column in columns if column.tells(frame)]
    texts = [_texts(column, frame, links) for column in shown]
    return [column.title for column in shown], [list(row) for row in zip(*texts, strict=True)]


def _texts(column: Column, frame: pd.DataFrame, links: Links) -> list[str]:
    values = frame[column.name]
    if column.stage is not None:
        cells = map(trial_numbers, values)
        return [links(column.stage, numbers) if numbers else NONE for numbers in cells]
    if column.high:
        pairs = zip(values, frame[column.high], strict=True)
        return [_between(column.unit, low, high) for low, high in pairs]
    return [text(column.unit, each) for each in values]


def text(unit: Unit, value: Any) -> str:
    """One value; it may be missing."""
    return NONE if pd.isna(value) else unit.write(value)


def _between(unit: Unit, low: Any, high: Any) -> str:
    if pd.isna(low) or pd.isna(high):
        return NONE
    return f"{text(unit, float(low))} to {text(unit, float(high))}"
