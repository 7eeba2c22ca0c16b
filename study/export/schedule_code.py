"""A schedule as code that needs PyTorch alone: a module of its own, and a few lines to paste."""

from __future__ import annotations

import re
from collections.abc import Mapping
from textwrap import indent

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import Schedule, ScheduleConfig
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.durations import CLOSE
from search_spaces.schedules.sequence import Then
from search_spaces.wording import in_words, sampling_in_words

_WIDE = 105  # characters of a line
_PROGRESS = """

def progress(t, start, end):  # share of the way from start to end, 0 to 1
    return 1.0 if t >= end else max(0.0, (t - start) / max(1, end - start))
"""
_HELD = '''

def held(step):
    """The update whose rate an update has: rates change once an epoch, or while warmup ends."""
    start = step // steps_per_epoch * steps_per_epoch
    if step < w:
        return step if w < start + steps_per_epoch else start
    return max(start, w)
'''
_MODULE = '''\
"""Learning rate: {words}.

    optimizer = torch.optim.SGD(model.parameters(), lr=base_lr)
    scheduler = lambda_lr(optimizer)
    ...
    optimizer.step()
    scheduler.step()  # after every batch
"""

import math

from torch.optim.lr_scheduler import LambdaLR

steps_per_epoch = {steps_per_epoch}  # optimizer updates in an epoch: put in your own number


def updates(epochs):
    """A moment in epochs as a whole number of optimizer updates; 3.9999999 is epoch 4."""
    whole = round(epochs)
    close = abs(epochs - whole) <= {close}
    return whole * steps_per_epoch if close else round(epochs * steps_per_epoch)
{progress}

{rate}

def lambda_lr(optimizer):
    """A scheduler for an optimizer that was made with lr=base_lr."""
    return LambdaLR(optimizer, lambda step: rate(step) / base_lr)
'''
_RATE = """\
{constants}{unit}{held}{parts}

def rate({step}):  # learning rate of optimizer update 0, 1, 2, ...
{body}
"""
_MOMENTUM = '''

def momentum(step):
    """Momentum of an optimizer update, counted from 0: optimizer.param_groups[0]["momentum"]."""
    t = max(w, {clock})
{body}
'''
_PART = '''

def part_{number}(step):
    """Rate of {words}, from step 0 on."""
{rate}
    return rate(step)
'''
_PASTED = """\
{imports}import torch

steps_per_epoch = len(loader)  # of your DataLoader, in batches of {batch_size:,}
{updates}{progress}

{rate}

{optimizer}  # rate multiplies lr
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)  # scheduler.step() each batch
{momentum}"""
_SET_MOMENTUM = """\
# And before each batch: optimizer.param_groups[0]["momentum"] = momentum(step)
"""
_UPDATES = """

def updates(epochs):
    return round(epochs * steps_per_epoch)
"""


def module_code(schedule: Schedule, steps_per_epoch: int) -> str:
    """Python source that needs PyTorch alone and recreates the schedule with LambdaLR.

    The module defines ``rate(step)`` and ``lambda_lr(optimizer)``.
    """
    rate = _rate(schedule, also="base_lr")
    return _MODULE.format(
        words=in_words(schedule),
        steps_per_epoch=steps_per_epoch,
        close=CLOSE,
        progress=_PROGRESS if "progress(" in rate else "",
        rate=rate,
    ) + _momentum(schedule)


def _momentum(schedule: Schedule) -> str:
    """``momentum(step)`` of a schedule that moves it."""
    if schedule.highest_momentum == 0.0:
        return ""
    body = indent(schedule.MOMENTUM_CODE, "    ")
    return _MOMENTUM.format(clock=_clock(schedule), body=body)


def _rate(schedule: Schedule, also: str = "") -> str:
    """Statements that define ``rate(step)``, and the parameters that it and ``also`` name."""
    body = _body(schedule)
    values = schedule.model_dump(exclude={"family", "hold_epochs", "per", "warmup_shape", "parts"})
    warmup = f"w = {_warmup(schedule)}\n"
    text = "\n".join([body, warmup, schedule.MOMENTUM_CODE, also])
    used = {name: value for name, value in values.items() if re.search(rf"\b{name}\b", text)}
    return _RATE.format(
        constants=_constants(used) + warmup,
        unit=_unit(schedule),
        held=_HELD if "held(" in _clock(schedule) else "",
        parts=_parts(schedule),
        step="step" if schedule.hold_epochs else "t",
        body=indent(body, "    "),
    )


