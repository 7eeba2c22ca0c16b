"""One trial: suggest, train, report, prune. All that is measured lands in the trial."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import torch

from search_spaces.config import TrialConfig
from study import devices
from study.records import EpochRecord
from study.sampling import FAMILY_PARAM
from study.spec import StudySpec
from study.tasks import TASKS, Task, TaskData, load_task_data
from study.training import TrainingState, diverged, evaluate, stalled, start, train

OnEpoch = Callable[[EpochRecord], None]


class Interrupted(Exception):  # noqa: N818 - a request, not an error
    """The worker was asked to leave between two epochs."""


def load_data(spec: StudySpec, device: torch.device) -> TaskData:
    """The images that a study may see: a search never opens the test files."""
    designed = spec.search_space.DESIGNED
    return load_task_data(
        TASKS[spec.task],
        train_size=spec.budget.train_size,
        val_size=spec.budget.val_size,
        validation=not designed,
        test=designed,
        device=device,
    )


def suggest_config(trial: optuna.Trial, spec: StudySpec) -> TrialConfig:
    """The trial's configuration; the sampler takes family and seed from the slot."""
    family = trial.suggest_categorical(FAMILY_PARAM, spec.families)
    return TrialConfig(
        schedule=spec.search_space.suggest_schedule(trial, family, spec.budget, spec.ranges),
        epochs=spec.budget.epochs,
        seed=trial.user_attrs["seed"],
        **spec.optimizer,
    )


def run_trial(
    trial: optuna.Trial,
    spec: StudySpec,
    data: TaskData,
    device: torch.device,
    *,
    on_epoch: OnEpoch,
    should_stop: Callable[[], bool],
) -> float:
    """Train the trial's configuration and return its score: the last epoch's validation accuracy
    of the raw weights, or the test accuracy where the design has no validation data.

    A diverged trial scores as the task's worst. Raises optuna.TrialPruned, or Interrupted if
    `should_stop` says so after an epoch that is not the last.
    """
    task, config = TASKS[spec.task], suggest_config(trial, spec)
    for key, value in _origin(device).items():
        trial.set_user_attr(key, value)
    trial.set_user_attr("config", config.model_dump(mode="json"))
    state = start(config, task, data, device)
    records: list[EpochRecord] = []
    for record in train(state, data):
        records.append(record)
        trial.set_user_attr("history", [each.to_json() for each in records])
        on_epoch(record)
        if diverged(records, task.classes):
            trial.set_user_attr("diverged_epoch", record.epoch)
            trial.set_user_attr("outcome", "diverged")
            return task.worst_score
        _report(trial, record)
        if should_stop() and state.next_epoch < config.epochs:
            raise Interrupted
    return _finish(trial, task, state, data, records)


def _report(trial: optuna.Trial, record: EpochRecord) -> None:
    """Hand the averaged weights' accuracy to the pruner: it depends less on the schedule early on.

    Raises optuna.TrialPruned.
    """
    if record.averaged_val_accuracy is None:
        return
    trial.report(record.averaged_val_accuracy, record.epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


def _finish(
    trial: optuna.Trial,
    task: Task,
    state: TrainingState,
    data: TaskData,
    records: list[EpochRecord],
) -> float:
    outcome = "stalled" if stalled(records, task.classes) else "finished"
    trial.set_user_attr("outcome", outcome)
    if data.test is None:
        score = records[-1].val_accuracy
        assert score is not None  # noqa: S101 - a study without test data has validation data
        return score
    raw, averaged = evaluate(state.model, data.test), evaluate(state.averaged, data.test)
    test = {
        "loss": raw.loss,
        "accuracy": raw.accuracy,
        "averaged_loss": averaged.loss,
        "averaged_accuracy": averaged.accuracy,
    }
    trial.set_user_attr("test", test)
    return raw.accuracy


def _origin(device: torch.device) -> dict[str, Any]:
    """Where and with what a trial runs."""
    return {
        "device": str(device),
        "device_name": devices.describe(device),
        "threads": torch.get_num_threads(),
        "versions": {
            "lrstudy": importlib.metadata.version("lrstudy"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "optuna": optuna.__version__,
        },
        "revision": revision(),
    }


@cache
def revision() -> str | None:
    """The git revision of the source, with "+" if it was changed; None without git."""
    root = Path(__file__).parent.parent
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    describe = [git, "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+"]
    found = subprocess.run(describe, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
