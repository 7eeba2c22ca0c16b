"""Closed forms against the schedulers of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from search_spaces.schedules.base import Schedule
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant, Factor, InversePower, MultiFactor, Power
from search_spaces.schedules.horizon import Cosine, Polynomial, Rex, WarmupStableDecay
from search_spaces.schedules.sequence import Then
from tests.torch_rates import Make, torch_rates

BASE = 0.3


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
