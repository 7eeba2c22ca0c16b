"""Fashion-MNIST on disk: small files of the same names and format, real mirrors on 127.0.0.1."""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.server
import os
import re
import shutil
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torchvision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.config import Budget
from study.spec import StudySpec
from study.tasks import fashion_mnist
from study.tasks.fashion_mnist import DataError, Place
from study.tasks.task import TASKS
from study.trials.objective import load_data

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

TRAIN, TRAIN_LABELS, TEST, TEST_LABELS = fashion_mnist.FILES
HOW_TO = (
    "They come with https://github.com/zalandoresearch/fashion-mnist and with Debian's package "
    "dataset-fashion-mnist."
)


class Disk(NamedTuple):
    """Where the test's files lie. source: complete; named (LRSTUDY_DATA), cache and debian: empty
    or absent. arrays: what the files hold."""

    source: Path
    named: Path
    cache: Path
    debian: Path
    arrays: dict[str, npt.NDArray[np.uint8]]

    def fill(self, directory: Path, *names: str) -> Path:
        """Copy these files, or all four, from the source."""
        directory.mkdir(parents=True, exist_ok=True)
        for name in names or fashion_mnist.FILES:
            shutil.copy(self.source / name, directory)
        return directory


def idx(array: npt.NDArray[np.uint8]) -> bytes:
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def small_arrays() -> dict[str, npt.NDArray[np.uint8]]:
    generator = np.random.default_rng(3)

    def images(count: int) -> npt.NDArray[np.uint8]:
        return generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)

    labels = np.arange(60, dtype=np.uint8) % 10
    return {TRAIN: images(60), TRAIN_LABELS: labels, TEST: images(20), TEST_LABELS: labels[:20]}


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A machine without data and without mirrors, and a directory to take the data from."""
    arrays = small_arrays()
    source = tmp_path / "source"
    source.mkdir()
    for name, array in arrays.items():
        content = idx(array)
        (source / name).write_bytes(gzip.compress(content))
        monkeypatch.setitem(fashion_mnist.FILES, name, hashlib.md5(content).hexdigest())
    monkeypatch.setattr(fashion_mnist, "user_cache_path", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    monkeypatch.delenv("LRSTUDY_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    use_mirrors(monkeypatch)
    cache = tmp_path / "cache" / "lrstudy" / "fashion-mnist"
    return Disk(source, tmp_path / "named", cache, tmp_path / "debian", arrays)


def use_mirrors(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", list(addresses))


def file_names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def failure(act: Callable[[], Any]) -> list[str]:
    """The lines of the DataError that it raises."""
    with pytest.raises(DataError) as caught:
        act()
    return str(caught.value).splitlines()


# ---------------------------------------------------------------- where the data may lie


def test_places_in_order(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [Place("user cache", disk.cache), Place("Debian package", disk.debian)]
    assert fashion_mnist.places() == others
    monkeypatch.setenv("LRSTUDY_DATA", "")
    assert fashion_mnist.places() == others
    monkeypatch.setenv("LRSTUDY_DATA", str(disk.named))
    assert fashion_mnist.places() == [Place("LRSTUDY_DATA", disk.named), *others]


def test_the_first_complete_place_is_found(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.fill(disk.debian)
    assert fashion_mnist.find() == disk.debian
    disk.fill(disk.cache)
    assert fashion_mnist.find() == disk.cache
    (disk.cache / TEST).write_bytes(b"")
    assert fashion_mnist.find() == disk.debian
    monkeypatch.setenv("LRSTUDY_DATA", str(disk.fill(disk.named)))
    assert fashion_mnist.find() == disk.named


def test_the_named_directory_is_never_passed_over(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.fill(disk.cache)
    monkeypatch.setenv("LRSTUDY_DATA", str(disk.fill(disk.named)))
    (disk.named / TEST).unlink()
    for act in (fashion_mnist.find, lambda: fashion_mnist.find(["test"])):
        lines = failure(act)
        assert lines[1:-2] == [f"LRSTUDY_DATA, {disk.named}: {TEST} is missing"]
    assert fashion_mnist.find(["train"]) == disk.named


def test_every_place_is_listed_with_its_fault_and_what_to_do(disk: Disk) -> None:
    disk.fill(disk.debian)
    (disk.debian / TRAIN_LABELS).unlink()
    assert failure(fashion_mnist.find) == [
        "Fashion-MNIST was not found; `lrstudy data fetch` gets it. Tried:",
        f"user cache, {disk.cache}: none of its 4 files is there",
        f"Debian package, {disk.debian}: {TRAIN_LABELS} is missing",
        "Or set LRSTUDY_DATA to the directory where torchvision, or you, put its four files: "
        + ", ".join(fashion_mnist.FILES),
        HOW_TO,
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # the checksum that gzip keeps
    path.write_bytes(content)


def other_images(path: Path) -> None:
    path.write_bytes(gzip.compress(b"MNIST"))


def directory_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


OTHER = f"holds other data (md5 {hashlib.md5(b'MNIST').hexdigest()} instead of "
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (Path.unlink, "is missing"),
    "cut short": (cut, "is corrupt (Compressed file ended before the end-of-stream marker "),
    "empty": (lambda path: path.write_bytes(b""), "holds other data (md5 d41d8cd98f00b204"),
    "damaged": (damage, "is corrupt (CRC check failed"),
    "bad stream": (
        lambda path: path.write_bytes(gzip.compress(b"")[:10] + b"\xff" * 20),
        "is corrupt (Error -3 while decompressing data: ",
    ),
    "no gzip": (
        lambda path: path.write_bytes(b"<html>"),
        "is corrupt (Not a gzipped file (b'<h'))",
    ),
    "other data": (other_images, OTHER),
    "a directory": (directory_instead, "cannot be read (it is a directory)"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", [TRAIN, TEST_LABELS])
def test_a_faulty_file_is_named_with_its_fault(disk: Disk, name: str, fault: str) -> None:
    spoil, message = FAULTS[fault]
    spoil(disk.fill(disk.cache) / name)
    line = failure(fashion_mnist.find)[1]
    assert line.startswith(f"user cache, {disk.cache}: {name} {message}")
    assert "; " not in line


def test_a_file_that_may_not_be_read(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.fill(disk.cache)
    monkeypatch.setattr(Path, "read_bytes", refuse(TRAIN, Path.read_bytes))
    assert failure(fashion_mnist.find)[1] == (
        f"user cache, {disk.cache}: {TRAIN} cannot be read (permission denied)"
    )
    assert failure(lambda: fashion_mnist.load(disk.cache, "train")) == [
        f"{TRAIN} cannot be read (permission denied)"
    ]


def refuse(prefix: str, read: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    """Path.read_bytes of a user who may not read the files that begin like this."""

    def read_bytes(path: Path) -> bytes:
        if path.name.startswith(prefix):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    return read_bytes


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b"\x1f\x8b\x08" + tail))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_of_a_file_is_a_crash(disk: Disk, content: bytes) -> None:
    (disk.fill(disk.cache) / TRAIN).write_bytes(content)
    line = failure(fashion_mnist.find)[1]
    assert line.startswith(f"user cache, {disk.cache}: {TRAIN} ")
    with pytest.raises(DataError):
        fashion_mnist.load(disk.cache, "train")


# ---------------------------------------------------------------- which files are opened


def spec_of(space: str, families: tuple[str, ...]) -> StudySpec:
    ranges = {} if space == "chapter" else {"base_lr": {"low": 0.1, "high": 1.0}}
    fields = {"space": space, "families": families, "trials": len(families), "ranges": ranges}
    return StudySpec.model_validate(fields | {"budget": Budget(epochs=1)})


def test_a_search_never_opens_the_test_files(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.fill(disk.cache)
    monkeypatch.setattr(Path, "read_bytes", refuse("t10k", Path.read_bytes))
    found = load_data(spec_of("fixed_rate", ("constant",)), torch.device("cpu"))
    assert found.test is None
    assert found.val is not None
    assert (len(found.train.labels), len(found.val.labels)) == (50, 10)
    with pytest.raises(DataError, match=f"{TEST} cannot be read"):
        load_data(spec_of("chapter", ("constant/as-intended",)), torch.device("cpu"))


def test_a_search_needs_no_test_files(disk: Disk) -> None:
    disk.fill(disk.cache, TRAIN, TRAIN_LABELS)
    images = TASKS["fashion_mnist"].load("train")
    np.testing.assert_array_equal(images.pixels.numpy(), disk.arrays[TRAIN])
    assert [line.count("t10k") for line in failure(lambda: TASKS["fashion_mnist"].load("test"))]


def test_the_design_reads_all_training_images_and_the_test_images(disk: Disk) -> None:
    disk.fill(disk.cache)
    found = load_data(spec_of("chapter", ("constant/as-intended",)), torch.device("cpu"))
    assert found.val is None
    assert found.test is not None
    assert (len(found.train.labels), len(found.test.labels)) == (60, 20)


# ---------------------------------------------------------------- fetching from a directory


def test_files_are_copied_into_the_cache(disk: Disk) -> None:
    assert fashion_mnist.fetch(disk.source) == disk.cache
    assert file_names(disk.cache) == set(fashion_mnist.FILES)
    assert fashion_mnist.find() == disk.cache


def test_files_are_copied_into_the_named_directory(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRSTUDY_DATA", str(disk.named))
    assert fashion_mnist.fetch(disk.source) == disk.named
    assert file_names(disk.named) == set(fashion_mnist.FILES)
    assert not disk.cache.exists()


def test_what_is_there_is_not_fetched_again(disk: Disk) -> None:
    disk.fill(disk.debian)
    assert fashion_mnist.fetch() == disk.debian  # there is no mirror
    assert fashion_mnist.fetch(disk.source / "nowhere") == disk.debian
    assert not disk.cache.exists()


def test_a_source_that_will_not_do(disk: Disk) -> None:
    damage(disk.source / TRAIN_LABELS)
    lines = failure(lambda: fashion_mnist.fetch(disk.source))
    assert lines[3].startswith(f"{disk.source}: {TRAIN_LABELS} is corrupt (CRC check failed")
    assert len(lines) == 6
    assert file_names(disk.cache) == {TRAIN}
    nowhere = disk.source / "nowhere"
    assert failure(lambda: fashion_mnist.fetch(nowhere))[3] == (
        f"{nowhere / TRAIN_LABELS}: there is no such file or directory; choose another place"
    )


def test_a_corrupt_file_in_the_cache_is_replaced(disk: Disk) -> None:
    damage(disk.fill(disk.cache) / TEST)
    assert fashion_mnist.fetch(disk.source) == disk.cache
    assert (disk.cache / TEST).read_bytes() == (disk.source / TEST).read_bytes()


def test_a_corrupt_file_in_the_named_directory_is_left_alone(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRSTUDY_DATA", str(disk.fill(disk.named, TRAIN)))
    other_images(disk.named / TRAIN)
    before = (disk.named / TRAIN).read_bytes()
    lines = failure(lambda: fashion_mnist.fetch(disk.source))
    assert lines[1].startswith(f"LRSTUDY_DATA, {disk.named}: {TRAIN} {OTHER}")
    assert len(lines) == 4
    assert file_names(disk.named) == {TRAIN}
    assert (disk.named / TRAIN).read_bytes() == before


def test_a_fetch_that_was_cut_off_goes_on(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRSTUDY_DATA", str(disk.fill(disk.named, TRAIN, TEST)))
    assert fashion_mnist.fetch(disk.source) == disk.named
    assert file_names(disk.named) == set(fashion_mnist.FILES)


def test_a_full_disk_leaves_nothing_behind(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(incoming: Any, outgoing: Any) -> None:
        outgoing.write(incoming.read(10))
        outgoing.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    lines = failure(lambda: fashion_mnist.fetch(disk.source))
    assert lines[3] == f"{disk.cache}: the disk is full; make room, or choose another place"
    assert file_names(disk.cache) == set()


def test_a_cache_that_cannot_be_made(disk: Disk) -> None:
    disk.cache.parent.parent.write_text("a file where the directory should be")
    lines = failure(lambda: fashion_mnist.fetch(disk.source))
    assert lines[1] == f"user cache, {disk.cache}: none of its 4 files is there"
    assert lines[3].endswith(": a file stands where a directory is needed; choose another place")


# ---------------------------------------------------------------- fetching from mirrors


@contextmanager
def mirror(answer: Callable[[str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that answers a request for a file with these bytes, and what it was asked for."""
    asked: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            name = self.rfile.readline().split()[1].decode().rpartition("/")[2]
            while self.rfile.readline().strip():
                pass
            asked.append(name)
            self.wfile.write(answer(name))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/fashion/", asked
        finally:
            server.shutdown()
            thread.join()


