"""Database -> tidy frames: ``trials`` (a row per attempt) and ``curves`` (a row per epoch of it).

Absence is data: pruned, failed, diverged and stalled trials stay in both frames with a ``state``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from analysis.reading.database import (
    attributes,
    params,
    study_attributes,
    study_id,
    trial_rows,
)
from analysis.reading.foreign import PARAM, PREFIXES, USER, moments, prefixed
from analysis.reading.predictive import SAMPLED
from analysis.reading.states import states
from analysis.reading.written import FLAGS, NUMBERS, TEXTS, rest
from search_spaces.config import MOST_EPOCHS
from study.records import KINDS, EpochRecord, Kind, TrialRecord
from study.spec import SPEC_ATTR
from study.storage.opening import connect
from study.trials.sampler import FAMILY_PARAM
from study.values import floats, integer, mapping, number, share, text

_SERIES = [f.name for f in fields(EpochRecord) if f.name not in ("weight_norm", "distance")]
_LOSSES = ("train_loss", "val_loss", "averaged_val_loss")
_ACCURACIES = ("train_accuracy", "val_accuracy", "averaged_val_accuracy")
_METRICS = [name for name in _SERIES if name in (*_LOSSES, *_ACCURACIES)]
_TEST: dict[str, Kind] = {
    "loss": number,
    "accuracy": share,
    "averaged_loss": number,
    "averaged_accuracy": share,
    "best_loss": number,
    "best_accuracy": share,
    "best_epoch": integer,
    "images": integer,
}
_SPLITS = ("val", "test")
_VERSIONS = ("lrstudy", "python", "torch", "optuna", "numba")
_ELSEWHERE = ("test_correct", "gradient_noise")  # read by `correctness` and `predictive`
_KEYS_OF_CURVES = ["study", "trial", "slot", "family", "state"]


def load(url: str, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames of one study of lrstudy in the Optuna storage at ``url``, for computing: absent
    numbers are NaN. What users get of them, and the meaning of each column: `reading.loading`.

    trials: a row per Optuna trial, that is per attempt at a slot, in the order of their numbers.
        family stands for schedule; last_epoch is the last one recorded, NaN without history;
        numbers are as they are stored, also those that cannot be.
    curves: a row per recorded epoch.
    Raises StorageError.
    """
    with connect(url) as connection:
        identity = study_id(connection, name)
        spec = mapping(study_attributes(connection, SPEC_ATTR).get(identity))
        rows = trial_rows(connection, identity)
        known = attributes(connection, identity, besides=_ELSEWHERE)
        sampled = params(connection, identity)
    written = [known.get(trial, {}) for trial in rows.index]
    rows = rows.join(pd.DataFrame([_facts(each) for each in written], rows.index, _COLUMNS))
    study_params = _study_params(spec)
    rows = _with_params(rows, sampled, study_params).assign(study=name, state=states)
    rows = rows.join(prefixed(PARAM, rest(sampled, study_params), rows.index))
    rows = rows.join(prefixed(USER, rest(known, KINDS), rows.index))
    rows = rows.drop(columns="study_id").reset_index(drop=True)
    curves = _curves(rows, [each.get("history") for each in written])
    return _trials(rows, curves), curves


def _facts(known: dict[str, Any]) -> dict[str, Any]:
    """A trial's attributes as one flat row; what is of another type or range counts as missing."""
    record = TrialRecord.model_validate(known)
    config, test, versions = map(mapping, (record.config, record.test, record.versions))
    schedule = mapping(config.get("schedule"))
    return {
        **{name: getattr(record, name) for name in TEXTS},
        **{name: getattr(record, name) is True for name in FLAGS},
        **{name: getattr(record, name) for name in (*NUMBERS, "seed")},
        "epochs": integer(config.get("epochs")),
        "base_lr": number(schedule.get("base_lr")),
        "warmup": number(schedule.get("warmup")),
        **{f"test_{name}": kind(test.get(name)) for name, kind in _TEST.items()},
        **{f"sampled_{split}_accuracy": _sampled_accuracy(record, split) for split in _SPLITS},
        "samples_weights": bool(mapping(config.get("weight_sampling"))),
        **{f"version_{name}": text(versions.get(name)) for name in _VERSIONS},
        "config": json.dumps(config) if config else None,
    }


def _sampled_accuracy(record: TrialRecord, split: str) -> float | None:
    judged = mapping(mapping(record.predictive).get(SAMPLED))
    return share(mapping(judged.get(split)).get("accuracy"))


_COLUMNS = list(_facts({}))
# Columns that a sampled parameter of the same name fills where the trial does not say it itself.
_ALSO_SAMPLED = ("base_lr", "warmup")
_RESERVED = {
    *("study", "trial", "state", "value", "reports", "start", "complete", "seconds", "study_id"),
    *("schedule", "contradiction", "last_epoch"),
    *("epochs_trained", "best_val_accuracy", "mean_lr", "final_lr"),
    *_COLUMNS,
    *_METRICS,
}


