"""What a model makes of images: logits, losses, and which it gets right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from study.tasks.fashion_mnist import Images

EVALUATION_BATCH = 500


@torch.inference_mode()
def logits(model: nn.Module, images: Images) -> Tensor:
    """The model's logits (n, classes) in evaluation mode, on the images' device."""
    was_training = model.training
    model.eval()
    outputs = [model(pixels) for pixels in torch.split(images.pixels, EVALUATION_BATCH)]
    model.train(was_training)
    return torch.cat(outputs)


def scores(model: nn.Module, images: Images) -> tuple[Tensor, Tensor]:
    """Cross-entropy (n,) in nats and correctness (n,) bool of each image, on the device; the model
    is used in evaluation mode."""
    outputs = logits(model, images)
    losses = F.cross_entropy(outputs, images.labels, reduction="none")
    return losses, outputs.argmax(1) == images.labels


class Evaluation(NamedTuple):
    """Mean cross-entropy in nats, share of correct images, and which they are, (n,) bool."""

    loss: float
    accuracy: float
    correct: npt.NDArray[np.bool_]


def evaluate(model: nn.Module, images: Images) -> Evaluation:
    """Evaluate a model on images of its device."""
    losses, correct = scores(model, images)
    return Evaluation(losses.mean().item(), correct.float().mean().item(), correct.cpu().numpy())
