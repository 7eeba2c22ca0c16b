"""Where compiled kernels are kept: compiling takes seconds, once a machine."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import platformdirs
import torch

from study.tasks.lenet import lenet

_COMPILED = 2  # functions that are kept


@cache
def directory() -> Path:
    """Where this version of the kernels, compiled for this processor, is kept."""
    sources = [
        (str(each), each.stat().st_mtime_ns) for each in sorted(Path(__file__).parent.glob("*.py"))
    ]
    processor = (
        llvmlite.binding.get_host_cpu_name(),
        llvmlite.binding.get_host_cpu_features().flatten(),
    )
    versions = (sys.version, numba.__version__, llvmlite.__version__)
    identity = repr((sources, processor, versions))
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("lrstudy", appauthor=False)) / "kernels" / name


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled when it is called first, and kept where the user can write."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(directory())
    try:
        kept: Callable[..., Any] = numba.njit(nogil=True, cache=is_kept())(function)
    finally:
        numba.config.CACHE_DIR = before
    return kept


def is_kept() -> bool:
    """Whether compiled kernels can be kept."""
    try:
        directory().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory(), os.W_OK)


def compile_kernels() -> None:
    """Compile what is not compiled yet, or read what is, for this process."""
    from study.training.kernels.choice import with_kernel

    model = with_kernel(lenet("default", 0), "numba")
    torch.autograd.backward(model(torch.zeros(1, 1, 28, 28)).sum())


def is_compiled() -> bool:
    """Whether the kernels need no compiling any more."""
    return len(list(directory().rglob("*.nbc"))) >= _COMPILED
