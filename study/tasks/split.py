"""The fixed split of a task's training images: which of them are for validation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SPLIT_SEED = 20_170_828
"""Decides the split; the same for every study, so that all of them can be compared."""
VALIDATION_SHARE = 6
"""One training image in so many is for validation: 10,000 of Fashion-MNIST's 60,000."""


def stratified_order(labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """A permutation of range(n) whose every contiguous part has the classes in their proportions.
    With C classes, a class of share p has p * m images in a part of m, give or take 1 + C * p.

    Each class is shuffled, then its k-th image is placed at (k + 1/2) / (size of the class).
    """
    generator = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[generator.permutation(members)] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(place, kind="stable")
