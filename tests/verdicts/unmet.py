"""The cells that do not hold, and why. Nothing else may fail."""

from __future__ import annotations

FEW = "few seeds show little of a tail as long as that, and a longer interval would be too wide"
RARE = "one run in 25 lies far below the others, and was often not among the seeds that were seen"
FLAT = "where no seed has fallen, the scores look as if none ever did"

UNMET = {
    ("mean", "unequal skew", 5): FEW,
    ("mean", "unequal skew", 10): FEW,
    ("mean", "stragglers", 10): RARE,
    ("mean", "stragglers", 25): RARE,
    ("mean", "cliff", 5): FLAT,
}
"""(estimator, distribution, seeds): the reason."""
