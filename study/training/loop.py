"""The training loop: a configuration and a task's data become a stream of EpochRecords.

It knows no Optuna and no database. Everything that is measured stays on the device as tensors and
is read once, at the end of the epoch.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import Array, Schedule
from search_spaces.schedules.given import Plateau
from study.records import EpochRecord, Kernel
from study.tasks.fashion_mnist import Images
from study.tasks.task import Task, TaskData
from study.training.evaluation import scores
from study.training.kernels.choice import with_kernel
from study.training.predictions import Predictions
from study.training.sgld import SGLD, noise_generator
from study.training.torch_schedules import PlateauState, closed_form, plateau_rates

AVERAGE_GAIN = 8.0
"""g of the horizon-free average."""
DIVERGED_ABOVE = 4.0
"""A mean loss of an epoch above so many times ln(classes), a guess's loss, is divergence: a run
that only fails to learn stays near 1."""
STALLED_BELOW = 0.05
"""Less than this share of the way from a guess to perfect is nothing learned."""


@dataclass
class TrainingState:
    """A run between two epochs. It changes in place as `train` goes on.

    model, averaged: the raw weights and their horizon-free average, on the training device.
    initial: the model's parameters before training.
    rates: learning rate of every update of the run, (updates,); empty where the schedule follows
        the loss, whose state is then ``plateau``.
    momenta: momentum of every update, (updates,); empty where it stays as it is.
    predictions: of the weights sampled so far, where the configuration samples any.
    next_epoch: how many epochs have been trained.
    """

    config: TrialConfig
    steps_per_epoch: int
    model: nn.Module
    averaged: nn.Module
    initial: list[Tensor]
    optimizer: torch.optim.SGD
    rates: Array
    plateau: PlateauState | None
    predictions: Predictions | None = None
    momenta: Array = field(default_factory=lambda: np.empty(0))
    next_epoch: int = 0

    def state_dict(self) -> dict[str, Any]:
        """Copies of all that changes, as tensors and JSON values (`torch.save`,
        ``torch.load(weights_only=True)``)."""
        return copy.deepcopy(
            {
                "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "plateau": None if self.plateau is None else asdict(self.plateau),
                "predictions": None if self.predictions is None else self.predictions.state_dict(),
                "next_epoch": self.next_epoch,
            }
        )

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken, in a state that `start` made for the same run."""
        self.model.load_state_dict(saved["model"])
        self.averaged.load_state_dict(saved["averaged"])
        self.optimizer.load_state_dict(copy.deepcopy(saved["optimizer"]))
        self.plateau = None if saved["plateau"] is None else PlateauState(**saved["plateau"])
        if self.predictions is not None:
            self.predictions.load_state_dict(copy.deepcopy(saved["predictions"]))
        self.next_epoch = saved["next_epoch"]


def start(
    config: TrialConfig,
    task: Task,
    data: TaskData,
    device: torch.device,
    kernel: Kernel = "torch",
) -> TrainingState:
    """The state of a run before its first epoch; ``data`` must lie on the device.

    kernel: what computes the convolutions, once `check_kernel` has passed it. Raises ValueError
    where a torch scheduler cannot be built, where the schedule follows the validation loss and
    there are no validation data, or where the kernel is not made for the network.
    """
    steps_per_epoch = math.ceil(len(data.train.labels) / config.batch_size)
    rates = rates_of(config, steps_per_epoch, validates=data.val is not None)
    plateau = None
    if isinstance(config.schedule, Plateau):
        plateau = PlateauState.start(config.schedule, steps_per_epoch)
    model = with_kernel(task.build(config), kernel)
    model = model.to(device).to(memory_format=torch.channels_last).train()
    sampling = config.weight_sampling
    return TrainingState(
        config=config,
        steps_per_epoch=steps_per_epoch,
        model=model,
        averaged=copy.deepcopy(model).requires_grad_(False).eval(),
        initial=[parameter.detach().clone() for parameter in model.parameters()],
        optimizer=_optimizer(model, config, len(data.train.labels), device),
        rates=rates,
        plateau=plateau,
        predictions=None if sampling is None else Predictions(sampling, model),
        momenta=_momenta(config, steps_per_epoch),
    )


