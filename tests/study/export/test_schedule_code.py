"""The lines to paste: as they are, with a model and a loader, they train with the same rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import Schedule, ScheduleConfig
from search_spaces.schedules.cycles import OneCycle
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.given import Plateau, TorchScheduler
from search_spaces.schedules.horizon import Cosine
from search_spaces.schedules.text import parse_schedule
from search_spaces.weight_sampling import WeightSampling
from study.export.schedule_code import pasted_code
from tests.study.export.test_weights import ANY, EPOCHS, SCHEDULES

UPDATES, BATCH = 7, 3  # an epoch, and the images of each
OF_TORCH = "torch:base=0.3,scheduler=StepLR,step_size=1,until=2 then cosine:final=0.01"


def config_of(schedule: ScheduleConfig, **settings: Any) -> TrialConfig:
    return TrialConfig(schedule=schedule, epochs=EPOCHS, seed=0, batch_size=BATCH, **settings)


def pasted(config: TrialConfig, updates: int = UPDATES) -> dict[str, Any]:
    """The names that there are after the lines, pasted where a model and a loader are."""
    code = pasted_code(config)
    assert code is not None
    images = list(range(updates * config.batch_size))
    names = {"model": torch.nn.Linear(2, 1), "loader": DataLoader(images, config.batch_size)}
    exec(compile(code, "pasted.py", "exec"), names)
    return names


def rates(names: dict[str, Any], count: int) -> list[float]:
    """The rate of the optimizer at each update of a loop that follows the lines."""
    optimizer, found = names["optimizer"], []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if "scheduler" in names:
            names["scheduler"].step()
    return found


def is_closed(schedule: ScheduleConfig) -> bool:
    parts = getattr(schedule, "parts", ())
    return isinstance(schedule, Schedule) and all(map(is_closed, parts))


@pytest.mark.parametrize(
    "schedule", [each for each in SCHEDULES if is_closed(each)], ids=lambda each: each.family
)
def test_the_optimizer_has_the_rates_of_the_schedule(schedule: Schedule) -> None:
    count = EPOCHS * UPDATES
    found = rates(pasted(config_of(schedule)), count)
    np.testing.assert_allclose(found, schedule(np.arange(count), UPDATES), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ANY)
@given(data=st.data(), updates=st.integers(1, 9))
def test_the_lines_give_the_same_rates_whatever_their_numbers(
    kind: str, data: st.DataObject, updates: int
) -> None:
    schedule = data.draw(ANY[kind])
    steps = np.arange(EPOCHS * updates)
    rate = pasted(config_of(schedule), updates)["rate"]
    expected = schedule(steps, updates)
    np.testing.assert_allclose([rate(int(t)) for t in steps], expected, rtol=1e-12, atol=1e-15)


def test_a_constant_rate_needs_no_scheduler() -> None:
    assert "scheduler" not in pasted(config_of(Constant(base_lr=0.3)))
    assert "scheduler" in pasted(config_of(Constant(base_lr=0.3, warmup=1)))


@pytest.mark.parametrize("schedule", [Constant(base_lr=0.3), Cosine(base_lr=0.3, horizon=9)])
def test_the_optimizer_is_the_one_that_trained(schedule: Schedule) -> None:
    chosen = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    group = pasted(config_of(schedule, **chosen))["optimizer"].param_groups[0]
    assert {name: group[name] for name in chosen} == chosen
    plain = pasted(config_of(schedule))["optimizer"].param_groups[0]
    assert (plain["momentum"], plain["nesterov"], plain["weight_decay"]) == (0, False, 0)


def test_a_prior_decays_the_weights_and_sampling_is_told() -> None:
    sampling = WeightSampling(prior_precision=2.0, temperature=0.5, burn_in=3)
    config = config_of(Cosine(base_lr=0.3, horizon=9), weight_sampling=sampling)
    group = pasted(config)["optimizer"].param_groups[0]
    assert group["weight_decay"] == 2.0 / (UPDATES * BATCH)
    assert "# Besides: noise of temperature 0.5, a prior of precision 2, " in pasted_code(config)


def test_a_moved_momentum_is_moved() -> None:
    schedule = OneCycle(base_lr=0.3, peak=4, horizon=10, max_momentum=0.95, base_momentum=0.85)
    names, steps = pasted(config_of(schedule)), np.arange(EPOCHS * UPDATES)
    found = [names["momentum"](int(t)) for t in steps]
    np.testing.assert_allclose(found, schedule.momentum(steps, UPDATES), rtol=1e-12)
    assert names["optimizer"].param_groups[0]["momentum"] == pytest.approx(0.95)
    assert '["momentum"] = momentum(step)' in (pasted_code(config_of(schedule)) or "")


@pytest.mark.parametrize(
    "schedule",
    [
        Plateau(base_lr=0.3),
        TorchScheduler(base_lr=0.3, scheduler="StepLR", arguments={"step_size": 1}),
        parse_schedule(OF_TORCH, EPOCHS),
    ],
)
def test_what_is_no_function_of_the_step_has_no_lines(schedule: ScheduleConfig) -> None:
    assert pasted_code(config_of(schedule)) is None


@pytest.mark.parametrize("text", ["cosine:base=0.3,final=0.01,warmup=1", "polynomial:base=0.3"])
def test_they_are_few(text: str) -> None:
    lines = (pasted_code(config_of(parse_schedule(text, EPOCHS))) or "").splitlines()
    assert 10 < sum(map(bool, lines)) <= 16
    assert max(map(len, lines)) <= 100
