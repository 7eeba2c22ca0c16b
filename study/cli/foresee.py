"""What a command says of a study before it trains: its updates, and why it can hardly work."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import typer

from study.spec import StudySpec
from study.workers.prospects import Updates, updates, warnings


@dataclass(frozen=True)
class Foreseen:
    """The updates of a run, and the warnings of `study.workers.prospects`."""

    updates: Updates
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    def warn(self, where: str = "") -> None:
        """The warnings, a line each, on standard error. where: which command has the options that
        they name, if not this one."""
        for text in self.warnings:
            typer.echo(f"lrstudy: warning: {text}{where}.", err=True)

    def say_updates(self) -> None:
        """How many updates a run has, on standard output."""
        typer.echo(f"A run has {self.updates.in_words()}.")


def foresee(spec: StudySpec) -> Foreseen:
    """What can be known of a study whose data are there."""
    images, classes = _task_size(spec)
    return Foreseen(updates(spec, images), warnings(spec, images, classes))


def _task_size(spec: StudySpec) -> tuple[int, int]:
    """Training images of a study, and classes of its task."""
    import torch

    from study.tasks.task import find_task, load_task_data

    task = find_task(spec.task)
    if spec.budget.train_size is not None:
        return spec.budget.train_size, task.classes
    data = load_task_data(
        task,
        validation=spec.validates,
        val_size=1 if spec.validates else None,
        device=torch.device("cpu"),
    )
    return len(data.train.labels), task.classes
