"""EpochRecord: what one epoch of training measured. The training loop yields them."""

from __future__ import annotations

import base64
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from search_spaces.words import phrases


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch. Losses are mean cross-entropies in nats, accuracies shares in [0, 1].

    epoch: counted from 0.
    first_lr, last_lr: learning rate of the epoch's first and last update.
    train_loss, train_accuracy: running means over the epoch, measured while the weights change
        (as the chapter does).
    val_loss, val_accuracy: of the weights after the epoch; None where there is no validation data.
    averaged_val_loss, averaged_val_accuracy: of the horizon-free average of the weights.
    weight_norm, distance: for each layer by name, L2 norm of its parameters and their L2 distance
        from the initial ones.
    seconds: wall-clock time of the epoch, evaluation included.
    mean_lr: mean learning rate over the epoch's updates; nan in what was recorded before it was
        measured.
    """

    epoch: int
    first_lr: float
    last_lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    averaged_val_loss: float | None
    averaged_val_accuracy: float | None
    weight_norm: dict[str, float]
    distance: dict[str, float]
    seconds: float
    mean_lr: float = math.nan

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values, floats to 9 digits (enough to restore a float32), with null
        in place of numbers that are not finite."""
        return {name: _finite(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EpochRecord:
        """The record that ``to_json`` wrote: a null comes back as nan, or as None in the fields of
        the validation data where there were none (an accuracy is then null, else never)."""
        data = {"mean_lr": None} | data
        validated = data["val_accuracy"] is not None
        return cls(
            **{
                field.name: data[field.name]
                if "val_" in field.name and not validated
                else _restored(data[field.name])
                for field in fields(cls)
            }
        )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float):
        return float(f"{value:.9g}") if abs(value) < float("inf") else None
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _restored(item) for key, item in value.items()}
    return float("nan") if value is None else value


def to_bits(correct: npt.NDArray[np.bool_]) -> str:
    """Which images were correct, (n,) bool, as text of n / 6 characters."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode()


def from_bits(text: str, count: int) -> npt.NDArray[np.bool_]:
    """What ``to_bits`` wrote of ``count`` images. Raises ValueError where it tells of another
    number."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8))
    if not count <= len(bits) < count + 8:
        raise ValueError(f"{len(bits)} bits cannot tell of {phrases.count(count, 'image')}")
    return bits[:count].astype(bool)
