"""Workers as Ray tasks: which options go together, and what becomes of those that are killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from ray.exceptions import TaskCancelledError

from study import devices
from study.cli.crew import Ray
from study.cli.on_ray import ray_places
from study.cli.options import Failure
from study.storage.claims import SlotStorage, attempts
from study.storage.studies import open_storage
from study.storage.urls import StorageError
from study.workers import ray_launcher
from tests.postgres import Server
from tests.study.conftest import Command, assert_one_line

SERVER = "postgresql://me@127.0.0.1:1/d"
CLUSTER = ("--launcher", "ray", "--ray-address", "auto")


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(autouse=True)
def _no_other_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize("verb", ["run fixed_rate", "resume it", "confirm it"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--gpus-per-worker", "0.5"), "--gpus-per-worker needs --launcher ray"),
        (("--ray-address", "auto"), "--ray-address needs --launcher ray"),
        (CLUSTER, "a Ray cluster needs PostgreSQL: SQLite serves one machine"),
        (
            (*CLUSTER[:3], "ray://host:10001", "--storage", SERVER),
            "ray://host:10001: run lrstudy on a machine of the Ray cluster, with --ray-address "
            "auto",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    lrstudy: Command, tmp_path: Path, verb: str, words: Sequence[str], message: str
) -> None:
    assert_one_line(lrstudy(*verb.split(), *words), 2, message)
    assert not list(tmp_path.iterdir())


def test_a_ray_of_the_environment_is_one_for_ray_alone(
    lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    message = "a Ray cluster needs PostgreSQL: SQLite serves one machine"
    assert_one_line(lrstudy("resume", "it", "--launcher", "ray"), 2, message)
    assert_one_line(lrstudy("resume", "it"), 1, "there is no database")


def test_a_password_that_ray_would_show_is_refused(lrstudy: Command) -> None:
    """Ray publishes the command line of its driver; the environment it does not."""
    url = "postgresql://me:secret@127.0.0.1:1/d"
    for words in (("--storage", url), (f"--storage={url}",)):
        refused = lrstudy("resume", "it", "--launcher", "ray", *words)
        assert refused.status == 2
        assert refused.err.splitlines()[-1] == (
            "lrstudy: Ray shows the command line, and the password in it, to all who may look: "
            "set LRSTUDY_STORAGE, PGPASSWORD or ~/.pgpass instead"
        )
        assert "secret" not in refused.err


def test_without_ray_the_extra_is_named(lrstudy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "study.workers.ray_launcher")
    message = "--launcher ray needs Ray: pip install 'lrstudy[ray]'"
    assert_one_line(lrstudy("resume", "it", "--launcher", "ray"), 2, message)


def test_a_ray_that_is_not_there_is_said_before_anything_is_written(
    lrstudy: Command, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{closed_port()}"
    words = ("--launcher", "ray", "--ray-address", address, "--storage", SERVER)
    message = f"cannot reach Ray at {address}: connection refused"
    assert_one_line(lrstudy("run", "fixed_rate", "--workers", "2", *words), 1, message)
    words = ("--launcher", "ray", "--ray-address", "host:port", "--storage", SERVER)
    assert_one_line(lrstudy("resume", "it", *words), 1, "cannot reach Ray at host:port: ")


def test_where_workers_go_is_for_ray_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda: ["cuda:0", "cuda:1", "cpu"])
    assert ray_places(Ray(None, 0.5), 3, None, "auto") == ["cuda:0"] * 3
    assert ray_places(Ray(None, 0.0), 2, None, "auto") == ["cpu"] * 2
    monkeypatch.setattr(devices, "available", lambda: ["mps", "cpu"])
    assert ray_places(Ray("auto", 0.5), 1, None, "auto") == ["mps"]  # the cluster has its own
    wrong: list[tuple[Any, str]] = [
        ((0.5, 2, None, "auto"), "--gpus-per-worker: Ray finds no GPU on this machine"),
        ((0.0, None, None, "auto"), "--launcher ray needs --workers, 1 or more"),
        ((0.0, 2, 1, "auto"), "--launcher ray takes --gpus-per-worker, not --workers-per-device"),
        ((0.0, 2, None, "cpu"), "--launcher ray takes --gpus-per-worker, not --device"),
    ]
    for (gpus, *others), message in wrong:
        with pytest.raises(Failure) as caught:
            ray_places(Ray(None, gpus), *others)
        assert (str(caught.value), caught.value.status) == (message, 2)


def test_workers_elsewhere_know_the_settings_and_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith(("LRSTUDY_", "PG"))]:
        monkeypatch.delenv(name)
    shared = {"LRSTUDY_GRACE_SECONDS": "60", "LRSTUDY_DATA": "/images", "PGPASSWORD": "secret"}
    for name, text in shared.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(tmp_path)
    here = {"LRSTUDY_STORAGE": f"sqlite:///{tmp_path / 'a.db'}"}
    assert ray_launcher._environment("sqlite:///a.db", None) == shared | here
    there = {"LRSTUDY_STORAGE": SERVER, "LRSTUDY_CHECKPOINTS": "/shared"}
    assert ray_launcher._environment(SERVER, Path("/shared")) == shared | there


# ---------------------------------------------------------------- the watch, without a Ray


class PlainRay:
    """Tasks that end when they are cancelled: the stubborn ones only by force."""

    def __init__(self, stubborn: Sequence[str]) -> None:
        self.stubborn, self.cancelled, self.ended = stubborn, list[tuple[str, bool]](), set[str]()

    def wait(self, tasks: list[str], **_options: Any) -> tuple[list[str], list[str]]:
        time.sleep(0.01)
        return [each for each in tasks if each in self.ended], []

    def cancel(self, task: str, *, force: bool) -> None:
        self.cancelled.append((task, force))
        if force or task not in self.stubborn:
            self.ended.add(task)

    def get(self, _task: str) -> None:
        raise TaskCancelledError


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PlainRay]:
    def watched(stubborn: Sequence[str], on_event: Any, asked: list[Any], timeout: Any) -> PlainRay:
        plain = PlainRay(stubborn)
        monkeypatch.setattr(ray_launcher, "ray", plain)
        nothing: Any = SimpleNamespace(qsize=lambda: 0, get_nowait_batch=lambda _count: [])
        tasks = {"one": 0, "two": 1}
        assert ray_launcher._watch(tasks, nothing, on_event, asked, timeout) == []
        return plain

    return watched


def test_the_first_signal_asks_and_the_second_one_ends(watch: Any) -> None:
    asked: list[str] = []

    def signal_twice(_event: Any) -> None:
        if len(asked) < 2:
            asked.append("stopped")

    plain = watch(["two"], signal_twice, asked, None)
    assert plain.cancelled == [("one", False), ("two", False), ("two", True)]


def test_when_the_time_is_up_the_workers_are_asked_once(watch: Any) -> None:
    asked: list[str] = []
    assert watch([], lambda _: None, asked, 0.05).cancelled == [("one", False), ("two", False)]
    assert asked == ["timeout"]


def test_a_worker_that_is_ready_again_was_lost() -> None:
    heard: list[Any] = []
    known: set[int] = set()
    for worker in (0, 1, 0):
        ray_launcher._hand_on({"event": "ready", "worker": worker}, known, heard.append)
    again = {"event": "lost", "worker": 0, "killed": True, "error": "Ray has started it again"}
    assert [event["event"] for event in heard] == ["ready", "ready", "lost", "ready"]
    assert heard[2] == again


# ---------------------------------------------------------------- a real Ray

LRSTUDY = (sys.executable, "-c", "from study.cli import main; main()")
PASSWORDS = ("the-word-in-the-url", "the-word-of-the-environment")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where Ray keeps all that it writes; sockets lie there, so its path must be short."""
    directory = Path(tempfile.mkdtemp(prefix="lrstudy-ray-"))
    monkeypatch.setenv("RAY_TMPDIR", str(directory))
    yield directory
    shutil.rmtree(directory)


