"""How to add a sampler: one function, or one class. The command line then knows it.

In the product it stands in study/trials/sampler.py; here a test adds it from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from study.cli.options import one_of
from study.spec import StudySpec
from study.trials.objective import suggest_config
from study.trials.sampler import SAMPLERS, sampler, slot_seed
from tests.study.conftest import Command, MakeStudy


def plain(spec: StudySpec, slot: int) -> BaseSampler:
    """Any sampler of Optuna's will do.

    It is made once for each trial, and sees the trials of the slot's schedule alone. Its seed comes
    from the slot, so that no two workers draw the same points. Schedules, baselines and retries are
    not this function's concern: see `SlotSampler`.
    """
    return RandomSampler(seed=slot_seed(spec, slot, "plain"))


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    sampler("plain", "Optuna's own random draws")(plain)
    yield
    del SAMPLERS["plain"]


def test_a_study_draws_with_it(make_study: MakeStudy) -> None:
    stored = make_study("warmup", 12, sampler="plain")
    study, drawn = stored.load(), []
    for slot in range(12):
        trial = study.ask()
        suggest_config(trial, stored.spec)
        study.tell(trial, state=TrialState.FAIL)
        drawn.append(trial.params)
        if stored.spec.given(slot) is None:
            rng = plain(stored.spec, slot)._rng.rng  # type: ignore[attr-defined]
            share = rng.uniform()
            low, high = (getattr(stored.spec.ranges["base_lr"], end) for end in ("low", "high"))
            assert trial.params["base_lr"] == pytest.approx(low * (high / low) ** share)
    assert len({each["base_lr"] for each in drawn[6:]}) == 6


def test_the_command_line_takes_and_explains_it(lrstudy: Command) -> None:
    shown: Any = one_of("--sampler", SAMPLERS, "")
    assert shown.metavar == "[tpe|random|qmc|plain]"
    assert "plain: Optuna's own random draws" in shown.help
    refused = lrstudy("run", "cosine", "--sampler", "plan").err
    assert "'plan' is not one of 'tpe', 'random', 'qmc', 'plain'." in refused
