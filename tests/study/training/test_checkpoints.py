"""Checkpoints: a run goes on as if nothing had happened, and nothing unsound is ever used."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from search_spaces.config import TrialConfig
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.given import Plateau
from search_spaces.schedules.horizon import Cosine
from study.records import EpochRecord
from study.tasks.task import Task, TaskData
from study.training import checkpoints
from study.training.checkpoints import Checkpoint, Checkpoints
from study.training.loop import TrainingState, start, train
from study.trials.objective import BestEpoch

CPU = torch.device("cpu")
SCHEDULES = [
    Constant(base_lr=0.1),
    Cosine(base_lr=0.2, horizon=4.0, warmup=1.0),
    Plateau(base_lr=0.2),
]


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "shared", "a" * 32)


def begin(schedule: Any, task: Task, data: TaskData) -> TrainingState:
    config = TrialConfig(schedule=schedule, epochs=4, seed=3, momentum=0.9, batch_size=50)
    return start(config, task, data, CPU)


def timeless(records: list[EpochRecord]) -> list[dict[str, Any]]:
    return [each.to_json() | {"seconds": 0.0} for each in records]


def some(epochs: int) -> Checkpoint:
    """A checkpoint after so many epochs; what it holds does not matter."""
    number = {"train_loss": 0.1 + 0.2, "train_accuracy": 0.5, "val_loss": float("nan")}
    rest = {"val_accuracy": 1 / 3, "averaged_val_loss": 1.0, "averaged_val_accuracy": 0.5}
    layers: dict[str, Any] = {"weight_norm": {"conv1": 1.0}, "distance": {"conv1": 0.0}}
    records = [
        EpochRecord(epoch=i, first_lr=0.1, last_lr=0.1, seconds=1.0, **number, **rest, **layers)
        for i in range(epochs)
    ]
    return Checkpoint(records, {"weights": torch.ones(3)}, {"epoch": None})


def load(
    kept: Checkpoints, slot: int = 5, config: str = "c"
) -> tuple[Checkpoint | None, list[str]]:
    told: list[str] = []
    return kept.load(slot, config, CPU, told.append), told


def the_file(kept: Checkpoints) -> Path:
    (file,) = kept.directory.glob("*.pt")
    return file


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: type(each).__name__)
def test_a_run_goes_on_bit_for_bit(
    kept: Checkpoints, tiny_task: Task, tiny_data: TaskData, schedule: Any
) -> None:
    """Momentum, averaged weights and the plateau's memory included."""
    whole = begin(schedule, tiny_task, tiny_data)
    expected = list(train(whole, tiny_data))
    first, records = begin(schedule, tiny_task, tiny_data), []
    best = BestEpoch()
    for record in train(first, tiny_data):
        records.append(record)
        best.see(record, first.model)
        if record.epoch == 1:
            break
    kept.save(5, 0, "c", Checkpoint(records, first.state_dict(), best.state_dict()))
    found, told = load(kept)
    assert found is not None
    assert told == []
    second = begin(schedule, tiny_task, tiny_data)
    second.load_state_dict(found.training)
    restored = BestEpoch()
    restored.load_state_dict(found.best, second.model)
    assert (restored.epoch, restored.accuracy) == (best.epoch, best.accuracy)
    assert timeless([*found.records, *train(second, tiny_data)]) == timeless(expected)
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], weights), name
    for name, weights in whole.averaged.state_dict().items():
        assert torch.equal(second.averaged.state_dict()[name], weights), name


def test_numbers_come_back_as_they_were_measured(kept: Checkpoints) -> None:
    """Not as JSON rounds them."""
    kept.save(5, 0, "c", some(1))
    found, _ = load(kept)
    assert found is not None
    assert found.records[0].train_loss == 0.1 + 0.2
    assert found.records[0].val_accuracy == 1 / 3
    assert found.records[0].val_loss != found.records[0].val_loss


def test_the_furthest_attempt_is_gone_on_from(kept: Checkpoints) -> None:
    kept.save(5, 0, "c", some(3))
    kept.save(5, 1, "c", some(2))
    kept.save(50, 0, "c", some(9))
    found, told = load(kept)
    assert found is not None
    assert (len(found.records), told) == (3, [])
    kept.remove(5)
    assert load(kept) == (None, [])
    assert load(kept, 50)[0] is not None
    kept.clear()
    assert not kept.root.exists()
    assert load(kept, 50) == (None, [])


@pytest.mark.parametrize(
    ("slot", "config", "change"),
    [(5, "other", {}), (5, "c", {"torch": "1.0"}), (5, "c", {"lrstudy": "0.0"})],
)
def test_what_belongs_to_another_run_is_told_and_not_used(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch, slot: int, config: str, change: Any
) -> None:
    kept.save(5, 0, "c", some(2))
    belongs = Checkpoints._belongs
    monkeypatch.setattr(Checkpoints, "_belongs", lambda *args: belongs(*args) | change)
    text = "ignored the checkpoint slot-5-0.pt: it is of another trial or another version"
    assert load(kept, slot, config) == (None, [text])


def test_another_study_s_file_is_not_used(kept: Checkpoints) -> None:
    kept.save(5, 0, "c", some(2))
    other = Checkpoints(kept.root, "b" * 32)
    assert load(other) == (None, [])
    other.directory.mkdir()
    the_file(kept).rename(other.directory / "slot-5-0.pt")
    found, told = load(other)
    assert found is None
    assert "another trial" in told[0]


@pytest.mark.parametrize("cut", [0, 10, 60, 200, -1])
def test_a_torn_file_is_told_and_not_used(kept: Checkpoints, cut: int) -> None:
    kept.save(5, 0, "c", some(2))
    file = the_file(kept)
    file.write_bytes(file.read_bytes()[:cut])
    found, (line,) = load(kept)
    assert found is None
    assert line.startswith("ignored the checkpoint slot-5-0.pt: it is ")


@pytest.mark.parametrize("place", [30, 100, 1000, -5])
def test_a_flipped_bit_is_found(kept: Checkpoints, place: int) -> None:
    kept.save(5, 0, "c", some(2))
    file = the_file(kept)
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    assert load(kept) == (
        None,
        ["ignored the checkpoint slot-5-0.pt: it is torn: the checksum does not fit"],
    )


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("owned",)


def test_code_in_a_checkpoint_is_not_run(
    kept: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the checksum is right."""
    monkeypatch.chdir(tmp_path)
    kept.directory.mkdir(parents=True)
    checkpoints._write(kept.directory / "slot-5-0.pt", {"belongs": Evil()})
    found, told = load(kept)
    assert found is None
    assert told[0].endswith("it holds something else than tensors and numbers")
    assert not (tmp_path / "owned").exists()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(_payload(kept.directory / "slot-5-0.pt"), weights_only=True)


def _payload(file: Path) -> Any:
    import io

    return io.BytesIO(file.read_bytes()[len(checkpoints._MAGIC) + 65 :])


def test_a_save_that_fails_leaves_the_earlier_file_whole(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.save(5, 0, "c", some(2))

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            kept.save(5, 0, "c", some(3))
    assert list(kept.directory.iterdir()) == [the_file(kept)]  # what it wrote takes no room
    found, told = load(kept)
    assert found is not None
    assert (len(found.records), told) == (2, [])
    kept.save(5, 0, "c", some(4))
    (kept.directory / "slot-5-1.77.partial").touch()  # of a process that was killed
    kept.remove(5)
    assert list(kept.directory.iterdir()) == []