def _body(schedule: Schedule) -> str:
    """The statements of ``rate``. The warmup rises to what it returns at its end."""
    start = "warmup_lr" if schedule.warmup_lr else ""
    if schedule.warmup_shape == "linear":
        start = "warmup_lr + (rate(w) - warmup_lr) * t / w" if start else "rate(w) * t / w"
    clock = f"t = {_clock(schedule)}\n" if schedule.hold_epochs else ""
    rising = f"if t < w:\n    return {start or '0.0'}\n" if schedule.warmup > 0 else ""
    return clock + rising + schedule.CODE


def _clock(schedule: Schedule) -> str:
    """The update whose rate an update has."""
    if not schedule.hold_epochs:
        return "step"
    return "held(step)" if schedule.warmup > 0 else "step // steps_per_epoch * steps_per_epoch"


def _warmup(schedule: Schedule) -> str:
    """The warmup in updates, which rounding never makes as long as the whole schedule."""
    if schedule.warmup == 0:
        return "0"
    if schedule.end is None or schedule.end - schedule.warmup >= 2:
        return "updates(warmup)"
    end = "horizon" if hasattr(schedule, "horizon") else repr(schedule.end)
    return f"min(updates(warmup), max(0, updates({end}) - 1))"


def _constants(values: Mapping[str, object]) -> str:
    """Assignments, in one line where it is not too long."""
    together = f"{', '.join(values)} = {', '.join(map(repr, values.values()))}\n"
    if len(values) > 1 and len(together) > _WIDE:
        return "".join(f"{name} = {value!r}\n" for name, value in values.items())
    return together if values else ""


def _parts(schedule: Schedule) -> str:
    """A function for each part of a sequence, and ``parts``."""
    if not isinstance(schedule, Then):
        return ""
    closed = [part for part in schedule.parts if isinstance(part, Schedule)]
    code = [
        _PART.format(number=number, words=in_words(part), rate=indent(_rate(part), "    "))
        for number, part in enumerate(closed)
    ]
    names = ", ".join(f"part_{number}" for number in range(len(closed)))
    return "".join([*code, f"\n\nparts = ({names})\n"])


def _unit(schedule: Schedule) -> str:
    """The line that defines the clock of a schedule that has one."""
    per = getattr(schedule, "per", None)
    clocks = {None: "", "epoch": "unit = steps_per_epoch\n", "update": "unit = 1\n"}
    return clocks[per]


def _is_closed(schedule: ScheduleConfig) -> bool:
    """Whether the schedule, and every part of a sequence, is a function of the step as it is."""
    if isinstance(schedule, Then):
        return all(map(_is_closed, schedule.parts))
    return isinstance(schedule, Schedule)


def pasted_code(config: TrialConfig) -> str | None:
    """A few lines for a training loop that has a ``model`` and a ``loader``: its optimizer and a
    scheduler with the rates of the configuration; None for a scheduler of torch's own and for a
    schedule that follows the loss, also as a part of a sequence.

    Weights that are sampled are told of, and not sampled.
    """
    schedule, sampling = config.schedule, config.weight_sampling
    if not isinstance(schedule, Schedule) or not _is_closed(schedule):
        return None
    if isinstance(schedule, Constant) and schedule.warmup == 0:
        code = f"import torch\n\n{_optimizer(config, repr(schedule.base_lr))}\n"
    else:
        code = _scheduled(config, schedule)
    return code if sampling is None else f"{code}# Besides: {sampling_in_words(sampling)}.\n"


def _scheduled(config: TrialConfig, schedule: Schedule) -> str:
    """The lines with a scheduler."""
    rate = _rate(schedule) + _momentum(schedule)
    code = _PASTED.format(
        imports="import math\n" if "math." in rate else "",
        batch_size=config.batch_size,
        updates=_UPDATES if "updates(" in rate else "",
        progress=_PROGRESS if "progress(" in rate else "",
        rate=rate,
        optimizer=_optimizer(config, "1.0"),
        momentum=_SET_MOMENTUM if schedule.highest_momentum > 0 else "",
    )
    return re.sub(r"\n{3,}", "\n\n", code)


def _optimizer(config: TrialConfig, lr: str) -> str:
    """The optimizer of a configuration, at that learning rate."""
    sampling, decay = config.weight_sampling, config.weight_decay
    moves = config.schedule.highest_momentum > 0
    prior = 0.0 if sampling is None else sampling.prior_precision
    given = {
        "momentum": "momentum(0)" if moves else repr(config.momentum),
        "nesterov": repr(config.nesterov),
        "weight_decay": f"{prior!r} / len(loader.dataset)" if prior else repr(decay),
    }
    usual = ("0.0", "False")
    more = "".join(f", {name}={value}" for name, value in given.items() if value not in usual)
    return f"optimizer = torch.optim.SGD(model.parameters(), lr={lr}{more})"
