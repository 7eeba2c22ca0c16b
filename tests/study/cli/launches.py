"""A stand-in for the launcher: one worker in this process, stopped or broken where a test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import torch

from study.records import to_bits
from study.spec import StudySpec
from study.storage import studies
from study.storage.slots import NoFreeSlot
from study.trials.objective import run_trial, suggest_config
from study.workers.worker import Worker

IMAGES = 1_000  # of the tests that are not trained


class Launches:
    """A stand-in for `runner.launch`: one worker, here.

    names: the studies, as they were launched. most: trials after which it is stopped, None for
    never. broken: study and slot of trials that fail, each time. score: of a study and slot, None
    to train.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.most: int | None = None
        self.broken: set[tuple[str, int]] = set()
        self.score: Callable[[str, int], float] | None = lambda _name, _slot: 0.5

    def __call__(self, url: str, name: str, **_options: Any) -> str:
        self.names.append(name)
        working = Worker(studies.open_storage(url), name, torch.device("cpu"), lambda _: None)
        while True:
            if self.most == 0:
                return "stopped"
            try:
                trial = working.study.ask()
            except NoFreeSlot:
                return "done"
            working._run(trial)
            self.most = None if self.most is None else self.most - 1

    def run_trial(self, trial: optuna.Trial, *arguments: Any, **options: Any) -> float:
        name, slot = trial.study.study_name, trial.user_attrs["slot"]
        if (name, slot) in self.broken:
            raise OSError("the disk is full")
        if self.score is not None:
            value = self.score(name, slot)
            write_result(trial, arguments[0], value=value)
            return value
        return run_trial(trial, *arguments, **options)


def write_result(
    trial: optuna.Trial, spec: StudySpec, outcome: str = "finished", value: float = 0.5
) -> None:
    """What a trial that ran to its end keeps, but for its history. value: its score; of a test the
    first images are the ones that it got right."""
    if spec.reads_test:
        right = np.arange(IMAGES) < round(value * IMAGES)
        trial.set_user_attr("test_correct", {"last": to_bits(right)})
        trial.set_user_attr("test", {"accuracy": value, "images": IMAGES})
    trial.set_user_attr("config", suggest_config(trial, spec).model_dump(mode="json"))
    trial.set_user_attr("outcome", outcome)
