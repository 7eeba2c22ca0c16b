"""What lrstudy offers to a notebook. Nothing lives here: names of the packages beside it.

>>> import lrstudy
>>> trials, curves = lrstudy.load("sqlite:///lrstudy.db", "cosine")
>>> study = lrstudy.Study.open("sqlite:///lrstudy.db", "cosine")
>>> ax = lrstudy.figures.learning_curves(study.curves)
>>> schedule = lrstudy.Cosine(base_lr=0.3, horizon=20, warmup=5)
>>> schedule(0), schedule(5), schedule(20)  # of one update an epoch
(0.0, 0.3, 0.0)

load: the frames of a study, see ``help(lrstudy.load)``. Study: a study with its later stages.
estimates: the frames behind its report's answer. figures: functions that draw on an axis of yours.
parse_schedule: a schedule from the text that the commands take. The other names are schedules.

It works beside folders or files named ``analysis``, ``study`` or ``search_spaces``: from the import
of lrstudy on these three names are lrstudy's own. What is heavy (pandas, the figures) is imported
at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrstudy import _packages  # noqa: F401 - before all others: it has them found
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant, Factor, InversePower, MultiFactor, Power
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine, Polynomial, Rex, WarmupStableDecay
from search_spaces.schedules.sequence import Then
from search_spaces.schedules.text import parse_schedule

if TYPE_CHECKING:
    from analysis.answers import estimates
    from analysis.reading.loading import load
    from analysis.study import Study
    from lrstudy import figures
    from study.storage.urls import StorageError

__all__ = [
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Factor",
    "InversePower",
    "MultiFactor",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "Power",
    "Rex",
    "StorageError",
    "Study",
    "Table",
    "Then",
    "TorchScheduler",
    "WarmupStableDecay",
    "estimates",
    "figures",
    "load",
    "parse_schedule",
]
_AT_FIRST_USE = {
    "StorageError": "study.storage.urls",
    "Study": "analysis.study",
    "estimates": "analysis.answers",
    "load": "analysis.reading.loading",
}


def __getattr__(name: str) -> Any:
    """Names whose packages are heavy."""
    if name == "figures":
        return import_module("lrstudy.figures")
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module 'lrstudy' has no attribute {name!r}")
    return getattr(import_module(_AT_FIRST_USE[name]), name)


def __dir__() -> list[str]:
    return __all__