def rates_of(config: TrialConfig, steps_per_epoch: int, *, validates: bool) -> Array:
    """The rate of every update of a run, (updates,); empty where the schedule follows the loss.

    Raises ValueError where a torch scheduler cannot be built, or where the schedule follows the
    validation loss and there are no validation data.
    """
    if not isinstance(config.schedule, Plateau):
        steps = np.arange(config.epochs * steps_per_epoch)
        schedule = closed_form(config.schedule, config.epochs, steps_per_epoch)
        return schedule(steps, steps_per_epoch)
    if not validates:
        raise ValueError("the schedule 'plateau' needs validation data, which this study has not")
    return np.empty(0)


def _momenta(config: TrialConfig, steps_per_epoch: int) -> Array:
    schedule = config.schedule
    if not isinstance(schedule, Schedule) or schedule.highest_momentum == 0.0:
        return np.empty(0)
    return schedule.momentum(np.arange(config.epochs * steps_per_epoch), steps_per_epoch)


def _optimizer(
    model: nn.Module, config: TrialConfig, data_size: int, device: torch.device
) -> torch.optim.SGD:
    """SGD, or SGLD where weights are sampled."""
    options: dict[str, Any] = {
        "lr": config.schedule.base_lr,
        "momentum": max(config.momentum, config.schedule.highest_momentum),
        "nesterov": config.nesterov,
        "weight_decay": config.weight_decay,
        "fused": True,
    }
    sampling = config.weight_sampling
    if sampling is None:
        return torch.optim.SGD(model.parameters(), **options)
    return SGLD(
        model.parameters(),
        data_size=data_size,
        generator=noise_generator(config.seed, device),
        temperature=sampling.temperature,
        prior_precision=sampling.prior_precision,
        **options,
    )


def train(state: TrainingState, data: TaskData) -> Iterator[EpochRecord]:
    """Train from ``state.next_epoch`` to the end, yielding a record after each epoch.

    Between two records the state is at an epoch's boundary, where it can be saved. The caller
    decides whether to go on (see `diverged`).
    """
    while state.next_epoch < state.config.epochs:
        began = time.perf_counter()
        rates = _epoch_rates(state)
        running = _train_epoch(state, data, rates)
        measured = _measure(state, data.val, running)
        if state.plateau is not None:
            watched = "val_loss" if state.plateau.mode == "min" else "val_accuracy"
            state.plateau = state.plateau.after_epoch(measured[watched])
        epoch, state.next_epoch = state.next_epoch, state.next_epoch + 1
        yield EpochRecord(
            epoch=epoch,
            first_lr=float(rates[0]),
            last_lr=float(rates[-1]),
            mean_lr=float(rates.mean()),
            seconds=time.perf_counter() - began,
            **measured,
        )


def epoch_order(seed: int, epoch: int, size: int) -> npt.NDArray[np.int64]:
    """The order of ``size`` images in an epoch: a function of (seed, epoch) on any device."""
    return np.random.default_rng([seed, epoch]).permutation(size)


def _epoch_rates(state: TrainingState) -> Array:
    """Learning rates of the coming epoch's updates."""
    schedule, n = state.config.schedule, state.steps_per_epoch
    steps = np.arange(n) + state.next_epoch * n
    if isinstance(schedule, Plateau) and state.plateau is not None:
        return plateau_rates(schedule, state.plateau, steps, n)
    return state.rates[steps]


def _train_epoch(state: TrainingState, data: TaskData, rates: Array) -> Tensor:
    """Train for an epoch; the running mean loss and accuracy, (2,) on the device."""
    images, size = data.train, len(data.train.labels)
    first = state.next_epoch * state.steps_per_epoch
    temperatures, is_sample = _sampling(state)
    (group,) = state.optimizer.param_groups
    order = torch.from_numpy(epoch_order(state.config.seed, state.next_epoch, size))
    batches = torch.split(order.to(images.labels.device), state.config.batch_size)
    weights, averages = floating(state.model), floating(state.averaged)
    sums = torch.zeros(2, device=images.labels.device)
    state.model.train()
    for place, (batch, rate) in enumerate(zip(batches, rates.tolist(), strict=True)):
        labels = images.labels[batch]
        logits = state.model(images.pixels[batch])
        loss = F.cross_entropy(logits, labels)
        state.optimizer.zero_grad()
        torch.autograd.backward(loss)
        group["lr"] = rate
        if len(state.momenta):
            group["momentum"] = float(state.momenta[first + place])
        if state.predictions is not None:
            group["temperature"] = temperatures[place]
        state.optimizer.step()
        # torch.optim.swa_utils takes 1 - b instead of b, and so rounds long runs otherwise.
        torch._foreach_lerp_(averages, weights, average_weight(first + place))
        if state.predictions is not None and is_sample[place]:
            state.predictions.take(state.model, rate, data)
        correct = (logits.detach().argmax(1) == labels).sum()
        sums += torch.stack([loss.detach() * len(batch), correct])
    return sums / size


