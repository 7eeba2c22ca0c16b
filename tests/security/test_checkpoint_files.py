"""Files in the place of checkpoints that are torn, of something else, or there to do harm.

That a run goes on bit for bit from a good one is shown in tests/study/training/test_checkpoints.py.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from study.records import EpochRecord
from study.storage.studies import IDENTITY_ATTR, create_study, identity, open_storage
from study.training.checkpoints import Checkpoint, Checkpoints
from tests.analysis.conftest import make_spec
from tests.conftest import CPU

CONFIG = '{"epochs": 3}'
TORN = "it is torn: the checksum does not fit"
NONE_OF_OURS = "it is no checkpoint of this version of lrstudy"
OF_ANOTHER = "it is of another trial or another version"
SOMETHING_ELSE = "it holds something else than tensors and numbers"


def of_epochs(count: int) -> Checkpoint:
    """The state of a trial after so many epochs."""
    values: dict[str, Any] = dict.fromkeys(EpochRecord.__dataclass_fields__, 0.1)
    values |= {"weight_norm": {"conv1": 1 / 3}, "distance": {"conv1": 2 / 3}}
    records = [EpochRecord(**values | {"epoch": epoch}) for epoch in range(count)]
    training = {"model": {"w": torch.full((3,), float(count))}, "next_epoch": count}
    return Checkpoint(records, training, {"epoch": None, "accuracy": -1.0, "model": None})


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", "0123456789abcdef" * 2)


@pytest.fixture
def file(kept: Checkpoints) -> Path:
    """The checkpoint of slot 0 after two epochs."""
    kept.save(0, 0, CONFIG, of_epochs(2))
    return kept.directory / "slot-0-0.pt"


def epochs(kept: Checkpoints) -> int:
    """How many epochs there are to go on from, nothing being reported."""
    found = kept.load(0, CONFIG, CPU, pytest.fail)
    assert found is not None
    assert found.training["next_epoch"] == len(found.records)
    return len(found.records)


def ignored(kept: Checkpoints) -> str:
    """Why the only file cannot be gone on from."""
    lines: list[str] = []
    assert kept.load(0, CONFIG, CPU, lines.append) is None
    (line,) = lines
    assert line.startswith("ignored the checkpoint slot-0-0.pt: ")
    return line.removeprefix("ignored the checkpoint slot-0-0.pt: ")


# ---------------------------------------------------------------- torn


def test_no_part_of_a_file_is_taken_for_the_whole(kept: Checkpoints, file: Path) -> None:
    whole = file.read_bytes()
    for length in [*range(100), *range(100, len(whole), 97), len(whole) - 1]:
        file.write_bytes(whole[:length])
        assert ignored(kept) in (TORN, NONE_OF_OURS)
    file.write_bytes(whole)
    assert epochs(kept) == 2


def test_a_single_bit_is_seen_wherever_it_is(kept: Checkpoints, file: Path) -> None:
    whole, rng = file.read_bytes(), random.Random(0)
    for place in [*range(100), *(rng.randrange(len(whole)) for _ in range(200))]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        file.write_bytes(flipped)
        assert ignored(kept) in (TORN, NONE_OF_OURS)


def test_a_torn_file_does_not_hide_a_whole_one(kept: Checkpoints, file: Path) -> None:
    kept.save(0, 1, CONFIG, of_epochs(1))
    file.write_bytes(file.read_bytes()[:-1])
    lines: list[str] = []
    found = kept.load(0, CONFIG, CPU, lines.append)
    assert found is not None
    assert len(found.records) == 1
    assert lines == [f"ignored the checkpoint slot-0-0.pt: {TORN}"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", NONE_OF_OURS),
        (b"PK\x03\x04" + bytes(200), NONE_OF_OURS),
        (b"lrstudy checkpoint 2\n" + bytes(200), NONE_OF_OURS),
        (b"lrstudy checkpoint 1\n", TORN),
        (b"lrstudy checkpoint 1\n" + bytes(65), TORN),
    ],
)
def test_what_is_no_checkpoint_is_told(
    kept: Checkpoints, file: Path, content: bytes, why: str
) -> None:
    file.write_bytes(content)
    assert ignored(kept) == why


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "Is a directory"),
        (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
    ],
    ids=["directory", "link"],
)
def test_what_cannot_be_read_is_told(
    kept: Checkpoints, file: Path, make: Callable[[Path], None], why: str
) -> None:
    file.unlink()
    make(file)
    assert ignored(kept) == why


def test_a_file_that_may_not_be_read_is_told(
    kept: Checkpoints, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert file.exists()
    assert ignored(kept) == "Permission denied"


# ---------------------------------------------------------------- hostile


class Planted:
    """Makes a directory when a pickle of it is read."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.proof),))


def sealed(payload: bytes) -> bytes:
    """A file of that payload and its checksum, which anybody can compute."""
    digest = hashlib.sha256(payload).hexdigest()
    return b"lrstudy checkpoint 1\n" + digest.encode() + b"\n" + payload


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def trusting(payload: bytes) -> Any:
    """What `torch.load` does to who trusts a file."""
    return torch.load(io.BytesIO(payload), weights_only=False)


