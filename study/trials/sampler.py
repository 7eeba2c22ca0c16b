"""The samplers by name. SlotSampler: the slot decides the family; then one of them draws.

A new one is a function, or a class, with `sampler` above it. The choices and the help of `lrstudy
run` follow.

Optuna's own samplers repeat or skip points when several workers ask; here a point of a random or
qmc design depends on the study's seed and the slot alone, so one worker and eight give the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from search_spaces.words.unknown import unknown
from study.records import slot_of
from study.spec import StudySpec
from study.storage.views import one_family

FAMILY_PARAM = "schedule"
# Trials of a family before TPE models them; a constant, since a total may be raised later.
_STARTUP = 5


Make = Callable[[StudySpec, int], BaseSampler]
_Made = TypeVar("_Made", bound=Make)


class Sampler(NamedTuple):
    """make: an Optuna sampler for the trial of one slot, made once for each trial; it sees the
    trials of the slot's family alone, and takes its seed from `slot_seed`. meaning: in a few words,
    for the help."""

    make: Make
    meaning: str


SAMPLERS: dict[str, Sampler] = {}


def sampler(name: str, meaning: str) -> Callable[[_Made], _Made]:
    """Registers the function, or class, below it as the sampler of that name; see `Sampler`."""

    def register(make: _Made) -> _Made:
        SAMPLERS[name] = Sampler(make, meaning)
        return make

    return register


def find_sampler(name: str) -> Sampler:
    """The sampler of that name. Raises ValueError naming the nearest one."""
    if name not in SAMPLERS:
        raise ValueError(unknown("sampler", name, SAMPLERS))
    return SAMPLERS[name]


def slot_seed(spec: StudySpec, slot: int, purpose: str) -> int:
    """A 32-bit seed of a slot: another one for each study's seed, slot and purpose."""
    entropy = [spec.seed, slot, zlib.crc32(purpose.encode())]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


@sampler("tpe", "learns from the trials of the same schedule")
class Tpe(TPESampler):
    """Optuna's; before it has trials to model, its slots draw as in a random design."""

    def __init__(self, spec: StudySpec, slot: int) -> None:
        super().__init__(
            seed=slot_seed(spec, slot, "tpe"),
            n_startup_trials=_STARTUP,
            multivariate=True,
            constant_liar=True,
        )
        self._design = Design(spec, slot)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """At random: a parameter alone is drawn before there is a model."""
        return self._design.sample_independent(study, trial, name, distribution)


@sampler("random", "draws each trial independently")
class Design(BaseSampler):
    """Draws every parameter by itself, from the study's seed, the slot and the parameter's name."""

    def __init__(self, spec: StudySpec, slot: int) -> None:
        self._spec, self._slot = spec, slot

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing is drawn jointly."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is drawn jointly."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """At random."""
        drawn = RandomSampler(seed=slot_seed(self._spec, self._slot, name))
        return drawn.sample_independent(study, trial, name, distribution)


@sampler("qmc", "spreads the trials evenly (Sobol points)")
class Sobol(Design):
    """Draws coordinates of the family's scrambled Sobol' points, one for each of its slots."""

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> float:
        """Coordinate ``name`` of the point whose number is the slot's turn."""
        if not isinstance(distribution, FloatDistribution):
            raise TypeError(f"qmc draws floats only, not {name}: {distribution}")
        from scipy.stats import qmc  # takes a quarter of a worker's start

        spec, names = self._spec, sorted(self._spec.ranges)
        seed = slot_seed(spec, self._slot % len(spec.families), "qmc")
        sobol = qmc.Sobol(len(names), rng=np.random.default_rng(seed))
        sobol.fast_forward(spec.turn(self._slot))
        share = float(sobol.random(1)[0, names.index(name)])
        low, high = distribution.low, distribution.high
        if distribution.log:
            return float(min(max(low * (high / low) ** share, low), high))
        return low + (high - low) * share


class SlotSampler(BaseSampler):
    """Gives a trial its slot's family, an arm or a baseline where it has one, and has the study's
    sampler draw the rest. Raises ValueError where there is no sampler of that name.

    Baselines of the space come first in each family. A sampler sees the trials of its family only,
    and is seeded from the study's seed and the slot, so that no two workers draw the same points.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec, self._make = spec, find_sampler(spec.sampler).make
        self._last: tuple[int, BaseSampler] | None = None

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What the sampler may draw jointly: the family's parameters, unless they are given."""
        slot = _slot(trial)
        if self._spec.given(slot) is not None:
            return {}
        family = one_family(study, self._spec.family(slot))
        space = self._of(slot).infer_relative_search_space(family, trial)
        return {name: each for name, each in space.items() if name != FAMILY_PARAM}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The sampler's joint draw."""
        if not search_space:
            return {}
        slot = _slot(trial)
        family = one_family(study, self._spec.family(slot))
        return self._of(slot).sample_relative(family, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The family, the value of an arm or a baseline, or what the sampler draws."""
        slot = _slot(trial)
        if param_name == FAMILY_PARAM:
            return self._spec.family(slot)
        given = self._spec.given(slot)
        if given is not None and param_name in given:
            return given[param_name]
        family = one_family(study, self._spec.family(slot))
        return self._of(slot).sample_independent(family, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing: no state is kept between trials."""

    def _of(self, slot: int) -> BaseSampler:
        """The sampler of a slot: one and the same for all parameters of its trial."""
        if self._last is None or self._last[0] != slot:
            self._last = slot, self._make(self._spec, slot)
        return self._last[1]


def _slot(trial: FrozenTrial) -> int:
    return slot_of(trial.user_attrs)
