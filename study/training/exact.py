"""Two posteriors that are known exactly, sampled by the optimizer that networks are trained with.

Many independent chains run side by side, one for each entry of the parameters. Gradients of the
mean loss are written out, so that a step costs as little as it can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from search_spaces.schedules.decays import InversePower
from study.training.sgld import SGLD

Floats = npt.NDArray[np.float64]
Batches = Literal["full", "with replacement", "shuffled"]
BATCHES: tuple[Batches, ...] = ("full", "with replacement", "shuffled")
TEMPERATURES = (0.0, 0.5, 1.0)
STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Step sizes times the posterior's precision, eps A; the chain diverges from 4 on."""
CHAINS = 1_000
_BURN_IN = 10  # relaxation times
_BINS, _PARTS = 60, 5  # of the grid, and of each bin where the exact posterior is summed
_EDGES = (np.linspace(-1.5, 2.5, _BINS + 1), np.linspace(-3.0, 3.0, _BINS + 1))


@dataclass(frozen=True)
class Gaussian:
    """x_i ~ N(theta, data_variance) for i < N, and theta ~ N(0, prior_variance).

    The posterior is normal with precision A = 1 / prior_variance + N / data_variance.
    batch_size: n, of which N is a multiple.
    """

    data_size: int = 100
    batch_size: int = 10
    data_variance: float = 1.0
    prior_variance: float = 10.0

    @property
    def precision(self) -> float:
        """A."""
        return 1.0 / self.prior_variance + self.data_size / self.data_variance

    def data(self, seed: int) -> Floats:
        """Data (N,) of mean 1 and variance data_variance."""
        x = np.random.default_rng(seed).standard_normal(self.data_size)
        return np.asarray(1.0 + np.sqrt(self.data_variance) * (x - x.mean()) / x.std())

    def mean(self, x: Floats) -> float:
        """The posterior's mean."""
        return float(x.sum() / self.data_variance / self.precision)

    def stationary_variance(self, step: float, temperature: float, batches: Batches) -> float:
        """(T + eps V / 4) / (A (1 - eps A / 4)) at step size eps, 0 < eps A < 4.

        V = N^2 / n var(x) / data_variance^2 is the variance of the estimated gradient of the log
        posterior, for minibatches that are drawn with replacement; for full ones it is 0. For
        shuffled ones no formula is known to us: this is what independent ones would give.
        """
        a, noise = self.precision, 0.0
        if batches != "full":
            noise = self.data_size**2 / self.batch_size / self.data_variance
        return (temperature + step * noise / 4.0) / (a * (1.0 - step * a / 4.0))