@pytest.mark.parametrize(
    ("write", "read"),
    [(saved, trusting), (partial(pickle.dumps, protocol=2), pickle.loads)],
    ids=["torch", "pickle"],
)
@pytest.mark.parametrize("place", ["whole", "belongs", "records", "training"])
def test_code_in_a_file_is_told_and_not_run(
    kept: Checkpoints,
    file: Path,
    tmp_path: Path,
    write: Callable[[Any], bytes],
    read: Callable[[bytes], Any],
    place: str,
) -> None:
    planted = Planted(tmp_path / "proof")
    content = {"belongs": kept._belongs(0, CONFIG), "records": [], "training": {}, "best": {}}
    payload = write(planted if place == "whole" else content | {place: planted})
    file.write_bytes(sealed(payload))
    assert ignored(kept) == SOMETHING_ELSE
    assert not planted.proof.exists()
    read(payload)
    assert planted.proof.exists()  # what it would have done


@pytest.mark.parametrize("content", [None, 3, "x", [1], torch.zeros(2), {}, {"belongs": 3}])
def test_a_file_of_harmless_things_is_told(kept: Checkpoints, file: Path, content: Any) -> None:
    file.write_bytes(sealed(saved(content)))
    assert ignored(kept) == (OF_ANOTHER if isinstance(content, dict) else SOMETHING_ELSE)


@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"records": [], "training": {}},
        {"records": [{}], "training": {}, "best": {}},
        {"records": [{"epoch": 0, "x": 1}], "training": {}, "best": {}},
        {"records": 3, "training": {}, "best": {}},
    ],
)
def test_a_file_that_lacks_something_is_told(
    kept: Checkpoints, file: Path, rest: dict[str, Any]
) -> None:
    file.write_bytes(sealed(saved({"belongs": kept._belongs(0, CONFIG)} | rest)))
    assert ignored(kept) == SOMETHING_ELSE


def test_a_damaged_payload_with_the_right_checksum_is_told(kept: Checkpoints, file: Path) -> None:
    """Or it is used, where the bit stood in a weight: either, and never an error."""
    whole, rng = file.read_bytes(), random.Random(0)
    payload, refused = whole[len(sealed(b"")) :], 0
    for _ in range(400):
        changed = bytearray(payload)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        file.write_bytes(sealed(bytes(changed)))
        told: list[str] = []
        found = kept.load(0, CONFIG, CPU, told.append)
        assert len(told) == (found is None), told
        refused += found is None
    assert 0 < refused < 400


# ---------------------------------------------------------------- writing


_open = Path.open


class _HalfFull(io.FileIO):
    """A file on a disk that takes a hundred bytes more."""

    def write(self, data: Any) -> int:
        super().write(bytes(data)[:100])
        raise OSError(errno.ENOSPC, "No space left on device")


def _half_full(path: Path, *arguments: Any, **options: Any) -> Any:
    if path.suffix == ".partial":
        return _HalfFull(path, "w")
    return _open(path, *arguments, **options)


def _full(*_arguments: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "name", "failing"),
    [
        (Path, "open", _half_full),
        (os, "fsync", _full),
        (Path, "replace", _full),
    ],
    ids=["write", "flush", "rename"],
)
def test_a_save_that_fails_leaves_the_earlier_file(
    kept: Checkpoints,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    failing: Any,
) -> None:
    before = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing)
        with pytest.raises(OSError, match="No space left on device"):
            kept.save(0, 0, CONFIG, of_epochs(3))
    assert file.read_bytes() == before
    assert epochs(kept) == 2
    kept.remove(0)  # what was left half written, too
    assert list(kept.directory.iterdir()) == []


def test_a_file_has_its_name_only_when_it_is_whole_and_flushed(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Around every system call of a save a reader finds the earlier state or the new one."""
    kept.save(0, 0, CONFIG, of_epochs(1))
    seen: list[tuple[str, int]] = []

    def looking(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def looked(*arguments: Any) -> Any:
            seen.append((f"before {name}", epochs(kept)))
            found = call(*arguments)
            seen.append((f"after {name}", epochs(kept)))
            return found

        return looked

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", looking("rename", Path.replace))
        patch.setattr(os, "fsync", looking("flush", os.fsync))
        kept.save(0, 0, CONFIG, of_epochs(2))
    assert seen == [
        *(("before flush", 1), ("after flush", 1)),
        *(("before rename", 1), ("after rename", 2)),
        *(("before flush", 2), ("after flush", 2)),  # of the directory
    ]


@pytest.mark.parametrize(
    "found", ["../../x", "/x", "", "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n", 7, None, ["a"]]
)
def test_a_database_cannot_say_where_checkpoints_lie(tmp_path: Path, found: Any) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'one.db'}", create=True)
    study = create_study(storage, "../../x", make_spec("fixed_rate", 1))
    usual = identity(storage, "../../x")
    assert usual is not None
    assert Checkpoints(Path("root"), usual).directory.parent == Path("root")
    study.set_user_attr(IDENTITY_ATTR, found)
    assert identity(storage, "../../x") is None
