"""Stochastic gradient Langevin dynamics: SGD with a temperature, and a minibatch's own noise.

Units are those of the mean loss of N images: with learning rate lr the step size of Welling & Teh
(2011, eq. 4) is eps = 2 lr / N, and the injected noise has the standard deviation sqrt(eps T).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from study.tasks.fashion_mnist import Images

_NOISE_STREAM, _BATCH_STREAM = 1, 2  # of a run's seed, beside weights and order


class SGLD(torch.optim.SGD):
    """SGD whose every update adds normal noise of standard deviation sqrt(2 lr T / N).

    data_size: N >= 1, images behind the mean loss. temperature: T >= 0; at 0 it is bit for bit
    torch.optim.SGD with weight_decay = prior_precision / N, at 1 it samples the posterior. Each
    parameter group has its own ``temperature``, which may change between steps as ``lr`` may, and
    its own ``prior_precision`` (1 / variance of a normal prior of mean 0). generator: of the noise
    alone, on the parameters' device; its state is part of `state_dict`. options: of
    torch.optim.SGD. Raises ValueError where a number is out of range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        data_size: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        prior_precision: float = 0.0,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        if data_size < 1:
            raise ValueError(f"data_size must be at least 1, not {data_size}")
        super().__init__(params, lr, weight_decay=weight_decay, **options)
        self.data_size, self.generator = data_size, generator
        for group in self.param_groups:
            group.setdefault("temperature", temperature)
            precision = group.setdefault("prior_precision", prior_precision)
            if group["temperature"] < 0 or precision < 0:
                raise ValueError("temperature and prior_precision must not be negative")
            group["weight_decay"] += precision / data_size

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """An update of SGD, then the noise."""
        loss = super().step(closure)
        for group in self.param_groups:
            scale = math.sqrt(2.0 * group["lr"] * group["temperature"] / self.data_size)
            moving = [p for p in group["params"] if p.grad is not None]
            if scale > 0 and moving:
                self._add_noise(moving, scale)
        return loss

    @torch.no_grad()
    def _add_noise(self, parameters: list[Tensor], scale: float) -> None:
        """One draw for all: many small ones take longer than the rest of the update."""
        first, sizes = parameters[0], [p.numel() for p in parameters]
        noise = torch.empty(sum(sizes), device=first.device, dtype=first.dtype)
        parts = torch.split(noise.normal_(generator=self.generator), sizes)
        shaped = [part.view(p.shape) for part, p in zip(parts, parameters, strict=True)]
        torch._foreach_add_(parameters, shaped, alpha=scale)

    def state_dict(self) -> dict[str, Any]:
        """SGD's, and the state of the noise."""
        return super().state_dict() | {"noise": self.generator.get_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self.generator.set_state(state_dict["noise"].cpu())
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "noise"})


def noise_generator(seed: int, device: torch.device) -> torch.Generator:
    """The generator of a run's noise: a function of its seed, independent of weights and order."""
    words = np.random.SeedSequence([seed, _NOISE_STREAM]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(words[0] >> np.uint64(1)))


def gradient_noise(
    model: nn.Module, images: Images, *, batch_size: int, batches: int, seed: int
) -> float:
    """Trace of the covariance of one image's gradient of the loss, at the model's weights.

    From ``batches`` >= 2 minibatches drawn with replacement: n times the unbiased variance of their
    mean gradients, summed over the d parameters. A minibatch of n then acts, at learning rate lr,
    like a temperature (`search_spaces.weight_sampling.noise_temperature`).
    """
    draws = np.random.default_rng([seed, _BATCH_STREAM])
    parameters = [p for p in model.parameters() if p.requires_grad]
    mean: Tensor | None = None
    squares = torch.zeros((), device=images.labels.device, dtype=torch.float64)
    for count in range(1, batches + 1):
        chosen = torch.from_numpy(draws.integers(0, len(images.labels), batch_size))
        batch = chosen.to(images.labels.device)
        loss = F.cross_entropy(model(images.pixels[batch]), images.labels[batch])
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
        if mean is None:
            mean = torch.zeros_like(gradient)
        away = gradient - mean  # Welford's update: the gradients are not kept
        mean += away / count
        squares += torch.dot(away, gradient - mean)
    return batch_size * squares.item() / (batches - 1)
