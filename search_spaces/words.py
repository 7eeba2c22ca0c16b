"""A schedule in plain words, for people who did not read its configuration."""

from __future__ import annotations

from search_spaces.schedules import ScheduleConfig
from search_spaces.weight_sampling import WeightSampling

_WORDS = {
    "constant": "a constant rate of {base_lr}",
    "factor": "exponential decay from {base_lr}, times {alpha} every {per}",
    "multi_factor": "{base_lr}, times {alpha} at epoch {milestones}",
    "inverse_power": "inverse power decay {base_lr} (1 + {beta} t)^-{alpha}, t in {per}s",
    "polynomial": "polynomial decay from {base_lr} to {final_lr} at epoch {horizon}, "
    "exponent {exponent}",
    "cosine": "a cosine from {base_lr} to {final_lr} at epoch {horizon}",
    "cosine_restarts": "cosines from {base_lr} to {final_lr}, the first {cycle} epochs long, "
    "each next one {multiplier} times as long",
    "warmup_stable_decay": "{base_lr}, then a {cooldown_shape} cooldown to {final_lr} over the "
    "last {cooldown} of {horizon} epochs",
    "one_cycle": "one cycle from {start_lr} up to {base_lr} at epoch {peak}, "
    "down to {final_lr} at epoch {horizon}",
    "table": "a table of {count} rates, one for each {per}",
    "torch": "torch's {scheduler} from {base_lr}, stepped every {per}",
    "plateau": "{base_lr}, times {alpha} when the validation loss has not improved for more than "
    "{patience} epochs",
}


def in_words(schedule: ScheduleConfig) -> str:
    """The schedule in one phrase, numbers to four digits, its warmup after the rest."""
    values = {name: _short(value) for name, value in schedule.model_dump().items()}
    values["count"] = str(len(getattr(schedule, "rates", ())))
    text = _WORDS[schedule.family].format(**values)
    if schedule.warmup > 0:
        shape = "rising from" if schedule.warmup_shape == "linear" else "at"
        text += f", after {values['warmup']} epochs of warmup {shape} {values['warmup_lr']}"
    return text + (", changed once an epoch" if schedule.hold_epochs else "")


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
    averaged = f"{sampling.average} averaged over samples every {_short(sampling.thinning)} epochs"
    return ", ".join([*parts, averaged + after])


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " and ".join(_short(each) for each in value)
    return str(value)
