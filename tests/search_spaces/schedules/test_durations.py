"""From epochs to updates: exact rational arithmetic as the oracle, and who must agree with whom."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search_spaces.schedules.cycles import CosineRestarts
from search_spaces.schedules.durations import cycle_times, moments, updates
from search_spaces.weight_sampling import WeightSampling

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

lengths = st.floats(0.05, 20.0)
steps = st.integers(1, 400)


def clear_of_ties(*times: Fraction) -> None:
    """Leave out what a rounding of 53 bits may decide."""
    for time in times:
        assume(abs(time % 1 - Fraction(1, 2)) > Fraction(1, 10**6))


@given(st.floats(0, 1e5), steps)
def test_a_moment_is_its_rounded_exact_time(epochs: float, k: int) -> None:
    clear_of_ties(Fraction(epochs) * k)
    assert updates(epochs, k) == round(Fraction(epochs) * k)
    assert moments(np.array([epochs]), k).tolist() == [updates(epochs, k)]


@given(st.integers(1, 40), st.integers(1, 12), st.floats(-1e-6, 1e-6), st.sampled_from([7, 10**7]))
def test_a_moment_close_to_an_epoch_is_that_epoch(
    epochs: int, parts: int, error: float, k: int
) -> None:
    length = (epochs + error) / parts
    assert updates(parts * length, k) == epochs * k
    assert moments(np.array([parts * length]), k).tolist() == [epochs * k]


@given(st.just(0.0) | st.floats(0, 5), lengths, steps, st.just(1.0) | st.floats(1.001, 3))
def test_every_cycle_begins_at_its_rounded_exact_time(
    first: float, length: float, k: int, multiplier: float
) -> None:
    assume(length * k >= 0.5)
    starts = moments(cycle_times(first, length, 12 * k, k, multiplier), k)
    time, now = Fraction(first) * k, Fraction(length) * k
    for start in starts[:20]:
        clear_of_ties(time)
        assert start == round(time)
        time, now = time + now, now * Fraction(multiplier)
    assert starts[-1] > 12 * k


@pytest.mark.parametrize(("length", "multiplier"), [(1e-9, 1.0), (1e-9, 2.0), (1.0, 1.0 + 1e-15)])
def test_cycles_however_short_are_no_more_than_two_an_update(
    length: float, multiplier: float
) -> None:
    assert len(cycle_times(0.0, length, 1000, 1, multiplier)) < 2010


@given(
    st.integers(1, 30),
    st.integers(1, 9),
    st.floats(-1e-6, 1e-6),
    st.just(0.0) | st.floats(0.0, 0.9),
    steps,
)
def test_no_cycle_begins_before_training_ends(
    epochs: int, cycles: int, error: float, warmup: float, k: int
) -> None:
    cycle = (epochs - warmup + error) / cycles
    assume(cycle * k >= 2)
    schedule = CosineRestarts(base_lr=1.0, cycle=cycle, warmup=warmup)
    end, last = cycle_times(warmup, cycle, epochs * k, k)[cycles : cycles + 1], epochs * k - 1
    assert moments(end, k).tolist() == [epochs * k]
    assert schedule(last, k) < 1.0
    assert schedule(last + 1, k) == 1.0


def test_the_reported_curve_ends_near_nought() -> None:
    schedule = CosineRestarts(base_lr=0.1, cycle=3.3333333333)
    rates = schedule(np.arange(1960), 196)
    assert np.flatnonzero(rates == 0.1).tolist() == [0, 653, 1307]
    assert rates[-1] < 1e-6


@given(lengths, st.just(0.0) | st.floats(0, 3), steps)
def test_rates_and_samples_agree_on_where_a_cycle_begins(
    cycle: float, warmup: float, k: int
) -> None:
    """A snapshot is taken with the last update before each restart, and nowhere else."""
    assume(cycle * k >= 1)
    count = 12 * k
    rates = CosineRestarts(base_lr=1.0, cycle=cycle, warmup=warmup)(np.arange(count + 1), k)
    restarts = np.flatnonzero(rates[1:] == 1.0)[updates(warmup, k) > 0 :]
    snapshots = WeightSampling(cycle=cycle, thinning=cycle)
    assert np.flatnonzero(snapshots.is_sample(count, k, warmup)).tolist() == restarts.tolist()
    explored = WeightSampling(temperature=1, cycle=cycle, burn_in=cycle / 2, thinning=cycle / 2)
    cold = explored.model_copy(update={"explore": True}).temperatures(count, k, warmup) == 0
    assert cold[: updates(warmup, k)].all()
    if cycle * k >= 2:
        assert cold[restarts[restarts + 1 < count] + 1].all()


@given(
    cycle=lengths,
    share=st.floats(0, 0.8),
    parts=st.integers(1, 6),
    warmup=st.just(0.0) | st.floats(0, 2),
    k=steps,
)
def test_samples_come_at_their_rounded_exact_times(
    cycle: float, share: float, parts: int, warmup: float, k: int
) -> None:
    burn_in = share * cycle
    thinning = (cycle - burn_in) / parts
    assume(thinning * k > 1)
    sampling = WeightSampling(cycle=cycle, burn_in=burn_in, thinning=thinning)
    count, expected = 10 * k, set()
    for number in range(1 + int(10 / cycle)):
        begin = Fraction(warmup) + number * Fraction(cycle)
        for sample in range(1, parts + 1):
            time = (begin + Fraction(burn_in) + sample * Fraction(thinning)) * k
            clear_of_ties(time, (begin + Fraction(burn_in)) * k)
            expected.add(round(time))
    found = np.flatnonzero(sampling.is_sample(count, k, warmup)) + 1
    assert found.tolist() == sorted(each for each in expected if each <= count)


def test_the_last_of_several_samples_comes_with_the_last_update() -> None:
    burn_in = 2.9
    sampling = WeightSampling(burn_in=burn_in, thinning=(6 - burn_in) / 4)
    # 157 x (3.675, 4.45, 5.225, 6) = 576.98, 698.65, 820.33, 942
    assert (np.flatnonzero(sampling.is_sample(942, 157)) + 1).tolist() == [577, 699, 820, 942]
