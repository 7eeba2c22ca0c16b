"""What a trained trial scores, and everything else that is judged once, after training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from torch import nn

from search_spaces.weight_sampling import noise_temperature
from study.records import EpochRecord, TrialRecord, to_bits, write
from study.tasks.fashion_mnist import Images
from study.tasks.task import TaskData
from study.training.calibration import metrics
from study.training.evaluation import evaluate
from study.training.loop import TrainingState
from study.training.predictions import Predictions, probabilities, splits
from study.training.sgld import gradient_noise

_NOISE_BATCHES = 32  # that the gradient's noise is estimated from


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


def score(
    trial: optuna.Trial,
    state: TrainingState,
    records: Sequence[EpochRecord],
    best: BestEpoch,
    data: TaskData,
) -> float:
    """The accuracy of the last epoch's weights, or of what the sampled weights predict together
    where there are any: on the test images where the study reads them, else on those for
    validation. What is measured on the way lands in the trial."""
    read = None if data.test is None else _test(trial, state, best, data.test)
    if state.predictions is not None:
        return _sampled(trial, state, state.predictions, records, data)
    return _validation(records[-1]) if read is None else read


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
    evaluations = {prefix: evaluate(model, test) for prefix, model in models.items()}
    numbers = {f"{prefix}loss": each.loss for prefix, each in evaluations.items()}
    numbers |= {f"{prefix}accuracy": each.accuracy for prefix, each in evaluations.items()}
    bits = {
        prefix.rstrip("_") or "last": to_bits(each.correct) for prefix, each in evaluations.items()
    }
    read = numbers | {"best_epoch": best.epoch, "images": len(test.labels)}
    write(trial, test=read, test_correct=bits)
    return evaluations[""].accuracy


def _sampled(
    trial: optuna.Trial,
    state: TrainingState,
    predictions: Predictions,
    records: Sequence[EpochRecord],
    data: TaskData,
) -> float:
    """Judge what the sampled weights predict, and the last ones beside them; the accuracy of the
    former on the test images, else on those for validation.

    The trial keeps the metrics of both, which test images the samples got right, and the gradient's
    noise at the last weights. Test images are scaled by what fits the validation images.
    """
    images = splits(data)
    labels = {split: each.labels.cpu().numpy() for split, each in images.items()}
    predicted_by = {
        "sampled": predictions.probabilities(data),
        "last": {split: probabilities(state.model, each) for split, each in images.items()},
    }
    judged: dict[str, dict[str, Any]] = {}
    for weights, by_split in predicted_by.items():
        predicted = {split: each.numpy() for split, each in by_split.items()}
        fit = (predicted["val"], labels["val"]) if "val" in predicted else None
        judged[weights] = {
            split: metrics(each, labels[split], fit if split == "test" else None)._asdict()
            for split, each in predicted.items()
        }
    noise = _gradient_noise(state, records[-1].last_lr, data.train)
    write(trial, predictive=judged | {"samples": predictions.count}, gradient_noise=noise)
    if data.test is not None:
        right = predicted_by["sampled"]["test"].numpy().argmax(axis=1) == labels["test"]
        bits = TrialRecord.model_validate(trial.user_attrs).test_correct
        write(trial, test_correct=bits | {"sampled": to_bits(right)})
    split = "val" if data.test is None else "test"
    return float(judged["sampled"][split]["accuracy"])


def _gradient_noise(state: TrainingState, lr: float, images: Images) -> dict[str, Any]:
    """Trace of the covariance of an image's gradient, the number of parameters, and the temperature
    that minibatches drawn with replacement would add at the rate ``lr``."""
    config, model = state.config, state.model
    trace = gradient_noise(
        model, images, batch_size=config.batch_size, batches=_NOISE_BATCHES, seed=config.seed
    )
    parameters = sum(each.numel() for each in model.parameters())
    temperature = noise_temperature(
        trace,
        parameters,
        lr=lr,
        data_size=len(images.labels),
        batch_size=config.batch_size,
    )
    return {"trace": trace, "parameters": parameters, "temperature": temperature}
