"""Launching workers: what they say, how they are stopped, and what becomes of the lost ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from optuna.trial import TrialState

from search_spaces.config import Budget
from study import devices
from study.storage.claims import attempts
from study.workers import local
from study.workers.local import WorkersFailed, launch, place

Events = list[dict[str, Any]]

# A worker that only talks: it says who and where it is, then does what its name says.
TALKER = """
import json, os, signal, sys, time

def say(**facts):
    print(json.dumps({"event": "said", "pid": os.getpid(), **facts}), flush=True)

name, device = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: (say(text="leaving"), sys.exit(0)))
if name == "deaf":
    signal.signal(signal.SIGTERM, lambda *_: say(text="no"))
words = ("OMP_NUM_THREADS", "LRSTUDY_STORAGE")
say(text="here", device=device, session=os.getsid(0), **{word: os.environ[word] for word in words})
if name == "many":
    for number in range(2000):
        say(text=str(number))
elif name == "wrong":
    print("a warning\\n\\n" * 5000, file=sys.stderr)
    print("no such thing", file=sys.stderr)
    sys.exit(1)
elif name == "silent":
    sys.exit(3)
elif name == "one lost":
    try:
        os.close(os.open(os.environ["LOCK"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        time.sleep(0.5)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
elif name in ("deaf", "waits"):
    while True:
        time.sleep(0.01)
"""

pytestmark = pytest.mark.integration


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, Events]]:
    """``talk(name, on_event=..., **options) -> (ending, events)`` with workers that only talk."""
    monkeypatch.setattr(local, "WORKER", (sys.executable, "-c", TALKER))

    def talked(name: str, on_event: Any = None, **options: Any) -> Any:
        events: Events = []

        def hear(event: dict[str, Any]) -> None:
            if event["event"] != "tick":
                events.append(event)
                if on_event is not None:
                    on_event(event, events)

        settings = {"places": ["cpu"] * options.pop("workers", 2)} | options
        return launch("sqlite:///a.db", name, on_event=hear, **settings), events

    return talked


def texts(events: Events) -> list[str]:
    return [event["text"] for event in events if event["event"] == "said"]


def gone(pids: set[int]) -> bool:
    """Whether no process of these ids is left, not even one that waits to be asked."""
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids)  # noqa: PTH110


def test_everything_that_workers_say_arrives_in_order(talk: Any) -> None:
    ending, events = talk("many")
    assert ending == "done"
    for index in range(2):
        mine = [event for event in events if event["worker"] == index]
        assert texts(mine) == ["here", *map(str, range(2000))]
    assert {event["LRSTUDY_STORAGE"] for event in events if event["text"] == "here"} == {
        "sqlite:///a.db"
    }


def test_several_workers_have_one_thread_each_and_a_lone_one_all(talk: Any) -> None:
    cores = len(os.sched_getaffinity(0))
    for workers, threads in [(1, cores), (2, 1)]:
        _, events = talk("ends", places=["cuda:0"] * workers)
        assert [event["OMP_NUM_THREADS"] for event in events] == [str(threads)] * workers
        assert {event["device"] for event in events} == {"cuda:0"}


def test_a_worker_has_a_session_of_its_own(talk: Any) -> None:
    """So Ctrl-C in the terminal reaches the launcher alone."""
    _, events = talk("ends")
    assert all(event["session"] == event["pid"] != os.getsid(0) for event in events)


def test_when_all_workers_fail_their_last_words_are_told(talk: Any) -> None:
    with pytest.raises(WorkersFailed, match=r"^no such thing$"):
        talk("wrong")
    with pytest.raises(WorkersFailed, match=r"^a worker ended with status 3$"):
        talk("silent")


def test_one_lost_worker_is_told_and_the_others_go_on(
    talk: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("LOCK", str(tmp_path / "lock"))
    ending, events = talk("one lost", workers=3)
    assert ending == "done"
    lost = [event for event in events if event["event"] == "lost"]
    assert [event["error"] for event in lost] == ["it was killed by signal 9"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_the_workers_to_leave(talk: Any, number: int) -> None:
    def stop(_event: dict[str, Any], events: Events) -> None:
        if texts(events) == ["here", "here"]:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    ending, events = talk("waits", stop)
    assert ending == "stopped"
    assert texts(events) == ["here", "here", "leaving", "leaving"]
    assert gone({event["pid"] for event in events})
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_workers_that_do_not_hear(talk: Any) -> None:
    def stop(_event: dict[str, Any], events: Events) -> None:
        if texts(events) in (["here", "here"], ["here", "here", "no", "no"]):
            os.kill(os.getpid(), signal.SIGINT)

    ending, events = talk("deaf", stop)
    assert ending == "stopped"
    assert texts(events) == ["here", "here", "no", "no"]
    assert gone({event["pid"] for event in events})
    assert not [event for event in events if event["event"] == "lost"]


def test_when_the_time_is_up_the_workers_leave(talk: Any) -> None:
    ending, events = talk("waits", timeout=0.5)
    assert ending == "timeout"
    assert set(texts(events)) <= {"here", "leaving"}


def test_an_error_of_the_display_leaves_no_orphans(talk: Any) -> None:
    pids: set[int] = set()

    def break_down(event: dict[str, Any], events: Events) -> None:
        pids.add(event["pid"])
        if len(events) == 2:
            raise OSError("no terminal")

    with pytest.raises(OSError, match="no terminal"):
        talk("waits", break_down)
    deadline = time.monotonic() + 30
    while not gone(pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gone(pids)


def test_a_cpu_has_a_worker_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, trials, workers in [(1, 9, 1), (4, 9, 4), (4, 2, 2), (64, 90, 8)]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, n=cores: set(range(n)))
        assert place("cpu", None, None, trials) == ["cpu"] * workers
    assert place("cpu", 12, None, 3) == ["cpu"] * 12  # as asked for
    assert place("cpu", None, 5, 9) == ["cpu"] * 5
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert place("cpu", None, None, 9) == ["cpu"] * 3


def test_workers_are_spread_over_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda: ["cuda:0", "cuda:1", "cpu"])
    assert place("auto", None, None, 90) == ["cuda:0", "cuda:1"]
    assert place("auto", None, None, 1) == ["cuda:0"]
    assert place("cuda", 5, None, 90) == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]
    assert place("auto", None, 2, 90) == ["cuda:0", "cuda:1"] * 2
    assert place("cuda:1", None, 2, 90) == ["cuda:1"] * 2
    assert place("auto", 3, 2, 90) == ["cuda:0", "cuda:1", "cuda:0"]
    message = "^5 workers cannot be placed on cuda:0, cuda:1 with at most 2 each$"
    with pytest.raises(ValueError, match=message):
        place("auto", 5, 2, 90)


# ---------------------------------------------------------------- real workers


def test_real_workers_say_in_one_line_what_is_wrong(make_study: Any) -> None:
    stored = make_study()
    message = r"^unknown study 'its'\. Did you mean 'it'\? There are: it\.$"
    with pytest.raises(WorkersFailed, match=message):
        launch(stored.url, "its", places=["cpu"], on_event=lambda _: None)


LAUNCHER = """
import json, sys
from study.workers.local import launch
url, workers = sys.argv[1], int(sys.argv[2])
tell = lambda event: event["event"] == "tick" or print(json.dumps(event), flush=True)
print(json.dumps(launch(url, "it", places=["cpu"] * workers, on_event=tell)), flush=True)
"""


@pytest.mark.end_to_end
def test_ctrl_c_kill_9_of_a_worker_and_resume_end_with_exactly_the_trials(make_study: Any) -> None:
    """Real images, real training, real processes."""
    budget = Budget(epochs=2, train_size=512, val_size=200)
    stored = make_study("warmup", 6, budget=budget, sampler="random", pruner="none")

    # Ctrl-C at the first epoch: every trial is over, none counts as failed.
    command = [sys.executable, "-c", LAUNCHER, stored.url, "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        for line in launcher.stdout:
            if json.loads(line).get("event") == "epoch":
                break
        launcher.send_signal(signal.SIGINT)
        last = launcher.stdout.read().splitlines()[-1]
    assert (json.loads(last), launcher.returncode) == ("stopped", 0)
    found = attempts(stored.storage, "it")
    assert TrialState.RUNNING not in {each.state for each in found}
    assert not any(each.failed_by_itself for each in found)

    # A worker is killed in the middle of a trial; the other one takes over its slot.
    killed: list[int] = []

    def kill_once(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 0 and not killed:
            trial = stored.load().trials[event["trial"]]
            if trial.state == TrialState.RUNNING:
                os.kill(trial.user_attrs["pid"], signal.SIGKILL)
                killed.append(event["slot"])

    ending = launch(stored.url, "it", places=["cpu"] * 2, on_event=kill_once)
    assert (ending, len(killed)) == ("done", 1)
    trials = stored.load().trials
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert sorted(trial.user_attrs["slot"] for trial in done) == list(range(6))
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    assert all(len(trial.user_attrs["history"]) == 2 for trial in done)
