"""SGLD against plain SGD, against another library, and against what its formulas say."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import posteriors
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from study.tasks.fashion_mnist import Images
from study.training.sgld import SGLD, gradient_noise, noise_generator

CPU = torch.device("cpu")


def two_layers(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def some_images(count: int = 40) -> Images:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(count, 5, generator=generator)
    return Images(pixels, torch.randint(3, (count,), generator=generator))


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, updates: int = 7) -> list[Tensor]:
    images = some_images()
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = 0.3 / (1 + update)
        optimizer.zero_grad()
        F.cross_entropy(model(images.pixels), images.labels).backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "dampening": 0.1},
        {"fused": True},
        {"foreach": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("precision", [0.0, 3.0])
def test_at_temperature_zero_it_is_sgd_bit_for_bit(
    options: dict[str, Any], precision: float
) -> None:
    plain, mine = two_layers(), two_layers()
    weight_decay = precision / 40
    expected = trained(
        plain, torch.optim.SGD(plain.parameters(), 0.3, weight_decay=weight_decay, **options)
    )
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    optimizer = SGLD(
        mine.parameters(),
        0.3,
        data_size=40,
        generator=generator,
        temperature=0.0,
        prior_precision=precision,
        **options,
    )
    found = trained(mine, optimizer)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(generator.get_state(), before)


def steps(
    temperature: float, lr: float, size: int, precision: float, count: int = 200_000
) -> Tensor:
    """What one update adds to parameters at 0.5 whose gradient is 2."""
    parameter = torch.full((count,), 0.5, dtype=torch.float64)
    parameter.grad = torch.full_like(parameter, 2.0)
    generator = torch.Generator().manual_seed(3)
    SGLD(
        [parameter],
        lr,
        data_size=size,
        generator=generator,
        temperature=temperature,
        prior_precision=precision,
    ).step()
    return parameter - 0.5


@pytest.mark.parametrize("temperature", [0.25, 1.0])
@pytest.mark.parametrize(("lr", "size"), [(0.1, 100), (0.02, 50_000)])
def test_drift_and_noise_are_those_of_another_library(
    temperature: float, lr: float, size: int
) -> None:
    """`posteriors` climbs the log posterior: its rate is eps / 2 = lr / N."""
    precision, count = 4.0, 200_000
    mine = steps(temperature, lr, size, precision)

    def log_posterior(theta: Tensor, _batch: Any) -> tuple[Tensor, Tensor]:
        return (-size * 2.0 * theta - precision / 2 * theta**2).sum(), torch.tensor(0.0)

    def theirs(warmth: float) -> Tensor:
        other = posteriors.sgmcmc.sgld.build(log_posterior, lr=lr / size, temperature=warmth)
        start = torch.full((count,), 0.5, dtype=torch.float64)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            state, _ = other.update(other.init(start), None)
        return state.params - 0.5

    drift = steps(0.0, lr, size, precision, 1)
    torch.testing.assert_close(theirs(0.0)[:1], drift, rtol=1e-12, atol=0)
    noise = float((mine - drift).std())
    assert noise == pytest.approx(np.sqrt(2 * lr * temperature / size), rel=0.01)
    assert noise == pytest.approx(float((theirs(temperature) - drift).std()), rel=0.01)
    assert abs(float((mine - drift).mean())) < 5 * noise / np.sqrt(count)


def test_noise_follows_the_rate_and_the_temperature_of_each_group() -> None:
    groups = [
        {"params": [torch.zeros(50_000)]},
        {"params": [torch.zeros(50_000)], "temperature": 0.0},
    ]
    optimizer = SGLD(groups, 0.1, data_size=10, generator=torch.Generator().manual_seed(0))
    found = []
    for lr, temperature in ((0.1, 1.0), (0.4, 1.0), (0.1, 0.0)):
        optimizer.param_groups[0] |= {"lr": lr, "temperature": temperature}
        before = optimizer.param_groups[0]["params"][0].clone()
        for group in optimizer.param_groups:
            group["params"][0].grad = torch.zeros(50_000)
        optimizer.step()
        found.append(float((optimizer.param_groups[0]["params"][0] - before).std()))
    np.testing.assert_allclose(found, [np.sqrt(0.02), np.sqrt(0.08), 0.0], rtol=0.02)
    assert not optimizer.param_groups[1]["params"][0].any()


def test_parameters_without_a_gradient_stay() -> None:
    moving, still = torch.zeros(3), torch.ones(3)
    moving.grad = torch.zeros(3)
    SGLD([moving, still], 0.1, data_size=1, generator=torch.Generator()).step()
    assert moving.all()
    SGLD([still], 0.1, data_size=1, generator=torch.Generator()).step()  # none moves
    assert torch.equal(still, torch.ones(3))


def test_it_goes_on_bit_for_bit_from_what_it_saved() -> None:
    def make(model: nn.Module, seed: int) -> SGLD:
        return SGLD(
            model.parameters(),
            0.3,
            data_size=40,
            generator=noise_generator(seed, CPU),
            prior_precision=2.0,
        )

    model = two_layers()
    optimizer = make(model, 1)
    trained(model, optimizer, 3)
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    again = copy.deepcopy(model)
    expected = trained(model, optimizer, 4)
    other = make(again, 2)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert other.param_groups[0]["weight_decay"] == 2.0 / 40
    for mine, theirs in zip(trained(again, other, 4), expected, strict=True):
        assert torch.equal(mine, theirs)


def test_noise_is_a_function_of_the_seed_alone() -> None:
    draws = [torch.randn(4, generator=noise_generator(seed, CPU)) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    torch.manual_seed(0)
    before = torch.get_rng_state()
    steps(1.0, 0.1, 10, 0.0, 5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "wrong", [{"data_size": 0}, {"temperature": -1.0}, {"prior_precision": -1.0}], ids=str
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    options = {"data_size": 10, "generator": torch.Generator()} | wrong
    with pytest.raises(ValueError, match=r"at least 1|must not be negative"):
        SGLD([torch.zeros(1)], 0.1, **options)


# ---------------------------------------------------------------- a minibatch's own noise


def test_gradient_noise_is_the_trace_of_the_covariance_without_bias() -> None:
    """Against every image's own gradient."""
    model, images = two_layers(), some_images()
    each = []
    for pixels, label in zip(images.pixels, images.labels, strict=True):
        loss = F.cross_entropy(model(pixels[None]), label[None])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        each.append(torch.cat([g.flatten() for g in gradients]))
    trace = float(torch.stack(each).var(dim=0, correction=0).sum())
    for size in (1, 8):
        found = np.array(
            [gradient_noise(model, images, batch_size=size, batches=16, seed=s) for s in range(200)]
        )
        error = found.std(ddof=1) / np.sqrt(len(found))
        assert abs(found.mean() - trace) < 4 * error
        assert error < 0.05 * trace
    assert all(parameter.grad is None for parameter in model.parameters())
