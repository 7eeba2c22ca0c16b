"""Says what of their schedules the runs of a command do not reach."""

from __future__ import annotations

import math
from collections.abc import Sequence

import typer

from search_spaces.schedules.unfinished import unfinished
from study.spec import StudySpec
from study.terminal import printable


def unfinished_runs(spec: StudySpec) -> list[str]:
    """What trials of a study do not reach of their schedules, a line for each family, at the ends
    of the parameters' ranges. Raises DataError where the data are missing."""
    found: dict[str, list[str]] = {}
    images = _train_images(spec)
    for family, budget, config in spec.extremes():
        steps_per_epoch = math.ceil((budget.train_size or images) / config.batch_size)
        phrases = unfinished(config.schedule, config.epochs, steps_per_epoch)
        if phrases and family not in found:
            found[family] = phrases
    return [f"{family}: {phrase}" for family, phrases in found.items() for phrase in phrases]


def _train_images(spec: StudySpec) -> int:
    from study import devices
    from study.trials.objective import load_data

    return spec.budget.train_size or len(load_data(spec, devices.resolve("cpu")).train.labels)


def say(lines: Sequence[str]) -> None:
    """Print each on the standard error, beside what a program may read."""
    for line in lines:
        typer.echo(f"lrstudy: {printable(line)}", err=True)
