"""Study: what is known of a study and of its later stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from analysis.estimators.comparison import DELTA
from analysis.progress import open_slots
from analysis.reading.frames import load
from analysis.reading.plausible import plausible
from analysis.reading.predictive import correctness, predictive, sampled
from analysis.reading.states import final_attempts
from analysis.reading.studies import made_by, names, spec
from study.spec import Stage, StudySpec
from study.stages import sibling
from study.storage.hints import answer_command, command
from study.storage.urls import StorageError, address, safe_url


@dataclass(frozen=True)
class Study:
    """What is known of a study.

    storage: its URL without a password; address: the same for a command line. attempts: a row per
    attempt; trials: a row per slot, its final attempt; curves: a row per epoch of an attempt. See
    `analysis.reading.frames`.
    confirm, test: the search's later stages, where they were run; test is the study itself where
    it compares given configurations. correct: which test images each
    trial got right, by weights; empty unless it is the test stage. predictive, sampled: see
    `reading.frames`; empty where the space samples no weights. delta: differences within +-
    this share do not matter.
    """

    name: str
    storage: str
    spec: StudySpec
    attempts: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    confirm: Study | None = None
    test: Study | None = None
    correct: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    predictive: pd.DataFrame = field(default_factory=pd.DataFrame)
    sampled: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    delta: float = DELTA
    address: str = ""
    made_by: Sequence[str] | None = None

    def command(self, verb: str, *options: str) -> str:
        """The command line that does something with the search, or the search of this stage."""
        return command(self.address, verb, self.spec.source or self.name, *options)

    @property
    def going_on(self) -> str:
        """The command line that trains what is left of the study."""
        spec = self.spec
        if spec.plan is not None:
            return answer_command(self.address, spec.space, spec.source or self.name)
        return self.command("confirm" if spec.source else "resume")

    @property
    def left(self) -> int:
        """Trials that are still to be run."""
        return open_slots(self.attempts, self.trials, self.spec)

    @staticmethod
    def open(url: str, name: str) -> Study:
        """`load_study`, for a notebook.

        >>> study = Study.open("sqlite:///lrstudy.db", "cosine")
        >>> study.spec.space, len(study.trials), study.left
        ('cosine', 12, 0)
        """
        return load_study(url, name)

    def stage(self, name: Stage) -> Study:
        """The study of a stage; itself where that was not begun."""
        later = {"search": self, "confirm": self.confirm, "test": self.test}[name]
        return later or self

    def ended(self, states: Sequence[str]) -> pd.DataFrame:
        """The slots whose state is one of those."""
        return self.trials[self.trials["state"].isin(states)]


def load_study(url: str, name: str) -> Study:
    """The study of that name in the storage ``url``, with its later stages; a later stage's name
    stands for its search. A comparison of given configurations is its own test.

    Raises StorageError, also where lrstudy did not make it.
    """
    known, source = names(url), spec(url, name).source
    if source is not None and (source not in known or spec(url, source).source is not None):
        raise StorageError(f"study {name!r} is a later stage of {source!r}, which is not there")
    search = source or name
    if (study := _load(url, search)).spec.compares:
        return replace(study, test=study)
    confirm, test = (_later(url, search, stage, known) for stage in ("confirm", "test"))
    return replace(study, confirm=confirm, test=test)


def _later(url: str, search: str, stage: str, known: Sequence[str]) -> Study | None:
    made = sibling(search, stage)
    if made not in known:
        return None
    study = _load(url, made)
    return study if (study.spec.source, study.spec.stage) == (search, stage) else None


def _load(url: str, name: str) -> Study:
    known = spec(url, name)
    attempts, curves = plausible(*load(url, name), known)
    correct = correctness(url, name) if known.stage == "test" else {}
    trials = final_attempts(attempts)
    study = Study(
        *(name, safe_url(url), known, attempts, trials, curves),
        correct=correct,
        address=address(url),
        made_by=made_by(url, name),
    )
    if not known.search_space.SAMPLES_WEIGHTS:
        return study
    return replace(study, predictive=predictive(url, name), sampled=sampled(url, name))
