"""Published top-1 accuracies on ImageNet of cosine against another schedule. Nothing measured here.

An entry needs both schedules in one program and a source that states them.
"""

from __future__ import annotations

import pandas as pd

from analysis.table import PERCENT, Column

LITERATURE = (
    *(Column("model"), Column("schedule"), Column("published_accuracy", PERCENT)),
    *(Column("cosine_published_accuracy", PERCENT), Column("source")),
)
_ENTRIES = [
    (
        "ResNet-50",
        "multi-factor (piecewise constant)",
        0.763,
        0.7687,
        "Lee et al. 2020, arXiv:2001.06268: Tables 1 to 3 (piecewise) and 6 to 8 (cosine), as the "
        "authors explain in issue 5 of github.com/clovaai/assembled-cnn",
    ),
]


def literature() -> pd.DataFrame:
    """A row for each published pair: model, schedule that cosine was set against, top-1 validation
    accuracies on ImageNet (shares) of that schedule and of cosine, source. Single published values
    without intervals."""
    return pd.DataFrame(_ENTRIES, columns=[column.name for column in LITERATURE])
