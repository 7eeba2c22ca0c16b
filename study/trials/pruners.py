"""Optuna's pruners by name, made fair to schedules that look bad early and win late."""

from __future__ import annotations

import math

import numpy as np
import optuna
from optuna.pruners import (
    BasePruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.trial import FrozenTrial

from search_spaces.schedules.durations import CLOSE
from study.records import slot_of
from study.spec import StudySpec
from study.storage.views import Hyperband, ReadOnce, one_family

# Trials that always run to the end, as unbiased controls for what pruning would have lost.
CONTROL_SHARE = 0.1
# Trials of the family that must have reached an epoch before one is stopped there.
_REFERENCES = 5


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
        epoch, slot = trial.last_step, slot_of(trial.user_attrs)
        if epoch is None or epoch + 1 < self._grace or epoch + 1 >= self._spec.budget.epochs:
            return False
        if is_control(self._spec, slot):
            return False
        family = one_family(ReadOnce(study, self._complete), self._spec.family(slot))
        return self._base.prune(family, trial)


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
            base = Hyperband(min_resource=grace, max_resource=epochs, reduction_factor=3)
    return FamilyPruner(base, spec, grace)
