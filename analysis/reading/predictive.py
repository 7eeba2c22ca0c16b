"""What trials predict with the weights that they sampled, diverged ones included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.reading.database import (
    attributes,
    study_attributes,
    study_id,
    trial_rows,
)
from study.records import CorrectnessRecord, PredictiveRecord, from_bits
from study.storage.opening import connect
from study.storage.studies import SAMPLED_ATTR
from study.values import LARGEST, integer, mapping, number

MEASURES = ("accuracy", "calibrated_nll", "nll", "brier", "ece")


def measured(trials: pd.DataFrame, predictive: pd.DataFrame, split: str) -> pd.DataFrame:
    """The trials with MEASURES of their sampled weights on a split, samples and noise_temperature.

    A run that is untrained has none.
    """
    measures = predictive[(predictive["weights"] == SAMPLED) & (predictive["split"] == split)]
    measures = measures[["trial", *MEASURES, "samples", "noise_temperature"]]
    # A parameter of another program may have the name of a measure.
    rest = trials[trials.columns.difference(measures.columns[1:], sort=False)]
    joined = rest.merge(measures, on="trial", how="left")
    joined.loc[joined["state"] != "complete", list(MEASURES)] = np.nan
    return joined


WEIGHTS = ("last", "averaged", "best")
SAMPLED = "sampled"  # what a run's sampled weights predict together
PROBLEMS = ("gaussian", "mixture")  # of `lrstudy sample`
METRICS = ("accuracy", "nll", "calibrated_nll", "scale", "brier", "ece")


def correctness(url: str, name: str) -> dict[str, pd.DataFrame]:
    """Which test images each trial got right, by WEIGHTS and SAMPLED: a row per trial number, a
    column per image, bool. Trials that did not read the test images, or whose bits are damaged, are
    missing.
    """
    with connect(url) as connection:
        identity = study_id(connection, name)
        numbers = trial_rows(connection, identity)["trial"]
        known = attributes(connection, identity, CorrectnessRecord.model_fields)
    rows: dict[str, dict[int, npt.NDArray[np.bool_]]] = {
        weights: {} for weights in (*WEIGHTS, SAMPLED)
    }
    for trial, values in known.items():
        record = CorrectnessRecord.model_validate(values)
        count = integer(mapping(record.test).get("images"))
        for weights, bits in mapping(record.test_correct).items():
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
        known = attributes(connection, identity, PredictiveRecord.model_fields)
    records = {trial: PredictiveRecord.model_validate(values) for trial, values in known.items()}
    rows = [
        {"trial": int(numbers[trial]), "weights": weights, "split": split}
        | {metric: _up_to(_MOST[metric], judged.get(metric)) for metric in METRICS}
        | {"samples": _up_to(LARGEST, integer(mapping(record.predictive).get("samples")))}
        | {"noise_temperature": _up_to(LARGEST, mapping(record.gradient_noise).get("temperature"))}
        for trial, record in records.items()
        for weights in ("last", SAMPLED)
        for split, judged in _by_split(record, weights).items()
    ]
    columns = ["trial", "weights", "split", *METRICS, "samples", "noise_temperature"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(columns[3:], float) | {"trial": int})


_MOST = dict.fromkeys(METRICS, LARGEST) | {"accuracy": 1.0, "brier": 2.0, "ece": 1.0}


def _up_to(most: float, value: Any) -> float | None:
    """A number from 0 to ``most``."""
    known = number(value)
    return known if known is not None and 0 <= known <= most else None


def _by_split(record: PredictiveRecord, weights: str) -> dict[str, dict[str, Any]]:
    judged = mapping(mapping(record.predictive).get(weights))
    return {split: mapping(judged.get(split)) for split in ("val", "test") if split in judged}


def sampled(url: str, name: str) -> dict[str, dict[str, Any]]:
    """What `lrstudy sample` kept in a study, by the name of the problem."""
    with connect(url) as connection:
        identity = study_id(connection, name)
        stored = {
            problem: study_attributes(connection, f"{SAMPLED_ATTR}{problem}").get(identity)
            for problem in PROBLEMS
        }
    return {problem: mapping(each) for problem, each in stored.items() if each is not None}


def _usual_length(rows: Iterable[npt.NDArray[np.bool_]]) -> int:
    """How many images most trials tell of: all read the same ones."""
    lengths = Counter(map(len, rows)).most_common(1)
    return lengths[0][0] if lengths else 0
