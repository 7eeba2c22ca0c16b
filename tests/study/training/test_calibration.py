"""Likelihood, calibration and Brier score against plain loops and known cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special

from study.training.calibration import ECE_BINS, fit_scale, metrics


def some(
    count: int = 300, classes: int = 4, sharp: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels that are drawn from them where ``sharp`` is 1."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.standard_normal((count, classes))
    p = special.softmax(logits, axis=1)
    labels = np.array([rng.choice(classes, p=row) for row in p])
    return special.softmax(sharp * logits, axis=1), labels


def test_each_metric_is_what_a_loop_over_images_gives() -> None:
    p, y = some()
    found = metrics(p, y)
    rows = list(zip(p.tolist(), y.tolist(), strict=True))
    assert found.accuracy == np.mean([row.index(max(row)) == label for row, label in rows])
    assert found.nll == pytest.approx(np.mean([-math.log(row[label]) for row, label in rows]))
    brier = [sum((q - (k == label)) ** 2 for k, q in enumerate(row)) for row, label in rows]
    assert found.brier == pytest.approx(np.mean(brier))
    gap = 0.0
    for k in range(ECE_BINS):
        low, high = k / ECE_BINS, (k + 1) / ECE_BINS
        mine = [
            (max(row), row.index(max(row)) == label)
            for row, label in rows
            if low < max(row) <= high
        ]
        if mine:
            confidence, right = np.mean(mine, axis=0)
            gap += len(mine) / len(rows) * abs(right - confidence)
    assert found.ece == pytest.approx(gap)


def test_the_scale_is_the_minimum_that_another_search_finds() -> None:
    p, y = some(sharp=2.5)

    def nll(scale: float) -> float:
        logs = special.log_softmax(np.log(p) / scale, axis=1)
        return float(-logs[np.arange(len(y)), y].mean())

    best = optimize.minimize(lambda v: nll(math.exp(v[0])), [0.0], method="Nelder-Mead").x[0]
    assert fit_scale(p, y) == pytest.approx(math.exp(best), rel=1e-3)
    assert metrics(p, y, (p, y)).calibrated_nll == pytest.approx(nll(fit_scale(p, y)))


@pytest.mark.parametrize("sharp", [0.3, 1.0, 4.0])
def test_scaling_undoes_sharpness_and_leaves_accuracy(sharp: float) -> None:
    plain, y = some(20_000)
    distorted, _ = some(20_000, sharp=sharp)
    found, best = metrics(distorted, y), metrics(plain, y)
    assert found.scale == pytest.approx(sharp, rel=0.05)
    assert found.accuracy == best.accuracy
    assert found.calibrated_nll == pytest.approx(best.nll, rel=1e-3)
    assert found.nll >= best.nll - 1e-9
    assert (found.ece < 0.02) == (sharp == 1.0)


def test_without_other_images_each_half_is_scaled_by_what_fits_the_other() -> None:
    p, y = some(101, sharp=3.0)
    found = metrics(p, y)
    even, odd = (p[::2], y[::2]), (p[1::2], y[1::2])
    expected = (
        metrics(*even, odd).calibrated_nll * 51 + metrics(*odd, even).calibrated_nll * 50
    ) / 101
    assert found.calibrated_nll == pytest.approx(expected)
    assert found.scale == pytest.approx(np.sqrt(fit_scale(*even) * fit_scale(*odd)))


def test_known_cases() -> None:
    y = np.array([0, 1, 2, 3])
    perfect = metrics(np.eye(4), y, (np.eye(4), y))
    assert (perfect.accuracy, perfect.brier, perfect.ece) == (1.0, 0.0, 0.0)
    assert perfect.nll == 0.0
    guess = metrics(np.full((4, 4), 0.25), y)
    assert [guess.nll, guess.calibrated_nll] == pytest.approx([math.log(4)] * 2)
    assert guess.brier == pytest.approx(0.75)
    assert guess.ece == 0.0  # a quarter is right
    wrong = metrics(np.eye(4), np.array([1, 2, 3, 0]), (np.eye(4), y))
    assert wrong.accuracy == 0.0
    assert (wrong.brier, wrong.ece) == (2.0, 1.0)
    assert math.isfinite(wrong.nll)
    assert math.isfinite(wrong.calibrated_nll)
