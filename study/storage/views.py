"""A study as a sampler or pruner shall see it: some of its trials, each read once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Container
from typing import Any

import optuna
from optuna.pruners import HyperbandPruner
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from study.records import family_of
from study.storage.claims import SlotStorage, complete_trial_ids


class SomeTrials(optuna.Study):
    """A study as it would be if it had only the trials that ``keep`` accepts."""

    def __init__(self, study: optuna.Study, keep: Callable[[FrozenTrial], bool]) -> None:
        self.__dict__.update(study.__dict__)
        self._all, self._keep = study, keep

    def _get_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        return [t for t in self._all._get_trials(*arguments, **options) if self._keep(t)]


def one_family(study: optuna.Study, family: str) -> SomeTrials:
    """The study with the trials of one schedule family, without attempts that failed: what they
    measured is in the retry, and would count twice."""
    return SomeTrials(
        study,
        lambda trial: family_of(trial.user_attrs) == family and trial.state != TrialState.FAIL,
    )


class ReadOnce(optuna.Study):
    """A study whose complete trials are read once each.

    Optuna reads all that run again with them, so that each report of a worker costs the more the
    more workers there are.
    """

    def __init__(self, study: optuna.Study, known: dict[int, FrozenTrial]) -> None:
        self.__dict__.update(study.__dict__)
        self._whole, self._known = study, known

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        storage = getattr(self._storage, "_backend", None)
        if states != (TrialState.COMPLETE,) or not isinstance(storage, SlotStorage):
            return self._whole._get_trials(deepcopy, states, use_cache)
        for trial_id in complete_trial_ids(storage, self._study_id):
            if trial_id not in self._known:
                self._known[trial_id] = storage.get_trial(trial_id)
        found = list(self._known.values())
        return copy.deepcopy(found) if deepcopy else found


class Hyperband(HyperbandPruner):
    """Optuna's, with brackets of the study that it is given: Optuna's own read the storage again,
    and so the trials of every family."""

    def _create_bracket_study(self, study: optuna.Study, bracket_id: int) -> optuna.Study:
        return SomeTrials(study, lambda each: self._get_bracket_id(study, each) == bracket_id)


def storage_of(study: optuna.Study) -> BaseStorage:
    """The storage that a study is in."""
    return study._storage


def study_id(study: optuna.Study) -> int:
    """The number of a study in its storage."""
    return study._study_id


def trial_id(trial: optuna.Trial) -> int:
    """The number of a trial in its storage, where trials of all studies are counted together."""
    return trial._trial_id
