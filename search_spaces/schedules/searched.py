"""What a study samples in place of a field that a schedule's text leaves out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


def _itself(value: float, fields: Mapping[str, Any], epochs: float) -> Any:
    return value


@dataclass(frozen=True)
class Searched:
    """A parameter that is sampled.

    name: of the parameter, the same in all families that have one of its kind. low, high: its
    range; usual: a known good value, which is tried first. in_epochs: these three are shares of
    training, and the parameter is in epochs. log: sampled evenly on the logarithmic scale.
    on_request: sampled only where the text says so, ``warmup=?``, and not where it is left out.
    to_field: the field's value from the parameter's, the fields known so far, and the epochs.
    """

    name: str
    low: float
    high: float
    usual: float
    log: bool = True
    in_epochs: bool = False
    on_request: bool = False
    to_field: Callable[[float, Mapping[str, Any], float], Any] = _itself


def _of_the_rate(share: float, fields: Mapping[str, Any], epochs: float) -> float:
    return share * float(fields["base_lr"])


def _an_epoch(share: float, fields: Mapping[str, Any], epochs: float) -> float:
    if fields.get("per", "epoch") != "epoch":
        raise ValueError("alpha must be given where it is per update")
    return float(share ** (1 / epochs))


Searches = Mapping[str, Searched]
"""By field."""
BASE_LR = Searched("base_lr", 0.03, 2.0, usual=0.3)
WARMUP = Searched("warmup", 0.0, 1 / 3, usual=1 / 6, log=False, in_epochs=True, on_request=True)
FINAL_FRACTION = Searched("final_fraction", 0.001, 0.5, usual=1 / 30, to_field=_of_the_rate)
"""Last rate over base_lr."""
DECAY = Searched("final_fraction", 0.001, 0.5, usual=1 / 30, to_field=_an_epoch)
"""The same, for a factor of every epoch."""
ALPHA = Searched("alpha", 0.05, 0.7, usual=0.5)
EXPONENT = Searched("exponent", 0.25, 4.0, usual=1.0)
