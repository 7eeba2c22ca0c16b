"""What can be known of a study before it trains: how many updates a run has, and whether they and
the learning rates can lead anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import FixedTrial

from search_spaces.config import Budget, Parameters, Range, TrialConfig
from search_spaces.schedules.base import Schedule
from search_spaces.words.phrases import count
from study.spec import StudySpec

LEAVES_CHANCE = 3.0
"""Updates times their mean learning rate below which LeNet on Fashion-MNIST seldom leaves chance
(5 % of the way from a guess to perfect), with plain SGD.

Measured at constant rates from 0.0065 to 0.8, batches of 64 and 256, one to three seeds: it left at
2.2 to 6.4, mostly 3 to 4.8 (560 updates at 0.0065, 120 at 0.03, 30 at 0.1, 12 at 0.4), whatever the
batch. With momentum m the mean rate counts 1 / (1 - m) times: 4.8 and 6.4 at 0.02 with 0.9.
"""
ENOUGH = 6.5
"""The same product, at which all these runs had left chance."""
FASTEST = 0.8
"""The highest of those rates. Higher ones count as this one: they lead no sooner away from chance,
and back to it."""
LARGEST_RATE = 10.0
"""Twice the largest rate of any space. All 17 runs that were measured at rates of 5, 10 and 20
(batches of 64 and 256, two seeds, most of them with 100 updates of warmup) were at chance after 140
updates."""
_TOLERATED = 0.25
"""Share of the trials that may be lost without a word: spaces reach from rates that hardly move the
weights to rates that diverge, on purpose."""
_MOST_UPDATES = 6_000  # about what a standard run has: more are no advice, higher rates are
_POINTS = 21  # of the range of rates
_MOST_STEPS = 1_000  # at which a schedule is asked: enough for its mean


@dataclass(frozen=True)
class Updates:
    """Optimizer updates of a run: per_epoch for each of the epochs, total for all."""

    per_epoch: int
    total: int
    batch_size: int

    def in_words(self) -> str:
        """In one phrase."""
        return (
            f"{count(self.total, 'update')} ({self.per_epoch:,} an epoch, in batches of "
            f"{self.batch_size:,})"
        )


def updates(spec: StudySpec, images: int, budget: Budget | None = None) -> Updates:
    """The updates of a run, by default with the study's own budget.

    images: training images where the budget does not say how many.
    """
    spends = budget or spec.budget
    batch_size = _option(spec, "batch_size")
    per_epoch = math.ceil((spends.train_size or images) / batch_size)
    return Updates(per_epoch, per_epoch * spends.epochs, batch_size)


def warnings(spec: StudySpec, images: int, classes: int) -> list[str]:
    """Why a study can hardly work, and what to change: one line each, none where nothing is known
    against it. It is never refused: a run that stalls or diverges is a result too.

    images: training images of the task; classes: how many it tells apart.
    """
    return [*_of_images(spec, images, classes), *_of_updates(spec, images), *_of_rates(spec)]


def _of_images(spec: StudySpec, images: int, classes: int) -> Iterator[str]:
    size, batch_size = spec.budget.train_size or images, _option(spec, "batch_size")
    if size < classes:
        yield (
            f"{count(size, 'training image')} for {classes} classes: some are never seen. "
            "More: --train-size 10000"
        )
    if size < batch_size:
        advice = "Smaller: --set batch_size=64" if size > 64 else "More: --train-size 10000"
        yield (
            f"a batch of {batch_size:,} is larger than the {count(size, 'training image')}: "
            f"an epoch is a single update. {advice}"
        )


def _of_updates(spec: StudySpec, images: int) -> Iterator[str]:
    """Too few updates for their rates."""
    progress = np.array([_progress(spec, images, *run) for run in _runs(spec)])
    untrained = float(np.mean(progress < LEAVES_CHANCE))
    if untrained <= _TOLERATED:
        return
    has = updates(spec, images)
    # So many take all but the tolerated share of the runs far enough.
    slow = float(np.quantile(progress, _TOLERATED))
    needed = has.total * ENOUGH / slow if slow > 0 else math.inf
    advice = _more_updates(spec, images, has, needed) if needed < _MOST_UPDATES else _usual(spec)
    yield (
        f"a run has {has.in_words()}: at its learning rates {_share(untrained)} are likely to "
        f"stall. {advice}"
    )


def _more_updates(spec: StudySpec, images: int, has: Updates, needed: float) -> str:
    """The options that give a run so many updates."""
    most = (spec.budget.train_size or images) * spec.budget.epochs / needed
    smaller = [f"--set batch_size={min(64, 2 ** int(math.log2(most)))}"] if most >= 1 else []
    ways = [*smaller, f"--epochs {math.ceil(needed / has.per_epoch)}", "--preset quick alone"]
    return f"About {math.ceil(needed):,} would do: {', '.join(ways[:-1])} or {ways[-1]}"


def _usual(spec: StudySpec) -> str:
    """The rates that a space has by itself."""
    usual = spec.search_space.ranges(spec.budget).get("base_lr")
    ends = "" if usual is None else f": --range base_lr={usual.low:g}:{usual.high:g}"
    return f"Learning rates that can work{ends}"


def _share(untrained: float) -> str:
    return "all trials" if untrained == 1 else f"about {100 * untrained:.0f} % of the trials"


def _of_rates(spec: StudySpec) -> Iterator[str]:
    """Rates beyond all that was ever trained."""
    rates = np.array([config.schedule.base_lr for config, _ in _runs(spec)])
    untrained = float(np.mean(rates > LARGEST_RATE))
    if untrained == 0:
        return
    yield (
        f"{_share(untrained)} have a learning rate above {LARGEST_RATE:g}, at which none was seen "
        f"to learn. {_usual(spec)}"
    )


def _progress(spec: StudySpec, images: int, config: TrialConfig, budget: Budget) -> float:
    """Updates of a run times their mean rate, as momentum makes it, at most the fastest."""
    if not isinstance(config.schedule, Schedule):
        return math.inf
    has = updates(spec, images, budget)
    steps = np.linspace(0, has.total - 1, min(has.total, _MOST_STEPS)).round()
    rates = config.schedule(steps, has.per_epoch) / (1.0 - config.momentum)
    return has.total * float(np.minimum(rates, FASTEST).mean())


def _runs(spec: StudySpec) -> list[tuple[TrialConfig, Budget]]:
    """What the trials train: the arms, or for each family rates from the whole range of base_lr,
    with the other parameters from the middle of theirs."""
    if spec.arms:
        arms = [(arm.family, arm.parameters, arm.budget or spec.budget) for arm in spec.arms]
        return [(_config(spec, *each), each[-1]) for each in arms]
    middle = {name: _at(each, 0.5) for name, each in spec.ranges.items()}
    points = np.linspace(0, 1, _POINTS) if "base_lr" in spec.ranges else [0.5]
    return [
        (_config(spec, family, parameters, spec.budget), spec.budget)
        for family in spec.families
        for point in points
        for parameters in [
            middle
            | ({"base_lr": _at(spec.ranges["base_lr"], point)} if "base_lr" in middle else {})
        ]
    ]


def _config(spec: StudySpec, family: str, parameters: Parameters, budget: Budget) -> TrialConfig:
    chosen = spec.suggest(FixedTrial(parameters), family, budget)
    return TrialConfig(**chosen, epochs=budget.epochs, seed=0, **spec.optimizer)


def _at(interval: Range, share: float) -> float:
    """The value at a share of the way through a range, on its own scale."""
    if interval.fixed:
        return interval.low
    ends = np.log([interval.low, interval.high]) if interval.log else [interval.low, interval.high]
    value = float(np.interp(share, [0, 1], ends))
    return min(max(float(np.exp(value)) if interval.log else value, interval.low), interval.high)


def _option(spec: StudySpec, name: str) -> Any:
    return spec.optimizer.get(name, TrialConfig.model_fields[name].default)