def _sampling(state: TrainingState) -> tuple[list[float], list[bool]]:
    """For each of the coming epoch's updates its temperature, and whether a sample follows it."""
    sampling, n = state.config.weight_sampling, state.steps_per_epoch
    if sampling is None:
        return [0.0] * n, [False] * n
    count, first = (state.next_epoch + 1) * n, state.next_epoch * n
    first_cycle = state.config.schedule.first_cycle
    chosen = sampling.is_sample(count, n, first_cycle)[first:]
    return sampling.temperatures(count, n, first_cycle)[first:].tolist(), chosen.tolist()


def average_weight(step: int) -> float:
    """b = (g + 1) / (t + g + 1): the share of the weights after update t (from 0) in the
    horizon-free average, avg <- (1 - b) avg + b w."""
    return (AVERAGE_GAIN + 1.0) / (step + AVERAGE_GAIN + 1.0)


def floating(module: nn.Module) -> list[Tensor]:
    """Parameters and floating-point buffers, detached but not copied."""
    return [value for value in module.state_dict().values() if value.is_floating_point()]


def _measure(state: TrainingState, val: Images | None, running: Tensor) -> dict[str, Any]:
    """The measured fields of the epoch's record: the one place where the host waits."""
    with torch.no_grad():
        for mine, theirs in zip(state.averaged.buffers(), state.model.buffers(), strict=True):
            if not mine.is_floating_point():
                mine.copy_(theirs)
        names, norms, distances = _layers(state)
        values = [running, norms, distances]
    if val is not None:
        for model in (state.model, state.averaged):
            losses, correct = scores(model, val)
            values.append(torch.stack([losses.mean(), correct.float().mean()]))
    numbers = iter(torch.cat(values).tolist())
    return {
        "train_loss": next(numbers),
        "train_accuracy": next(numbers),
        "weight_norm": dict(zip(names, numbers, strict=False)),
        "distance": dict(zip(names, numbers, strict=False)),
        "val_loss": next(numbers, None),
        "val_accuracy": next(numbers, None),
        "averaged_val_loss": next(numbers, None),
        "averaged_val_accuracy": next(numbers, None),
    }


def _layers(state: TrainingState) -> tuple[list[str], Tensor, Tensor]:
    """Names of the k modules that own parameters, L2 norms (k,) of these and of their way from the
    start."""
    initial = dict(zip(state.model.parameters(), state.initial, strict=True))
    names, norms, distances = [], [], []
    for name, module in state.model.named_modules():
        own = list(module.parameters(recurse=False))
        if own:
            names.append(name or "network")
            norms.append(_norm(own))
            distances.append(_norm([w - initial[w] for w in own]))
    return names, torch.stack(norms), torch.stack(distances)


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(torch.cat([tensor.flatten() for tensor in tensors]))
    return norm


def diverged(records: Sequence[EpochRecord], classes: int) -> bool:
    """Whether training exploded by the last record: a loss or weights that are not finite, or a
    training loss above ``DIVERGED_ABOVE * ln(classes)`` nats."""
    if not records:
        return False
    last = records[-1]
    # The weights tell of an explosion in the last update where no validation loss does.
    numbers = [last.train_loss, last.val_loss or 0.0, *last.weight_norm.values()]
    too_high = last.train_loss > DIVERGED_ABOVE * math.log(classes)
    return too_high or not all(map(math.isfinite, numbers))


def stalled(records: Sequence[EpochRecord], classes: int) -> bool:
    """Whether a run ended at chance without exploding; of validation images where there are any."""
    if not records or any(diverged(records[: n + 1], classes) for n in range(len(records))):
        return False
    last = records[-1]
    accuracy = last.train_accuracy if last.val_accuracy is None else last.val_accuracy
    chance = 1.0 / classes
    return accuracy < chance + STALLED_BELOW * (1.0 - chance)
