"""Schedules of every family, drawn at random."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from search_spaces.schedules.base import FAMILIES, Schedule, ScheduleConfig
from search_spaces.schedules.durations import updates
from search_spaces.schedules.families import schedule_adapter

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")


rate = st.floats(1e-3, 10.0)
share = st.floats(0.0, 1.0)
steps_per_epoch_values = st.integers(1, 7)


def eighths(low: int, high: int) -> st.SearchStrategy[float]:
    """Multiples of 1/8 epoch: exact in binary, most of them not whole updates."""
    return st.integers(8 * low, 8 * high).map(lambda n: n / 8)


HORIZON = eighths(6, 12)  # longer than every warmup
COMMON: dict[str, st.SearchStrategy[Any]] = {
    "base_lr": rate,
    "warmup": st.just(0.0) | eighths(0, 5),
    "warmup_lr": share,
    "warmup_shape": st.sampled_from(["linear", "constant"]),
    "hold_epochs": st.booleans(),
}
PER = st.sampled_from(["epoch", "update"])
ALPHA = st.floats(0.05, 0.95)
# Fields drawn in [0, 1] are shares of base_lr, see _built.
SHARES_OF_BASE = ("warmup_lr", "final_lr", "start_lr", "floor")
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "constant": {},
    "factor": {"alpha": ALPHA, "floor": share, "per": PER},
    "multi_factor": {
        "alpha": ALPHA,
        "milestones": st.lists(eighths(5, 12), unique=True, max_size=4).map(sorted),
    },
    "inverse_power": {"alpha": st.floats(0.1, 2), "beta": st.floats(0.01, 10), "per": PER},
    "power": {"start": eighths(1, 5), "exponent": st.floats(0.1, 2)},
    "rex": {"horizon": HORIZON, "final_lr": share, "beta": st.floats(0, 0.9)},
    "polynomial": {"horizon": HORIZON, "final_lr": share, "exponent": st.floats(0.2, 5)},
    "cosine": {"horizon": HORIZON, "final_lr": share},
    "cosine_restarts": {
        "cycle": eighths(1, 5),
        "multiplier": st.just(1.0) | st.floats(1.0, 3.0),
        "final_lr": share,
    },
    "warmup_stable_decay": {
        "horizon": HORIZON,
        "cooldown": st.integers(1, 8).map(lambda n: n / 8),
        "final_lr": share,
        "cooldown_shape": st.sampled_from(["linear", "sqrt"]),
    },
    "one_cycle": {
        "horizon": HORIZON,
        "peak": eighths(5, 6),
        "start_lr": share,
        "final_lr": share,
        "shape": st.sampled_from(["cosine", "linear"]),
    },
    "table": {"rates": st.lists(st.floats(0.0, 10.0), min_size=1, max_size=9), "per": PER},
    "torch": {
        "scheduler": st.just("StepLR"),
        "arguments": st.fixed_dictionaries({"step_size": st.integers(1, 5), "gamma": ALPHA}),
        "per": PER,
    },
    "then": {
        "parts": st.just(({"family": "constant"}, {"family": "cosine", "horizon": 3})),
        "boundaries": st.just((5.5,)),
    },
    "plateau": {
        "alpha": ALPHA,
        "patience": st.integers(0, 5),
        "floor": share,
        "mode": st.sampled_from(["min", "max"]),
    },
}
CLOSED = [
    name
    for name, family in FAMILIES.items()
    if issubclass(family, Schedule) and name != "then"  # whose parts have durations, too
]
DECAYS = (
    "factor",
    "multi_factor",
    "inverse_power",
    "polynomial",
    "cosine",
    "warmup_stable_decay",
    "power",
    "rex",
)
TO_HORIZON = ("rex", "polynomial", "cosine", "warmup_stable_decay", "one_cycle")


def _built(family: str, drawn: dict[str, Any]) -> Any:
    scaled = {
        name: value * drawn["base_lr"] if name in SHARES_OF_BASE else value
        for name, value in drawn.items()
    }
    return schedule_adapter.validate_python({"family": family, **scaled})


def schedules(*families: str, **fixed: Any) -> st.SearchStrategy[Any]:
    """Schedules of the given families, with some fields fixed."""

    def of(family: str) -> st.SearchStrategy[Any]:
        strategies = COMMON | FIELDS[family] | {k: st.just(v) for k, v in fixed.items()}
        return st.fixed_dictionaries(strategies).map(lambda drawn: _built(family, drawn))

    return st.one_of(*map(of, families))


def warmup_updates(schedule: ScheduleConfig, steps_per_epoch: int) -> int:
    return updates(schedule.warmup, steps_per_epoch)
