"""Compiled kernels are kept where the user can write, and workers may compile at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

from study.training.kernels import compiling

USE = """
import hashlib, torch
from study.tasks.lenet import lenet
from study.training.kernels.choice import with_kernel
from study.training.kernels import compiling
print(compiling.is_compiled(), compiling.is_kept())
torch.set_num_threads(1)
model = with_kernel(lenet("default", 0), "numba")
model(torch.linspace(0, 1, 2 * 784).view(2, 1, 28, 28)).square().sum().backward()
print(compiling.is_compiled())
print(hashlib.sha256(model.conv2.weight.grad.contiguous().numpy().tobytes()).hexdigest())
"""


def start(cache: Path) -> subprocess.Popen[str]:
    """A process that trains a step, with that directory for caches."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", USE],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    out, errors = process.communicate(timeout=250)
    assert process.returncode == 0, errors
    assert errors == ""
    return out.split()


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="caches are elsewhere")
def test_two_processes_compile_at_once_and_a_third_need_not(tmp_path: Path) -> None:
    both = [said(each) for each in [start(tmp_path), start(tmp_path)]]
    assert both[0] == both[1] == ["False", "True", "True", both[0][-1]]
    assert said(start(tmp_path)) == ["True", "True", "True", both[0][-1]]
    kept = {each.relative_to(tmp_path).parts[:2] for each in tmp_path.rglob("*.nbc")}
    assert kept == {("lrstudy", "kernels")}


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="caches are elsewhere")
def test_where_nothing_can_be_written_it_works_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    before, kept, after, _ = said(start(file))
    assert (before, kept, after) == ("False", "False", "False")


def test_another_version_of_a_kernel_is_compiled_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = compiling.directory()
    (tmp_path / "gradients.py").write_text("# another one\n")
    compiling.directory.cache_clear()
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "compiling.py"))
    try:
        assert compiling.directory() != before
    finally:
        monkeypatch.undo()
        compiling.directory.cache_clear()
    assert compiling.directory() == before
