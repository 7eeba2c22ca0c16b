"""What a run does not reach of its schedule: most often training was made shorter, or a clock that
counts updates is stepped once an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from search_spaces.schedules.base import Schedule, ScheduleConfig
from search_spaces.schedules.cycles import CosineRestarts
from search_spaces.schedules.decays import MultiFactor
from search_spaces.schedules.durations import CLOSE, updates
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.sequence import Then
from search_spaces.words.phrases import count

_ENOUGH = 0.99
"""A schedule of which training covers so much, or a cycle of it, counts as finished."""
_USUAL_ITERATIONS = 5  # torch's default of total_iters
_USUAL_STEP_SIZE = 2000  # torch's default of step_size_up


def unfinished(schedule: ScheduleConfig, epochs: int, steps_per_epoch: int) -> list[str]:
    """A phrase for each part of the schedule that a run of ``epochs`` >= 1 does not reach; none
    where the schedule is over when training ends, or has no end."""
    total = epochs * steps_per_epoch
    if updates(schedule.warmup, steps_per_epoch) >= total:
        trained = count(epochs, "epoch")
        return [f"training ends after {trained}, before the warmup of {schedule.warmup:g}"]
    match schedule:
        case MultiFactor():
            return _milestones(schedule, epochs)
        case CosineRestarts():
            share = float(schedule.cycle_progress(np.array([float(total)]), steps_per_epoch)[0])
            return _cycle(share, _last(schedule, epochs, steps_per_epoch))
        case Table():
            taken = _calls(schedule, schedule.per, epochs, steps_per_epoch)
            return _steps(len(schedule.rates), taken, "rates of the table")
        case TorchScheduler():
            return _torch(schedule, epochs, steps_per_epoch)
        case Plateau():
            return _patience(schedule, epochs)
        case Then():
            return _parts(schedule, epochs, steps_per_epoch)
        case Schedule(end=float(end)):
            return _horizon(schedule, end, epochs, steps_per_epoch)
    return []


def _horizon(schedule: Schedule, end: float, epochs: int, steps_per_epoch: int) -> list[str]:
    if epochs >= _ENOUGH * end:
        return []
    last = _last(schedule, epochs, steps_per_epoch)
    return [f"training ends after {count(epochs, 'epoch')} of a horizon of {end:g}, {last}"]


def _parts(schedule: Then, epochs: int, steps_per_epoch: int) -> list[str]:
    """The last part begins at the last boundary, and has what is left of training."""
    last = schedule.boundaries[-1]
    if last >= epochs - CLOSE:
        trained = count(epochs, "epoch")
        return [f"training ends after {trained}, before the last schedule begins at epoch {last:g}"]
    return unfinished(schedule.parts[-1], math.ceil(epochs - last - CLOSE), steps_per_epoch)


def _milestones(schedule: MultiFactor, epochs: int) -> list[str]:
    later = [f"{each:g}" for each in schedule.milestones if each > epochs + CLOSE]
    if not later:
        return []
    many = "milestone" if len(later) == 1 else "milestones"
    return [
        f"training ends after {count(epochs, 'epoch')}, before the {many} {' and '.join(later)}"
    ]


def _cycle(share: float, last: str) -> list[str]:
    if share == 0.0 or share >= _ENOUGH:
        return []
    return [f"training ends {100 * share:.2g} % into a cycle, {last}"]


def _patience(schedule: Plateau, epochs: int) -> list[str]:
    """The first judged epoch sets the best loss; only then epochs without improvement count."""
    if math.ceil(schedule.warmup - CLOSE) + schedule.patience + 2 < epochs:
        return []
    much = f"a patience of {count(schedule.patience, 'epoch')}"
    return [f"{much} leaves no time to lower the rate in {count(epochs, 'epoch')}"]


def _torch(schedule: TorchScheduler, epochs: int, steps_per_epoch: int) -> list[str]:
    name, arguments = schedule.scheduler, schedule.arguments
    taken = _calls(schedule, schedule.per, epochs, steps_per_epoch)
    if name in ("CyclicLR", "CosineAnnealingWarmRestarts"):
        first, multiplier = _torch_cycle(name, arguments)
        cycles = CosineRestarts(base_lr=1.0, cycle=first, multiplier=multiplier)
        share = float(cycles.cycle_progress(np.array([float(taken)]), 1)[0])
        return _cycle(share, f"after {count(taken, 'step')} of {name}, one {_every(schedule)}")
    length = _torch_length(name, arguments)
    if name == "CosineAnnealingLR" and taken - 1 > length:
        return [f"{name} rises again after {count(length, 'step')}, and a run takes {taken:,}"]
    found = _steps(length, taken, f"steps of {name}, one {_every(schedule)}")
    in_updates = _calls(schedule, "update", epochs, steps_per_epoch)
    if found and schedule.per == "epoch" and in_updates <= 2 * length:  # meant for that clock
        return [f"{found[0]} (per=update: {min(length, in_updates):,})"]
    return found


def _torch_length(name: str, arguments: Mapping[str, Any]) -> int:
    """The calls of step() after which a torch class does nothing new; 0: it has no end."""
    match name:
        case "OneCycleLR":
            product = _of(arguments, "epochs", 0) * _of(arguments, "steps_per_epoch", 0)
            return _of(arguments, "total_steps", product)
        case "CosineAnnealingLR":
            return _of(arguments, "T_max", 0)
        case "PolynomialLR" | "LinearLR" | "ConstantLR":
            return _of(arguments, "total_iters", _USUAL_ITERATIONS)
        case "StepLR":
            return _of(arguments, "step_size", 0)
        case "MultiStepLR":
            return max(map(int, arguments.get("milestones") or [0]))
    return 0


def _torch_cycle(name: str, arguments: Mapping[str, Any]) -> tuple[int, int]:
    """Length in calls of step() of the first cycle, and how many times as long each next one is."""
    if name == "CosineAnnealingWarmRestarts":
        return _of(arguments, "T_0", 1), _of(arguments, "T_mult", 1)
    up = _of(arguments, "step_size_up", _USUAL_STEP_SIZE)
    return up + _of(arguments, "step_size_down", up), 1


def _of(arguments: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = arguments.get(name)
    return otherwise if value is None else int(value)


def _calls(schedule: ScheduleConfig, per: str, epochs: int, steps_per_epoch: int) -> int:
    """How many rates of a table, or of a torch class, a run has after its warmup."""
    left = epochs * steps_per_epoch - updates(schedule.warmup, steps_per_epoch)
    return -(-left // steps_per_epoch) if per == "epoch" else left


def _steps(length: int, taken: int, what: str) -> list[str]:
    return [] if taken >= _ENOUGH * length else [f"a run takes {taken:,} of the {length:,} {what}"]


def _every(schedule: TorchScheduler) -> str:
    return "an epoch" if schedule.per == "epoch" else "an update"


def _last(schedule: Schedule, epochs: int, steps_per_epoch: int) -> str:
    rate = schedule(epochs * steps_per_epoch - 1, steps_per_epoch)
    return f"at a rate of {rate:.3g} instead of {getattr(schedule, 'final_lr', 0.0):.3g}"
