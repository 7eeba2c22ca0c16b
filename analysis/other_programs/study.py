"""OtherStudy: what is known of a study that another program made with Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.reading import foreign
from analysis.reading.database import directions, distributions, params, study_id, trial_rows
from analysis.reading.foreign import PARAM
from analysis.reading.loading import typed
from analysis.reading.studies import has_spec
from search_spaces.words.phrases import count
from study.storage.opening import connect
from study.storage.urls import StorageError, safe_url
from study.values import LARGEST

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class OtherStudy:
    """A study of one objective.

    storage: its URL without a password. direction: minimize or maximize. trials, curves: see
    `reading.foreign.load`. params: what each trial sampled, by its number; a parameter that is not
    there was not sampled, one that is None was. kinds: the distribution of each parameter, as
    Optuna writes it in JSON.
    """

    name: str
    storage: str
    direction: Direction
    trials: pd.DataFrame
    curves: pd.DataFrame
    params: Mapping[int, Mapping[str, Any]]
    kinds: Mapping[str, Mapping[str, Any]]
    confirm: None = None  # it has no later stage

    @property
    def ranked(self) -> pd.DataFrame:
        """Its complete trials, best first, the earlier one of two; those whose value is not finite
        are left out."""
        complete: pd.DataFrame = self.trials[self.trials["state"] == "complete"]
        known: pd.DataFrame = complete[np.isfinite(complete["value"])]
        rising = self.direction == "minimize"
        return known.sort_values(["value", "trial"], ascending=[rising, True], ignore_index=True)

    @property
    def parameters(self) -> list[str]:
        """The names of what some trial sampled."""
        return [str(n).removeprefix(PARAM) for n in self.trials if str(n).startswith(PARAM)]

    def sampled(self, trial: int) -> dict[str, Any]:
        """The parameters that a trial has, as they were sampled, in the order of `parameters`."""
        own = self.params.get(trial, {})
        return {name: own[name] for name in self.parameters if name in own}

    def better(self, values: pd.Series, than: float) -> pd.Series:
        """Whether each value is better than another one."""
        return values < than if self.direction == "minimize" else values > than


def computable(values: pd.Series) -> pd.Series:
    """Whether each value is a number that is not too large to compute with and to draw."""
    return values.abs() <= LARGEST


def in_words(value: Any) -> str:
    """A value in a few words: a number to four digits, a text as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def value_in_words(study: OtherStudy, value: float) -> str:
    """A value of its objective, and which direction is better."""
    better = "lower" if study.direction == "minimize" else "higher"
    return f"{in_words(value)} ({better} is better)"


def configuration(params: Mapping[str, Any]) -> str:
    """Parameters in a few words: ``x=0.31, depth=3``."""
    return ", ".join(f"{name}={in_words(value)}" for name, value in params.items())


def is_of_another_program(url: str, name: str) -> bool:
    """Whether the study, which must be there, was not made by lrstudy. Raises StorageError."""
    return not has_spec(url, name)


def objectives(url: str, name: str) -> list[str]:
    """The direction of each objective. Raises StorageError."""
    with connect(url) as connection:
        return directions(connection, study_id(connection, name))


def direction_of(url: str, name: str) -> Direction:
    """The direction of a study's one objective. Raises StorageError where it has several, or none
    that lrstudy knows."""
    every_direction = objectives(url, name)
    if len(every_direction) != 1:
        raise StorageError(
            f"study {name!r} has {count(len(every_direction), 'objective')}, and no trial of it is "
            "the best: `lrstudy export` writes all of its values"
        )
    if every_direction[0] == "minimize":
        return "minimize"
    if every_direction[0] == "maximize":
        return "maximize"
    raise StorageError(f"study {name!r} has an objective without a direction")


def overview(url: str, name: str) -> dict[str, Any]:
    """The facts of a study of any number of objectives as JSON values: directions, trials, states
    and best (trial, value, params; None without a complete trial, or with several objectives).
    Raises StorageError."""
    every_direction = objectives(url, name)
    states = foreign.load(url, name)[0]["state"].value_counts()
    ranked = load_other(url, name) if len(every_direction) == 1 else None
    return {
        "directions": every_direction,
        "trials": int(states.sum()),
        "states": {str(state): int(n) for state, n in states.items()},
        "best": None if ranked is None else best_of(ranked),
    }


def best_of(study: OtherStudy) -> dict[str, Any] | None:
    """Number, value and parameters of the best complete trial, None where there is none."""
    if study.ranked.empty:
        return None
    first = study.ranked.iloc[0]
    trial = int(first["trial"])
    return {"trial": trial, "value": float(first["value"]), "params": study.sampled(trial)}


def load_other(url: str, name: str) -> OtherStudy:
    """The study of that name in the storage ``url``. Raises StorageError, also where it has several
    objectives."""
    direction = direction_of(url, name)
    with connect(url) as connection:
        identity = study_id(connection, name)
        kinds, found = distributions(connection, identity), params(connection, identity)
        numbers = trial_rows(connection, identity)["trial"]
    by_number = {int(numbers[each]): own for each, own in found.items() if each in numbers.index}
    trials, curves = (typed(each) for each in foreign.load(url, name))
    trials["value"] = pd.to_numeric(trials["value"], errors="coerce").astype(float)
    return OtherStudy(name, safe_url(url), direction, trials, curves, by_number, kinds)
