"""What lrstudy writes into a trial, by key; all else that a trial has is another program's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analysis.reading.values import integer, text

Kind = Callable[[Any], Any]  # the value, None where it is of another type

NUMBERS = (
    *("slot", "attempt", "replicate", "arm"),
    *("epochs_restored", "diverged_epoch", "threads"),
)
TEXTS = ("family", "outcome", "device", "device_name", "host", "revision", "error")
FLAGS = ("interrupted", "baseline")


def _nested(value: Any) -> Any:
    return value if isinstance(value, dict | list) else None


def _flag(value: Any) -> Any:
    return value if isinstance(value, bool) else None


WRITTEN: Mapping[str, Kind] = {
    **dict.fromkeys((*TEXTS, "born", "claim"), text),
    **dict.fromkeys((*NUMBERS, "seed", "pid"), integer),
    **dict.fromkeys(FLAGS, _flag),
    **dict.fromkeys(("config", "history", "test", "versions", "predictive"), _nested),
}


def rest(
    found: Mapping[int, Mapping[str, Any]], own: Mapping[str, Kind]
) -> dict[int, dict[str, Any]]:
    """What of each trial is not lrstudy's ``own``: by its name, or because it is of another
    type."""
    return {
        trial: {
            name: value
            for name, value in each.items()
            if name not in own or (value is not None and own[name](value) is None)
        }
        for trial, each in found.items()
    }
