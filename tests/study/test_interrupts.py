"""Ctrl-C at any moment of any command: status 130 and one line, also while modules are imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LINE = "lrstudy: stopped by Ctrl-C\n"
# Sends the signal from within: when a module is imported, or a function called, not after a time.
DRIVER = """
import os, signal, sys
from study.cli import main
moment = sys.argv.pop(1)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

if moment == "the end":
    import atexit
    from study.cli import application
    application.run = lambda: os.kill(os.getpid(), signal.SIGINT) or 0
elif moment == "swallowed":
    from study.cli import application
    def run():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("a library made something else of it") from None
    application.run = run
else:
    sys.meta_path.insert(0, Finder())
main()
"""
COMMANDS = {
    "typer": "spaces",
    "optuna": "run cosine --dry-run",
    "search_spaces.spaces": "spaces",
    "study.cli.best": "best it",
    "pandas": "plot constant:base=1",
    "torch": "plot constant:base=1",
    "analysis.report": "report it",
    "matplotlib": "report it",
    "study.tasks.fashion_mnist": "data where",
    "study.storage.studies": "resume it",
    "swallowed": "spaces",
    "the end": "spaces",
}


@pytest.mark.integration
@pytest.mark.parametrize("moment", COMMANDS)
def test_ctrl_c_is_one_line_and_130(moment: str, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER, moment, *COMMANDS[moment].split()],
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", LINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
@pytest.mark.parametrize("arguments", ["spaces --help", "plot cosine:base=1,horizon=3 --csv"])
@pytest.mark.parametrize("delay", [0.3, 0.6, 1.2])
def test_ctrl_c_from_outside(arguments: str, delay: float, tmp_path: Path) -> None:
    """Whenever it comes: stopped with the line, or finished before. Nothing is said of how long
    anything takes."""
    root = Path(__file__).parents[2]
    script = "import sys; from study.cli import main; print('ready', flush=True); main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments.split()],
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert (process.returncode, errors) in [(130, LINE), (0, "")]
