"""Table: an estimate that the report prints, and how each of its columns is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.figures.style import spoken
from study.spec import Stage


@dataclass(frozen=True)
class Unit:
    """write: a value that is not missing as text; mark: what a heading says of it."""

    write: Callable[[Any], str]
    mark: str = ""


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return _whole(value) or f"{value:.3g}"


def _three_decimals(value: float) -> str:
    return _whole(float(value)) or f"{value:.3f}"


def _whole(value: float) -> str:
    """A number without a fraction; empty for others."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else ""


PLAIN = Unit(_short)
"""Words and whole numbers as they are, other numbers to three digits."""
PERCENT = Unit(lambda share: f"{100 * share:.1f}", " (%)")
POINTS = Unit(lambda difference: f"{100 * difference:+.2f}", " (points)")
"""Of differences of shares."""
LOSS = Unit(_three_decimals)
"""In nats, and differences of losses."""
NAME = Unit(lambda name: spoken(str(name)))
"""Of a schedule, a run, a parameter."""
YES_NO = Unit(lambda value: "yes" if value else "no")


@dataclass(frozen=True)
class Column:
    """One printed column.

    name: the frame's column. heading: words for it, the name's own without. high: where ``name``
    holds lower bounds, the column of the upper ones; both are printed as ``a to b``. stage: that of
    the trials whose numbers it holds, one or a list of them; a page links them. counts: of an
    outcome, so that it is left out where no row has any.
    """

    name: str
    unit: Unit = PLAIN
    heading: str = ""
    high: str = ""
    stage: Stage | None = None
    counts: bool = False

    @property
    def names(self) -> list[str]:
        """The frame's columns that it prints."""
        return [self.name, self.high] if self.high else [self.name]

    def tells(self, frame: pd.DataFrame) -> bool:
        """Whether the frame has a value of it: some row is not missing, or has such an outcome."""
        if self.name not in frame:
            return False
        if self.counts:
            return bool(frame[self.name].any())
        if self.stage is not None:
            return any(map(trial_numbers, frame[self.name]))
        return bool(frame[self.names].notna().all(axis="columns").any())

    @property
    def title(self) -> str:
        """What stands above it."""
        return (self.heading or _words(self.name, self.unit)) + self.unit.mark


@dataclass(frozen=True)
class Table:
    """A printed estimate. columns: in order; a frame may lack some."""

    caption: str
    columns: Sequence[Column]

    @property
    def names(self) -> list[str]:
        """See `names_of`."""
        return names_of(self.columns)

    def tells(self, frame: pd.DataFrame) -> bool:
        """Whether the frame has a value in any column but those that name or count what a row is
        about."""
        return any(each.tells(frame) for each in self.columns if each.unit != NAME and each != N)


def trial_numbers(value: Any) -> list[int]:
    """A cell of trials' numbers: a list of them, or one, which may be missing, as a list."""
    if isinstance(value, list):
        return value
    return [] if pd.isna(value) else [int(value)]


def names_of(columns: Iterable[Column]) -> list[str]:
    """The frame's columns that those print, in order."""
    return [name for column in columns for name in column.names]


def interval(name: str, unit: Unit = PLAIN, heading: str = "") -> Column:
    """Bounds in ``NAME_low`` and ``NAME_high``: of the 95 % interval, without another heading."""
    heading = heading or f"{_words(name, unit)}, 95 % interval"
    return Column(f"{name}_low", unit, heading, high=f"{name}_high")


def bounded(name: str, unit: Unit = PLAIN, heading: str = "") -> tuple[Column, Column]:
    """A value, and its `interval`."""
    return Column(name, unit, heading), interval(name, unit)


def trials(name: str, stage: Stage = "search", heading: str = "") -> Column:
    """Numbers of trials of a stage."""
    return Column(name, heading=heading, stage=stage)


_SPOKEN = {"base_lr": "base rate", "mean_lr": "mean rate", "wins_share": "wins"}


def _words(name: str, unit: Unit) -> str:
    """A column's name as a person says it: a difference in points is one of accuracies anyway."""
    if unit is POINTS:
        name = name.removesuffix("_accuracy")
    if name.endswith("_share") and name not in _SPOKEN:
        name = f"share_{name.removesuffix('_share')}"
    return _SPOKEN.get(name, name.replace("_", " "))


SCHEDULE = Column("family", NAME, "schedule")
N = Column("n")
BASE_LR = Column("base_lr")
DIVERGED, STALLED = Column("diverged", counts=True), Column("stalled", counts=True)
OUTCOMES = (DIVERGED, STALLED, Column("pruned", counts=True), Column("failed", counts=True))
ACCURACY = bounded("accuracy", PERCENT)
BEST_TRIAL = trials("best_trial")
RUNS = trials("confirm_trials", "confirm", "runs")
TEST_RUNS = trials("test_trials", "test", "test runs")
ORIGIN = trials("origin_trial", heading="trial of the search")