def _study_params(spec: dict[str, Any]) -> dict[str, Kind]:
    """The parameters that the study samples. One that has the name of another column is none."""
    free = [name for name in mapping(spec.get("ranges")) if column_of(name) == name]
    return dict.fromkeys([*_ALSO_SAMPLED, *free], number) | {FAMILY_PARAM: text}


def column_of(parameter: str) -> str:
    """The column of ``trials`` that holds a sampled parameter: its own name, or ``params_NAME``
    where a column of another meaning has that."""
    taken = parameter in _RESERVED or parameter.startswith(("datetime_", *PREFIXES))
    return PARAM + parameter if taken and parameter not in _ALSO_SAMPLED else parameter


def _with_params(
    rows: pd.DataFrame, sampled: dict[int, dict[str, Any]], names: Iterable[str]
) -> pd.DataFrame:
    """Adds the sampled parameters of those names; ``schedule`` is the family, and a fact takes
    precedence."""
    per_trial = [sampled.get(trial, {}) for trial in rows.index]
    chosen = [text(each.get(FAMILY_PARAM)) for each in per_trial]
    family = rows["family"].fillna(pd.Series(chosen, rows.index, dtype=object)).fillna("?")
    rows["family"] = family.astype(str)
    for name in names:
        if name == FAMILY_PARAM:
            continue
        values = pd.Series(floats([each.get(name) for each in per_trial]), rows.index)
        rows[name] = values if name not in rows else rows[name].astype(float).fillna(values)
    return rows


def _curves(rows: pd.DataFrame, histories: list[Any]) -> pd.DataFrame:
    """A row per recorded epoch of every trial; built column by column, since there are many."""
    epochs = [_records(history) for history in histories]
    records = list(chain.from_iterable(epochs))
    columns = {name: floats([record.get(name) for record in records]) for name in _SERIES}
    for name in _ACCURACIES:
        columns[name][~((columns[name] >= 0) & (columns[name] <= 1))] = np.nan
    for group in ("weight_norm", "distance"):
        layers = [mapping(record.get(group)) for record in records]
        names = dict.fromkeys(chain.from_iterable(layers))
        columns |= {
            f"{group}_{plain}": floats([layer.get(name) for layer in layers])
            for name, plain in _plain(names).items()
        }
    keys = rows[_KEYS_OF_CURVES].reset_index(drop=True)
    counts = np.array([len(each) for each in epochs], dtype=int)
    curves = keys.loc[keys.index.repeat(counts)].reset_index(drop=True)
    curves = curves.join(pd.DataFrame(columns)).drop_duplicates(["trial", "epoch"], keep="last")
    return curves.astype({"trial": int, "slot": float, "epoch": int}).reset_index(drop=True)


def _plain(names: Iterable[str]) -> dict[str, str]:
    """The names with an underscore for what no attribute of a frame can have; a name that would
    then be another's stays as it is."""
    plain_names: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name)
        plain_names[name] = name if plain in plain_names.values() else plain
    return plain_names


def _records(history: Any) -> list[dict[str, Any]]:
    """The EpochRecords of a trial as JSON; what is none is left out."""
    if not isinstance(history, list):
        return []
    return [each for each in history if isinstance(each, dict) and _is_epoch(each.get("epoch"))]


def _is_epoch(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST_EPOCHS


def _trials(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The trials frame: identity and result first, parameters last."""
    rows = rows.join(_trained(curves), on="trial")
    rows["epochs_trained"] = (
        rows["epochs_trained"].fillna(rows.pop("reports").astype(float)).fillna(0)
    )
    rows["epochs_restored"] = rows["epochs_restored"].fillna(0)
    rows = rows.join(moments(rows)).drop(columns=["datetime_start", "datetime_complete"])
    numbers = ["epochs", "epochs_trained", "base_lr", "warmup", *NUMBERS]
    numbers += [f"test_{name}" for name in _TEST]
    numbers += [f"sampled_{split}_accuracy" for split in _SPLITS]
    rows[numbers] = rows[numbers].apply(pd.to_numeric, errors="coerce")
    rows = rows.astype(dict.fromkeys(numbers, float) | {"seed": "Int64"})
    for flag in FLAGS:
        rows[flag] = rows[flag].eq(True)
    first = ["study", "trial", "slot", "attempt", "state", "value", "family", "replicate", "seed"]
    return rows[[*first, *rows.columns.difference(first, sort=False)]]


def _trained(curves: pd.DataFrame) -> pd.DataFrame:
    """What the curves say about each trial, by trial number."""
    ordered = curves.sort_values(["trial", "epoch"])
    groups = ordered.groupby("trial")
    # Not last(), which would skip an epoch whose loss is not finite.
    last = ordered.drop_duplicates("trial", keep="last").set_index("trial")
    return last[_METRICS].assign(
        epochs_trained=groups.size(),
        best_val_accuracy=groups["val_accuracy"].max(),
        # Not where an epoch lacks it: the mean of the others is not the run's.
        mean_lr=groups["mean_lr"].mean().where(groups["mean_lr"].count() == groups.size()),
        final_lr=last["last_lr"],
        last_epoch=last["epoch"],
    )