def processes(word: str) -> list[str]:
    """Command lines that hold a word."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found.extend([line] if word in line else [])
    return found


@contextmanager
def opened(url: str) -> Iterator[SlotStorage]:
    """The storage, without a connection that outlives the block."""
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.scoped_session.remove()
        storage.engine.dispose()


def trials(storage: SlotStorage) -> list[FrozenTrial]:
    return optuna.load_study(study_name="it", storage=storage).trials


def in_training(url: str, driver: subprocess.Popen[str]) -> FrozenTrial:
    """A trial in the midst of training: it has a checkpoint."""
    while driver.poll() is None:
        with suppress(StorageError, KeyError), opened(url) as storage:  # is there a study yet?
            while driver.poll() is None:
                for trial in trials(storage):
                    reported = len(trial.intermediate_values)
                    if trial.state == TrialState.RUNNING and reported in (1, 2):
                        return trial
                time.sleep(0.1)
        time.sleep(0.5)
    raise AssertionError("nothing was trained", driver.communicate())


def start(url: str, *words: str) -> subprocess.Popen[str]:
    """`lrstudy WORDS` on a Ray of its own, in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [*LRSTUDY, *words, "--launcher", "ray", "--workers", "2"],
        env=os.environ | {"LRSTUDY_STORAGE": url, "PGPASSWORD": PASSWORDS[1]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.integration
@pytest.mark.end_to_end
@pytest.mark.timeout(900)
def test_ctrl_c_kill_9_of_a_task_and_resume_end_with_exactly_the_trials(
    postgres: Server, session: Path, tmp_path: Path
) -> None:
    """Real images, real training, a real Ray, and passwords that only workers may know."""
    url = postgres.create(f"d{time.monotonic_ns()}").replace("@", f":{PASSWORDS[0]}@", 1)
    size = ("--trials", "6", "--epochs", "3", "--train-size", "8192")
    plain = ("--sampler", "random", "--pruner", "none", "--study", "it")
    kept = ("--checkpoints", str(tmp_path))

    # Ctrl-C reaches every process of the terminal; the workers finish their epoch.
    with start(url, "run", "warmup", *size, *plain, *kept) as driver:
        in_training(url, driver)
        assert processes(str(session))
        assert not [line for word in PASSWORDS for line in processes(word)]
        os.killpg(driver.pid, signal.SIGINT)
        out, err = driver.communicate()
    assert driver.returncode == 130, err
    last = out.splitlines()[-1]
    assert " to continue: lrstudy resume it --workers " in last
    assert last.count("--launcher ray") == 1
    with opened(url) as storage:
        found = attempts(storage, "it")
    assert TrialState.RUNNING not in {each.state for each in found}
    assert not any(each.failed_by_itself for each in found)

    # kill -9 of a task: Ray starts it again, and its slot is given out again.
    with start(url, "resume", "it", *kept) as driver:
        killed = in_training(url, driver)
        os.kill(killed.user_attrs["pid"], signal.SIGKILL)
        out, err = driver.communicate()
    assert driver.returncode == 0, err
    assert "is lost: Ray has started it again" in out
    with opened(url) as storage:
        ended = trials(storage)
        assert not any(each.failed_by_itself for each in attempts(storage, "it"))
    assert {trial.state for trial in ended} == {TrialState.COMPLETE, TrialState.FAIL}
    done = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    assert sorted(trial.user_attrs["slot"] for trial in done) == list(range(6))
    for trial in done:
        assert [record["epoch"] for record in trial.user_attrs["history"]] == [0, 1, 2]
    retried = next(t for t in done if t.user_attrs["slot"] == killed.user_attrs["slot"])
    assert retried.user_attrs["epochs_restored"] >= 1

    written = [file.read_bytes() for file in session.rglob("*") if file.is_file()]
    assert any(b"MALLOC_TRIM_THRESHOLD_" in text for text in written)  # what tasks are told is here
    assert not [word for word in PASSWORDS for text in written if word.encode() in text]
    assert not processes(str(session))


@pytest.mark.integration
@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_what_is_wrong_with_every_task_is_said_in_one_line(
    session: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A relative file is the same one for the tasks, and so is a setting."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRSTUDY_GRACE_SECONDS", "soon")
    made = start("sqlite:///a.db", "run", "fixed_rate", "--trials", "2", "--study", "it")
    out, err = made.communicate()
    message = "LRSTUDY_GRACE_SECONDS must be a number of seconds from 1 on, not 'soon'"
    assert (made.returncode, err) == (1, f"lrstudy: {message}\n")
    assert out.count(f"is lost: {message}") == 2
    with opened("sqlite:///a.db") as storage:
        assert trials(storage) == []
    assert session.is_dir()
