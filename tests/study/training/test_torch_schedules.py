"""torch's schedulers as tables, and reduce on plateau, both held against torch itself."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from search_spaces.schedules.base import Array
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine
from study.training.torch_schedules import PlateauState, closed_form, plateau_rates
from tests.torch_rates import torch_rates

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

BASE = 0.3
ARGUMENTS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [1, 4]},
    "ConstantLR": {"factor": 0.5, "total_iters": 3},
    "LinearLR": {"start_factor": 0.2, "total_iters": 4},
    "ExponentialLR": {"gamma": 0.7},
    "PolynomialLR": {"total_iters": 5, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2},
    "CyclicLR": {"max_lr": 1.0, "step_size_up": 3, "cycle_momentum": False},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 50, "cycle_momentum": False},
}


def rates_of(name: str, count: int) -> Array:
    """The first ``count`` rates of torch's class of that name."""
    arguments = ARGUMENTS[name] | ({"base_lr": BASE} if name == "CyclicLR" else {})
    return torch_rates(lambda o: getattr(lr_scheduler, name)(o, **arguments), count, BASE)


def torch_schedule(name: str, **fields: Any) -> TorchScheduler:
    fields = {"arguments": ARGUMENTS.get(name, {}), "base_lr": BASE} | fields
    return TorchScheduler(scheduler=name, **fields)


def test_every_class_that_torch_offers_is_recorded_or_refused() -> None:
    objects = {"SequentialLR", "ChainedScheduler", "LambdaLR", "MultiplicativeLR"}
    refused = objects | {"ReduceLROnPlateau", "LRScheduler"}
    assert set(lr_scheduler.__all__) - refused <= set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("per", ["epoch", "update"])
def test_a_recorded_schedule_has_torchs_rates(name: str, per: Any) -> None:
    epochs, k = 8, 5
    table = closed_form(torch_schedule(name, per=per), epochs, k)
    expected = rates_of(name, epochs if per == "epoch" else epochs * k)
    assert isinstance(table, Table)
    assert len(table.rates) == len(expected)
    expected = np.repeat(expected, k) if per == "epoch" else expected
    assert table(np.arange(epochs * k), k).tolist() == expected.tolist()


@pytest.mark.parametrize("per", ["epoch", "update"])
def test_a_recorded_schedule_follows_its_warmup(per: Any) -> None:
    schedule = torch_schedule("ExponentialLR", per=per, warmup=2.5, warmup_lr=0.1)
    table = closed_form(schedule, 6, 4)
    rates = table(np.arange(24), 4)
    expected = rates_of("ExponentialLR", 14)
    expected = np.repeat(expected, 4)[:14] if per == "epoch" else expected
    np.testing.assert_allclose(rates[:10], 0.1 + 0.2 * np.arange(10) / 10, rtol=1e-12)
    assert rates[10:].tolist() == expected.tolist()


def test_the_fields_of_the_start_are_kept() -> None:
    start: dict[str, Any] = {
        "warmup": 1.5,
        "warmup_lr": 0.05,
        "warmup_shape": "constant",
        "hold_epochs": True,
    }
    table = closed_form(torch_schedule("StepLR", **start), 4, 2)
    assert table.model_dump(include=set(start)) == start
    assert table.base_lr == BASE


def test_a_warmup_of_the_whole_run_leaves_one_rate() -> None:
    table = closed_form(torch_schedule("StepLR", warmup=4), 4, 3)
    assert isinstance(table, Table)
    assert table.rates == (BASE,)


def test_only_the_rates_that_a_run_needs_are_asked_for() -> None:
    arguments = {"max_lr": 1.0, "total_steps": 6, "cycle_momentum": False}
    fits = torch_schedule("OneCycleLR", arguments=arguments, warmup=2, per="epoch")
    assert closed_form(fits, 8, 5)(39, 5) == pytest.approx(1 / 25e4)
    with pytest.raises(ValueError, match=r"OneCycleLR refuses .*Tried to step 7 times"):
        closed_form(fits, 10, 5)


