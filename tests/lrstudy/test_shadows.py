"""lrstudy beside folders and files of the user's that have the names of its packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lrstudy
from lrstudy._packages import HOME, PACKAGES
from search_spaces.schedules.base import FAMILIES
from tests.analysis.conftest import plant_study

Run = Callable[..., subprocess.CompletedProcess[str]]
# Every package's name as a package, a module and a folder without modules, each once.
THEIRS = (
    ("analysis/__init__.py", "study.py", "search_spaces/notes.txt"),
    ("analysis.py", "study/notes.txt", "search_spaces/__init__.py"),
    ("analysis/notes.txt", "study/__init__.py", "search_spaces.py"),
)
LOADED = "trials, curves = lrstudy.load('sqlite:///planted.db', 'fixed_rate'); print(len(trials))"


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory of a user's, with a study; what it holds would fail if it were imported."""
    for name in getattr(request, "param", THEIRS[0]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise ImportError('the one of the user')")
    plant_study(tmp_path / "planted.db", "fixed_rate", 4)
    return tmp_path


@pytest.fixture
def python(folder: Path) -> Run:
    """``python(*arguments)`` there; with -c and -m the directory comes first on sys.path."""
    environment = os.environ | {"PYTHONPATH": str(HOME), "LRSTUDY_STORAGE": "sqlite:///planted.db"}
    environment.pop("PYTHONSAFEPATH", None)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.integration
@pytest.mark.parametrize("folder", THEIRS, indirect=True)
def test_a_study_is_loaded_beside_them(python: Run) -> None:
    before = "import sys; path = [*sys.path]; import lrstudy"
    done = python(
        "-c", f"{before}; {LOADED}; assert sys.path == path; import analysis.figures.style"
    )
    assert (done.stdout, done.stderr) == ("4\n", "")


@pytest.mark.integration
def test_the_command_is_there_beside_them(python: Run) -> None:
    done = python("-m", "lrstudy", "status", "fixed_rate", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"study": "fixed_rate"' in done.stdout


@pytest.mark.integration
def test_workers_are_ours_beside_them(python: Run) -> None:
    start = "from study.workers.local import WORKER; import subprocess"
    code = f"import lrstudy; {start}; print(subprocess.run([*WORKER, 'none', 'cpu']).returncode)"
    done = python("-c", code)
    assert "study 'none'" in done.stdout + done.stderr
    assert "the one of the user" not in done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_one_that_was_imported_before_is_named(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").touch()
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}, lrstudy"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: lrstudy has a package {package!r} of its own, and "
        f"{tmp_path / package}.py was imported under that name before it: rename yours"
    )


def test_schedules_need_no_torch_and_no_pandas() -> None:
    code = "import sys, lrstudy; lrstudy.Cosine(base_lr=0.3, horizon=9); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "pandas", "sqlalchemy", "matplotlib", "scipy", "optuna"}
    assert "lrstudy" in done.stdout.split()
    assert not heavy & {*done.stdout.split()}


def test_every_schedule_and_every_name_is_there() -> None:
    families = {each.__name__ for each in FAMILIES.values()}
    assert families <= set(dir(lrstudy)) == set(lrstudy.__all__)
    assert all(getattr(lrstudy, name) is not None for name in lrstudy.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Cosin'"):
        getattr(lrstudy, "Cosin")  # noqa: B009
