"""Which updates are followed by a sample, and how warm each is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.config import TrialConfig
from search_spaces.schedules.decays import Constant
from search_spaces.weight_sampling import WeightSampling, noise_temperature


@given(
    cycle=st.integers(2, 20),
    burn_in=st.integers(0, 19),
    thinning=st.integers(1, 20),
    steps_per_epoch=st.integers(1, 7),
)
def test_samples_are_those_that_counting_by_hand_gives(
    cycle: int, burn_in: int, thinning: int, steps_per_epoch: int
) -> None:
    if burn_in + thinning > cycle:
        burn_in, thinning = 0, cycle
    sampling = WeightSampling(cycle=cycle, burn_in=burn_in, thinning=thinning, explore=True)
    count = 3 * cycle * steps_per_epoch
    taken, hot, since = [], [], 0
    for step in range(count):
        place = step % (cycle * steps_per_epoch)
        burning_in = place < burn_in * steps_per_epoch
        since = 0 if place == 0 or burning_in else since
        since += not burning_in
        taken.append(since > 0 and since % (thinning * steps_per_epoch) == 0)
        hot.append(not burning_in)
    assert sampling.is_sample(count, steps_per_epoch).tolist() == taken
    warm = sampling.model_copy(update={"temperature": 0.5})
    assert (warm.temperatures(count, steps_per_epoch) == 0.5 * np.array(hot)).all()
    assert not sampling.temperatures(count, steps_per_epoch).any()


def test_without_a_cycle_the_run_is_one_and_the_burn_in_is_as_warm_as_the_rest() -> None:
    sampling = WeightSampling(temperature=0.1, burn_in=2, thinning=0.5)
    taken = np.flatnonzero(sampling.is_sample(40, 10))
    assert list(taken) == [24, 29, 34, 39]
    assert (sampling.temperatures(40, 10) == 0.1).all()


def test_what_was_asked_of_fewer_updates_is_the_beginning_of_what_is_asked_of_more() -> None:
    sampling = WeightSampling(temperature=1, cycle=3, burn_in=1, thinning=1, explore=True)
    whole, part = (sampling.is_sample(count, 7) for count in (84, 50))
    assert (whole[:50] == part).all()
    assert (sampling.temperatures(84, 7)[:50] == sampling.temperatures(50, 7)).all()


def test_thinning_below_an_update_takes_every_update() -> None:
    assert WeightSampling(thinning=0.01).is_sample(5, 10).all()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"temperature": -0.1}, "temperature: Input should be greater than or equal to 0"),
        ({"temperature": float("inf")}, "finite"),
        ({"prior_precision": -1.0}, "prior_precision"),
        ({"thinning": 0.0}, "thinning"),
        ({"cycle": 0.0}, "cycle"),
        ({"average": "medians"}, "average"),
        ({"cycle": 2.0, "burn_in": 1.5}, "leave a cycle of 2 epochs without a sample"),
        ({"warmth": 1.0}, "warmth"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as error:
        WeightSampling(**values)
    assert problem.split(":")[0] in str(error.value)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"weight_sampling": {"burn_in": 3.5}}, "leave a run of 4 epochs without a sample"),
        ({"weight_sampling": {"temperature": 0.1}, "momentum": 0.9}, "needs a momentum of 0"),
        ({"weight_sampling": {"prior_precision": 1}, "weight_decay": 0.1}, "set only one"),
    ],
)
def test_a_run_that_cannot_sample_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        TrialConfig(schedule=Constant(base_lr=0.1), epochs=4, seed=0, **values)
    cold = values | {"weight_sampling": {}}
    assert TrialConfig(schedule=Constant(base_lr=0.1), epochs=4, seed=0, **cold)


def test_a_minibatchs_temperature_is_that_of_the_stationary_variance() -> None:
    """In one dimension eps V / 4, with V = N^2 / n var and eps = 2 lr / N."""
    n, size, variance, lr = 16, 1000, 0.7, 0.05
    eps, v = 2 * lr / size, size**2 / n * variance
    found = noise_temperature(3 * variance, 3, lr=lr, data_size=size, batch_size=n)
    assert found == pytest.approx(eps * v / 4)
