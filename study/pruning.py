"""Optuna's pruners by name, made fair to schedules that look bad early and win late."""

from __future__ import annotations

import copy
import math
from collections.abc import Container

import numpy as np
import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.trial import FrozenTrial, TrialState

from search_spaces.durations import CLOSE
from study.sampling import SomeTrials, one_family
from study.slots import SlotStorage, complete_trial_ids
from study.spec import StudySpec

# Trials that always run to the end, as unbiased controls for what pruning would have lost.
CONTROL_SHARE = 0.1
# Trials of the family that must have reached an epoch before one is stopped there.
_REFERENCES = 5


class _ReadOnce(optuna.Study):
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


class FamilyPruner(BasePruner):
    """Applies a pruner within a trial's own schedule family, and not before `grace` epochs.

    A rate that is still high or still warming up looks bad early (short-horizon bias, Wu et al.
    2018). It serves one study.
    """

    def __init__(self, base: BasePruner, spec: StudySpec, grace: int) -> None:
        self._base = base
        self._spec = spec
        self._grace = grace
        self._complete: dict[int, FrozenTrial] = {}

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to stop the trial after its last reported epoch."""
        epoch, slot = trial.last_step, int(trial.user_attrs["slot"])
        if epoch is None or epoch + 1 < self._grace or epoch + 1 >= self._spec.budget.epochs:
            return False
        if is_control(self._spec, slot):
            return False
        family = one_family(_ReadOnce(study, self._complete), self._spec.family(slot))
        return self._base.prune(family, trial)


class _Hyperband(HyperbandPruner):
    """Optuna's, with brackets of the study that it is given: Optuna's own read the storage again,
    and so the trials of every family."""

    def _create_bracket_study(self, study: optuna.Study, bracket_id: int) -> optuna.Study:
        return SomeTrials(study, lambda each: self._get_bracket_id(study, each) == bracket_id)


def is_control(spec: StudySpec, slot: int) -> bool:
    """Whether a slot is one of the random tenth that is never pruned."""
    return bool(np.random.default_rng([spec.seed, slot]).random() < CONTROL_SHARE)


def grace_epochs(spec: StudySpec) -> int:
    """Epochs before which nothing is pruned: a fifth of training, and the longest warmup."""
    warmup = math.ceil(spec.longest_warmup - CLOSE)
    return max(1, math.ceil(0.2 * spec.budget.epochs), warmup)


def make_pruner(spec: StudySpec) -> BasePruner:
    """The study's pruner. median keeps the better half of a family, percentile the best 75 %."""
    grace, epochs = grace_epochs(spec), spec.budget.epochs
    match spec.pruner:
        case "none":
            return NopPruner()
        case "median":
            base: BasePruner = MedianPruner(n_startup_trials=_REFERENCES, n_min_trials=_REFERENCES)
        case "percentile":
            base = PercentilePruner(75.0, n_startup_trials=_REFERENCES, n_min_trials=_REFERENCES)
        case "asha":
            base = SuccessiveHalvingPruner(min_resource=grace, reduction_factor=3)
        case "hyperband":
            base = _Hyperband(min_resource=grace, max_resource=epochs, reduction_factor=3)
    return FamilyPruner(base, spec, grace)
