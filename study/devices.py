"""The device a study trains on, and the environment its processes want."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux describes the processor."""
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
"""Environment of a worker process: one thread, and a glibc heap that keeps the memory of one step
for the next instead of returning it to the system."""


def available() -> list[str]:
    """Names of the devices of this machine, the preferred one first."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def resolve(name: str) -> torch.device:
    """The device called ``auto`` (cuda, else mps, else cpu), ``cpu``, ``cuda``, ``cuda:N`` or
    ``mps``. Raises ValueError, naming the devices there are, where it is not there."""
    there = available()
    wanted = {"auto": there[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in there:
        raise ValueError(
            f"device {name!r} is not available here; there are: auto, {', '.join(there)}"
        )
    return torch.device(wanted)


def all_of(name: str) -> list[str]:
    """The devices that workers may be spread over: every GPU for ``auto`` and ``cuda`` where there
    are several, else the one called ``name``. Raises ValueError where it is not there."""
    first = resolve(name)
    if name in ("auto", "cuda") and first.type == "cuda":
        return [each for each in available() if each.startswith("cuda:")]
    return [str(first)]


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(device: torch.device) -> str:
    """The hardware behind a device in words, e.g. the name of the GPU or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    return _processor()


def _processor() -> str:
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
