"""Durations as people read them."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Seconds in at most two units: ``0.4 s``, ``7.5 s``, ``45 s``, ``3 min 20 s``, ``1 h 5 min``,
    ``2 d 3 h``. From a second on it is within 5 % of what they are.

    seconds: 0 or more and finite. Raises ValueError.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"a duration must be a number of seconds from 0 on, not {seconds}")
    if 0 < seconds < 0.05:
        return "less than 0.1 s"
    if seconds < 9.95:
        return f"{round(seconds, 1):g} s"
    # What would round to the next unit takes that unit: never "60 s" or "60 min".
    step = 1 if seconds < _HOUR - 0.5 else _MINUTE if seconds < _DAY - 30 else _HOUR
    left, words = round(seconds / step) * step, []
    for size, unit in _UNITS:
        amount, left = divmod(left, size)
        if amount:
            words.append(f"{amount} {unit}")
    return " ".join(words)
