"""Langevin dynamics samples what it should, where the posterior is known exactly."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from study.training.exact import Batches, Gaussian, Mixture, mixture_posterior, sample_gaussian

MODEL = Gaussian()
MEANS = {seed: MODEL.mean(MODEL.data(seed)) for seed in range(10)}


def ratio(batches: Batches, temperature: float, scaled: float, seed: int = 0) -> float:
    """Measured over predicted variance at the step size eps = scaled / A."""
    step = scaled / MODEL.precision
    options: dict[str, Any] = {"step": step, "temperature": temperature, "batches": batches}
    found = sample_gaussian(MODEL, **options, seed=seed)
    return float(((found - MEANS[seed]) ** 2).mean() / MODEL.stationary_variance(**options))


@pytest.mark.parametrize("scaled", [0.1, 0.5])
@pytest.mark.parametrize(
    ("batches", "temperature"),
    [
        ("full", 0.5),
        ("full", 1.0),
        ("with replacement", 0.0),
        ("with replacement", 0.5),
        ("with replacement", 1.0),
    ],
)
def test_the_variance_is_the_formulas_within_five_per_cent(
    batches: Batches, temperature: float, scaled: float
) -> None:
    assert ratio(batches, temperature, scaled) == pytest.approx(1.0, abs=0.05)


def test_over_seeds_the_variance_has_no_bias() -> None:
    found = [ratio("with replacement", 0.5, 0.5, seed) for seed in range(10)]
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert error < 0.01
    assert abs(np.mean(found) - 1.0) < 4.3 * error  # t(9) at 99.8 %


def test_without_noise_and_with_all_data_it_comes_to_rest_at_the_posteriors_mean() -> None:
    step = 0.5 / MODEL.precision
    found = sample_gaussian(MODEL, step=step, temperature=0.0, batches="full", chains=3)
    np.testing.assert_allclose(found[-1], MEANS[0], rtol=1e-6)
    assert MODEL.stationary_variance(step, 0.0, "full") == 0.0


def test_shuffled_epochs_have_far_less_noise_than_independent_batches() -> None:
    """The errors of an epoch's batches cancel; the less, the larger the step."""
    ratios = [ratio("shuffled", 0.0, scaled) for scaled in (0.02, 0.2, 1.0)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.06
    assert ratios[1] < 0.45
    assert ratios[2] < 0.9
    assert ratio("shuffled", 1.0, 0.02) == pytest.approx(1.0 / 1.05, abs=0.05)


def test_minibatch_noise_is_a_temperature() -> None:
    """At T = 0 the variance is that of full batches at T = eps V / 4."""
    step, v = 0.5 / MODEL.precision, MODEL.data_size**2 / MODEL.batch_size
    warm = MODEL.stationary_variance(step, step * v / 4, "full")
    assert MODEL.stationary_variance(step, 0.0, "with replacement") == pytest.approx(warm)
    options: dict[str, Any] = {"step": step, "temperature": step * v / 4, "batches": "full"}
    found = ((sample_gaussian(MODEL, **options) - MEANS[0]) ** 2).mean()
    assert found == pytest.approx(warm, rel=0.05)


def test_the_posterior_is_that_of_the_conjugate_model() -> None:
    x = MODEL.data(3)
    assert x.var() == pytest.approx(MODEL.data_variance)
    grid = np.linspace(0.5, 1.5, 2001)
    logs = stats.norm.logpdf(x[:, None], grid, np.sqrt(MODEL.data_variance)).sum(axis=0)
    logs += stats.norm.logpdf(grid, 0, np.sqrt(MODEL.prior_variance))
    p = np.exp(logs - logs.max())
    p /= p.sum()
    assert MODEL.mean(x) == pytest.approx((grid * p).sum())
    variance = ((grid - MODEL.mean(x)) ** 2 * p).sum()
    assert 1 / MODEL.precision == pytest.approx(variance, rel=1e-3)


# ---------------------------------------------------------------- the mixture


def test_the_gradients_are_those_of_the_log_likelihood() -> None:
    model = Mixture()
    rng = np.random.default_rng(0)
    theta = [torch.tensor(rng.standard_normal(6), requires_grad=True) for _ in range(2)]
    x = torch.tensor(rng.standard_normal(6))
    scale = np.sqrt(model.data_variance)
    first = torch.distributions.Normal(theta[0], scale).log_prob(x)
    second = torch.distributions.Normal(theta[0] + theta[1], scale).log_prob(x)
    loss = -(torch.logaddexp(first, second) - np.log(2)).sum()
    expected = torch.autograd.grad(loss, theta)
    found = model.gradients(theta[0].detach(), theta[1].detach(), x)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_log_posterior_is_scipys_but_for_a_constant() -> None:
    model = Mixture()
    x, rng = model.data(), np.random.default_rng(1)
    theta1, theta2 = rng.standard_normal((2, 5))
    scale = np.sqrt(model.data_variance)
    expected = stats.norm.logpdf(theta1, 0, np.sqrt(model.prior_variances[0]))
    expected += stats.norm.logpdf(theta2, 0, np.sqrt(model.prior_variances[1]))
    densities = stats.norm.pdf(x, theta1[:, None], scale)
    densities = densities + stats.norm.pdf(x, (theta1 + theta2)[:, None], scale)
    expected += np.log(densities).sum(axis=1)
    found = model.log_posterior(theta1, theta2, x)
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-9)


@pytest.mark.integration
def test_both_modes_of_the_mixture_are_found() -> None:
    """Marginals within 0.1 of the exact ones in total variation, and each mode's share too."""
    found = mixture_posterior()
    posterior, samples = (np.array(found[name]) for name in ("posterior", "samples"))
    assert posterior.shape == (len(found["theta1"]) - 1, len(found["theta2"]) - 1)
    for axis in (0, 1):
        exact, mine = (
            each.sum(axis=axis).reshape(-1, 4).sum(axis=1) for each in (posterior, samples)
        )
        assert np.abs(exact - mine).sum() / 2 < 0.1
    middles = (np.array(found["theta2"])[1:] + np.array(found["theta2"])[:-1]) / 2
    share = {name: np.array(found[name])[:, middles < 0].sum() for name in ("posterior", "samples")}
    assert 0.4 < share["posterior"] < 0.6
    assert share["samples"] == pytest.approx(share["posterior"], abs=0.1)
    valley = posterior.sum(axis=0)[np.abs(middles) < 0.1].max()
    assert valley < 0.25 * posterior.sum(axis=0).max()
    assert found["outside"] < 0.001
    json.dumps(found, allow_nan=False)
