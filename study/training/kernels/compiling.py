"""Where compiled kernels are kept: compiling takes seconds, once a machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import platformdirs
import torch

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
    identity = repr((sources, processor, numba.__version__, llvmlite.__version__))
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
    from study.training.kernels.numba_lenet import NumbaLeNet

    NumbaLeNet()(torch.zeros(1, 1, 28, 28)).sum().backward()


def is_compiled() -> bool:
    """Whether the kernels need no compiling any more."""
    return len(list(directory().rglob("*.nbc"))) >= _COMPILED
