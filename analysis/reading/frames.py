"""Database -> tidy frames: ``trials`` (a row per attempt) and ``curves`` (a row per epoch of it).

Absence is data: pruned, failed, diverged and stalled trials stay in both frames with a ``state``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from analysis.reading.database import (
    ATTRIBUTES,
    STUDIES,
    TRIALS,
    attributes,
    fetch,
    params,
    study_attributes,
    study_id,
    trial_rows,
)
from analysis.reading.foreign import PARAM, PREFIXES, USER, moments, prefixed, states
from analysis.reading.values import LARGEST, floats, integer, mapping, number, parsed, share, text
from analysis.reading.written import FLAGS, NUMBERS, TEXTS, WRITTEN, Kind, rest
from search_spaces.config import MOST_EPOCHS
from study.records import EpochRecord, from_bits
from study.spec import SPEC_ATTR, StudySpec
from study.storage.opening import connect
from study.storage.outcomes import ENDED, UNFINISHED
from study.storage.studies import SAMPLED_ATTR, parse_spec
from study.storage.urls import StorageError
from study.trials.sampler import FAMILY_PARAM

__all__ = [
    "STATES",
    "WEIGHTS",
    "StorageError",
    "correctness",
    "final_attempts",
    "load",
    "names",
    "spec",
    "studies",
]

STATES = (*ENDED, *UNFINISHED)
RESULTS = ("complete", "diverged", "stalled")
TERMINAL = ENDED
_SERIES = [f.name for f in fields(EpochRecord) if f.name not in ("weight_norm", "distance")]
_METRICS = [name for name in _SERIES if name.split("_")[0] in ("train", "val", "averaged")]
_TEST = (
    *("loss", "accuracy", "averaged_loss", "averaged_accuracy"),
    *("best_loss", "best_accuracy", "best_epoch", "images"),
)
WEIGHTS = ("last", "averaged", "best")
_SPLITS = ("val", "test")
SAMPLED = "sampled"  # what a run's sampled weights predict together
PROBLEMS = ("gaussian", "mixture")  # of `lrstudy sample`
METRICS = ("accuracy", "nll", "calibrated_nll", "scale", "brier", "ece")
_VERSIONS = ("lrstudy", "python", "torch", "optuna")
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
    found = [known.get(trial, {}) for trial in rows.index]
    rows = rows.join(pd.DataFrame([_facts(each) for each in found], rows.index, _COLUMNS))
    own = _own_params(spec)
    rows = _with_params(rows, sampled, own).assign(study=name, state=_states)
    rows = rows.join(prefixed(PARAM, rest(sampled, own), rows.index))
    rows = rows.join(prefixed(USER, rest(known, WRITTEN), rows.index))
    rows = rows.drop(columns="study_id").reset_index(drop=True)
    curves = _curves(rows, [each.get("history") for each in found])
    return _trials(rows, curves), curves


def correctness(url: str, name: str) -> dict[str, pd.DataFrame]:
    """Which test images each trial got right, by WEIGHTS and SAMPLED: a row per trial number, a
    column per image, bool. Trials that did not read the test images, or whose bits are damaged, are
    missing.
    """
    with connect(url) as connection:
        identity = study_id(connection, name)
        numbers = trial_rows(connection, identity)["trial"]
        known = attributes(connection, identity, ("test", "test_correct"))
    rows: dict[str, dict[int, npt.NDArray[np.bool_]]] = {
        weights: {} for weights in (*WEIGHTS, SAMPLED)
    }
    for trial, found in known.items():
        count = integer(mapping(found.get("test")).get("images"))
        for weights, bits in mapping(found.get("test_correct")).items():
            if weights in rows and count is not None and isinstance(bits, str):
                with suppress(ValueError):
                    rows[weights][int(numbers[trial])] = from_bits(bits, count)
    usual = _usual_length(each for bits in rows.values() for each in bits.values())
    rows = {
        weights: {trial: each for trial, each in bits.items() if len(each) == usual}
        for weights, bits in rows.items()
    }
    return {
        weights: pd.DataFrame.from_dict(each, orient="index", dtype=bool).sort_index()
        for weights, each in rows.items()
    }


def predictive(url: str, name: str) -> pd.DataFrame:
    """How good the probabilities are that trials predict, where they sample weights: a row per
    trial, weights ("last", SAMPLED) and split ("val", "test").

    trial (number), weights, split, METRICS (see `study.training.calibration.Metrics`), samples, and
    noise_temperature: what minibatches drawn with replacement would add at the last update.
    Damaged numbers, and those that cannot be, are NaN.
    """
    with connect(url) as connection:
        identity = study_id(connection, name)
        numbers = trial_rows(connection, identity)["trial"]
        known = attributes(connection, identity, ("predictive", "gradient_noise"))
    rows = [
        {"trial": int(numbers[trial]), "weights": weights, "split": split}
        | {metric: _up_to(_MOST[metric], judged.get(metric)) for metric in METRICS}
        | {"samples": _up_to(LARGEST, integer(mapping(found.get("predictive")).get("samples")))}
        | {"noise_temperature": _up_to(LARGEST, _noise(found).get("temperature"))}
        for trial, found in known.items()
        for weights in ("last", SAMPLED)
        for split, judged in _by_split(found, weights).items()
    ]
    columns = ["trial", "weights", "split", *METRICS, "samples", "noise_temperature"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(columns[3:], float) | {"trial": int})


_MOST = dict.fromkeys(METRICS, LARGEST) | {"accuracy": 1.0, "brier": 2.0, "ece": 1.0}


def _up_to(most: float, value: Any) -> float | None:
    """A number from 0 to ``most``."""
    found = number(value)
    return found if found is not None and 0 <= found <= most else None


def _noise(found: dict[str, Any]) -> dict[str, Any]:
    return mapping(found.get("gradient_noise"))


def _by_split(found: dict[str, Any], weights: str) -> dict[str, dict[str, Any]]:
    judged = mapping(mapping(found.get("predictive")).get(weights))
    return {split: mapping(judged.get(split)) for split in ("val", "test") if split in judged}


def sampled(url: str, name: str) -> dict[str, dict[str, Any]]:
    """What `lrstudy sample` kept in a study, by the name of the problem."""
    with connect(url) as connection:
        identity = study_id(connection, name)
        found = {
            problem: study_attributes(connection, f"{SAMPLED_ATTR}{problem}").get(identity)
            for problem in PROBLEMS
        }
    return {problem: mapping(each) for problem, each in found.items() if each is not None}


def _usual_length(found: Iterable[npt.NDArray[np.bool_]]) -> int:
    """How many images most trials tell of: all read the same ones."""
    lengths = Counter(map(len, found)).most_common(1)
    return lengths[0][0] if lengths else 0


def names(url: str) -> list[str]:
    """The names of the studies in the storage."""
    with connect(url) as connection:
        return list(fetch(connection, sa.select(STUDIES.c.study_name))["study_name"])


def has_spec(url: str, name: str) -> bool:
    """Whether lrstudy made the study, in whichever version."""
    with connect(url) as connection:
        identity = study_id(connection, name)
        return identity in study_attributes(connection, SPEC_ATTR)


def spec(url: str, name: str) -> StudySpec:
    """What the study was asked to do. Raises StorageError where lrstudy did not make it."""
    with connect(url) as connection:
        identity = study_id(connection, name)
        found = study_attributes(connection, SPEC_ATTR)
    return parse_spec(name, found.get(identity))


def studies(url: str) -> pd.DataFrame:
    """A row per study of the storage: name, space (None if another program's), attempts (at its
    trials, of any state), planned (trials asked for; None if another program's), and how many of
    these have each of STATES, see `slot_states`."""
    keys = ("slot", "outcome", "interrupted")
    said = [ATTRIBUTES.alias(key) for key in keys]
    query = sa.select(
        TRIALS.c.study_id,
        TRIALS.c.number.label("trial"),
        TRIALS.c.state,
        *(attribute.c.value_json.label(attribute.name) for attribute in said),
    )
    for attribute in said:
        same = (attribute.c.trial_id == TRIALS.c.trial_id) & (attribute.c.key == attribute.name)
        query = query.outerjoin(attribute, same)
    with connect(url) as connection:
        listed = fetch(connection, sa.select(STUDIES.c.study_id, STUDIES.c.study_name))
        rows = fetch(connection, query)
        found = study_attributes(connection, SPEC_ATTR)
    for key in keys:
        rows[key] = [parsed(each) if isinstance(each, str) else None for each in rows[key]]
    rows = rows.assign(state=_states(rows), slot=floats([integer(each) for each in rows["slot"]]))
    specs = {identity: mapping(found.get(identity)) for identity in listed["study_id"]}
    asked = {identity: integer(values.get("trials")) for identity, values in specs.items()}
    counts = [slot_states(rows[rows["study_id"] == each], asked[each]) for each in specs]
    head = pd.DataFrame(
        {
            "name": listed["study_name"].to_numpy(),
            "space": [text(values.get("space")) for values in specs.values()],
            "attempts": [int((rows["study_id"] == each).sum()) for each in specs],
            "planned": pd.array(list(asked.values()), "Int64"),
        }
    )
    return pd.concat([head, pd.DataFrame(counts, columns=list(STATES), dtype=int)], axis=1)


def slot_states(attempts: pd.DataFrame, trials: int | None) -> dict[str, int]:
    """How many of a study's trials have each state: the one of their final attempt, ``waiting``
    where there was none. They add up to ``trials``; attempts without a slot of these do not count.

    trials: asked for; None: of another program, each of whose attempts is a trial.
    """
    states = list(dict.fromkeys([*STATES, *attempts["state"]]))
    own = attempts if trials is None else final_attempts(attempts[has_slot(attempts, trials)])
    counts = own["state"].value_counts().reindex(states, fill_value=0)
    counts["waiting"] += 0 if trials is None else max(0, trials - len(own))
    return {str(state): int(count) for state, count in counts.items()}


def has_slot(attempts: pd.DataFrame, trials: int) -> pd.Series:
    """Whether each attempt has a slot of a study of so many trials."""
    slots = attempts["slot"]
    return slots.between(0, trials - 1) & (slots % 1 == 0)


def final_attempts(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per slot: its result (complete, diverged, stalled or pruned), else its last attempt.

    Retries share a slot, so that counting trials would count a slot more than once. A trial
    without a slot (of another program) stands for itself.
    """
    decided = trials["state"].isin(TERMINAL)
    ordered = trials.assign(_decided=decided, _slot=trials["slot"].fillna(-1.0 - trials["trial"]))
    ordered = ordered.sort_values(["_decided", "trial"]).drop_duplicates("_slot", keep="last")
    return ordered.sort_values("trial").drop(columns=["_decided", "_slot"]).reset_index(drop=True)


def _facts(known: dict[str, Any]) -> dict[str, Any]:
    """A trial's attributes as one flat row; what is of another type or range counts as missing."""
    config, test, versions = (mapping(known.get(key)) for key in ("config", "test", "versions"))
    schedule = mapping(config.get("schedule"))
    return {
        **{name: text(known.get(name)) for name in TEXTS},
        **{name: known.get(name) is True for name in FLAGS},
        **{name: integer(known.get(name)) for name in (*NUMBERS, "seed")},
        "epochs": integer(config.get("epochs")),
        "base_lr": number(schedule.get("base_lr")),
        "warmup": number(schedule.get("warmup")),
        **{f"test_{name}": _measured(name, test.get(name)) for name in _TEST},
        **{f"sampled_{split}_accuracy": _sampled_accuracy(known, split) for split in _SPLITS},
        "samples_weights": bool(mapping(config.get("weight_sampling"))),
        **{f"version_{name}": text(versions.get(name)) for name in _VERSIONS},
        "config": json.dumps(config) if config else None,
    }


def _sampled_accuracy(known: dict[str, Any], split: str) -> float | None:
    judged = mapping(mapping(known.get("predictive")).get(SAMPLED))
    return share(mapping(judged.get(split)).get("accuracy"))


def _measured(name: str, value: Any) -> float | None:
    if name in ("best_epoch", "images"):
        return integer(value)
    return share(value) if name.endswith("accuracy") else number(value)


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


def _own_params(spec: dict[str, Any]) -> dict[str, Kind]:
    """The parameters that the study samples. One that has the name of another column is none."""
    free = [
        name
        for name in mapping(spec.get("ranges"))
        if name not in _RESERVED and not name.startswith(("datetime_", *PREFIXES))
    ]
    return dict.fromkeys([*_ALSO_SAMPLED, *free], number) | {FAMILY_PARAM: text}


def _with_params(
    rows: pd.DataFrame, sampled: dict[int, dict[str, Any]], own: Iterable[str]
) -> pd.DataFrame:
    """Adds the sampled parameters of those names; ``schedule`` is the family, and a fact takes
    precedence."""
    found = [sampled.get(trial, {}) for trial in rows.index]
    chosen = [text(each.get(FAMILY_PARAM)) for each in found]
    family = rows["family"].fillna(pd.Series(chosen, rows.index, dtype=object)).fillna("?")
    rows["family"] = family.astype(str)
    for name in own:
        if name == FAMILY_PARAM:
            continue
        values = pd.Series(floats([each.get(name) for each in found]), rows.index)
        rows[name] = values if name not in rows else rows[name].astype(float).fillna(values)
    return rows


def _states(rows: pd.DataFrame) -> pd.Series:
    """lrstudy's state from Optuna's and the attributes that say how it ended."""
    state = states(rows)
    for outcome in ("diverged", "stalled"):
        state = state.mask((state == "complete") & (rows["outcome"] == outcome), outcome)
    return state.mask((state == "failed") & rows["interrupted"].eq(True), "interrupted")


def _curves(rows: pd.DataFrame, histories: list[Any]) -> pd.DataFrame:
    """A row per recorded epoch of every trial; built column by column, since there are many."""
    found = [_records(history) for history in histories]
    records = list(chain.from_iterable(found))
    columns = {name: floats([record.get(name) for record in records]) for name in _SERIES}
    for name in columns:
        if name.endswith("accuracy"):
            columns[name][~((columns[name] >= 0) & (columns[name] <= 1))] = np.nan
    for group in ("weight_norm", "distance"):
        layers = [mapping(record.get(group)) for record in records]
        names = dict.fromkeys(chain.from_iterable(layers))
        columns |= {
            f"{group}_{plain}": floats([layer.get(name) for layer in layers])
            for name, plain in _plain(names).items()
        }
    keys = rows[_KEYS_OF_CURVES].reset_index(drop=True)
    counts = np.array([len(each) for each in found], dtype=int)
    curves = keys.loc[keys.index.repeat(counts)].reset_index(drop=True)
    curves = curves.join(pd.DataFrame(columns)).drop_duplicates(["trial", "epoch"], keep="last")
    return curves.astype({"trial": int, "slot": float, "epoch": int}).reset_index(drop=True)


def _plain(names: Iterable[str]) -> dict[str, str]:
    """The names with an underscore for what no attribute of a frame can have; a name that would
    then be another's stays as it is."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name)
        found[name] = name if plain in found.values() else plain
    return found


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
    numbers += [name for name in _COLUMNS if name.startswith(("test_", "sampled_"))]
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
