"""What a run predicts with: the average over the weights that it samples, kept as a sum."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from search_spaces.weight_sampling import WeightSampling
from study.tasks.fashion_mnist import Images
from study.tasks.task import TaskData
from study.training.evaluation import EVALUATION_BATCH, logits


class Predictions:
    """Probabilities averaged over samples of a run's weights, or those of the averaged weights.

    Takes the memory of one sample however many there are: a weighted sum of probabilities,
    (images, classes) for each of validation and test images, or one set of weights.
    """

    def __init__(self, sampling: WeightSampling, model: nn.Module) -> None:
        self._by_step_size = sampling.by_step_size
        self._weights: AveragedModel | None = None
        if sampling.average == "weights":
            self._weights = AveragedModel(model)
        self._sums: dict[str, Tensor] = {}
        self._total = 0.0
        self.count = 0

    def take(self, model: nn.Module, rate: float, data: TaskData) -> None:
        """A sample: the model's weights now, after an update with that learning rate."""
        self.count += 1
        if self._weights is not None:
            self._weights.update_parameters(model)
            return
        weight = self.weight(rate)
        self._total += weight
        for split, images in splits(data).items():
            weighted = weight * probabilities(model, images)
            self._sums[split] = (
                weighted if split not in self._sums else self._sums[split] + weighted
            )

    def weight(self, rate: float) -> float:
        """What a sample counts that is taken after an update with that learning rate."""
        return rate if self._by_step_size else 1.0

    def probabilities(self, data: TaskData) -> dict[str, Tensor]:
        """The averaged probabilities of the validation and the test images, (images, classes),
        where there are such. Raises ValueError without a sample."""
        if self.count == 0:
            raise ValueError("no sample was taken")
        averaged = self.averaged(data)
        if averaged is None:
            return {split: weighted_sum / self._total for split, weighted_sum in self._sums.items()}
        return {split: probabilities(averaged, images) for split, images in splits(data).items()}

    def averaged(self, data: TaskData) -> nn.Module | None:
        """The model with the mean of the weights and batch-norm statistics of the training images;
        None where predictions are averaged."""
        if self._weights is None:
            return None
        averaged = copy.deepcopy(self._weights)
        update_bn(torch.split(data.train.pixels, EVALUATION_BATCH), averaged)
        model: nn.Module = averaged.module
        return model

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs, as tensors and numbers."""
        weights = None if self._weights is None else self._weights.state_dict()
        return {
            "sums": dict(self._sums),
            "total": self._total,
            "count": self.count,
            "weights": weights,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._sums = {
            split: weighted_sum.cpu().clone() for split, weighted_sum in saved["sums"].items()
        }
        self._total, self.count = saved["total"], saved["count"]
        if self._weights is not None:
            self._weights.load_state_dict(saved["weights"])


def splits(data: TaskData) -> dict[str, Images]:
    """The images that are predicted, by the name of their split."""
    named = {"val": data.val, "test": data.test}
    return {split: images for split, images in named.items() if images is not None}


@torch.no_grad()
def probabilities(model: nn.Module, images: Images) -> Tensor:
    """The model's probabilities (images, classes), float64 on the CPU, in evaluation mode."""
    return torch.softmax(logits(model, images).cpu().double(), dim=1)
