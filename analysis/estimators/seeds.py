"""Both outcomes of runs on common seeds, side by side."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd


class Outcomes(NamedTuple):
    """Frames with a row for each seed (replicate) and a column for each configuration. accuracy: of
    the runs that trained, NaN where one is missing or untrained; untrained: whether it stalled or
    diverged."""

    accuracy: pd.DataFrame
    untrained: pd.DataFrame


def by_seed(runs: pd.DataFrame, column: str) -> Outcomes:
    """Both outcomes of runs by replicate and each value of ``column`` (a family, an arm, a rate);
    where a replicate has several runs of one, their mean, untrained if any is.

    >>> runs = pd.DataFrame({"replicate": [0, 0, 1, 1], "base_lr": [0.1, 0.2] * 2})
    >>> runs["state"], runs["value"] = ["complete", "complete", "complete", "stalled"], [0.8] * 4
    >>> by_seed(runs, "base_lr").accuracy.to_numpy().tolist()
    [[0.8, 0.8], [0.8, nan]]
    """
    failed = runs.assign(failed=runs["state"] != "complete").pivot_table(
        index="replicate", columns=column, values="failed", aggfunc="any", sort=False
    )
    untrained = failed.eq(True)
    scores = runs.pivot_table(index="replicate", columns=column, values="value", sort=False)
    accuracy = scores.reindex(index=failed.index, columns=failed.columns).where(~untrained)
    return Outcomes(accuracy, untrained)
