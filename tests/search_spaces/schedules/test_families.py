"""Schedules: torch and hand-made tables as oracles, then the laws that every family keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial
from pydantic import ValidationError
from torch.optim import lr_scheduler

from search_spaces import chapter
from search_spaces.config import Arm, Budget, Range, TrialConfig
from search_spaces.schedules.base import FAMILIES, Schedule, ScheduleConfig
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant, Factor, InversePower, MultiFactor, Power
from search_spaces.schedules.durations import updates
from search_spaces.schedules.families import schedule_adapter
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine, Polynomial, Rex, WarmupStableDecay
from search_spaces.schedules.sequence import Then
from search_spaces.weight_sampling import WeightSampling
from study.spec import StudySpec
from tests.torch_rates import Make, torch_rates

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

BASE = 0.3


# ---------------------------------------------------------------- torch as an oracle


def lambda_lr(shape: Callable[[int], float]) -> Make:
    return lambda optimizer: lr_scheduler.LambdaLR(optimizer, shape)


def one_cycle_lr(strategy: Any) -> Make:
    """Peak at step 0.3 * 20 - 1 = 5, end at step 19, from BASE / 25 to BASE / 250,000."""
    return lambda optimizer: lr_scheduler.OneCycleLR(
        optimizer, BASE, total_steps=20, anneal_strategy=strategy, cycle_momentum=False
    )


def stable_then_sqrt(step: int) -> float:
    return 1.0 if step < 10 else max(0.0, 1.0 - math.sqrt(min(step, 16) - 10) / math.sqrt(6))


def stable_then_linear(step: int) -> float:
    return min(1.0, max(0.0, (16 - step) / 6))


ONE_CYCLE: dict[str, Any] = {
    "base_lr": BASE,
    "start_lr": BASE / 25,
    "final_lr": BASE / 250_000,
    "peak": 5,
    "horizon": 19,
}
STABLE: dict[str, Any] = {"base_lr": BASE, "horizon": 16, "cooldown": 6}

ORACLES: dict[str, tuple[Schedule, Make, int]] = {
    "constant": (Constant(base_lr=BASE), lambda o: lr_scheduler.ConstantLR(o, factor=1.0), 20),
    "exponential": (
        Factor(base_lr=BASE, alpha=0.9),
        lambda o: lr_scheduler.ExponentialLR(o, 0.9),
        50,
    ),
    "exponential growth": (
        Factor(base_lr=BASE, alpha=1.1),
        lambda o: lr_scheduler.ExponentialLR(o, 1.1),
        50,
    ),
    "power": (
        Power(base_lr=BASE, start=4, exponent=0.51),
        lambda_lr(lambda t: min(1.0, (max(t, 1) / 4) ** -0.51)),
        50,
    ),
    "rex": (
        Rex(base_lr=BASE, horizon=12),
        lambda_lr(lambda t: (1 - min(t / 12, 1)) / (1 / 2 + (1 - min(t / 12, 1)) / 2)),
        20,
    ),
    "sequence": (
        Then(
            base_lr=BASE,
            parts=(
                Constant(base_lr=BASE),
                Factor(base_lr=BASE, alpha=0.8),
                Polynomial(base_lr=BASE, horizon=6),
            ),
            boundaries=(5, 9),
        ),
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.ConstantLR(o, factor=1.0),
                lr_scheduler.ExponentialLR(o, 0.8),
                lr_scheduler.PolynomialLR(o, total_iters=6, power=1.0),
            ],
            [5, 9],
        ),
        20,
    ),
    "multi-step": (
        MultiFactor(base_lr=BASE, alpha=0.5, milestones=(4, 9, 10)),
        lambda o: lr_scheduler.MultiStepLR(o, [4, 9, 10], gamma=0.5),
        20,
    ),
    "inverse power": (
        InversePower(base_lr=BASE, alpha=0.75, beta=0.3),
        lambda_lr(lambda t: (1 + 0.3 * t) ** -0.75),
        50,
    ),
    "linear": (
        Polynomial(base_lr=BASE, horizon=12),
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=12, power=1.0),
        20,
    ),
    "polynomial": (
        Polynomial(base_lr=BASE, horizon=12, exponent=2.5),
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=12, power=2.5),
        20,
    ),
    "cosine": (  # past T torch rises again
        Cosine(base_lr=BASE, final_lr=0.01, horizon=20),
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=20, eta_min=0.01),
        21,
    ),
    "restarts of equal length": (
        CosineRestarts(base_lr=BASE, cycle=7, final_lr=0.01),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, eta_min=0.01),
        60,
    ),
    "restarts of growing length": (
        CosineRestarts(base_lr=BASE, cycle=3, multiplier=2, final_lr=0.01),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
        200,
    ),
    "stable, linear decay": (WarmupStableDecay(**STABLE), lambda_lr(stable_then_linear), 20),
    "stable, sqrt decay": (
        WarmupStableDecay(**STABLE, cooldown_shape="sqrt"),
        lambda_lr(stable_then_sqrt),
        20,
    ),
    "one-cycle, cosine": (OneCycle(**ONE_CYCLE), one_cycle_lr("cos"), 20),
    "one-cycle, linear": (OneCycle(**ONE_CYCLE, shape="linear"), one_cycle_lr("linear"), 20),
    "linear warmup": (
        Constant(base_lr=BASE, warmup=5, warmup_lr=BASE / 3),
        lambda o: lr_scheduler.LinearLR(o, start_factor=1 / 3, total_iters=5),
        12,
    ),
    "constant warmup": (
        Constant(base_lr=BASE, warmup=4, warmup_lr=BASE / 10, warmup_shape="constant"),
        lambda o: lr_scheduler.ConstantLR(o, factor=0.1, total_iters=4),
        12,
    ),
    "warmup before a cosine": (
        Cosine(base_lr=BASE, horizon=20, warmup=5),
        lambda_lr(lambda t: t / 5 if t < 5 else (1 + math.cos(math.pi * min(t - 5, 15) / 15)) / 2),
        30,
    ),
}


@pytest.mark.parametrize("name", ORACLES)
def test_closed_form_equals_torch(name: str) -> None:
    schedule, make, count = ORACLES[name]
    expected = torch_rates(make, count, BASE)
    np.testing.assert_allclose(schedule(np.arange(count)), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("per", ["epoch", "update"])
def test_exponential_decay_of_both_clocks_equals_torch(per: Any) -> None:
    schedule = Factor(base_lr=BASE, alpha=0.8, per=per, hold_epochs=per == "epoch")
    expected = torch_rates(lambda o: lr_scheduler.ExponentialLR(o, 0.8), 12, BASE)
    repeats = 5 if per == "epoch" else 1
    rates = schedule(np.arange(12 * repeats), 5)
    np.testing.assert_allclose(rates, np.repeat(expected, repeats), rtol=1e-6, atol=1e-12)


# ---------------------------------------------------------------- tables made by hand

ROOT_HALF, ROOT_5 = math.sqrt(0.5), math.sqrt(5)
GOLDEN = [(0.7, 0.1), (0.5, 0.1), (0.7, -0.1), (0.5, -0.1)]
CHAPTER_COSINE = [0.01 + 0.29 * (1 + math.cos(math.pi * k / 20)) / 2 for k in range(20)]
CHAPTER_COSINE += [0.01] * 10

# name: schedule, steps per epoch, the rate of each step
TABLES: dict[str, tuple[Schedule, int, list[float]]] = {
    "the chapter's cosine, held for an epoch": (
        Cosine(base_lr=0.3, final_lr=0.01, horizon=20, hold_epochs=True),
        4,
        list(np.repeat(CHAPTER_COSINE, 4)),
    ),
    "the chapter's cosine at four epochs": (
        Cosine(base_lr=0.3, final_lr=0.01, horizon=4),
        1,
        [0.3, 0.155 + 0.145 * ROOT_HALF, 0.155, 0.155 - 0.145 * ROOT_HALF, 0.01, 0.01],
    ),
    "warmup 5 before a constant": (
        Constant(base_lr=0.3, warmup=5),
        1,
        [0.0, 0.06, 0.12, 0.18, 0.24, 0.3, 0.3],
    ),
    "warmup of half an epoch": (Constant(base_lr=0.2, warmup=0.5), 4, [0.0, 0.1, 0.2, 0.2]),
    "constant warmup before a linear decay": (
        Polynomial(base_lr=0.4, horizon=6, warmup=2, warmup_lr=0.05, warmup_shape="constant"),
        1,
        [0.05, 0.05, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0],
    ),
    "square root": (
        InversePower(base_lr=0.1),
        1,
        [0.1, 0.1 / math.sqrt(2), 0.1 / math.sqrt(3), 0.05, 0.1 / math.sqrt(5)],
    ),
    "square root after a warmup": (
        InversePower(base_lr=0.1, warmup=2),
        1,
        [0.0, 0.05, 0.1, 0.1 / math.sqrt(2), 0.1 / math.sqrt(3), 0.05],
    ),
    "square root in epochs": (
        InversePower(base_lr=0.1),
        2,
        [0.1, 0.1 / math.sqrt(1.5), 0.1 / math.sqrt(2), 0.1 / math.sqrt(2.5)],
    ),
    "factor with a floor": (
        Factor(base_lr=0.8, alpha=0.5, floor=0.15),
        1,
        [0.8, 0.4, 0.2, 0.15, 0.15],
    ),
    "multi-factor with absolute milestones after a warmup": (
        MultiFactor(base_lr=0.5, alpha=0.5, milestones=(3, 5), warmup=2),
        1,
        [0.0, 0.25, 0.5, 0.25, 0.25, 0.125, 0.125],
    ),
    "multi-factor without a milestone": (
        MultiFactor(base_lr=0.5, alpha=0.5, milestones=()),
        1,
        [0.5, 0.5],
    ),
    "quadratic decay to a final rate": (
        Polynomial(base_lr=0.5, final_lr=0.1, horizon=4, exponent=2),
        1,
        [0.5, 0.1 + 0.4 * 9 / 16, 0.2, 0.125, 0.1, 0.1],
    ),
    "a linear rise, where final_lr is above base_lr": (
        Polynomial(base_lr=0.1, final_lr=0.5, horizon=4),
        1,
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.5],
    ),
    "warmup, stable, linear decay": (
        WarmupStableDecay(base_lr=0.4, final_lr=0.1, horizon=7, cooldown=3, warmup=2),
        1,
        [0.0, 0.2, 0.4, 0.4, 0.4, 0.3, 0.2, 0.1, 0.1],
    ),
    "stable, sqrt decay": (
        WarmupStableDecay(base_lr=0.4, horizon=6, cooldown=4, cooldown_shape="sqrt"),
        1,
        [0.4, 0.4, 0.4, 0.2, 0.4 * (1 - ROOT_HALF), 0.4 * (1 - math.sqrt(0.75)), 0.0, 0.0],
    ),
    "restarts, cycles twice as long": (
        CosineRestarts(base_lr=1, cycle=2, multiplier=2),
        1,
        [1, 0.5, 1, 0.5 + ROOT_HALF / 2, 0.5, 0.5 - ROOT_HALF / 2, 1],
    ),
    "restarts, cycles half as long again: 2, 3 and 4.5 updates": (
        CosineRestarts(base_lr=1, cycle=2, multiplier=1.5, final_lr=0.2),
        1,
        # starts 0, 2, 5 and 9.5, which rounds to 10; cos 36 and 72 degrees are golden sections
        [1, 0.6, 1, 0.8, 0.4, 1, *(a + b * ROOT_5 for a, b in GOLDEN), 1],
    ),
    "restarts after a warmup": (
        CosineRestarts(base_lr=1, cycle=2, warmup=2),
        1,
        [0, 0.5, 1, 0.5, 1, 0.5, 1],
    ),
    "triangle": (
        OneCycle(base_lr=0.5, start_lr=0.1, final_lr=0.2, peak=2, horizon=5, shape="linear"),
        1,
        [0.1, 0.3, 0.5, 0.4, 0.3, 0.2, 0.2],
    ),
    "table per epoch after a warmup, its last rate stays": (
        Table(base_lr=0.4, rates=(0.4, 0.2), warmup=1),
        2,
        [0.0, 0.2, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2],
    ),
    "table per update after a warmup": (
        Table(base_lr=0.4, rates=(0.4, 0.2, 0.1), per="update", warmup=1),
        2,
        [0.0, 0.2, 0.4, 0.2, 0.1, 0.1],
    ),
    "table per update, held for an epoch": (
        Table(base_lr=0.4, rates=(0.4, 0.3, 0.2, 0.1), per="update", hold_epochs=True),
        2,
        [0.4, 0.4, 0.2, 0.2, 0.1, 0.1],
    ),
    "held for an epoch, warmup of two and a half": (
        Constant(base_lr=0.5, warmup=2.5, hold_epochs=True),
        2,
        [0.0, 0.0, 0.2, 0.2, 0.4, 0.5, 0.5, 0.5],
    ),
    "held for an epoch, warmup of half of one": (
        Factor(base_lr=0.8, alpha=0.25, warmup=0.5, hold_epochs=True),
        4,
        [0.0, 0.4, 0.8, 0.8, *[0.4] * 4, *[0.1] * 4],
    ),
    "held for an epoch, a constant warmup of one and a half": (
        Polynomial(
            base_lr=0.6,
            horizon=3.5,
            warmup=1.5,
            warmup_lr=0.1,
            warmup_shape="constant",
            hold_epochs=True,
        ),
        2,
        [0.1, 0.1, 0.1, 0.6, 0.45, 0.45, 0.15, 0.15, 0.0],
    ),
    "restarts after a warmup of half updates, from exact times 2.5, 4, 5.5, 7 and 8.5": (
        CosineRestarts(base_lr=1, cycle=1.5, warmup=2.5),
        1,
        [0, 0.5, 1, 0.5, 1, 0.5, 1, 1, 1],
    ),
    "a cooldown that begins at the rounded exact time 1.6": (
        WarmupStableDecay(base_lr=0.4, horizon=4.4, cooldown=2.8),
        1,
        [0.4, 0.4, 0.4, 0.2, 0.0],
    ),
    "milestones that round to one update count twice": (
        MultiFactor(base_lr=0.4, alpha=0.5, milestones=(1.2, 1.4)),
        1,
        [0.4, 0.1, 0.1],
    ),
    "a milestone at the end of the warmup": (
        MultiFactor(base_lr=0.4, alpha=0.5, milestones=(2,), warmup=2),
        1,
        [0.0, 0.1, 0.2, 0.2],
    ),
    "a warmup that would round to the horizon ends an update before it": (
        Polynomial(base_lr=0.4, final_lr=0.1, horizon=3, warmup=2.9),
        1,
        [0.0, 0.2, 0.4, 0.1, 0.1],
    ),
    "a cooldown that rounds to nothing is a drop at the horizon": (
        WarmupStableDecay(base_lr=0.4, final_lr=0.1, horizon=3, cooldown=0.2),
        1,
        [0.4, 0.4, 0.4, 0.1, 0.1],
    ),
    "a cooldown that rounding would start inside the warmup": (
        WarmupStableDecay(base_lr=0.4, horizon=3.2, warmup=1.6, cooldown=1.6),
        1,
        [0.0, 0.2, 0.4, 0.0],
    ),
    "a cycle of less than an update": (CosineRestarts(base_lr=1, cycle=0.1), 1, [1, 1, 1]),
    "a multiplier so large that the first cycle's successor never ends": (
        CosineRestarts(base_lr=1, cycle=2, multiplier=1e308),
        1,
        [1, 0.5, 1, 1],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_rates_by_hand(name: str) -> None:
    schedule, steps_per_epoch, expected = TABLES[name]
    rates = schedule(np.arange(len(expected)), steps_per_epoch)
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-16)


def test_every_restart_shows_the_base_rate_where_the_cycles_are_not_whole_updates() -> None:
    schedule = CosineRestarts(base_lr=BASE, cycle=10, multiplier=1.1)
    rates = schedule(np.arange(62))
    # 10, 21, 33.1, 46.41, 61.051
    assert np.flatnonzero(rates == BASE).tolist() == [0, 10, 21, 33, 46, 61]


# ---------------------------------------------------------------- laws of every family

rate = st.floats(1e-3, 10.0)
share = st.floats(0.0, 1.0)
steps_per_epoch_values = st.integers(1, 7)


def eighths(low: int, high: int) -> st.SearchStrategy[float]:
    """Multiples of 1/8 epoch: exact in binary, most of them not whole updates."""
    return st.integers(8 * low, 8 * high).map(lambda n: n / 8)


HORIZON = eighths(6, 12)  # longer than every warmup
COMMON: dict[str, st.SearchStrategy[Any]] = {
    "base_lr": rate,
    "warmup": st.just(0.0) | eighths(0, 5),
    "warmup_lr": share,
    "warmup_shape": st.sampled_from(["linear", "constant"]),
    "hold_epochs": st.booleans(),
}
PER = st.sampled_from(["epoch", "update"])
ALPHA = st.floats(0.05, 0.95)
# Fields drawn in [0, 1] are shares of base_lr, see _built.
SHARES_OF_BASE = ("warmup_lr", "final_lr", "start_lr", "floor")
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "constant": {},
    "factor": {"alpha": ALPHA, "floor": share, "per": PER},
    "multi_factor": {
        "alpha": ALPHA,
        "milestones": st.lists(eighths(5, 12), unique=True, max_size=4).map(sorted),
    },
    "inverse_power": {"alpha": st.floats(0.1, 2), "beta": st.floats(0.01, 10), "per": PER},
    "power": {"start": eighths(1, 5), "exponent": st.floats(0.1, 2)},
    "rex": {"horizon": HORIZON, "final_lr": share, "beta": st.floats(0, 0.9)},
    "polynomial": {"horizon": HORIZON, "final_lr": share, "exponent": st.floats(0.2, 5)},
    "cosine": {"horizon": HORIZON, "final_lr": share},
    "cosine_restarts": {
        "cycle": eighths(1, 5),
        "multiplier": st.just(1.0) | st.floats(1.0, 3.0),
        "final_lr": share,
    },
    "warmup_stable_decay": {
        "horizon": HORIZON,
        "cooldown": st.integers(1, 8).map(lambda n: n / 8),
        "final_lr": share,
        "cooldown_shape": st.sampled_from(["linear", "sqrt"]),
    },
    "one_cycle": {
        "horizon": HORIZON,
        "peak": eighths(5, 6),
        "start_lr": share,
        "final_lr": share,
        "shape": st.sampled_from(["cosine", "linear"]),
    },
    "table": {"rates": st.lists(st.floats(0.0, 10.0), min_size=1, max_size=9), "per": PER},
    "torch": {
        "scheduler": st.just("StepLR"),
        "arguments": st.fixed_dictionaries({"step_size": st.integers(1, 5), "gamma": ALPHA}),
        "per": PER,
    },
    "then": {
        "parts": st.just(({"family": "constant"}, {"family": "cosine", "horizon": 3})),
        "boundaries": st.just((5.5,)),
    },
    "plateau": {
        "alpha": ALPHA,
        "patience": st.integers(0, 5),
        "floor": share,
        "mode": st.sampled_from(["min", "max"]),
    },
}
CLOSED = [
    name
    for name, family in FAMILIES.items()
    if issubclass(family, Schedule) and name != "then"  # whose parts have durations, too
]
DECAYS = (
    "factor",
    "multi_factor",
    "inverse_power",
    "polynomial",
    "cosine",
    "warmup_stable_decay",
    "power",
    "rex",
)
TO_HORIZON = ("rex", "polynomial", "cosine", "warmup_stable_decay", "one_cycle")


def _built(family: str, drawn: dict[str, Any]) -> Any:
    scaled = {
        name: value * drawn["base_lr"] if name in SHARES_OF_BASE else value
        for name, value in drawn.items()
    }
    return schedule_adapter.validate_python({"family": family, **scaled})


def schedules(*families: str, **fixed: Any) -> st.SearchStrategy[Any]:
    """Schedules of the given families, with some fields fixed."""

    def of(family: str) -> st.SearchStrategy[Any]:
        strategies = COMMON | FIELDS[family] | {k: st.just(v) for k, v in fixed.items()}
        return st.fixed_dictionaries(strategies).map(lambda drawn: _built(family, drawn))

    return st.one_of(*map(of, families))


def warmup_updates(schedule: ScheduleConfig, steps_per_epoch: int) -> int:
    return updates(schedule.warmup, steps_per_epoch)


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


CHAPTER = json.loads(Path(__file__).with_name("chapter_rates.json").read_text())


@pytest.mark.parametrize("run", CHAPTER)
def test_the_chapters_runs_keep_their_rates(run: str) -> None:
    """Recorded before held warmups were changed: [rate, epochs] of each run at 60,000 and 6,000
    images."""
    family, k = run.split(" ")
    assert family in chapter.FAMILIES
    assert len(CHAPTER) == 2 * len(chapter.FAMILIES)
    built = chapter.suggest(FixedTrial({}), family, Budget(epochs=30), {})["schedule"]
    expected = [rate for rate, epochs in CHAPTER[run] for _ in range(epochs * int(k))]
    # The last digit of a power differs between processors.
    np.testing.assert_allclose(built(np.arange(30 * int(k)), int(k)), expected, rtol=1e-15)


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


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_momentum_moves_against_the_rate_as_in_torch(shape: Literal["cosine", "linear"]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=BASE, momentum=0.9)
    strategy: Any = {"cosine": "cos", "linear": "linear"}[shape]
    oracle = lr_scheduler.OneCycleLR(optimizer, BASE, total_steps=20, anneal_strategy=strategy)
    expected = []
    for _ in range(20):
        expected.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if len(expected) < 20:
            oracle.step()
    schedule = OneCycle(**ONE_CYCLE, shape=shape, max_momentum=0.95, base_momentum=0.85)
    np.testing.assert_allclose(schedule.momentum(np.arange(20)), expected, rtol=1e-12)
    later = schedule.model_copy(update={"warmup": 2.0, "peak": 7.0, "horizon": 21.0})
    np.testing.assert_allclose(later.momentum(np.arange(22)), [0.95] * 2 + expected, rtol=1e-12)


# ---------------------------------------------------------------- wrong values


def test_steps_per_epoch_must_be_positive() -> None:
    with pytest.raises(ValueError, match="steps_per_epoch must be at least 1, not 0"):
        Constant(base_lr=0.1)(0, 0)


def test_a_schedule_without_a_formula_says_so() -> None:
    with pytest.raises(TypeError, match="Schedule has no closed form"):
        Schedule(family="none", base_lr=0.1)(0)


def test_a_table_without_base_rate_takes_its_highest() -> None:
    assert Table.model_validate({"rates": (0.1, 0.4, 0.2)}).base_lr == 0.4
    assert Table.model_validate({"rates": (0.1, 0.4), "base_lr": 0.2}).base_lr == 0.2


RATES = [0.1, 0.4, 0.2]
SEQUENCES: dict[str, Callable[[list[float]], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "array": np.array,
    "array of float32": lambda rates: np.array(rates, dtype=np.float32),
    "list of float32": lambda rates: [np.float32(rate) for rate in rates],
    "tuple of arrays": lambda rates: tuple(np.array(rate) for rate in rates),
    "column": pd.Series,
    "tensor": lambda rates: torch.tensor(rates, dtype=torch.float64),
    "fractions": lambda rates: [Fraction(rate) for rate in rates],
    "decimals": lambda rates: [Decimal(rate) for rate in rates],
    "texts": lambda rates: [str(rate) for rate in rates],
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_table_takes_any_sequence_of_numbers_and_its_highest(kind: str) -> None:
    table = Table(rates=SEQUENCES[kind](RATES))  # type: ignore[call-arg]
    np.testing.assert_allclose(table.rates, RATES, rtol=1e-7)
    assert all(type(rate) is float for rate in table.rates)
    assert table.base_lr == max(table.rates)
    given = Table(rates=SEQUENCES[kind](RATES), base_lr=np.float32(0.5))
    assert (given.base_lr, given.rates) == (0.5, table.rates)
    assert Table.model_validate_json(table.model_dump_json()) == table


@pytest.mark.parametrize("kind", SEQUENCES)
def test_milestones_are_any_sequence_of_numbers(kind: str) -> None:
    schedule = MultiFactor(base_lr=0.5, alpha=0.5, milestones=SEQUENCES[kind]([2.0, 4.5]))
    assert schedule.milestones == (2.0, 4.5)


def test_a_table_of_whole_numbers_or_of_linspace() -> None:
    assert Table(rates=range(4)).base_lr == 3.0  # type: ignore[call-arg]
    table = Table(rates=np.linspace(0.3, 0.0, 4))  # type: ignore[call-arg]
    assert (table.base_lr, len(table.rates)) == (0.3, 4)


@pytest.mark.parametrize("number", [np.float32, np.float64, np.array, Fraction, torch.tensor])
def test_every_number_of_a_configuration_may_be_of_another_library(number: Any) -> None:
    half, two = number(0.5), number(2.0)
    schedule = Cosine(base_lr=half, warmup=half, warmup_lr=half, horizon=two, final_lr=half)
    assert schedule == Cosine(base_lr=0.5, warmup=0.5, warmup_lr=0.5, horizon=2.0, final_lr=0.5)
    assert Range(low=half, high=two) == Range(low=0.5, high=2.0)
    assert Arm(family="a", parameters={"x": half}).parameters == {"x": 0.5}
    sampling = WeightSampling(temperature=half, cycle=two, thinning=half)
    assert sampling == WeightSampling(temperature=0.5, cycle=2.0, thinning=0.5)
    config = TrialConfig(schedule=schedule, epochs=4, seed=0, momentum=half, weight_decay=half)
    assert (config.momentum, config.weight_decay) == (0.5, 0.5)
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("number", [np.int64, np.uint8, np.int32])
def test_whole_numbers_may_be_of_numpy(number: Any) -> None:
    budget = Budget(epochs=number(3), train_size=number(100))
    assert budget == Budget(epochs=3, train_size=100)
    schedule = Constant(base_lr=number(1), warmup=number(2))
    config = TrialConfig(schedule=schedule, epochs=number(3), seed=number(4), batch_size=number(5))
    assert (config.epochs, config.seed, config.batch_size) == (3, 4, 5)
    assert json.loads(config.model_dump_json())["schedule"]["base_lr"] == 1.0


def test_arguments_of_torch_and_options_of_an_optimizer_may_be_of_numpy() -> None:
    arguments = {"milestones": np.array([2, 4]), "gamma": np.float64(0.5)}
    schedule = TorchScheduler(base_lr=0.1, scheduler="MultiStepLR", arguments=arguments)
    assert schedule.arguments == {"milestones": [2, 4], "gamma": 0.5}
    spec = StudySpec(
        space="fixed_rate",
        families=("constant",),
        trials=np.int64(2),
        budget=Budget(epochs=1),
        ranges={"base_lr": Range(low=np.float32(0.5), high=1)},
        optimizer={"momentum": np.float32(0.5), "batch_size": np.int64(8)},
    )
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_a_class_that_torch_steps_after_every_batch_is_stepped_so(name: str) -> None:
    assert TorchScheduler(base_lr=0.1, scheduler=name).per == "update"
    assert TorchScheduler(base_lr=0.1, scheduler=name, per="epoch").per == "epoch"
    recorded = {"family": "torch", "base_lr": 0.1, "scheduler": name, "per": "epoch"}
    assert schedule_adapter.validate_python(recorded).per == "epoch"
    assert TorchScheduler(base_lr=0.1, scheduler="StepLR").per == "epoch"


def test_schedules_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Constant(base_lr=0.1), "base_lr", 0.2)  # noqa: B010 (mypy knows it is frozen)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"family": "constant", "base_lr": 0.0}, "greater than 0"),
    ({"family": "constant", "base_lr": math.inf}, "finite"),
    ({"family": "constant", "base_lr": 0.1, "warmup": -1.0}, "greater than or equal to 0"),
    ({"family": "constant", "base_lr": 0.1, "warmup_lr": math.nan}, "finite"),
    ({"family": "constant", "base_lr": 0.1, "warmup_shape": "cubic"}, "'linear' or 'constant'"),
    ({"family": "constant", "base_lr": 0.1, "horizon": 3}, "not permitted"),
    ({"family": "none", "base_lr": 0.1}, "does not match any of the expected tags"),
    ({"base_lr": 0.1}, "Unable to extract tag"),
    ({"family": "factor", "base_lr": 0.1, "alpha": 0.0}, "greater than 0"),
    ({"family": "factor", "base_lr": 0.1, "alpha": math.nan}, "finite"),
    ({"family": "factor", "base_lr": 0.1, "alpha": 0.5, "floor": 0.2}, "floor=0.2 lies above"),
    ({"family": "plateau", "base_lr": 0.1, "floor": 0.2}, "floor=0.2 lies above base_lr=0.1"),
    ({"family": "plateau", "base_lr": 0.1, "patience": -1}, "greater than or equal to 0"),
    (
        {"family": "multi_factor", "base_lr": 0.1, "alpha": 0.5, "milestones": [3, 3]},
        r"milestones must increase, not \[3.0, 3.0\]",
    ),
    (
        {"family": "multi_factor", "base_lr": 0.1, "alpha": 0.5, "milestones": [3], "warmup": 4},
        "the first milestone, 3, lies inside the warmup of 4",
    ),
    ({"family": "cosine", "base_lr": 0.1, "horizon": 0}, "greater than 0"),
    (
        {"family": "cosine", "base_lr": 0.1, "horizon": 5, "warmup": 5},
        "warmup=5 must be shorter than the schedule, which ends at 5",
    ),
    ({"family": "cosine_restarts", "base_lr": 0.1, "cycle": 5, "multiplier": 0.5}, "or equal to 1"),
    (
        {
            "family": "warmup_stable_decay",
            "base_lr": 0.1,
            "horizon": 5,
            "warmup": 2,
            "cooldown": 4,
        },
        r"cooldown=4 does not fit between the end of the warmup \(2\) and the horizon \(5\)",
    ),
    (
        {"family": "one_cycle", "base_lr": 0.1, "horizon": 5, "peak": 6},
        r"peak=6 must lie between the end of the warmup \(0\) and the horizon \(5\)",
    ),
    (
        {"family": "one_cycle", "base_lr": 0.1, "horizon": 5, "warmup": 2, "peak": 1},
        r"peak=1 must lie between the end of the warmup \(2\) and the horizon \(5\)",
    ),
    ({"family": "table", "rates": []}, "at least 1 item"),
    ({"family": "table", "rates": ["a", 0.1]}, "valid number"),
    ({"family": "table", "rates": [0.1, -0.1]}, "greater than or equal to 0"),
    ({"family": "table", "rates": 0.1}, "valid tuple"),
    ({"family": "torch", "base_lr": 0.1, "scheduler": "LambdaLR", "arguments": {"f": len}}, "JSON"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_wrong_fields_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        schedule_adapter.validate_python(fields)


def test_a_schedule_that_follows_the_loss_or_torch_cannot_be_called() -> None:
    assert not isinstance(Plateau(base_lr=0.1), Schedule)
    assert not isinstance(TorchScheduler(base_lr=0.1, scheduler="StepLR"), Schedule)
