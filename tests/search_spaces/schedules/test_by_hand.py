"""Rates against tables made by hand, and against those of the chapter."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import FixedTrial

from search_spaces import chapter
from search_spaces.config import Budget
from search_spaces.schedules.base import Schedule
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant, Factor, InversePower, MultiFactor
from search_spaces.schedules.given import Table
from search_spaces.schedules.horizon import Cosine, Polynomial, WarmupStableDecay

BASE = 0.3

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
