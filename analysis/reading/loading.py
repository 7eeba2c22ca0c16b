"""The frames that users get: of one or several studies, of lrstudy or of any other program.

`reading.columns` says what each column is. Inside the package `reading.frames` is read instead.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.reading import foreign, frames
from analysis.reading.columns import CURVES, INTEGERS, TRIALS, TYPES, dictionary
from analysis.reading.database import split_name
from analysis.reading.plausible import left_out, marked, not_counted
from analysis.reading.states import final_attempts
from analysis.reading.studies import has_spec, spec
from study.storage.urls import StorageError, safe_url


class Frames(NamedTuple):
    """notes: what a reader should know of the frames, a sentence each."""

    trials: pd.DataFrame
    curves: pd.DataFrame
    notes: list[str]


def load(url: str, *names: str, attempts: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trials and curves of studies in the Optuna storage at ``url``; ``URL#NAME`` names a study
    of another storage.

    trials: a row per trial that was asked for, its result or else its last attempt; with
        ``attempts`` a row for every attempt.
    curves: a row per recorded epoch of those trials.

    Whole numbers are integers (Int64 where some are missing). Where a study of several has no such
    column, it is empty. Warns of trials that contradict what was recorded. Raises StorageError, and
    ValueError where no study is named.

    >>> trials, curves = load("sqlite:///lrstudy.db", "cosine")
    >>> sorted(trials["schedule"].unique())[:3]
    ['constant', 'cosine', 'factor']
    >>> complete = curves[curves["state"] == "complete"]
    >>> complete.groupby("trial")["epoch"].max().unique()  # counted from 0
    array([5])
    """
    frames = read(url, names, attempts=attempts)
    for note in frames.notes:
        warnings.warn(note, stacklevel=2)
    return frames.trials, frames.curves


if load.__doc__ is not None:  # it is under python -OO
    load.__doc__ += f"\n\n{dictionary()}\n"


def read(url: str, names: Sequence[str], *, attempts: bool = False) -> Frames:
    """What `load` gives, and its warnings as notes."""
    if not names:
        raise ValueError("name at least one study to load")
    places = list(dict.fromkeys(split_name(name, url) for name in names))
    known = [name for _, name in places]
    parts = []
    for place, name in places:
        label = f"{name} ({safe_url(place)})" if known.count(name) > 1 else name
        trials, curves, notes = _read(place, name, attempts)
        about = [f"study {label!r}: {note}" for note in notes]
        parts.append(Frames(trials.assign(study=label), curves.assign(study=label), about))
    return Frames(
        pd.concat([each.trials for each in parts], ignore_index=True),
        pd.concat([each.curves for each in parts], ignore_index=True),
        [note for each in parts for note in each.notes],
    )


def _read(url: str, name: str, attempts: bool) -> Frames:
    if not has_spec(url, name):
        trials, curves = foreign.load(url, name)
        return Frames(typed(trials), typed(curves), [])
    trials, curves = frames.load(url, name)
    trials, notes = _judged(url, name, trials)
    silent = (trials["epochs_trained"] > 0) & trials["last_epoch"].isna()
    if silent.any():
        notes += [f"{silent.sum()} of its trials have no history: the curves lack their epochs"]
    if not attempts:
        trials = final_attempts(trials)
    curves = curves[curves["trial"].isin(trials["trial"])]
    states = curves["trial"].map(trials.set_index("trial")["state"])
    return Frames(tidy(trials), tidy(curves.assign(state=states.astype(object))), notes)


def _judged(url: str, name: str, trials: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The trials with a contradiction where there is one; the rest stays as it was written."""
    try:
        judged = marked(trials, spec(url, name))
    except StorageError as error:
        return trials.assign(contradiction=None), [f"its trials were not checked: {error}"]
    note = not_counted(left_out(judged))
    kept = trials.assign(state=judged["state"], contradiction=judged["contradiction"])
    return kept, [] if note is None else [note]


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of `reading.frames` as users get it: ``schedule`` for the family, whole numbers as
    integers, texts as texts, columns in the order of `analysis.reading.columns`."""
    shown = frame.rename(columns={"family": "schedule"})
    shown["schedule"] = shown["schedule"].where(shown["schedule"] != "?")
    shown = typed(shown.assign(**{n: _integers(shown[n]) for n in INTEGERS if n in shown}))
    order = CURVES if "epoch" in frame else TRIALS
    first = [name for name in order if name in shown]
    return shown[[*first, *shown.columns.difference([*first, "last_epoch"], sort=False)]]


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the types of `analysis.reading.columns`."""
    return frame.astype({name: kind for name, kind in TYPES.items() if name in frame})


def _integers(column: pd.Series) -> pd.Series:
    possible = (column % 1 == 0) & (column.abs() < 2**63)
    return column.where(possible).astype("Int64")


def write(frame: pd.DataFrame, path: Path) -> list[str]:
    """Write a frame as .csv or .parquet; which of its columns hold values that no type of column
    has (nested, or of several types) and were written as JSON texts. Raises OSError."""
    mixed = [str(name) for name in frame if frame[name].dtype == object]
    texts = {name: frame[name].map(_text).astype("str") for name in mixed}
    if path.suffix == ".csv":
        frame.assign(**texts).to_csv(path, index=False)
    else:
        frame.assign(**texts).to_parquet(path, index=False)
    return [name for name in mixed if not frame[name].map(_is_plain).all()]


def _is_plain(value: object) -> bool:
    """Whether it is a text or missing."""
    return value is None or isinstance(value, str) or value != value


def _text(value: object) -> object:
    """A text as it is, anything else as JSON."""
    return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
