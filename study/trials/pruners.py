"""The pruners by name, made fair to schedules that look bad early and win late.

A new one is a function with `pruner` above it. The choices and the help of `lrstudy run` and the
report's pruning audit follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

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
from search_spaces.words.unknown import unknown
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


Make = Callable[[int, int], BasePruner]


class Pruner(NamedTuple):
    """make: Optuna's pruner, from the first epoch at which it may stop a trial and the epochs of a
    whole one. meaning: in a few words, for the help. audited: whether the audit replays it."""

    make: Make
    meaning: str
    audited: bool


PRUNERS: dict[str, Pruner] = {}


def pruner(name: str, meaning: str, *, audited: bool = True) -> Callable[[Make], Make]:
    """Registers the function below it as the pruner of that name; see `Pruner`."""

    def register(make: Make) -> Make:
        PRUNERS[name] = Pruner(make, meaning, audited)
        return make

    return register


@pruner("none", "stops nothing", audited=False)
def _none(grace: int, epochs: int) -> BasePruner:
    return NopPruner()


@pruner("median", "keeps the better half")
def _median(grace: int, epochs: int) -> BasePruner:
    return MedianPruner(n_startup_trials=_REFERENCES, n_min_trials=_REFERENCES)


@pruner("percentile", "keeps the best 75 %")
def _percentile(grace: int, epochs: int) -> BasePruner:
    return PercentilePruner(75.0, n_startup_trials=_REFERENCES, n_min_trials=_REFERENCES)


@pruner("asha", "keeps the best third at each of several epochs")
def _asha(grace: int, epochs: int) -> BasePruner:
    return SuccessiveHalvingPruner(min_resource=grace, reduction_factor=3)


@pruner("hyperband", "as asha, in brackets that begin early or late")
def _hyperband(grace: int, epochs: int) -> BasePruner:
    return Hyperband(min_resource=grace, max_resource=epochs, reduction_factor=3)


def find_pruner(name: str) -> Pruner:
    """The pruner of that name. Raises ValueError naming the nearest one."""
    if name not in PRUNERS:
        raise ValueError(unknown("pruner", name, PRUNERS))
    return PRUNERS[name]


def make_pruner(spec: StudySpec) -> BasePruner:
    """The study's pruner. Raises ValueError where there is none of its name."""
    grace = grace_epochs(spec)
    base = find_pruner(spec.pruner).make(grace, spec.budget.epochs)
    return base if isinstance(base, NopPruner) else FamilyPruner(base, spec, grace)
