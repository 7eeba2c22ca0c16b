"""Finding: a question, what was found, and what it rests on. A section of the report makes one.

A section is a module, as a search space is one: see `Section`. Sections of a search rest on its
trials and on validation data alone: single runs, tuned on the images that they are judged by. They
describe what the search found and never call one schedule better than another.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pandas as pd

from analysis.comparison import DELTA
from analysis.figures import Picture, spoken
from analysis.frames import (
    TERMINAL,
    StorageError,
    correctness,
    final_attempts,
    load,
    names,
    predictive,
    sampled,
    spec,
)
from analysis.plausible import plausible
from study.confirm import sibling
from study.spec import Stage, StudySpec
from study.urls import safe_url

# Trials with a result that a schedule family needs before a search says anything about it. The best
# of 20 random trials lies in the best 14 % of the space with probability 0.95 (0.86^20 = 0.05).
ENOUGH = 20
# Two runs that differ in their seed alone differ by up to this much accuracy (0.4 to 1.0 point).
SEED_SPREAD = 0.01

Estimates = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Study:
    """What is known of a study.

    storage: its URL without a password. attempts: a row per attempt; trials: a row per slot, its
    final attempt; curves: a row per epoch of an attempt. See `analysis.frames`.
    confirm, test: the search's later stages, where they were run. correct: which test images each
    trial got right, by weights; empty unless it is the test stage. predictive, sampled: see
    `analysis.frames`; empty where the space samples no weights. delta: differences within +-
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

    def stage(self, name: Stage) -> Study:
        """The study of a stage; itself where that was not begun."""
        later = {"search": self, "confirm": self.confirm, "test": self.test}[name]
        return later or self

    def ended(self, states: Sequence[str]) -> pd.DataFrame:
        """The slots whose state is one of those."""
        return self.trials[self.trials["state"].isin(states)]


@dataclass(frozen=True)
class Finding:
    """An answered question, or why it cannot be answered yet.

    stage: of the study that it rests on. verdict: one sentence with its numbers. basis: how many
    trials it rests on. caution: says that they are too few and which command adds the missing ones;
    None where they are enough. estimates: every number that the pictures show; tables: those to
    print, with their captions.
    """

    title: str
    stage: Stage
    question: str
    verdict: str
    basis: str
    caution: str | None
    estimates: Estimates
    tables: Mapping[str, str]
    pictures: Sequence[Picture]


class Section(Protocol):
    """What a module must have to be a section of the report.

    STAGE: the stage that it rests on. USES: states of the trials that it counts. NEEDS: so many of
    them each family must have, or so many seeds each configuration of a later stage.
    TABLES: estimates to print, with their captions.
    """

    TITLE: str
    QUESTION: str
    STAGE: Stage
    USES: tuple[str, ...]
    NEEDS: int
    TABLES: dict[str, str]

    def estimate(self, study: Study) -> Estimates:
        """Frames of numbers by name."""

    def draw(self, estimates: Estimates) -> list[Picture]:
        """Pictures of those numbers; none where there is nothing to show."""

    def conclude(self, estimates: Estimates) -> str:
        """One sentence with its numbers."""


def load_study(url: str, name: str) -> Study:
    """The study of that name with its later stages; a later stage's name stands for its search.

    Raises StorageError, also where lrstudy did not make it.
    """
    known, source = names(url), spec(url, name).source
    if source is not None and (source not in known or spec(url, source).source is not None):
        raise StorageError(f"study {name!r} is a later stage of {source!r}, which is not there")
    search = source or name
    confirm, test = (_later(url, search, stage, known) for stage in ("confirm", "test"))
    return replace(_load(url, search), confirm=confirm, test=test)


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
    study = Study(name, safe_url(url), known, attempts, trials, curves, correct=correct)
    if known.space != "langevin":
        return study
    return replace(study, predictive=predictive(url, name), sampled=sampled(url, name))


def find(section: Section, study: Study) -> Finding:
    """Estimate, draw and conclude."""
    estimates = section.estimate(study)
    stage = study.stage(section.STAGE)
    return Finding(
        title=section.TITLE,
        stage=section.STAGE,
        question=section.QUESTION,
        verdict=section.conclude(estimates),
        basis=basis(stage, section.USES),
        caution=caution(stage, section.USES, section.NEEDS),
        estimates=estimates,
        tables=section.TABLES,
        pictures=section.draw(estimates),
    )


def basis(study: Study, states: Sequence[str]) -> str:
    """How many trials of which states a section rests on, and which it leaves out."""
    used = study.ended(states)
    left = study.trials[~study.trials["state"].isin(states)]
    seeds = used["seed"].nunique()
    text = f"Rests on {count(len(used), 'trial')}"
    if len(used):
        text += f" ({_states(used)}) with {count(seeds, 'training seed')}"
        text += f", {count(study.spec.budget.epochs, 'epoch')} each"
    return text + (f"; left out: {_states(left)}." if len(left) else ".")


def caution(study: Study, states: Sequence[str], needs: int) -> str | None:
    """That a family has fewer than ``needs`` trials of those states, or a later stage fewer seeds,
    and how to get more."""
    if study.spec.source is not None:
        return _few_seeds(study, needs)
    counts = study.ended(states)["family"].value_counts()
    counts = counts.reindex(list(study.spec.families), fill_value=0)
    if counts.min() >= needs:
        return None
    lacking = counts[counts < needs]
    which = f"{spoken(str(lacking.idxmin()))} has {lacking.min()}"
    if len(counts) > 1:
        which = f"{len(lacking)} of {len(counts)} schedules have fewer, {which}"
    return (
        f"Too few to conclude: every schedule needs {count(needs, 'trial')} here, and {which}. "
        f"To add trials: {_more(study, needs - int(lacking.min()))}"
    )


def _few_seeds(study: Study, needs: int) -> str | None:
    seeds = study.spec.turn(study.spec.trials)
    left = study.spec.trials - int(study.trials["state"].isin(TERMINAL).sum())
    again = f"lrstudy confirm {shlex.quote(str(study.spec.source))}"
    if left:
        return (
            f"Not finished: {left} of {count(study.spec.trials, 'run')} are left. To go on: {again}"
        )
    if seeds < needs:
        return f"Too few to conclude: {count(seeds, 'seed')}. To add seeds: {again} --seeds {needs}"
    return None


def _more(study: Study, missing: int) -> str:
    name = shlex.quote(study.name)
    done = study.trials["state"].isin(TERMINAL).sum()
    if done < study.spec.trials:
        return f"lrstudy resume {name}"
    return (
        f"lrstudy resume {name} --trials {study.spec.trials + missing * len(study.spec.families)}"
    )


def _states(trials: pd.DataFrame) -> str:
    counts = trials["state"].value_counts()
    return ", ".join(f"{n} {state}" for state, n in counts.items())


def count(n: int, noun: str) -> str:
    """A number and its noun: ``1 trial``, ``2 trials``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def percent(share: float) -> str:
    """A share as per cent with one decimal."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of two shares in percentage points."""
    return f"{100 * difference:.1f} points"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