def reply(content: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    count = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {count}\r\n\r\n".encode() + content


def whole(disk: Disk) -> Callable[[str], bytes]:
    return lambda name: reply((disk.source / name).read_bytes())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "not there": (reply(b"", "404 Not Found"), "it answers 404 Not Found"),
    "a page instead": (reply(b"<html>"), f"{TRAIN} is corrupt (Not a gzipped file ("),
    "other data": (reply(gzip.compress(b"MNIST")), f"{TRAIN} {OTHER}"),
    "cut short": (reply(gzip.compress(b"MNIST")[:12], length=999), ""),
    "cut in a chunk": (CHUNKED + b"ff\r\nMNIST", "broken answer (IncompleteRead("),
    "no HTTP": (b"nonsense\r\n\r\n", "broken answer (BadStatusLine('nonsense\\r\\n'))"),
    "nothing": (b"", "no answer (Remote end closed connection without response)"),
}


def test_a_mirror_is_asked_for_what_is_missing(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.fill(disk.cache, TEST)
    with mirror(whole(disk)) as (address, asked):
        use_mirrors(monkeypatch, address)
        assert fashion_mnist.fetch() == disk.cache
    assert asked == [TRAIN, TRAIN_LABELS, TEST_LABELS]
    assert file_names(disk.cache) == set(fashion_mnist.FILES)
    assert fashion_mnist.find() == disk.cache


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_bad_answer_leaves_nothing_behind_and_the_next_mirror_is_asked(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    answer, message = ANSWERS[kind]
    with mirror(lambda _: answer) as (bad, _), mirror(whole(disk)) as (good, _):
        use_mirrors(monkeypatch, bad)
        lines = failure(fashion_mnist.fetch)
        assert lines[1].startswith(f"user cache, {disk.cache}: ")
        assert lines[2].startswith(f"Debian package, {disk.debian}: ")
        assert lines[3].startswith(f"{bad}: {message}")
        assert lines[0] == "Fashion-MNIST could not be fetched. Tried:"
        assert lines[-1] == HOW_TO
        assert len(lines) == 6
        assert file_names(disk.cache) == set()
        use_mirrors(monkeypatch, bad, good)
        assert fashion_mnist.fetch() == disk.cache


def test_a_silent_mirror_is_given_up(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, never answers
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        use_mirrors(monkeypatch, address)
        assert "timed out" in failure(fashion_mnist.fetch)[3]
    use_mirrors(monkeypatch, address)
    assert failure(fashion_mnist.fetch)[3].startswith(f"{address}: no answer (")
    assert file_names(disk.cache) == set()


def test_a_mirror_that_falls_silent_is_given_up(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "TIMEOUT", 0.05)
    done = threading.Event()

    def half(name: str) -> bytes:
        if name == TRAIN_LABELS:
            done.wait(10)
        return whole(disk)(name)

    with mirror(half) as (address, _):
        use_mirrors(monkeypatch, address)
        lines = failure(fashion_mnist.fetch)
        done.set()
    assert lines[3] == f"{address}: no answer (timed out)"
    assert file_names(disk.cache) == {TRAIN}


# ---------------------------------------------------------------- the idx format


def test_images_are_read_as_they_lie_on_disk(disk: Disk) -> None:
    for split, pixels, labels in (("train", TRAIN, TRAIN_LABELS), ("test", TEST, TEST_LABELS)):
        images = fashion_mnist.load(disk.source, split)  # type: ignore[arg-type]
        assert (images.pixels.dtype, images.labels.dtype) == (torch.uint8, torch.int64)
        np.testing.assert_array_equal(images.pixels.numpy(), disk.arrays[pixels])
        np.testing.assert_array_equal(images.labels.numpy(), disk.arrays[labels])


GOOD = idx(np.zeros((2, 28, 28), dtype=np.uint8))
NOT_IDX = {
    "other type": b"\0\0\x0d" + GOOD[3:],
    "other number of dimensions": GOOD[:3] + b"\1" + GOOD[4:],
    "no zeros first": b"\1" + GOOD[1:],
    "one value too few": GOOD[:-1],
    "one value too many": GOOD + b"\0",
    "half a header": GOOD[:10],
    "half a dimension": GOOD[:6],
    "nothing": b"",
    "negative dimensions": GOOD[:4] + b"\xff\xff\xff\xff" * 2 + b"\0\0\0\1" + b"\0",
}


@pytest.mark.parametrize("kind", NOT_IDX)
def test_what_is_no_idx_file_is_refused(disk: Disk, kind: str) -> None:
    path = disk.source / TRAIN
    path.write_bytes(gzip.compress(NOT_IDX[kind]))
    assert failure(lambda: fashion_mnist.load(disk.source, "train")) == [
        f"{path} is not an idx file of 3 dimensions and unsigned bytes"
    ]


def test_as_many_labels_as_images(disk: Disk) -> None:
    (disk.source / TRAIN).write_bytes(gzip.compress(GOOD))
    assert failure(lambda: fashion_mnist.load(disk.source, "train")) == [
        f"{disk.source} has 2 train images but 60 labels"
    ]


def test_a_file_that_is_not_there_cannot_be_loaded(disk: Disk) -> None:
    assert failure(lambda: fashion_mnist.load(disk.cache, "train")) == [f"{TRAIN} is missing"]


# ---------------------------------------------------------------- the shapes of a directory


def unpacked(disk: Disk, directory: Path) -> Path:
    directory.mkdir(parents=True)
    for name in fashion_mnist.FILES:
        content = gzip.decompress((disk.source / name).read_bytes())
        (directory / name.removesuffix(".gz")).write_bytes(content)
    return directory


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["", "raw", "FashionMNIST/raw"])
@pytest.mark.parametrize("way", ["named", "fetched"])
def test_torchvisions_folders_and_unpacked_files_will_do(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, packed: bool, way: str
) -> None:
    root = tmp_path / "root"
    if packed:
        disk.fill(root / folder)
    else:
        unpacked(disk, root / folder)
    if way == "named":
        monkeypatch.setenv("LRSTUDY_DATA", str(root))
        found = fashion_mnist.find()
        assert found == root
    else:
        found = fashion_mnist.fetch(root)
        assert found == disk.cache
        assert file_names(found) == set(fashion_mnist.FILES)
    np.testing.assert_array_equal(
        fashion_mnist.load(found, "train").pixels.numpy(), disk.arrays[TRAIN]
    )
    np.testing.assert_array_equal(
        fashion_mnist.load(found, "test").labels.numpy(), disk.arrays[TEST_LABELS]
    )


def test_unpacked_files_of_other_data_are_refused(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = unpacked(disk, tmp_path / "root")
    (root / TRAIN.removesuffix(".gz")).write_bytes(b"MNIST")
    monkeypatch.setenv("LRSTUDY_DATA", str(root))
    assert failure(fashion_mnist.find)[1].startswith(
        f"LRSTUDY_DATA, {root}: {TRAIN.removesuffix('.gz')} {OTHER}"
    )


def test_a_mirror_that_refuses_pythons_own_name_is_asked_as_lrstudy(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            agents.append(self.headers["User-Agent"])
            if agents[-1].startswith("Python-urllib"):
                self.send_error(403)
                return
            content = (disk.source / self.path.rpartition("/")[2]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            use_mirrors(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}/")
            assert fashion_mnist.fetch() == disk.cache
        finally:
            server.shutdown()
            thread.join()
    assert all(re.fullmatch(r"lrstudy/\d.*", agent) for agent in agents)
    assert len(agents) == 4
