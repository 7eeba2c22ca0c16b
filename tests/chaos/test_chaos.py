"""A study ends with exactly its trials whatever happens to its workers: the short form."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.storage.claims import attempts
from study.storage.slots import slots_done
from study.storage.studies import load_spec, open_storage
from tests.chaos.faults import Scene
from tests.chaos.show import show
from tests.postgres import Server

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]


def _goes_well(directory: Path, postgres: Server | None, seed: int) -> None:
    scene, found = show(directory, postgres, seed, trials=8, epochs=4, kills=5, pause=(0.5, 2.0))
    assert found.faultless, str(found)
    assert scene.counts["killed"] == 5
    assert scene.counts["held past the grace"] == 1
    assert scene.counts["launcher killed"] == 1
    assert found.interrupted >= 3  # half of the six that were hit; others were between two trials
    assert scene.counts["server outages"] == (postgres is not None)


def test_on_postgresql(tmp_path: Path, postgres: Server) -> None:
    _goes_well(tmp_path, postgres, 1)


def test_on_sqlite(tmp_path: Path) -> None:
    _goes_well(tmp_path, None, 2)


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_all_start_in_the_same_instant_on_an_empty_database(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Of several that make the study one succeeds; of several workers all live."""
    server: Server | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    url = f"sqlite:///{tmp_path / 'one.db'}" if server is None else server.create("one")
    scene = Scene("one", url, tmp_path / "checkpoints", server)
    made = _together(scene, 3, (sys.executable, "-c", MAKE, url))
    assert sorted(made) == ["exists already\n", "exists already\n", "made\n"]
    joined = scene.command("worker", "one", "--device", "cpu", "--workers", "3")
    prepared = "lrstudy: loading PyTorch, checking device and images ...\n"
    assert (joined.returncode, joined.stderr) == (0, prepared)
    storage = open_storage(url)
    found = attempts(storage, "one")
    assert sorted(each.slot for each in found) == [0, 1, 2, 3]
    assert slots_done(load_spec(storage, "one"), found) == {0, 1, 2, 3}
    assert len({each.record.pid for each in found}) == 3


# What `lrstudy run --workers 0` does to the database, without loading torch first.
MAKE = """
import sys
from optuna.exceptions import DuplicatedStudyError
from search_spaces.config import Budget
from search_spaces.spaces import SPACES
from study.spec import StudySpec
from study.storage.studies import create_study, open_storage

space, budget = SPACES["fixed_rate"], Budget(epochs=3, train_size=3000)
spec = StudySpec(
    space="fixed_rate",
    families=space.FAMILIES,
    trials=4,
    budget=budget,
    ranges=space.ranges(budget),
)
try:
    create_study(open_storage(sys.argv[1], create=True), "one", spec)
    print("made")
except DuplicatedStudyError:
    print("exists already")
"""


def _together(scene: Scene, count: int, command: tuple[str, ...]) -> list[str]:
    """What a command prints that is started several times at once."""
    processes = [
        subprocess.Popen(command, env=scene.environment, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return [process.communicate()[0] for process in processes]


def test_stop_asks_all_workers_to_leave_and_resume_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'it.db'}"
    scene = Scene("it", url, tmp_path / "checkpoints", None, workers=2, trials=2)
    size = ("--trials", "2", "--epochs", "12", "--train-size", "2048", "--device", "cpu")
    made = scene.command("run", "fixed_rate", "--study", "it", *size, "--workers", "0")
    assert made.returncode == 0, made.stderr
    scene.launch()
    deadline = time.monotonic() + 120
    while not scene.pids() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert scene.command("stop", "it").returncode == 0
    assert scene.launcher is not None
    assert scene.launcher.wait(120) == 3  # trials are left
    storage = open_storage(scene.url)
    spec, found = load_spec(storage, "it"), attempts(storage, "it")
    assert slots_done(spec, found) != {0, 1}
    assert not any(each.failed_by_itself for each in found)
    joined = scene.command("worker", "it")  # does not undo it
    assert joined.returncode == 0
    assert joined.stdout.startswith("study 'it' is stopped; to continue it: lrstudy resume it")
    assert len(attempts(storage, "it")) == len(found)
    resumed = scene.command("resume", "it", "--device", "cpu", "--workers", "2")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert slots_done(spec, attempts(storage, "it")) == {0, 1}
