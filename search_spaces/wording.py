"""A schedule in plain words, for people who did not read its configuration."""

from __future__ import annotations

from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.durations import CLOSE
from search_spaces.schedules.sequence import Then
from search_spaces.weight_sampling import WeightSampling
from search_spaces.words.phrases import count


def in_words(schedule: ScheduleConfig) -> str:
    """The schedule in one phrase, numbers to four digits, its warmup after the rest."""
    values = {name: _short(value) for name, value in schedule.model_dump().items()}
    values |= {"watched": getattr(schedule, "watched", ""), "parts_words": _parts(schedule)}
    text = schedule.PHRASE.format(**values, **_counted(schedule))
    if schedule.highest_momentum > 0:
        lowest, highest = values["base_momentum"], values["max_momentum"]
        text += f", momentum from {highest} to {lowest} and back"
    if schedule.warmup > 0:
        shape = "rising from" if schedule.warmup_shape == "linear" else "at"
        warmup = count(schedule.warmup, "epoch")
        text += f", after {warmup} of warmup {shape} {values['warmup_lr']}"
    if not schedule.hold_epochs:
        return text
    ends_within = abs(schedule.warmup - round(schedule.warmup)) > CLOSE
    return f"{text}, changed once an epoch{' and while warmup ends' if ends_within else ''}"


def _parts(schedule: ScheduleConfig) -> str:
    """The parts of a sequence, with the epoch from which each counts."""
    if not isinstance(schedule, Then):
        return ""
    first, *later = (in_words(part) for part in schedule.parts)
    for start, words in zip(schedule.boundaries, later, strict=True):
        first += f", then, counted from epoch {_short(start)}, {words}"
    return first


def _counted(schedule: ScheduleConfig) -> dict[str, str]:
    """What a phrase may count: ``{horizon_epochs}`` is "20 epochs", ``{rates_count}`` "7 rates"."""
    counted = {}
    for name, value in schedule:
        if isinstance(value, int | float):
            counted[f"{name}_epochs"] = count(value, "epoch")
        elif isinstance(value, tuple):
            counted[f"{name}_count"] = count(len(value), name.removesuffix("s"))
    return counted


def method_in_words(schedule: ScheduleConfig, sampling: WeightSampling | None) -> str:
    """The schedule and, where weights are sampled, how."""
    words = in_words(schedule)
    return words if sampling is None else f"{words}; {sampling_in_words(sampling)}"


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
