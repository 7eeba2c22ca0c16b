"""The leaderboard of a stage: its trials, best first, and what tells them apart."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures.style import spoken
from analysis.other_programs.study import in_words
from analysis.page.tables import text
from analysis.reading.frames import column_of
from analysis.reading.states import STATES
from analysis.study import Study
from analysis.table import PERCENT, SCHEDULE, Column
from search_spaces.words.phrases import count, percent

RANK = "#"  # a name that no parameter has
_KEPT = (RANK, "trial", "accuracy", "value")  # columns that stay even where all are the same
_SPECIAL = {
    RANK: Column(RANK, heading="rank"),
    "family": SCHEDULE,
    "accuracy": Column("accuracy", PERCENT),
}


def trial_rows(study: Study) -> pd.DataFrame:
    """A row for every attempt of one stage, `ranked`: trial, schedule, its parameters,
    accuracy (the value of the objective), state, seed, epochs trained."""
    frame = study.attempts
    names = [name for name in ("base_lr", *map(column_of, study.spec.ranges)) if name in frame]
    parameters = list(dict.fromkeys(name for name in names if frame[name].notna().any()))
    rows = frame.assign(accuracy=frame["value"].astype(float))
    columns = ["trial", "family", *parameters, "accuracy", "state", "seed", "epochs_trained"]
    return ranked(rows[columns], "accuracy")


def ranked(rows: pd.DataFrame, score: str, rising: bool = False) -> pd.DataFrame:
    """The rows, the complete trials by score, the others below, by state; in front, as RANK, their
    rank, which equal scores share. rising: the lowest is best. Only complete trials keep a score:
    that of another one belongs to another epoch or to no model."""
    known = rows[score].where((rows["state"] == "complete") & np.isfinite(rows[score]))
    places = rows["state"].map({state: place for place, state in enumerate(STATES)})
    ranks = known.rank(method="min", ascending=rising).astype("Int64")
    order = pd.DataFrame({"rank": ranks, "state": places, "trial": rows["trial"]})
    frame = rows.assign(**{RANK: ranks, score: known}).loc[order.sort_values([*order]).index]
    return frame[[RANK, *rows.columns]].reset_index(drop=True)


def trial_columns(rows: pd.DataFrame) -> list[Column]:
    """How the columns of a leaderboard are printed that tell its rows apart."""
    return [
        _SPECIAL.get(name, Column(name))
        for name in map(str, rows.columns)
        if _distinct(rows[name]) > (0 if name in _KEPT else 1)
    ]


def _distinct(values: pd.Series) -> int:
    """How many different values there are, besides missing ones."""
    return int(values.dropna().astype(str).nunique())


def in_common(rows: pd.DataFrame) -> str:
    """How the rows are ordered, and what they share in the columns that are left out: ``Best first;
    all complete with schedule cosine, seed 3, 6 epochs.``"""
    left_out = [name for name in map(str, rows) if name not in _KEPT and _distinct(rows[name]) == 1]
    words = {name: _shared(name, rows[name]) for name in left_out}
    state, values = words.pop("state", ""), ", ".join(words.values())
    common = " ".join(each for each in (state, values and f"with {values}") if each)
    order = "Best first" if rows[RANK].notna().any() else "By state"
    return f"{order}; all {common}." if common else f"{order}."


def _shared(name: str, values: pd.Series) -> str:
    """The one value of a column in words, which some rows may lack."""
    value, column = values.dropna().iloc[0], _SPECIAL.get(name, Column(name))
    words = f"{column.title} {text(column.unit, value)}"
    if name == "state":
        words = str(value)
    elif name == "epochs_trained":
        words = count(value, "epoch")
    return words if values.notna().all() else f"{words} where set"


def sort_keys(columns: Sequence[Column], rows: pd.DataFrame) -> list[list[str | None]]:
    """What each cell is sorted by, None where its text says it: a number exactly, missing ones as
    an empty text."""
    return [[_key(row[column.name]) for column in columns] for row in rows.to_dict("records")]


def _key(value: Any) -> str | None:
    if pd.isna(value):
        return ""
    return str(value) if isinstance(value, Real) else None


def mark_title(row: Mapping[Hashable, Any]) -> str:
    """What the marks of a row's trial say: ``trial 12: cosine, 86.4 %``, its state where it has no
    score."""
    known = [spoken(str(row["family"]))] if pd.notna(row.get("family")) else []
    known += [percent(row["accuracy"])] if pd.notna(row.get("accuracy")) else []
    known += [in_words(row["value"])] if pd.notna(row.get("value")) else []
    known += [str(row["state"])] if row["state"] != "complete" else []
    return f"trial {row['trial']}: {', '.join(known)}"
