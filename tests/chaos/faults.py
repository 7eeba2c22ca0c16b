"""What happens to the workers of a study: they are killed, stopped, asked to leave, cut off."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from analysis.reading.presence import running
from tests.postgres import Server

# A silent trial is given up after so many seconds: more than an outage with its recovery lasts.
GRACE_SECONDS = 16.0
OUTAGE_SECONDS = 6.0
LRSTUDY = (sys.executable, "-c", "from study.cli import main; main()")


@dataclass
class Scene:
    """A study that is being run, and the log of what was done to it.

    name: found in the command line of its workers. server: None for SQLite. trials: their total,
    raised where the study would end before everything has happened to it. held: when each stopped
    process goes on, by its pid.
    """

    name: str
    url: str
    checkpoints: Path
    server: Server | None
    workers: int = 4
    trials: int = 1
    launcher: subprocess.Popen[bytes] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    held: dict[int, float] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Of every command of the scene."""
        return os.environ | {
            "LRSTUDY_STORAGE": self.url,
            "LRSTUDY_CHECKPOINTS": str(self.checkpoints),
            "LRSTUDY_GRACE_SECONDS": f"{GRACE_SECONDS:g}",
        }

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `lrstudy` to its end."""
        return subprocess.run(
            [*LRSTUDY, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def launch(self) -> None:
        """Go on with the study as a user would, in the background."""
        log = self.checkpoints.with_name("launcher.log").open("ab")
        with log:
            self.launcher = subprocess.Popen(
                [*LRSTUDY, *self.words, "--workers", str(self.workers), "--device", "cpu"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def words(self) -> tuple[str, ...]:
        """The command that goes on, but for its workers."""
        return ("resume", self.name, "--trials", str(self.trials))

    @property
    def ended(self) -> bool:
        """Whether the launcher has."""
        return self.launcher is None or self.launcher.poll() is not None

    def pids(self) -> list[int]:
        """The worker processes that train a trial at the moment, but for those held."""
        found = (int(pid) for pid in running(self.url, self.name)["pid"])
        return [pid for pid in found if pid not in self.held]

    def release(self) -> None:
        """Let the held processes go on whose time has come."""
        for pid in [pid for pid, moment in self.held.items() if moment < time.monotonic()]:
            del self.held[pid]
            os.kill(pid, signal.SIGCONT)
            self.counts["held past the grace"] += 1


Fault = Callable[[Scene, random.Random], bool]


def kill_a_worker(scene: Scene, dice: random.Random) -> bool:
    """kill -9: the process is gone between two instructions."""
    return _send(scene, dice, signal.SIGKILL, "killed")


def ask_a_worker_to_leave(scene: Scene, dice: random.Random) -> bool:
    """SIGTERM, as a batch system sends it."""
    return _send(scene, dice, signal.SIGTERM, "asked to leave")


def _send(scene: Scene, dice: random.Random, number: int, what: str) -> bool:
    pids = scene.pids()
    if not pids:
        return False
    with suppress(ProcessLookupError):
        os.kill(dice.choice(pids), number)
        scene.counts[what] += 1
        return True
    return False


def hold_a_worker(scene: Scene, dice: random.Random) -> bool:
    """SIGSTOP past the grace: its trial is given away, then it comes back (`Scene.release`)."""
    pids = scene.pids()
    if not pids:
        return False
    pid = dice.choice(pids)
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:  # it ended meanwhile
        return False
    scene.held[pid] = time.monotonic() + GRACE_SECONDS + 4.0
    return True


def kill_the_launcher(scene: Scene, _dice: random.Random) -> bool:
    """kill -9 of the launcher; its workers find nobody to tell and leave. It is started again."""
    if scene.ended or scene.launcher is None:
        return False
    scene.launcher.kill()
    scene.launcher.wait()
    scene.counts["launcher killed"] += 1
    time.sleep(2.0)
    scene.launch()
    return True


def stop_the_server(scene: Scene, _dice: random.Random) -> bool:
    """A crash of the database server, which is away for a while."""
    if scene.server is None:
        return True
    scene.server.stop()
    time.sleep(OUTAGE_SECONDS)
    scene.server.start()
    scene.counts["server outages"] += 1
    return True


def faults(kills: int, dice: random.Random) -> Sequence[Fault]:
    """All that happens, in a random order, at least ``kills`` workers killed among it."""
    chosen: list[Fault] = [kill_a_worker] * kills
    chosen += [ask_a_worker_to_leave, hold_a_worker, kill_the_launcher, stop_the_server]
    dice.shuffle(chosen)
    return chosen
