"""The laws that every schedule family keeps."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import FAMILIES, Schedule, ScheduleConfig
from search_spaces.schedules.cycles import CosineRestarts
from search_spaces.schedules.durations import updates
from search_spaces.schedules.families import schedule_adapter
from search_spaces.schedules.horizon import Cosine
from tests.search_spaces.schedules.drawn import (
    CLOSED,
    DECAYS,
    FIELDS,
    TO_HORIZON,
    schedules,
    steps_per_epoch_values,
    warmup_updates,
)


def test_every_family_is_drawn() -> None:
    assert set(FIELDS) == set(FAMILIES)


@given(schedules(*FAMILIES))
def test_json_round_trip(schedule: ScheduleConfig) -> None:
    assert schedule_adapter.validate_json(schedule.model_dump_json()) == schedule
    config = TrialConfig(schedule=schedule, epochs=30, seed=1)
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("family", CLOSED)
@given(data=st.data(), k=steps_per_epoch_values)
def test_array_call_equals_scalar_calls(family: str, data: st.DataObject, k: int) -> None:
    schedule = data.draw(schedules(family))
    steps = np.arange(-3, 15 * k)
    assert schedule(steps, k).tolist() == [schedule(int(step), k) for step in steps]
    assert isinstance(schedule(3, k), float)


@given(schedules(*CLOSED), steps_per_epoch_values)
def test_result_has_the_shape_of_the_steps(schedule: Schedule, k: int) -> None:
    flat = schedule(np.arange(12), k)
    assert schedule(np.arange(12).reshape(3, 4).T, k).tolist() == flat.reshape(3, 4).T.tolist()
    assert schedule(np.array([], dtype=np.int64), k).shape == (0,)
    assert schedule(np.array(5), k) == flat[5]


@given(schedules(*CLOSED), steps_per_epoch_values, st.integers(-1000, -1))
def test_steps_before_the_first_have_its_rate(schedule: Schedule, k: int, step: int) -> None:
    assert schedule(step, k) == schedule(0, k)


@given(schedules(*TO_HORIZON, hold_epochs=False), steps_per_epoch_values, st.integers(0, 10**6))
def test_rate_at_the_horizon_stays(schedule: Any, k: int, later: int) -> None:
    end = updates(schedule.horizon, k)
    assert schedule(end, k) == pytest.approx(schedule.final_lr, rel=1e-12, abs=1e-15)
    assert schedule(end + later, k) == schedule(end, k)


@given(schedules("constant", "cosine_restarts", *DECAYS, warmup=0.0), steps_per_epoch_values)
def test_without_warmup_the_first_rate_is_the_base_rate(schedule: Schedule, k: int) -> None:
    assert schedule(0, k) == pytest.approx(schedule.base_lr, rel=1e-15)


@given(schedules(*CLOSED), steps_per_epoch_values)
def test_with_warmup_the_first_rate_is_the_warmups(schedule: Schedule, k: int) -> None:
    if warmup_updates(schedule, k) > 0:
        assert schedule(0, k) == schedule.warmup_lr


@given(schedules(*DECAYS), steps_per_epoch_values)
def test_decays_never_rise_after_the_warmup(schedule: Schedule, k: int) -> None:
    rates = schedule(np.arange(15 * k), k)
    start = schedule.warmup_updates(k)
    assert np.all(np.diff(rates[start:]) <= 1e-12 * schedule.base_lr)


@given(schedules(*[family for family in CLOSED if family != "table"]), steps_per_epoch_values)
def test_rates_lie_between_nought_and_the_base_rate(schedule: Schedule, k: int) -> None:
    rates = schedule(np.arange(15 * k), k)
    assert np.all(rates >= 0.0)
    assert np.all(rates <= schedule.base_lr * (1 + 1e-12))


@given(
    schedules(*CLOSED, hold_epochs=False, warmup_shape="linear"),
    steps_per_epoch_values,
)
def test_linear_warmup_runs_straight_into_the_schedule(schedule: Schedule, k: int) -> None:
    w = warmup_updates(schedule, k)
    if w == 0:
        return
    rates = schedule(np.arange(w + 1), k)
    rise = (rates[w] - schedule.warmup_lr) / w
    np.testing.assert_allclose(np.diff(rates), rise, rtol=1e-9, atol=1e-12)


@given(schedules(*CLOSED, hold_epochs=False, warmup_shape="constant"), steps_per_epoch_values)
def test_constant_warmup_has_one_rate(schedule: Schedule, k: int) -> None:
    rates = schedule(np.arange(warmup_updates(schedule, k)), k)
    assert np.all(rates == schedule.warmup_lr)


@given(schedules(*CLOSED, hold_epochs=False), steps_per_epoch_values)
def test_a_held_schedule_keeps_the_rate_of_the_epochs_first_step(
    schedule: Schedule, k: int
) -> None:
    held = schedule.model_copy(update={"hold_epochs": True})
    steps, w = np.arange(15 * k), schedule.warmup_updates(k)
    if w % k == 0:
        assert held(steps, k).tolist() == schedule(steps // k * k, k).tolist()
        return
    for epoch in range(15):
        free, own = (each(np.arange(k) + epoch * k, k).tolist() for each in (schedule, held))
        if epoch == w // k:  # the warmup ends within it, and its end is held
            assert own == free[: w % k] + [schedule(w, k)] * (k - w % k)
        else:
            assert own == [free[0]] * k


@given(schedules(*DECAYS, hold_epochs=True, warmup_shape="linear"), steps_per_epoch_values)
def test_a_held_warmup_never_falls_and_has_reached_the_family_when_it_ends(
    schedule: Schedule, k: int
) -> None:
    w = schedule.warmup_updates(k)
    rates = schedule(np.arange(w + 1), k)
    free = schedule.model_copy(update={"hold_epochs": False})
    if schedule.warmup_lr <= rates[w]:
        assert np.all(np.diff(rates) >= 0)
    assert rates[w] == free(w, k)


DURATIONS = ("warmup", "horizon", "cycle", "cooldown", "peak", "start")


@given(
    schedules(*[f for f in CLOSED if "per" not in FIELDS[f]], hold_epochs=False)
    | schedules("factor", "inverse_power", "table", hold_epochs=False, per="update"),
    steps_per_epoch_values,
)
def test_durations_in_epochs_are_durations_in_updates(schedule: Schedule, k: int) -> None:
    values = schedule.model_dump()
    in_updates = {name: values[name] * k for name in DURATIONS if name in values}
    if "milestones" in values:
        in_updates["milestones"] = [moment * k for moment in values["milestones"]]
    counted = schedule_adapter.validate_python(values | in_updates)
    steps = np.arange(15 * k)
    assert schedule(steps, k).tolist() == counted(steps).tolist()


@given(schedules("factor", "inverse_power", "table", hold_epochs=False, per="epoch"))
def test_a_clock_in_epochs_counts_epochs(schedule: Any) -> None:
    whole = schedule.model_copy(update={"warmup": float(round(schedule.warmup))})
    epochs = np.arange(15)
    np.testing.assert_allclose(whole(epochs * 6, 6), whole(epochs), rtol=1e-12)


@given(
    schedules("cosine_restarts", hold_epochs=False, warmup=0.0),
    steps_per_epoch_values,
)
def test_each_cycle_is_a_cosine_between_two_restarts(schedule: CosineRestarts, k: int) -> None:
    rates = schedule(np.arange(40 * k), k)
    first, m = Fraction(schedule.cycle) * k, Fraction(schedule.multiplier)
    for cycle in range(3):
        starts = [round(first * sum(m**i for i in range(n))) for n in (cycle, cycle + 1)]
        length = starts[1] - starts[0]
        one = Cosine(base_lr=schedule.base_lr, final_lr=schedule.final_lr, horizon=length)
        expected = one(np.arange(length))[: len(rates[starts[0] : starts[1]])]
        np.testing.assert_allclose(rates[starts[0] : starts[1]], expected, rtol=1e-12, atol=1e-15)
