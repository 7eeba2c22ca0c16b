"""Fashion-MNIST on disk: where it lies, whether it is whole, how to get it, how to read it."""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import io
import math
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import build_opener

import numpy as np
import numpy.typing as npt
import torch
from platformdirs import user_cache_path
from torch import Tensor

from search_spaces.words.phrases import count
from study.files import advice, reason

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
FOLDERS = ("", "raw", "FashionMNIST/raw")
"""Where below a directory the files may lie: also as torchvision puts them into its root."""
TIMEOUT = 10.0
"""Seconds that a mirror may be silent."""
_NOT_FOUND = "Fashion-MNIST was not found; `lrstudy data fetch` gets it."
_NOT_FETCHED = "Fashion-MNIST could not be fetched."
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

    They may be packed or not, and lie as torchvision puts them into its root. Files of other
    splits are not opened. Raises DataError, naming every place and its fault, where there is none,
    or where LRSTUDY_DATA is set to a directory that will not do.
    """
    folder, failures = _search(splits)
    if folder is None:
        raise DataError(_nowhere(failures))
    return folder


def _search(splits: Sequence[Split]) -> tuple[Path | None, list[str]]:
    """The first good place, or None and the fault of each; LRSTUDY_DATA is never passed over."""
    failures = []
    for place in places():
        faults = _faults(place.path, splits)
        if not faults:
            return place.path, []
        failures.append(f"{place.name}, {place.path}: {'; '.join(faults)}")
        if place.name == VARIABLE:
            break
    return None, failures


def _files(splits: Sequence[Split]) -> list[str]:
    return [name for name in FILES for split in splits if name.startswith(_PREFIX[split])]


def _faults(directory: Path, splits: Sequence[Split]) -> list[str]:
    """What is wrong with the files of a directory, in one line where it has none of them."""
    paths = [located(directory, name) for name in _files(splits)]
    if not any(os.path.lexists(path) for path in paths):
        return [f"none of its {len(paths)} files is there"]
    return [text for path in paths if (text := _fault(path))]


def located(directory: Path, name: str) -> Path:
    """Where a file of that name lies below a directory, packed or unpacked; where it should lie,
    if it is not there."""
    names = (name, name.removesuffix(".gz"))
    paths = [directory / folder / each for folder in FOLDERS for each in names]
    return next((path for path in paths if os.path.lexists(path)), paths[0])


def _fault(path: Path) -> str | None:
    """What is wrong with a file, None where it is whole."""
    expected = FILES[path.name if path.suffix else f"{path.name}.gz"]
    try:
        md5 = hashlib.md5(_unpack(path), usedforsecurity=False).hexdigest()
    except DataError as error:
        return str(error)
    if md5 != expected:
        return f"{path.name} holds other data (md5 {md5} instead of {expected})"
    return None


def _unpack(path: Path) -> bytes:
    """What a file holds, unpacked."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except FileNotFoundError as error:
        raise DataError(f"{path.name} is missing") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path.name} is corrupt ({error})") from error
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({reason(error)})") from error


def _nowhere(failures: list[str], headline: str = _NOT_FOUND) -> str:
    return "\n".join(
        [
            f"{headline} Tried:",
            *failures,
            f"Or set {VARIABLE} to the directory where torchvision, or you, put its four files: "
            + ", ".join(FILES),
            "They come with https://github.com/zalandoresearch/fashion-mnist and with Debian's "
            "package dataset-fashion-mnist.",
        ]
    )


def fetch(source: Path | None = None) -> Path:
    """Directory of the complete data, which are copied or downloaded where they are not yet there.

    source: a directory to copy the four files from, as `find` takes them; without it torchvision's
    mirrors are asked.
    Files arrive under a temporary name and get their own only with the right checksum. A corrupt
    file in the user's cache is replaced, one in LRSTUDY_DATA is an error. Raises DataError, listing
    all that was tried and why it failed, where nothing works.
    """
    folder, failures = _search(SPLITS)
    if folder is not None:
        return folder
    home = places()[0]
    if home.name == VARIABLE and any(
        _stands_in_the_way(located(home.path, name)) for name in FILES
    ):
        raise DataError(_nowhere(failures, _NOT_FETCHED))
    get = _download if source is None else _open
    for origin in _mirrors() if source is None else [str(source)]:
        try:
            _install(origin, get, home.path)
        except DataError as error:
            failures.append(f"{origin}: {error}")
        except (URLError, TimeoutError, ConnectionError) as error:
            failures.append(f"{origin}: {_no_answer(error)}")
        except OSError as error:
            failures.append(f"{error.filename or home.path}: {advice(error)}")
        except HTTPException as error:
            failures.append(f"{origin}: broken answer ({error!r})")
        else:
            return home.path
    raise DataError(_nowhere(failures, _NOT_FETCHED))


def _stands_in_the_way(path: Path) -> bool:
    return os.path.lexists(path) and _fault(path) is not None


def _mirrors() -> list[str]:
    from torchvision.datasets import FashionMNIST  # takes a second, seldom needed

    return list(FashionMNIST.mirrors)


def _no_answer(error: OSError) -> str:
    if isinstance(error, HTTPError):
        return f"it answers {error.code} {error.reason}"
    cause = error.reason if isinstance(error, URLError) else error
    return f"no answer ({reason(cause) if isinstance(cause, OSError) else cause})"


def _open(directory: str, name: str) -> BinaryIO:
    path = located(Path(directory), name)
    if path.suffix:
        return path.open("rb")
    return io.BytesIO(gzip.compress(path.read_bytes(), compresslevel=1))


def _download(mirror: str, name: str) -> BinaryIO:
    opener = build_opener()
    # Some servers refuse the name that Python has by itself.
    opener.addheaders = [("User-Agent", f"lrstudy/{importlib.metadata.version('lrstudy')}")]
    reply: BinaryIO = opener.open(f"{mirror.rstrip('/')}/{name}", timeout=TIMEOUT)
    return reply


def _install(origin: str, get: Callable[[str, str], BinaryIO], directory: Path) -> None:
    """Fill the directory with files that ``get`` opens at the origin, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if _fault(located(directory, name)) is None:
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
    pixels = _read_idx(located(directory, f"{prefix}-images-idx3-ubyte.gz"), dimensions=3)
    labels = _read_idx(located(directory, f"{prefix}-labels-idx1-ubyte.gz"), dimensions=1)
    if len(pixels) != len(labels):
        counts = f"{count(len(pixels), f'{split} image')} but {count(len(labels), 'label')}"
        raise DataError(f"{directory} has {counts}")
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
