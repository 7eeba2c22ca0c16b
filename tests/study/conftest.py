"""Studies on a real SQLite file, and the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import pytest
import torch

from search_spaces.config import Budget
from search_spaces.spaces import SPACES
from study.cli.application import run
from study.spec import StudySpec
from study.storage.claims import SlotStorage
from study.storage.slots import NoFreeSlot
from study.storage.studies import create_study, open_storage
from study.trials.pruners import make_pruner
from study.trials.sampler import SlotSampler
from study.workers.worker import Worker

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Stored:
    """A study in a database file."""

    url: str
    name: str
    spec: StudySpec
    storage: SlotStorage

    def load(self, storage: SlotStorage | None = None) -> optuna.Study:
        """As a worker loads it: with the study's own sampler and pruner."""
        return optuna.load_study(
            study_name=self.name,
            storage=storage or self.storage,
            sampler=SlotSampler(self.spec),
            pruner=make_pruner(self.spec),
        )


MakeSpec = Callable[..., StudySpec]
MakeStudy = Callable[..., Stored]


@pytest.fixture
def make_spec() -> MakeSpec:
    """``make_spec(space, trials, epochs=..., **changes)`` with the space's own ranges."""

    def made(space: str = "fixed_rate", trials: int = 6, epochs: int = 6, **changes: Any) -> Any:
        module, budget = SPACES[space], changes.pop("budget", Budget(epochs=epochs))
        values = {"families": module.FAMILIES, "ranges": module.ranges(budget)} | changes
        return StudySpec(space=space, trials=trials, budget=budget, **values)

    return made


@pytest.fixture
def make_study(tmp_path: Path, make_spec: MakeSpec) -> MakeStudy:
    """``make_study(space, trials, name=..., **changes)`` in one file for the whole test."""
    url = f"sqlite:///{tmp_path / 'study.db'}"

    def made(*args: Any, name: str = "it", **changes: Any) -> Stored:
        spec, storage = make_spec(*args, **changes), open_storage(url, create=True)
        create_study(storage, name, spec)
        return Stored(url, name, spec, storage)

    return made


class Outcome(NamedTuple):
    """Exit status and what was printed."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def lrstudy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs `lrstudy ARGUMENTS` in an empty directory, with a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("LRSTUDY_STORAGE", raising=False)
    monkeypatch.delenv("LRSTUDY_DATA", raising=False)

    def command(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["lrstudy", *arguments])
        with pytest.raises(SystemExit) as ended:
            sys.exit(run())
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return command


def launch_here(url: str, name: str, **_options: Any) -> str:
    """One worker in this process."""
    working = Worker(open_storage(url), name, torch.device("cpu"), lambda _: None)
    while True:
        try:
            trial = working.study.ask()
        except NoFreeSlot:
            return "done"
        working._run(trial)


def assert_one_line(outcome: Outcome, status: int, message: str) -> None:
    assert (outcome.status, outcome.out) == (status, "")
    assert message in outcome.err
    assert outcome.err.startswith("lrstudy: ")
    assert outcome.err.count("\n") == 1


def without_warnings(outcome: Outcome) -> str:
    """Standard error without what is said of a study too small to learn anything."""
    lines = outcome.err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("lrstudy: warning: "))
