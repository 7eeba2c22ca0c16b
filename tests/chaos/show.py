"""One chaos run: a study with four workers, everything that can happen to them, and the ledger."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.chaos.faults import Scene, faults
from tests.chaos.ledger import Ledger, ledger
from tests.postgres import Server

_MAKE = (
    "--preset",
    "quick",
    "--sampler",
    "tpe",
    "--pruner",
    "none",
    "--workers",
    "0",
    "--device",
    "cpu",
)
_MOST_SECONDS = 1200.0


def show(
    directory: Path,
    server: Server | None,
    seed: int,
    *,
    trials: int,
    epochs: int,
    kills: int,
    pause: tuple[float, float],
) -> tuple[Scene, Ledger]:
    """Run a study in an empty directory while faults happen, ``pause`` seconds apart (from, to).

    Raises RuntimeError where a command fails that should not, or nothing ends.
    """
    dice = random.Random(seed)
    name = f"chaos-{seed}"
    url = f"sqlite:///{directory / 'chaos.db'}" if server is None else server.create(name)
    scene = Scene(name, url, directory / "checkpoints", server, trials=trials)
    size = ("--trials", str(trials), "--epochs", str(epochs), "--train-size", "3000")
    _expect(scene, "made", "run", "fixed_rate", "--study", name, *size, *_MAKE)
    scene.launch()
    _disturb(scene, dice, kills, pause)
    _await(scene)
    before = ledger(url, name, repeat=True)
    _expect(scene, "is finished", "resume", name)
    after = ledger(url, name, repeat=False)
    if after.attempts != before.attempts:
        raise RuntimeError(f"a relaunch added {after.attempts - before.attempts} trials")
    if scene.checkpoints.exists() and any(scene.checkpoints.rglob("*.pt")):
        raise RuntimeError("the finished study left checkpoints")
    return scene, before


def _disturb(scene: Scene, dice: random.Random, kills: int, pause: tuple[float, float]) -> None:
    """Let every fault happen, while there is something that it can happen to."""
    waiting, deadline = list(faults(kills, dice)), time.monotonic() + _MOST_SECONDS
    while waiting and time.monotonic() < deadline:
        time.sleep(dice.uniform(*pause))
        scene.release()
        _relaunch(scene)
        if scene.ended:  # too soon
            scene.trials += 4
            scene.launch()
        elif waiting[0](scene, dice):
            del waiting[0]
    if waiting:
        raise RuntimeError(f"{len(waiting)} faults could not happen")


def _relaunch(scene: Scene) -> None:
    """Go on where all workers were lost: the launcher gives up then, a user starts it again."""
    if scene.ended and scene.launcher is not None and scene.launcher.returncode != 0:
        scene.counts["relaunched"] += 1
        scene.launch()


def _await(scene: Scene) -> None:
    deadline = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < deadline:
        scene.release()
        if scene.launcher is not None and scene.launcher.poll() == 0 and not scene.held:
            return
        _relaunch(scene)
        time.sleep(0.5)
    raise RuntimeError("the study did not end")


def _expect(scene: Scene, text: str, *words: str) -> None:
    done = scene.command(*words)
    if done.returncode != 0 or text not in done.stdout:
        raise RuntimeError(f"lrstudy {words[0]}: {done.stdout}{done.stderr}")
