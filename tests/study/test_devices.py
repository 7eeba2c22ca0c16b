"""Choosing a device, and what the environment of a worker does to its process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from study import devices


def machine(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


HERE = {
    (0, False): ["cpu"],
    (0, True): ["mps", "cpu"],
    (1, False): ["cuda:0", "cpu"],
    (2, True): ["cuda:0", "cuda:1", "mps", "cpu"],
}


@pytest.mark.parametrize(("cuda", "mps"), HERE)
def test_the_preferred_device_comes_first(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool
) -> None:
    machine(monkeypatch, cuda, mps)
    there = HERE[cuda, mps]
    assert devices.available() == there
    assert devices.resolve("auto") == torch.device(there[0])
    for name in there:
        assert devices.resolve(name) == torch.device(name)


def test_cuda_is_the_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 2, False)
    assert devices.resolve("cuda") == torch.device("cuda:0")


@pytest.mark.parametrize(("cuda", "mps"), HERE)
@pytest.mark.parametrize("name", ["cuda:2", "cuda:-1", "cuda:", "gpu", "", "CPU", "mps:0", "meta"])
def test_a_device_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, name: str
) -> None:
    machine(monkeypatch, cuda, mps)
    with pytest.raises(ValueError, match="is not available here") as caught:
        devices.resolve(name)
    there = ", ".join(HERE[cuda, mps])
    assert str(caught.value) == f"device {name!r} is not available here; there are: auto, {there}"


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    machine(monkeypatch, 0, False)
    with pytest.raises(ValueError, match=f"^device '{name}' is not .*; there are: auto, cpu$"):
        devices.resolve(name)


def test_a_gpu_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert devices.describe(torch.device("cuda:1")) == "card 1"
    assert devices.describe(torch.device("mps")) == "Apple GPU (arm64)"


@pytest.mark.parametrize(
    ("listing", "processor", "words"),
    [
        ("processor\t: 0\nmodel name\t: Fast: 9000\nflags\t: a b\n" * 2, "x86", "Fast: 9000"),
        ("Processor\t: ARM\n", "aarch", "aarch"),
        ("Processor\t: ARM\n", "", "machine"),
        (None, "i386", "i386"),
    ],
)
def test_a_processor_is_called_by_its_model(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    listing: str | None,
    processor: str,
    words: str,
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if listing is not None:
        cpuinfo.write_text(listing)
    monkeypatch.setattr(devices, "CPUINFO", cpuinfo)
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: "machine")
    assert devices.describe(torch.device("cpu")) == words


def output(script: str, environment: dict[str, str]) -> int:
    """The number that a Python process prints in this environment besides our own."""
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout)


@pytest.mark.integration
def test_a_worker_has_one_thread() -> None:
    script = "import torch; print(torch.get_num_threads())"
    assert output(script, devices.WORKER_ENVIRONMENT) == 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the variables are glibc's")
@pytest.mark.integration
def test_a_worker_keeps_its_memory() -> None:
    """An array of 40 MB, made again and again, takes its pages from the system only once."""
    script = (
        "import numpy as np, resource\n"
        "np.ones(5_000_000)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(10): np.ones(5_000_000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    small_pages = {"NUMPY_MADVISE_HUGEPAGE": "0"}
    plain = output(script, dict.fromkeys(devices.WORKER_ENVIRONMENT, "") | small_pages)
    kept = output(script, devices.WORKER_ENVIRONMENT | small_pages)
    assert kept < plain / 20