def test_a_schedule_in_closed_form_is_returned_as_it_is() -> None:
    schedule = Cosine(base_lr=BASE, horizon=3)
    assert closed_form(schedule, 5, 2) is schedule


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("StpLR", {}, "unknown torch scheduler 'StpLR'. Did you mean 'StepLR'? There are: "),
    ("LRScheduler", {}, "unknown torch scheduler 'LRScheduler'."),
    ("_LRScheduler", {}, "unknown torch scheduler '_LRScheduler'."),
    ("Optimizer", {}, "unknown torch scheduler 'Optimizer'."),
    ("bisect_right", {}, "unknown torch scheduler 'bisect_right'."),
    ("ReduceLROnPlateau", {}, "use the schedule 'plateau'"),
    ("SequentialLR", {}, "needs scheduler objects"),
    ("ChainedScheduler", {}, "needs scheduler objects"),
    ("LambdaLR", {}, "needs a function"),
    ("MultiplicativeLR", {}, "needs a function"),
    ("StepLR", {}, "StepLR needs the argument 'step_size'"),
    (
        "StepLR",
        {"stepsize": 3},
        "unknown argument of StepLR 'stepsize'. Did you mean 'step_size'? There are: step_size, ",
    ),
    ("StepLR", {"step_size": 3, "last_epoch": 3}, "unknown argument of StepLR 'last_epoch'."),
    ("StepLR", {"step_size": 3, "optimizer": 3}, "unknown argument of StepLR 'optimizer'."),
    ("StepLR", {"step_size": 0}, "StepLR has no rates with 0 as step_size"),
    ("StepLR", {"step_size": 1.5}, "StepLR: step_size must be a whole number, not 1.5"),
    ("MultiStepLR", {"milestones": 3}, "MultiStepLR: milestones must be a list, not 3"),
    ("ConstantLR", {"factor": "x"}, "ConstantLR: factor must be a number, not 'x'"),
    ("ExponentialLR", {"gamma": "x"}, "ExponentialLR: gamma must be a number, not 'x'"),
    (
        "ExponentialLR",
        {"gamma": -1.0},
        "number 2 of rates must be at least 0, not -0.3",
    ),
    (
        "ExponentialLR",
        {"gamma": 1e308},
        "number 3 of rates must be a finite number",
    ),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9}, "say so with cycle_momentum=false"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), WRONG)
