"""Fashion-MNIST on disk: where it lies, whether it is whole, how to get it, how to read it."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple
from urllib.request import build_opener

import numpy as np
import numpy.typing as npt
import torch
from platformdirs import user_cache_path
from torch import Tensor

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
VARIABLE = "LRSTUDY_DATA"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FILES = {
    "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
}
"""The four files and the md5 of what they hold unpacked: the mirrors' files and Debian's are packed
differently."""
TIMEOUT = 10.0
"""Seconds that a mirror may be silent."""
_PREFIX = {"train": "train", "test": "t10k"}


class DataError(Exception):
    """The data are missing, partial or corrupt; the message says where, and what to do."""


class Place(NamedTuple):
    """A directory where the files may lie, with a name for people."""

    name: str
    path: Path


class Images(NamedTuple):
    """Labelled images.

    pixels: (n, 28, 28) uint8 as read from disk, or (n, channels, height, width) float32 in [0, 1].
    labels: (n,) int64, counted from 0.
    """

    pixels: Tensor
    labels: Tensor


def places() -> list[Place]:
    """Where the data may lie, in the order of preference."""
    chosen = os.environ.get(VARIABLE)
    return [
        *([Place(VARIABLE, Path(chosen))] if chosen else []),
        Place("user cache", user_cache_path("lrstudy") / "fashion-mnist"),
        Place("Debian package", DEBIAN),
    ]


def find(splits: Sequence[Split] = SPLITS) -> Path:
    """Directory of the first place whose files of ``splits`` have the right checksums.

    Files of other splits are not opened. Raises DataError, naming every place and its fault, where
    there is none, or where LRSTUDY_DATA is set to a directory that will not do.
    """
    found, failures = _search(splits)
    if found is None:
        raise DataError(_nowhere(failures))
    return found


def _search(splits: Sequence[Split]) -> tuple[Path | None, list[str]]:
    """The first good place, or None and the fault of each; LRSTUDY_DATA is never passed over."""
    failures = []
    for place in places():
        faults = [text for name in _files(splits) if (text := _fault(place.path / name))]
        if not faults:
            return place.path, []
        failures.append(f"{place.name}, {place.path}: {'; '.join(faults)}")
        if place.name == VARIABLE:
            break
    return None, failures


def _files(splits: Sequence[Split]) -> list[str]:
    return [name for name in FILES for split in splits if name.startswith(_PREFIX[split])]


def _fault(path: Path) -> str | None:
    """What is wrong with a file, None where it is whole."""
    try:
        md5 = hashlib.md5(_unpack(path), usedforsecurity=False).hexdigest()
    except DataError as error:
        return str(error)
    if md5 != FILES[path.name]:
        return f"{path.name} holds other data (md5 {md5} instead of {FILES[path.name]})"
    return None


def _unpack(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path.name} is missing") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path.name} is corrupt ({error})") from error
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror})") from error


def _nowhere(failures: list[str]) -> str:
    files = ", ".join(FILES)
    return "\n".join(
        [
            "Fashion-MNIST was not found. Tried:",
            *(f"  {failure}" for failure in failures),
            f"Put the four files ({files}) into {_home()}, or set {VARIABLE} to their directory; "
            "they come with https://github.com/zalandoresearch/fashion-mnist and with Debian's "
            "package dataset-fashion-mnist.",
        ]
    )


def _home() -> Path:
    """Where fetched files go: the directory the user named, else the user's cache."""
    return places()[0].path


def fetch(source: Path | None = None) -> Path:
    """Directory of the complete data, which are copied or downloaded where they are not yet there.

    source: a directory to copy the four files from; without it torchvision's mirrors are asked.
    Files arrive under a temporary name and get their own only with the right checksum. A corrupt
    file in the user's cache is replaced, one in LRSTUDY_DATA is an error. Raises DataError, listing
    all that was tried and why it failed, where nothing works.
    """
    found, failures = _search(SPLITS)
    if found is not None:
        return found
    home = places()[0]
    if home.name == VARIABLE and any(_stands_in_the_way(home.path / name) for name in FILES):
        raise DataError(_nowhere(failures))
    get = _download if source is None else _open
    for origin in _mirrors() if source is None else [str(source)]:
        try:
            _install(origin, get, home.path)
        except (OSError, DataError) as error:
            failures.append(f"{origin}: {error}")
        except HTTPException as error:
            failures.append(f"{origin}: broken answer ({error!r})")
        else:
            return home.path
    raise DataError(_nowhere(failures))


def _stands_in_the_way(path: Path) -> bool:
    return os.path.lexists(path) and _fault(path) is not None


def _mirrors() -> list[str]:
    from torchvision.datasets import FashionMNIST  # takes a second, seldom needed

    return list(FashionMNIST.mirrors)


def _open(directory: str, name: str) -> BinaryIO:
    return (Path(directory) / name).open("rb")


def _download(mirror: str, name: str) -> BinaryIO:
    reply: BinaryIO = build_opener().open(f"{mirror.rstrip('/')}/{name}", timeout=TIMEOUT)
    return reply


def _install(origin: str, get: Callable[[str, str], BinaryIO], directory: Path) -> None:
    """Fill the directory with files that ``get`` opens at the origin, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if _fault(directory / name) is None:
            continue
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            arrived = Path(scratch) / name
            with get(origin, name) as incoming, arrived.open("wb") as outgoing:
                shutil.copyfileobj(incoming, outgoing)
            if fault := _fault(arrived):
                raise DataError(fault)
            arrived.replace(directory / name)


def load(directory: Path, split: Split) -> Images:
    """The images (n, 28, 28) uint8 and labels (n,) int64 of a split, as they lie on disk.

    Raises DataError where a file cannot be read or is not what its header says.
    """
    prefix = _PREFIX[split]
    pixels = _read_idx(directory / f"{prefix}-images-idx3-ubyte.gz", dimensions=3)
    labels = _read_idx(directory / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1)
    if len(pixels) != len(labels):
        raise DataError(f"{directory} has {len(pixels)} {split} images but {len(labels)} labels")
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))


def _read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """An array in the idx format (LeCun): two zero bytes, type 8 (unsigned byte), number of
    dimensions, each dimension as a big-endian int32, then the values."""
    content = _unpack(path)
    start = 4 + 4 * dimensions
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    right_kind = content[:4] == bytes([0, 0, 8, dimensions])
    if not right_kind or len(content) - start != math.prod(shape):
        raise DataError(f"{path} is not an idx file of {dimensions} dimensions and unsigned bytes")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
