"""Values of a database as the types that they should have; anything else counts as missing.

Whoever can write to the database may have put anything there. Nothing that this module returns is
infinite, too large to compute with, or a text that cannot be written to a file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST = float(np.finfo(np.float32).max)  # networks are trained with float32
_LARGEST_INTEGER = 2**63 - 1
_LONG = 300  # digits of an integer that a double still reaches


def parsed(written: str) -> Any:
    """The value of a JSON text, halves of surrogate pairs replaced: no file can hold them.

    An integer of too many digits becomes a float. Raises json.JSONDecodeError, RecursionError.
    """
    value = json.loads(written, parse_int=_whole)
    if "\\ud" in written.lower():
        whole = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
        value = json.loads(whole.decode("utf-16", "replace"))
    return value


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONG else float(digits)


def mapping(value: Any) -> dict[str, Any]:
    """An object, an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str | None:
    """A text."""
    return value if isinstance(value, str) else None


def number(value: Any) -> float | int | None:
    """A number that a float32 could be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= LARGEST else None


def integer(value: Any) -> int | None:
    """A whole number of 64 bits."""
    finite = number(value)
    if finite is None or finite != int(finite) or abs(finite) > _LARGEST_INTEGER:
        return None
    return int(finite)


def share(value: Any) -> float | int | None:
    """A number from 0 to 1."""
    finite = number(value)
    return finite if finite is not None and 0 <= finite <= 1 else None


def finite(value: Any) -> Any:
    """The value with None for every number in it that is NaN or infinite."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def floats(values: list[Any]) -> npt.NDArray[np.float64]:
    """An array of numbers, NaN for whatever is none."""
    if not set(map(type, values)) <= {float, int, NoneType}:
        values = [number(value) for value in values]
    array = np.array(values, dtype=np.float64)
    return np.where(np.abs(array) <= LARGEST, array, np.nan)
