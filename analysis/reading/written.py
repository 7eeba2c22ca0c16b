"""What lrstudy writes into a trial, by key; all else that a trial has is another program's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.records import KINDS, Kind
from study.values import integer, text

_OF_CLAIMS = {"pid", "born", "claim"}  # which process had it: of no use afterwards
_SHOWN = {name: kind for name, kind in KINDS.items() if name not in _OF_CLAIMS}
NUMBERS = tuple(name for name, kind in _SHOWN.items() if kind is integer and name != "seed")
TEXTS = tuple(name for name, kind in _SHOWN.items() if kind is text)
FLAGS = ("interrupted", "baseline")


def rest(
    written: Mapping[int, Mapping[str, Any]], kinds: Mapping[str, Kind]
) -> dict[int, dict[str, Any]]:
    """What of each trial is of none of lrstudy's ``kinds``: by its name, or because it is of
    another type."""
    return {
        trial: {
            name: value
            for name, value in each.items()
            if name not in kinds or (value is not None and kinds[name](value) is None)
        }
        for trial, each in written.items()
    }