def test_what_cannot_be_recorded_is_explained_in_one_line(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        closed_form(torch_schedule(name, arguments=arguments), 4, 2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plateau_has_no_closed_form() -> None:
    with pytest.raises(ValueError, match="'plateau' has no closed form: it follows the loss"):
        closed_form(Plateau(base_lr=BASE), 4, 2)


# ---------------------------------------------------------------- reduce on plateau

# Few distinct values, so that ties and improvements below the threshold occur.
loss = st.sampled_from([0.5, 0.5001, 0.51, 0.6, 1.0, 2.0, math.nan, math.inf]) | st.floats(0, 3)
plateaus = st.builds(
    Plateau,
    base_lr=st.sampled_from([1e-8, 1.5e-8, 1e-7]) | st.floats(1e-7, 10.0),
    alpha=st.sampled_from([0.1, 0.5, 0.9]),
    patience=st.integers(0, 4),
    threshold=st.sampled_from([0.0, 1e-4, 0.1]),
    floor=st.sampled_from([0.0, 1e-9, 1e-8]),
    mode=st.sampled_from(["min", "max"]),
    threshold_mode=st.sampled_from(["rel", "abs"]),
    cooldown=st.integers(0, 3),
    eps=st.sampled_from([0.0, 1e-8, 0.1]),
)


@given(plateaus, st.lists(loss, max_size=40))
@settings(max_examples=300)
def test_the_rate_follows_torchs_reduce_on_plateau(plateau: Plateau, losses: list[float]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=plateau.base_lr)
    oracle = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=plateau.alpha,
        patience=plateau.patience,
        threshold=plateau.threshold,
        min_lr=plateau.floor,
        mode=plateau.mode,
        threshold_mode=plateau.threshold_mode,
        cooldown=plateau.cooldown,
        eps=plateau.eps,
    )
    state = PlateauState.start(plateau, 4)
    for value in losses:
        oracle.step(value)
        state = state.after_epoch(value)
        assert state.rate == optimizer.param_groups[0]["lr"]
        assert state.bad_epochs == oracle.num_bad_epochs
        assert state.cooling == oracle.cooldown_counter
        worst = math.inf if plateau.mode == "min" else -math.inf
        assert (worst if state.best is None else state.best) == oracle.best


@given(plateaus, st.lists(loss.filter(lambda value: value != math.inf), max_size=10))
def test_the_state_survives_json(plateau: Plateau, losses: list[float]) -> None:
    state = PlateauState.start(plateau, 4)
    for value in losses:
        state = state.after_epoch(value)
    text = json.dumps(asdict(state), allow_nan=False)
    assert PlateauState(**json.loads(text)) == state


def test_by_hand() -> None:
    plateau = Plateau(base_lr=0.8, alpha=0.5, patience=1, threshold=0.1, floor=0.3)
    state = PlateauState.start(plateau, 4)
    rates = []
    for value in [1.0, 0.95, math.nan, 0.8, 0.8, 0.8, 0.8, 0.8]:
        state = state.after_epoch(value)
        rates.append(state.rate)
    # 0.95 is less than 10 % better than 1.0; two such epochs exceed a patience of 1
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3]


# In epochs of 4 updates 2.1 is eight of them: the third epoch has none of the warmup.
@pytest.mark.parametrize(("warmup", "ignored"), [(0.0, 0), (2.0, 2), (2.5, 3), (2.1, 2)])
def test_epochs_in_the_warmup_are_not_judged(warmup: float, ignored: int) -> None:
    plateau = Plateau(base_lr=0.8, alpha=0.5, patience=0, warmup=warmup)
    state = PlateauState.start(plateau, 4)
    for _ in range(ignored):
        state = state.after_epoch(0.1)
        assert (state.rate, state.best, state.bad_epochs) == (0.8, None, 0)
    state = state.after_epoch(1.0)
    assert (state.rate, state.best, state.epoch) == (0.8, 1.0, ignored + 1)
    assert state.after_epoch(1.0).rate == 0.4


def test_rates_of_an_epoch_are_the_warmups_then_the_states() -> None:
    plateau = Plateau(base_lr=0.8, alpha=0.5, patience=0, warmup=1.5, warmup_lr=0.2)
    state = PlateauState.start(plateau, 4)
    first_three = plateau_rates(plateau, state, np.arange(12), 4)
    warm = Constant(base_lr=0.8, warmup=1.5, warmup_lr=0.2)(np.arange(12), 4)
    np.testing.assert_allclose(first_three[:7], 0.2 + 0.1 * np.arange(7), rtol=1e-12)
    assert first_three.tolist() == warm.tolist()
    for value in [1.0, 1.0, 1.0, 1.0]:
        state = state.after_epoch(value)
    assert plateau_rates(plateau, state, np.arange(16, 20), 4).tolist() == [0.4] * 4


def test_a_held_plateau_holds_its_warmup_as_any_schedule_does() -> None:
    plateau = Plateau(base_lr=0.8, warmup=1.5, hold_epochs=True)
    rates = plateau_rates(plateau, PlateauState.start(plateau, 4), np.arange(12), 4)
    np.testing.assert_allclose(rates, [0, 0, 0, 0, 1.6 / 3, 2 / 3, *[0.8] * 6], rtol=1e-12)
