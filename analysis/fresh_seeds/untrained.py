"""How many runs of a configuration stalled or diverged, in words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any


def untrained_of(row: Mapping[Hashable, Any]) -> str:
    """The runs untrained and their share with Wilson's interval, for brackets.

    row: n (runs), untrained, untrained_low and untrained_high, as `responses.response` has them.

    >>> untrained_of({"n": 5, "untrained": 0, "untrained_low": 0.0, "untrained_high": 0.434})
    '0 of 5 untrained, 0 to 43 %'
    """
    low, high = (f"{100 * row[f'untrained_{end}']:.0f}" for end in ("low", "high"))
    return f"{row['untrained']} of {row['n']} untrained, {low} to {high} %"