def sample_gaussian(
    model: Gaussian,
    *,
    step: float,
    temperature: float,
    batches: Batches,
    chains: int = CHAINS,
    samples: int = 20,
    seed: int = 0,
) -> Floats:
    """Samples (samples, chains) of theta at the constant step size eps = ``step``.

    The first comes after ten relaxation times 2 / (eps A), the others a relaxation time apart or a
    little more: a number of steps prime to that of an epoch, so that all its moments take turns.
    """
    x, relaxation = model.data(seed), max(1, round(2.0 / (step * model.precision)))
    thinning, steps_per_epoch = relaxation, model.data_size // model.batch_size
    while np.gcd(thinning, steps_per_epoch) > 1:
        thinning += 1
    theta = torch.zeros(chains, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    group: dict[str, Any] = {"params": [theta], "prior_precision": 1.0 / model.prior_variance}
    lr = step * model.data_size / 2.0
    optimizer = SGLD(
        [group], lr, data_size=model.data_size, temperature=temperature, generator=generator
    )
    means = _batch_means(torch.from_numpy(x), model.batch_size, batches, chains, seed)
    taken: list[Tensor] = []
    for count in range(_BURN_IN * relaxation + samples * thinning):
        theta.grad = (theta - next(means)) / model.data_variance
        optimizer.step()
        if count >= _BURN_IN * relaxation and (count - _BURN_IN * relaxation) % thinning == 0:
            taken.append(theta.clone())
    return np.asarray(torch.stack(taken).numpy())


def _batch_means(
    x: Tensor, batch_size: int, batches: Batches, chains: int, seed: int
) -> Iterator[Tensor]:
    """The means of the minibatches of every chain, (chains,), step after step."""
    generator = torch.Generator().manual_seed(seed + 1)
    while True:
        if batches == "full":
            yield x.mean()
        elif batches == "with replacement":
            drawn = torch.randint(len(x), (chains, batch_size), generator=generator)
            yield x[drawn].mean(dim=1)
        else:
            order = torch.rand(chains, len(x), generator=generator).argsort(dim=1)
            yield from x[order].view(chains, -1, batch_size).mean(dim=2).unbind(dim=1)


def gaussian_variances(seed: int = 0) -> dict[str, Any]:
    """Stationary variance as it is measured and predicted, as JSON values.

    data_size, batch_size, precision; rows: for each kind of batches, temperature and step: batches,
    temperature, step (eps A), predicted, and of the independent chains' mean squared distances from
    the posterior's mean their number (chains), mean (measured) and sd.
    """
    model = Gaussian()
    mean, rows = model.mean(model.data(seed)), []
    for batches, temperature, scaled in product(BATCHES, TEMPERATURES, STEPS):
        step = scaled / model.precision
        options: dict[str, Any] = {"temperature": temperature, "batches": batches}
        found = sample_gaussian(model, step=step, seed=seed, **options)
        squares = ((found - mean) ** 2).mean(axis=0)
        row = {**options, "step": scaled, "predicted": model.stationary_variance(step, **options)}
        row |= {"measured": float(squares.mean()), "sd": float(squares.std(ddof=1))}
        rows.append({**row, "chains": len(squares)})
    facts = {"data_size": model.data_size, "batch_size": model.batch_size, "seed": seed}
    return {**facts, "precision": model.precision, "rows": rows}


@dataclass(frozen=True)
class Mixture:
    """The mixture of Welling & Teh (2011, section 5.1): theta1 ~ N(0, 10), theta2 ~ N(0, 1) and
    x ~ 1/2 N(theta1, 2) + 1/2 N(theta1 + theta2, 2), N = 100 data from theta = (0, 1).

    Its posterior has a second mode near (1, -1), but for most data a single ridge joins the two: of
    200 sets 13 % have a valley in theta2 below half of the lower mode. data_seed gives one of these
    (a fifth), as the paper's figure shows one.
    """

    data_size: int = 100
    data_variance: float = 2.0
    prior_variances: tuple[float, float] = (10.0, 1.0)
    truth: tuple[float, float] = (0.0, 1.0)
    data_seed: int = 97

    def data(self) -> Floats:
        """The data (N,)."""
        rng = np.random.default_rng(self.data_seed)
        means = self.truth[0] + self.truth[1] * rng.integers(0, 2, self.data_size)
        return np.asarray(means + np.sqrt(self.data_variance) * rng.standard_normal(self.data_size))

    def gradients(self, theta1: Tensor, theta2: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient of -log p(x | theta) for theta1 and theta2, of their common shape."""
        first, second = x - theta1, x - theta1 - theta2
        share = torch.sigmoid((first**2 - second**2) / (2.0 * self.data_variance))
        by_second = -share * second / self.data_variance
        return by_second - (1.0 - share) * first / self.data_variance, by_second

    def log_posterior(self, theta1: Floats, theta2: Floats, x: Floats) -> Floats:
        """Logarithm of the posterior's density but for a constant, of the thetas' common shape."""
        v = self.data_variance
        first = (x - theta1[..., None]) ** 2
        second = (x - (theta1 + theta2)[..., None]) ** 2
        likelihood = np.logaddexp(-first / (2 * v), -second / (2 * v)).sum(axis=-1)
        prior = theta1**2 / self.prior_variances[0] + theta2**2 / self.prior_variances[1]
        return np.asarray(likelihood - prior / 2.0)


class Samples(NamedTuple):
    """Samples (samples, chains, 2) of (theta1, theta2), and their weights (samples,): the step
    sizes eps."""

    theta: Floats
    weights: Floats


def sample_mixture(
    model: Mixture, *, chains: int = 200, steps: int = 50_000, thinning: int = 20, seed: int = 0
) -> Samples:
    """Samples with one datum an update, drawn in shuffled sweeps, and eps decreasing from 0.01 to
    0.0001 as a (b + t)^(-0.55), as in the paper; it runs one chain for 10^6 updates, this many
    for ``steps`` each, from draws of the prior. The first tenth is burn-in."""
    lr = model.data_size / 2.0
    decay = InversePower(
        base_lr=0.01 * lr, alpha=0.55, beta=(100.0 ** (1 / 0.55) - 1) / steps, per="update"
    )
    rates = decay(np.arange(steps)).tolist()
    generator = torch.Generator().manual_seed(seed)
    theta = [
        np.sqrt(variance) * torch.randn(chains, dtype=torch.float64, generator=generator)
        for variance in model.prior_variances
    ]
    groups: list[dict[str, Any]] = [
        {"params": [each], "prior_precision": 1.0 / variance}
        for each, variance in zip(theta, model.prior_variances, strict=True)
    ]
    optimizer = SGLD(groups, rates[0], data_size=model.data_size, generator=generator)
    data = _batch_means(torch.from_numpy(model.data()), 1, "shuffled", chains, seed)
    taken, weights = [], []
    for step, rate in enumerate(rates):
        theta[0].grad, theta[1].grad = model.gradients(theta[0], theta[1], next(data))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        if step >= steps // 10 and step % thinning == 0:
            taken.append(torch.stack(theta, dim=1))
            weights.append(rate / lr)
    return Samples(torch.stack(taken).numpy(), np.array(weights))


def mixture_posterior(seed: int = 0) -> dict[str, Any]:
    """The mixture's posterior on a grid and as it was sampled, as JSON values.

    theta1, theta2: edges of the bins; posterior, samples: shares of the bins, a row for each bin of
    theta1; samples count by their step sizes. outside: share of the samples beyond the grid.
    chains: their number; negative_sd: standard deviation over them of the share of theta2 < 0.
    """
    model = Mixture()
    x, (theta, weights) = model.data(), sample_mixture(model, seed=seed)
    each = np.repeat(weights[:, None], theta.shape[1], axis=1)
    theta1, theta2 = np.meshgrid(_middles(_EDGES[0]), _middles(_EDGES[1]), indexing="ij")
    exact = model.log_posterior(theta1, theta2, x)
    shares = np.exp(exact - exact.max())
    shares = shares.reshape(_BINS, _PARTS, _BINS, _PARTS).sum(axis=(1, 3))
    found, *_ = np.histogram2d(
        theta[..., 0].ravel(), theta[..., 1].ravel(), bins=list(_EDGES), weights=each.ravel()
    )
    negative = ((theta[..., 1] < 0) * each).sum(axis=0) / each.sum(axis=0)
    return {
        "theta1": _EDGES[0].tolist(),
        "theta2": _EDGES[1].tolist(),
        "posterior": np.round(shares / shares.sum(), 9).tolist(),
        "samples": np.round(found / found.sum(), 9).tolist(),
        "outside": float(1.0 - found.sum() / each.sum()),
        "negative_sd": float(negative.std(ddof=1)),
        "chains": theta.shape[1],
        "seed": seed,
    }


def _middles(edges: Floats) -> Floats:
    """Middles of the equal parts of the bins, (bins * parts,)."""
    finer = np.linspace(edges[0], edges[-1], (len(edges) - 1) * _PARTS + 1)
    return np.asarray((finer[1:] + finer[:-1]) / 2.0)


SAMPLED = {"gaussian": gaussian_variances, "mixture": mixture_posterior}
"""By the name of the problem: what is kept of it, a function of the seed."""
