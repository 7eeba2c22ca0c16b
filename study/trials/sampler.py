"""SlotSampler: the slot decides the family and, in random and qmc designs, every parameter.

Optuna's own samplers repeat or skip points when several workers ask; here a point depends on the
study's seed and the slot alone, so one worker and eight give the same random or qmc design.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from study.records import slot_of
from study.spec import StudySpec
from study.storage.views import one_family

FAMILY_PARAM = "schedule"


# Trials of a family before TPE models them; a constant, since a total may be raised later.
_STARTUP = 5


class SlotSampler(BaseSampler):
    """Draws a trial's parameters from its slot (random, qmc) or from its family's trials (tpe).

    Baselines of the space come first in each family. TPE sees its own family only, and is seeded
    from the study's seed and the slot, so that no two workers draw the same points.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What TPE may model jointly: the family's parameters, unless they are given."""
        slot = _slot(trial)
        if self._spec.sampler != "tpe" or self._spec.given(slot) is not None:
            return {}
        family = one_family(study, self._spec.family(slot))
        space = self._tpe(slot).infer_relative_search_space(family, trial)
        return {name: each for name, each in space.items() if name != FAMILY_PARAM}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """TPE's joint draw."""
        if not search_space:
            return {}
        slot = _slot(trial)
        family = one_family(study, self._spec.family(slot))
        return self._tpe(slot).sample_relative(family, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The family, the value of an arm or a baseline, or the slot's point of the design."""
        slot = _slot(trial)
        if param_name == FAMILY_PARAM:
            return self._spec.family(slot)
        given = self._spec.given(slot)
        if given is not None and param_name in given:
            return given[param_name]
        if self._spec.sampler == "qmc":
            return self._qmc(slot, param_name, param_distribution)
        seed = _seed(self._spec.seed, slot, param_name)
        sampler = RandomSampler(seed=seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing: no state is kept between trials."""

    def _tpe(self, slot: int) -> TPESampler:
        return TPESampler(
            seed=_seed(self._spec.seed, slot, "tpe"),
            n_startup_trials=_STARTUP,
            multivariate=True,
            constant_liar=True,
        )

    def _qmc(self, slot: int, name: str, distribution: BaseDistribution) -> float:
        """Coordinate `name` of the family's scrambled Sobol' point number turn(slot)."""
        if not isinstance(distribution, FloatDistribution):
            raise TypeError(f"qmc draws floats only, not {name}: {distribution}")
        from scipy.stats import qmc  # takes a quarter of a worker's start

        names = sorted(self._spec.ranges)
        seed = _seed(self._spec.seed, slot % len(self._spec.families), "qmc")
        sobol = qmc.Sobol(len(names), rng=np.random.default_rng(seed))
        sobol.fast_forward(self._spec.turn(slot))
        share = float(sobol.random(1)[0, names.index(name)])
        low, high = distribution.low, distribution.high
        if distribution.log:
            return float(min(max(low * (high / low) ** share, low), high))
        return low + (high - low) * share


def _slot(trial: FrozenTrial) -> int:
    return slot_of(trial.user_attrs)


def _seed(*parts: int | str) -> int:
    """A 32-bit seed from numbers and names."""
    entropy = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in parts]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
