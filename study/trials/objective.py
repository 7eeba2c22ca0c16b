"""One trial: suggest, train, report, prune. All that is measured lands in the trial."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import torch

from search_spaces.config import TrialConfig
from study import devices
from study.files import reason
from study.records import EpochRecord, Kernel, attributes, start_of, write
from study.spec import StudySpec
from study.tasks.task import TaskData, find_task, first_images, load_task_data
from study.training.checkpoints import Checkpoint, Checkpoints
from study.training.loop import TrainingState, diverged, stalled, start, train
from study.trials.sampler import FAMILY_PARAM
from study.trials.scoring import BestEpoch, score

OnEpoch = Callable[[EpochRecord], None]
Report = Callable[[str], None]


class Interrupted(Exception):  # noqa: N818 - a request, not an error
    """The worker was asked to leave between two epochs."""


def load_data(spec: StudySpec, device: torch.device) -> TaskData:
    """The images that a study may see: only the last stage and a fixed design open the test
    files."""
    return load_task_data(
        find_task(spec.task),
        train_size=spec.budget.train_size,
        val_size=spec.budget.val_size,
        validation=spec.validates,
        test=spec.reads_test,
        device=device,
    )


def suggest_config(trial: optuna.Trial, spec: StudySpec) -> TrialConfig:
    """The trial's configuration; the sampler takes family and seed from the slot."""
    family = trial.suggest_categorical(FAMILY_PARAM, spec.families)
    started = start_of(trial.user_attrs)
    budget = spec.slot_budget(started.slot)
    return spec.config(trial, family, budget, started.seed)


def run_trial(
    trial: optuna.Trial,
    spec: StudySpec,
    data: TaskData,
    device: torch.device,
    *,
    on_epoch: OnEpoch,
    should_stop: Callable[[], bool],
    checkpoints: Checkpoints | None = None,
    report: Report = lambda _line: None,
) -> float:
    """Train the trial's configuration and return its score: the last epoch's validation accuracy
    of the raw weights, or the test accuracy where the study reads the test images. Where weights
    are sampled, it is the accuracy of what the samples predict together.

    Where an earlier attempt at the slot left a checkpoint, training goes on from it, and the trial
    has the epochs of both. A diverged trial scores as the task's worst. on_epoch: told of every
    epoch trained here, and of the last one that was not. report: told of what a person should know,
    in one line. Raises optuna.TrialPruned, or Interrupted if `should_stop` says so after an epoch
    that is not the last.
    """
    task, config = find_task(spec.task), suggest_config(trial, spec)
    started = start_of(trial.user_attrs)
    write(trial, **_origin(device, spec.kernel), config=config.model_dump(mode="json"))
    data = first_images(data, spec.slot_budget(started.slot).train_size)
    run = Run(start(config, task, data, device, spec.kernel), BestEpoch(), [])
    if checkpoints is not None:
        _go_on(trial, run, checkpoints, device, report=report, on_epoch=on_epoch)
    elif started.attempt:
        report("there is no directory of checkpoints: it starts again from its first epoch")
    for record in train(run.state, data):
        run.records.append(record)
        if data.test is not None:
            run.best.see(record, run.state.model)
        write(trial, history=[each.to_json() for each in run.records])
        on_epoch(record)
        if diverged(run.records, task.classes):
            write(trial, diverged_epoch=record.epoch, outcome="diverged")
            return task.worst_score
        if checkpoints is not None:
            _save(trial, run, checkpoints, report)
        _report(trial, record)
        if should_stop() and run.state.next_epoch < config.epochs:
            raise Interrupted
    outcome = "stalled" if stalled(run.records, task.classes) else "finished"
    write(trial, outcome=outcome)
    return score(trial, run.state, run.records, run.best, data)


@dataclass
class Run:
    """A trial in training: its state, its best epoch, and the records of all its epochs."""

    state: TrainingState
    best: BestEpoch
    records: list[EpochRecord]


def _go_on(
    trial: optuna.Trial,
    run: Run,
    checkpoints: Checkpoints,
    device: torch.device,
    *,
    report: Report,
    on_epoch: OnEpoch,
) -> None:
    """Put the run where an earlier attempt left it, and write that attempt's epochs down."""
    slot, config = start_of(trial.user_attrs).slot, run.state.config.model_dump_json()
    found = checkpoints.load(slot, config, device, report)
    if found is None:
        return
    run.state.load_state_dict(found.training)
    run.best.load_state_dict(found.best, run.state.model)
    run.records.extend(found.records)
    write(trial, epochs_restored=len(run.records))
    write(trial, history=[each.to_json() for each in run.records])
    for record in run.records:
        if record.averaged_val_accuracy is not None:
            trial.report(record.averaged_val_accuracy, record.epoch)
            trial.should_prune()  # for what pruners note down; these epochs were judged before
    on_epoch(run.records[-1])


def _save(trial: optuna.Trial, run: Run, checkpoints: Checkpoints, report: Report) -> None:
    """A checkpoint that cannot be written costs a retry its epochs, not the trial its result."""
    slot, attempt, *_ = start_of(trial.user_attrs)
    state = Checkpoint(run.records, run.state.state_dict(), run.best.state_dict())
    try:
        checkpoints.save(slot, attempt, run.state.config.model_dump_json(), state)
    except OSError as error:
        report(
            f"cannot write a checkpoint to {checkpoints.root}: {reason(error)}; it goes on without"
        )


def _report(trial: optuna.Trial, record: EpochRecord) -> None:
    """Hand the averaged weights' accuracy to the pruner: it depends less on the schedule early on.

    Raises optuna.TrialPruned.
    """
    if record.averaged_val_accuracy is None:
        return
    trial.report(record.averaged_val_accuracy, record.epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


def _origin(device: torch.device, kernel: Kernel) -> dict[str, Any]:
    """Where and with what a trial runs."""
    compilers = {} if kernel == "torch" else {kernel: importlib.metadata.version(kernel)}
    return attributes(
        device=str(device),
        device_name=devices.describe(device),
        threads=torch.get_num_threads(),
        kernel=kernel,
        versions={
            "lrstudy": importlib.metadata.version("lrstudy"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "optuna": optuna.__version__,
            **compilers,
        },
        revision=revision(),
    )


@cache
def revision() -> str | None:
    """The git revision of the source, with "+" if it was changed; None without git."""
    root = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    describe = [git, "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+"]
    found = subprocess.run(describe, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
