"""EpochRecord: what one epoch of training measured. TrialRecord: all that a trial writes.

The training loop yields the former; the latter names every user attribute of a trial, and is the
only place that does.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict

from search_spaces.words import phrases
from study.values import integer, text

Kernel = Literal["torch", "numba"]
"""What computes the convolutions of a run: numbers belong to their kernel, because the order of
additions does."""


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


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float):
        return float(f"{value:.9g}") if abs(value) < float("inf") else None
    return value


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _nested(value: Any) -> Any:
    return value if isinstance(value, dict | list) else None


Kind = Callable[[Any], Any]
Whole = Annotated[int | None, BeforeValidator(integer)]
Words = Annotated[str | None, BeforeValidator(text)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Nested = Annotated[Any, BeforeValidator(_nested)]


class _Record(BaseModel):
    """Some of what a trial writes; the names of the fields are the keys of its attributes."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OutcomeRecord(_Record):
    """What of a trial says what became of it; see `TrialRecord`."""

    slot: Whole = None
    outcome: Words = None
    interrupted: Flag = None


class ClaimRecord(OutcomeRecord):
    """What of a trial the claim of a slot reads; see `TrialRecord`."""

    host: Words = None
    pid: Whole = None
    born: Words = None
    claim: Words = None


class CorrectnessRecord(_Record):
    """What of a trial tells of the test images; see `TrialRecord`."""

    test: Nested = None
    test_correct: Nested = None


class PredictiveRecord(_Record):
    """What of a trial tells of sampled weights; see `TrialRecord`."""

    predictive: Nested = None
    gradient_noise: Nested = None


class TrialRecord(ClaimRecord, CorrectnessRecord, PredictiveRecord):
    """What a trial has written so far; None where it has not, or where another type stands there:
    whoever can write to the database may have put anything into it.

    slot, attempt: the slot of the study, and how many attempts at it came before.
    family, replicate, seed, baseline, arm: what the slot decides; arm only in later stages.
    host, pid, born, claim: which process of which machine trains it, see `study.storage.liveness`.
    config: the TrialConfig as JSON. history: its EpochRecords as JSON.
    device, device_name, threads, kernel, versions, revision: where and with what it was trained.
    outcome: finished, diverged or stalled; diverged_epoch: the epoch in which it diverged.
    interrupted: whether its worker left or was lost. error: the traceback that ended it.
    epochs_restored: epochs that it took over from an earlier attempt's checkpoint.
    test: losses (nats) and accuracies on the test images; test_correct: which of them were right,
        by weights, see `to_bits`.
    predictive: how good the probabilities of sampled weights are; gradient_noise: the noise of a
        minibatch at the last weights. Both by `study.trials.scoring`.
    """

    attempt: Whole = None
    family: Words = None
    replicate: Whole = None
    seed: Whole = None
    baseline: Flag = None
    arm: Whole = None
    config: Nested = None
    history: Nested = None
    device: Words = None
    device_name: Words = None
    threads: Whole = None
    kernel: Words = None
    versions: Nested = None
    revision: Words = None
    diverged_epoch: Whole = None
    error: Words = None
    epochs_restored: Whole = None


KINDS: dict[str, Kind] = {
    name: field.metadata[0].func for name, field in TrialRecord.model_fields.items()
}
"""How each attribute is read: its value, None where that is of another type."""


class Start(NamedTuple):
    """What every trial of lrstudy has from its first moment on."""

    slot: int
    attempt: int
    family: str
    seed: int


def start_of(attributes: Mapping[str, Any]) -> Start:
    """From the user attributes of a trial. Raises KeyError where it is another program's."""
    return Start(*(attributes[name] for name in Start._fields))


def slot_of(attributes: Mapping[str, Any]) -> int:
    """The slot alone. Raises KeyError where it is another program's."""
    return int(attributes["slot"])


def family_of(attributes: Mapping[str, Any]) -> str | None:
    """The schedule family alone; what asks for it looks at every trial."""
    return text(attributes.get("family"))


def attributes(**values: Any) -> dict[str, Any]:
    """User attributes for a trial. Raises ValueError for one that TrialRecord does not have."""
    if strange := values.keys() - TrialRecord.model_fields:
        raise ValueError(f"a trial has no {', '.join(sorted(strange))}")
    return values


class Attributed(Protocol):
    """A trial of Optuna."""

    def set_user_attr(self, key: str, value: Any) -> None:
        """Write one attribute."""


def write(trial: Attributed, **values: Any) -> None:
    """Write user attributes into a trial, one after the other; see `attributes`."""
    for key, value in attributes(**values).items():
        trial.set_user_attr(key, value)


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
