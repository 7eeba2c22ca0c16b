"""An answer that is killed in each of its stages has the runs and verdicts of one left alone."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest

from analysis.reading.presence import running
from study.plan import Plan
from study.spec import StudySpec
from study.storage.studies import is_answered, load_spec, open_storage
from study.storage.urls import StorageError
from tests.chaos.faults import Scene, kill_the_launcher
from tests.chaos.ledger import ledger

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]

STAGES = ("it", "it-confirm", "it-test")
PLAN = Plan(budget=600, trials=8, top=1, seeds=4, looks=(5, 10))
SIZE = ("--epochs", "2", "--train-size", "1000", "--set", "schedule=cosine,constant")


@dataclass
class Answering(Scene):
    """An answer of question 3 between two schedules."""

    @property
    def words(self) -> tuple[str, ...]:
        """The same command begins and goes on."""
        plan = PLAN.model_dump_json()
        out = str(self.checkpoints.with_name("report"))
        return ("answer", "cosine", "--study", self.name, *SIZE, "--plan", plan, "--out", out)


def scene(directory: Path) -> Answering:
    directory.mkdir()
    url = f"sqlite:///{directory / 'answer.db'}"
    return Answering("it", url, directory / "checkpoints", None, workers=2)


def await_end(answering: Scene) -> None:
    assert answering.launcher is not None
    log = answering.checkpoints.with_name("launcher.log")
    assert answering.launcher.wait(600) == 0, log.read_text()


def runs(url: str) -> dict[str, list[Any]]:
    """Of every stage each slot's parameters, seed, curve and score."""
    storage, found = open_storage(url), {}
    for name in STAGES:
        trials = optuna.load_study(study_name=name, storage=storage).trials
        found[name] = sorted(
            (
                *(each.user_attrs["slot"], each.user_attrs["seed"], each.value),
                sorted(each.params.items()),
                [record | {"seconds": None} for record in each.user_attrs["history"]],
            )
            for each in trials
            if each.state == optuna.trial.TrialState.COMPLETE
        )
    return found


def spec_tested(url: str) -> StudySpec:
    """The spec of the test, without the numbers of the trials that its arms repeat: one that was
    cut off has a number, too, so that those after it have others."""
    spec = load_spec(open_storage(url), "it-test")
    arms = tuple(each.model_copy(update={"origin": None}) for each in spec.arms)
    return spec.model_copy(update={"arms": arms})


def verdicts(answering: Scene) -> list[str]:
    page = json.loads((answering.checkpoints.with_name("report") / "findings.json").read_text())
    # A trial that was cut off has a number, too, so that those after it have others.
    return [re.sub(r"trials? [\d, and]+", "", each["verdict"]) for each in page["it"]["findings"]]


def kill_a_worker_of(answering: Scene, stage: str, dice: random.Random) -> None:
    """kill -9, once one trains a trial of that stage."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with suppress(StorageError, ProcessLookupError):  # not there yet, or not any more
            pids = [int(pid) for pid in running(answering.url, stage)["pid"]]
            if pids:
                os.kill(dice.choice(pids), signal.SIGKILL)
                answering.counts[stage] += 1
                return
        time.sleep(0.05)
    raise RuntimeError(f"no worker trained a trial of {stage}")


def test_killed_in_every_stage_it_is_the_same_answer(tmp_path: Path) -> None:
    alone, hit = scene(tmp_path / "alone"), scene(tmp_path / "hit")
    alone.launch()
    await_end(alone)
    hit.launch()
    dice = random.Random(1)
    for stage in STAGES:
        kill_a_worker_of(hit, stage, dice)
        time.sleep(dice.uniform(0.0, 1.0))
        kill_the_launcher(hit, dice)
    await_end(hit)
    assert all(hit.counts[stage] for stage in STAGES)
    assert hit.counts["launcher killed"] >= 1
    assert runs(hit.url) == runs(alone.url)
    assert verdicts(hit) == verdicts(alone)
    storage = open_storage(hit.url)
    assert is_answered(storage, "it")
    assert spec_tested(hit.url) == spec_tested(alone.url)
    for stage in STAGES:
        kept = ledger(hit.url, stage, repeat=False)
        assert kept.faultless, str(kept)
