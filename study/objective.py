"""One trial: suggest, train, report, prune. All that is measured lands in the trial."""

from __future__ import annotations

import copy
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
from torch import nn

from search_spaces.config import TrialConfig
from search_spaces.weight_sampling import noise_temperature
from study import devices
from study.checkpoints import Checkpoint, Checkpoints
from study.data import Images
from study.evaluation import evaluate
from study.langevin import gradient_noise
from study.metrics import metrics
from study.predictions import Predictions, probabilities, splits
from study.records import EpochRecord, to_bits
from study.sampling import FAMILY_PARAM
from study.spec import StudySpec
from study.tasks import TaskData, find_task, first_images, load_task_data
from study.training import TrainingState, diverged, stalled, start, train

_NOISE_BATCHES = 32  # that the gradient's noise is estimated from

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
    budget = spec.slot_budget(trial.user_attrs["slot"])
    return TrialConfig(
        **spec.suggest(trial, family, budget),
        epochs=budget.epochs,
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
    for key, value in _origin(device).items():
        trial.set_user_attr(key, value)
    trial.set_user_attr("config", config.model_dump(mode="json"))
    data = first_images(data, spec.slot_budget(trial.user_attrs["slot"]).train_size)
    run = Run(start(config, task, data, device), BestEpoch(), [])
    if checkpoints is not None:
        _go_on(trial, run, checkpoints, device, report=report, on_epoch=on_epoch)
    elif trial.user_attrs["attempt"]:
        report("there is no directory of checkpoints: it starts again from its first epoch")
    for record in train(run.state, data):
        run.records.append(record)
        if data.test is not None:
            run.best.see(record, run.state.model)
        trial.set_user_attr("history", [each.to_json() for each in run.records])
        on_epoch(record)
        if diverged(run.records, task.classes):
            trial.set_user_attr("diverged_epoch", record.epoch)
            trial.set_user_attr("outcome", "diverged")
            return task.worst_score
        if checkpoints is not None:
            _save(trial, run, checkpoints, report)
        _report(trial, record)
        if should_stop() and run.state.next_epoch < config.epochs:
            raise Interrupted
    outcome = "stalled" if stalled(run.records, task.classes) else "finished"
    trial.set_user_attr("outcome", outcome)
    read = None if data.test is None else _test(trial, run.state, run.best, data.test)
    if run.state.predictions is not None:
        return _sampled(trial, run, run.state.predictions, data)
    return _validation(run.records[-1]) if read is None else read


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
    slot, config = trial.user_attrs["slot"], run.state.config.model_dump_json()
    found = checkpoints.load(slot, config, device, report)
    if found is None:
        return
    run.state.load_state_dict(found.training)
    run.best.load_state_dict(found.best, run.state.model)
    run.records.extend(found.records)
    trial.set_user_attr("epochs_restored", len(run.records))
    trial.set_user_attr("history", [each.to_json() for each in run.records])
    for record in run.records:
        if record.averaged_val_accuracy is not None:
            trial.report(record.averaged_val_accuracy, record.epoch)
            trial.should_prune()  # for what pruners note down; these epochs were judged before
    on_epoch(run.records[-1])


def _save(trial: optuna.Trial, run: Run, checkpoints: Checkpoints, report: Report) -> None:
    """A checkpoint that cannot be written costs a retry its epochs, not the trial its result."""
    slot, attempt = trial.user_attrs["slot"], trial.user_attrs["attempt"]
    state = Checkpoint(run.records, run.state.state_dict(), run.best.state_dict())
    try:
        checkpoints.save(slot, attempt, run.state.config.model_dump_json(), state)
    except OSError as error:
        report(f"cannot write a checkpoint to {checkpoints.root}: {error.strerror}")


@dataclass
class BestEpoch:
    """The epoch with the highest validation accuracy so far, the first of several, and its weights;
    None without validation data."""

    epoch: int | None = None
    accuracy: float = -1.0
    model: nn.Module | None = None

    def see(self, record: EpochRecord, model: nn.Module) -> None:
        """Keep a copy of the model if its epoch is the best."""
        if record.val_accuracy is not None and record.val_accuracy > self.accuracy:
            self.epoch, self.accuracy = record.epoch, record.val_accuracy
            self.model = copy.deepcopy(model)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs, as tensors and numbers."""
        weights = None if self.model is None else self.model.state_dict()
        return {"epoch": self.epoch, "accuracy": self.accuracy, "model": weights}

    def load_state_dict(self, saved: dict[str, Any], like: nn.Module) -> None:
        """Be what ``saved`` says; ``like``: a model of the same kind."""
        self.epoch, self.accuracy, self.model = saved["epoch"], saved["accuracy"], None
        if saved["model"] is not None:
            self.model = copy.deepcopy(like)
            self.model.load_state_dict(saved["model"])


def _report(trial: optuna.Trial, record: EpochRecord) -> None:
    """Hand the averaged weights' accuracy to the pruner: it depends less on the schedule early on.

    Raises optuna.TrialPruned.
    """
    if record.averaged_val_accuracy is None:
        return
    trial.report(record.averaged_val_accuracy, record.epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


def _validation(record: EpochRecord) -> float:
    assert record.val_accuracy is not None  # noqa: S101 - without test data there is validation
    return record.val_accuracy


def _test(trial: optuna.Trial, state: TrainingState, best: BestEpoch, test: Images) -> float:
    """Read the test images once with each set of weights; the accuracy of the last epoch's.

    The trial keeps loss and accuracy of each, and which images were correct: all seeds share them.
    """
    models = {"": state.model, "averaged_": state.averaged}
    if best.model is not None:
        models["best_"] = best.model
    found = {prefix: evaluate(model, test) for prefix, model in models.items()}
    numbers = {f"{prefix}loss": each.loss for prefix, each in found.items()}
    numbers |= {f"{prefix}accuracy": each.accuracy for prefix, each in found.items()}
    trial.set_user_attr("test", numbers | {"best_epoch": best.epoch, "images": len(test.labels)})
    bits = {prefix.rstrip("_") or "last": to_bits(each.correct) for prefix, each in found.items()}
    trial.set_user_attr("test_correct", bits)
    return found[""].accuracy


def _sampled(trial: optuna.Trial, run: Run, predictions: Predictions, data: TaskData) -> float:
    """Judge what the sampled weights predict, and the last ones beside them; the accuracy of the
    former on the test images, else on those for validation.

    The trial keeps the metrics of both, which test images the samples got right, and the gradient's
    noise at the last weights. Test images are scaled by what fits the validation images.
    """
    images = splits(data)
    labels = {split: each.labels.cpu().numpy() for split, each in images.items()}
    found = {
        "sampled": predictions.probabilities(data),
        "last": {split: probabilities(run.state.model, each) for split, each in images.items()},
    }
    judged: dict[str, dict[str, Any]] = {}
    for weights, by_split in found.items():
        predicted = {split: each.numpy() for split, each in by_split.items()}
        fit = (predicted["val"], labels["val"]) if "val" in predicted else None
        judged[weights] = {
            split: metrics(each, labels[split], fit if split == "test" else None)._asdict()
            for split, each in predicted.items()
        }
    trial.set_user_attr("predictive", judged | {"samples": predictions.count})
    trial.set_user_attr("gradient_noise", _gradient_noise(run, data.train))
    if data.test is not None:
        right = found["sampled"]["test"].numpy().argmax(axis=1) == labels["test"]
        bits = trial.user_attrs["test_correct"] | {"sampled": to_bits(right)}
        trial.set_user_attr("test_correct", bits)
    split = "val" if data.test is None else "test"
    return float(judged["sampled"][split]["accuracy"])


def _gradient_noise(run: Run, images: Images) -> dict[str, Any]:
    """Trace of the covariance of an image's gradient, the number of parameters, and the temperature
    that minibatches drawn with replacement would add at the last update's rate."""
    config, model = run.state.config, run.state.model
    trace = gradient_noise(
        model, images, batch_size=config.batch_size, batches=_NOISE_BATCHES, seed=config.seed
    )
    parameters = sum(each.numel() for each in model.parameters())
    temperature = noise_temperature(
        trace,
        parameters,
        lr=run.records[-1].last_lr,
        data_size=len(images.labels),
        batch_size=config.batch_size,
    )
    return {"trace": trace, "parameters": parameters, "temperature": temperature}


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
