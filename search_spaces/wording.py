"""A schedule in plain words, for people who did not read its configuration."""

from __future__ import annotations

from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.durations import CLOSE
from search_spaces.weight_sampling import WeightSampling
from search_spaces.words.phrases import count


def in_words(schedule: ScheduleConfig) -> str:
    """The schedule in one phrase, numbers to four digits, its warmup after the rest."""
    values = {name: _short(value) for name, value in schedule.model_dump().items()}
    for name in ("cycle", "horizon", "patience", "warmup"):
        values[f"{name}_epochs"] = count(getattr(schedule, name, 0), "epoch")
    values["rates_count"] = count(len(getattr(schedule, "rates", ())), "rate")
    text = schedule.PHRASE.format(**values)
    if schedule.warmup > 0:
        shape = "rising from" if schedule.warmup_shape == "linear" else "at"
        text += f", after {values['warmup_epochs']} of warmup {shape} {values['warmup_lr']}"
    if not schedule.hold_epochs:
        return text
    ends_within = abs(schedule.warmup - round(schedule.warmup)) > CLOSE
    return f"{text}, changed once an epoch{' and while warmup ends' if ends_within else ''}"


def sampling_in_words(sampling: WeightSampling) -> str:
    """How weights are sampled, and what is averaged, in one phrase."""
    parts = []
    if sampling.temperature > 0:
        where = " outside of the burn-in" if sampling.explore and sampling.burn_in > 0 else ""
        parts.append(f"noise of temperature {_short(sampling.temperature)}{where}")
    if sampling.prior_precision > 0:
        parts.append(f"a prior of precision {_short(sampling.prior_precision)}")
    of_each = f" of each {_short(sampling.cycle)}" if sampling.cycle is not None else ""
    after = f" after the first {_short(sampling.burn_in)}{of_each}" if sampling.burn_in > 0 else ""
    often = "epoch" if sampling.thinning == 1 else count(sampling.thinning, "epoch")
    averaged = f"{sampling.average} averaged over samples every {often}"
    return ", ".join([*parts, averaged + after])


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " and ".join(_short(each) for each in value)
    return str(value)
