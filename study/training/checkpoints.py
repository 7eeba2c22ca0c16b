"""Checkpoints: where a trial was after its last epoch, so that its next attempt goes on there.

A file holds a line that names the format, the SHA-256 of the rest, and the rest as `torch.save`
wrote it. It is written under another name, flushed, and renamed: a file is whole or not there.
What is torn, or of another study, slot, configuration or version, is reported and not used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from study.records import EpochRecord

DIRECTORY_VARIABLE = "LRSTUDY_CHECKPOINTS"
_MAGIC = b"lrstudy checkpoint 1\n"


class UnusableCheckpoint(Exception):  # noqa: N818 - reads as what it is
    """Why a file cannot be gone on from, in one line."""


@dataclass(frozen=True)
class Checkpoint:
    """A trial between two epochs.

    records: of the epochs trained, the numbers as they were measured; training: what
    `TrainingState.state_dict` gives; best: what `BestEpoch.state_dict` gives.
    """

    records: Sequence[EpochRecord]
    training: dict[str, Any]
    best: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one study in a directory, which several machines may share.

    root: the directory of all studies; identity: that of the study (letters and digits), which no
    other study has, whatever its name is.
    """

    root: Path
    identity: str

    @property
    def directory(self) -> Path:
        """Where this study's files lie."""
        return self.root / self.identity

    def save(self, slot: int, attempt: int, config: str, checkpoint: Checkpoint) -> None:
        """Write the state of an attempt in place of its earlier one. Raises OSError.

        Each attempt has a file of its own: one that was given away cannot spoil the next one's.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        _write(
            self.directory / f"{_stem(slot)}-{attempt}.pt",
            {
                "belongs": self._belongs(slot, config),
                "records": [asdict(record) for record in checkpoint.records],
                "training": checkpoint.training,
                "best": checkpoint.best,
            },
        )

    def load(
        self, slot: int, config: str, device: torch.device, report: Callable[[str], None]
    ) -> Checkpoint | None:
        """The furthest state that any attempt at the slot left; None where there is none.

        report: told in one line of each file that cannot be used.
        """
        usable = []
        for file in sorted(self.directory.glob(f"{_stem(slot)}-*.pt")):
            try:
                usable.append(self._read(file, slot, config, device))
            except UnusableCheckpoint as error:
                report(f"ignored the checkpoint {file.name}: {error}")
        return max(usable, key=lambda each: len(each.records), default=None)

    def remove(self, slot: int) -> None:
        """Delete what the attempts at a finished slot left. Raises OSError."""
        for file in self.directory.glob(f"{_stem(slot)}-*"):
            file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all of a finished study, as far as other workers do not at the same time."""
        shutil.rmtree(self.directory, ignore_errors=True)
        with suppress(OSError):  # of other studies, too
            self.root.rmdir()

    def _read(self, file: Path, slot: int, config: str, device: torch.device) -> Checkpoint:
        content = _verified(file, device)
        if content.get("belongs") != self._belongs(slot, config):
            raise UnusableCheckpoint("it is of another trial or another version")
        try:
            records = [EpochRecord(**each) for each in content["records"]]
            return Checkpoint(records, content["training"], content["best"])
        except (KeyError, TypeError):
            raise UnusableCheckpoint("it holds something else than tensors and numbers") from None

    def _belongs(self, slot: int, config: str) -> dict[str, Any]:
        """What must be the same for a run to go on as if it had not been interrupted."""
        return {
            "study": self.identity,
            "slot": slot,
            "config": config,
            "lrstudy": importlib.metadata.version("lrstudy"),
            "torch": str(torch.__version__),
        }


def _stem(slot: int) -> str:
    return f"slot-{slot}"


def _write(file: Path, content: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getbuffer()
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(_MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n")
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)  # on a full disk it would leave the database no room
        raise
    _flush_directory(file.parent)


def _flush_directory(directory: Path) -> None:
    """Make the new name last through a crash of the machine, too."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _verified(file: Path, device: torch.device) -> dict[str, Any]:
    """What the file holds. Raises UnusableCheckpoint."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UnusableCheckpoint(str(error.strerror)) from None
    head = len(_MAGIC) + 65
    if not data.startswith(_MAGIC):
        raise UnusableCheckpoint("it is no checkpoint of this version of lrstudy")
    payload = memoryview(data)[head:]
    if data[len(_MAGIC) : head] != hashlib.sha256(payload).hexdigest().encode() + b"\n":
        raise UnusableCheckpoint("it is torn: the checksum does not fit")
    try:
        content = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    except Exception:  # whatever the bytes make torch stumble over
        raise UnusableCheckpoint("it holds something else than tensors and numbers") from None
    if not isinstance(content, dict):
        raise UnusableCheckpoint("it holds something else than tensors and numbers")
    return content
