"""From epochs to optimizer updates, in one place, so that all that counts epochs agrees.

A moment is rounded once, from its exact time: boundary k of equal lengths is round(k length steps),
never k times a rounded length, whose error would grow with k.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

CLOSE = 1.000001e-6
"""Moments that lie no further apart (epochs) are one: 10^-6, and a little for the arithmetic."""
_SHORTEST = 0.5  # updates
_NEVER = 1e200  # epochs


def updates(epochs: float, steps_per_epoch: int) -> int:
    """A moment in epochs as a whole number of optimizer updates, half ones to the even number.

    What is within 10^-6 of a whole epoch is that epoch: three cycles of 3.333333 end with the tenth
    however many updates it has.
    """
    whole = round(epochs)
    close = abs(epochs - whole) <= CLOSE
    return whole * steps_per_epoch if close else round(epochs * steps_per_epoch)


def moments(epochs: npt.NDArray[np.float64], steps_per_epoch: int) -> npt.NDArray[np.float64]:
    """`updates` of an array of moments, whole numbers in its shape."""
    whole = np.rint(epochs)
    close = np.abs(epochs - whole) <= CLOSE
    return np.where(close, whole * steps_per_epoch, np.rint(epochs * steps_per_epoch))


def cycle_times(
    first: float, length: float, last: int, steps_per_epoch: int, multiplier: float = 1.0
) -> npt.NDArray[np.float64]:
    """When cycles begin, in epochs: first + length (1 + m + ... + m^(k - 1)) for k = 0, 1, ... up
    to one that begins after update ``last``.

    multiplier: m >= 1. A length below half an update counts as half of one.
    """
    length = max(length, _SHORTEST / steps_per_epoch)
    lengths = max(0.0, last / steps_per_epoch - first) / length
    if multiplier > 1.0:
        grown = math.log1p((multiplier - 1.0) * lengths) / math.log(multiplier)
        lengths = min(lengths, grown)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.append(1.0, np.full(int(lengths) + 2, multiplier)))
        totals = np.concatenate([[0.0], np.cumsum(powers)])
        return np.minimum(first + length * totals, _NEVER)
