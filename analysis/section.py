"""Finding: a question, what was found, and what it rests on. A section of the report makes one.

A section is a module, as a search space is one: see `Section`. Sections of a search rest on its
trials and on validation data alone: single runs, tuned on the images that they are judged by. They
describe what the search found and never call one schedule better than another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pandas as pd

from analysis.estimators.skew import FEWEST
from analysis.figures.style import Picture, spoken
from analysis.reading.plausible import slot_exists
from analysis.reading.states import RESULTS, slot_states
from analysis.study import Study
from analysis.table import Table
from analysis.wording import Sentence, sentence
from search_spaces.words.phrases import count
from study.spec import Stage, StudySpec

# Trials with a result that a schedule family needs before a search says anything about it. The best
# of 20 random trials lies in the best 14 % of the space with probability 0.95 (0.86^20 = 0.05).
ENOUGH = 20
FEWEST_SEEDS = FEWEST
"""Seeds that a configuration of a later stage needs for an interval and a verdict."""
# Two runs that differ in their seed alone differ by up to this much accuracy (0.4 to 1.0 point).
SEED_SPREAD = 0.01

Estimates = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Caution:
    """What a finding lacks. purpose: what the command is for. lacking: how many trials a schedule
    or seeds a configuration lacks, 0 where that is not the problem."""

    reason: str
    purpose: str
    command: str
    lacking: int = 0

    def __str__(self) -> str:
        return f"{self.reason} {self.purpose}: {self.command}"


@dataclass(frozen=True)
class Finding:
    """An answered question, or why it cannot be answered yet.

    stage: of the study that it rests on. verdict: one sentence with its numbers. basis: how many
    trials it rests on. caution: says that they are too few and which command adds the missing ones;
    None where they are enough. estimates: every number that the pictures show; tables: how those
    of them are printed that are, by name.
    """

    title: str
    stage: Stage
    question: str
    verdict: Sentence
    basis: str
    caution: Caution | None
    estimates: Estimates
    tables: Mapping[str, Table]
    pictures: Sequence[Picture]

    @property
    def printed(self) -> dict[str, Table]:
        """The tables that have something to say."""
        return {
            name: table for name, table in self.tables.items() if table.tells(self.estimates[name])
        }


@dataclass(frozen=True)
class About:
    """What a section is about.

    tables: estimates to print, by name. stage: the one that it rests on. judge: which stage its
    verdict rests on, where that depends on how far the study came. uses: states of the trials
    that it counts. needs: so many of them each family must have, or so many seeds each
    configuration of a later stage. concerned: the schedule families that it is about; all without
    it. shows: sections whose figure this answer has, so that they are left out beside it. applies:
    to which studies, where it is a section of any study; without it to every search.
    """

    title: str
    question: str
    tables: Mapping[str, Table]
    stage: Stage = "search"
    uses: tuple[str, ...] = RESULTS
    needs: int = ENOUGH
    concerned: Callable[[StudySpec], Sequence[str]] = lambda spec: spec.families
    shows: tuple[Section, ...] = ()
    applies: Callable[[StudySpec], bool] = lambda spec: not spec.designed
    judge: Callable[[Study], Stage] | None = None


def on_fresh_seeds(
    title: str,
    question: str,
    tables: Mapping[str, Table],
    judge: Callable[[Study], Stage] | None = None,
) -> About:
    """What a section of the confirm stage is about."""
    return About(title, question, tables, stage="confirm", needs=FEWEST_SEEDS, judge=judge)


def allows(spec: StudySpec, needs: int = ENOUGH) -> bool:
    """Whether a search may be asked for what takes so many trials of each family. One that follows
    a plan of its own may be smaller on purpose: then that is not shown, instead of called too few.
    """
    return spec.plan is None or spec.seeds >= needs


class Drawn(Protocol):
    """What a section makes of its estimates."""

    ABOUT: About

    def draw(self, estimates: Estimates) -> list[Picture]:
        """Pictures of those numbers; none where there is nothing to show."""

    def conclude(self, estimates: Estimates) -> Sentence | str:
        """One sentence with its numbers, and the trials that it names as `Trials`."""


class Section(Drawn, Protocol):
    """What a module must have to be a section of the report."""

    def estimate(self, study: Study) -> Estimates:
        """Frames of numbers by name."""


def find(section: Section, study: Study) -> Finding:
    """Estimate, draw and conclude."""
    about = section.ABOUT
    stage = about.stage if about.judge is None else about.judge(study)
    rests_on = basis(study.stage(stage), about.uses)
    limits = _caution(about, stage, study)
    return replace(finding(section, section.estimate(study), rests_on, limits), stage=stage)


def finding(
    section: Drawn, estimates: Estimates, basis: str, caution: Caution | None = None
) -> Finding:
    """What a section says of its estimates. basis: what they rest on; caution: what limits them."""
    about = section.ABOUT
    return Finding(
        title=about.title,
        stage=about.stage,
        question=about.question,
        verdict=sentence(section.conclude(estimates)),
        basis=basis,
        caution=caution,
        estimates=estimates,
        tables=about.tables,
        pictures=section.draw(estimates),
    )


def basis(study: Study, states: Sequence[str]) -> str:
    """How many trials of which states a section rests on, and which it leaves out."""
    used = study.ended(states)
    left = counted(study, without=states)
    seeds = used["seed"].nunique()
    text = f"Rests on {count(len(used), 'trial')}"
    if len(used):
        text += f" ({_states(used)}) with {count(seeds, 'training seed')}"
        text += f", {count(study.spec.budget.epochs, 'epoch')} each"
    return text + (f"; left out: {', '.join(left)}." if left else ".")


def counted(study: Study, without: Sequence[str] = ()) -> list[str]:
    """``7 complete``, ``2 waiting``: what became of the study's trials, which adds up to as many as
    were planned; then the attempts that belong to none of them. without: states to leave out."""
    planned = slot_states(study.attempts, study.spec.trials)
    strange = study.trials.loc[~slot_exists(study.trials, study.spec), "state"]
    alien = int((~strange.isin(without)).sum())
    counts = [f"{n:,} {state}" for state, n in planned.items() if n and state not in without]
    return counts + ([f"{count(alien, 'attempt')} at no trial of the study"] if alien else [])


def _caution(about: About, name: Stage, study: Study) -> Caution | None:
    stage = study.stage(name)
    if stage.spec.stage != name:
        words = f"Not finished: the {name} runs were not begun."
        return Caution(words, "To go on", study.command("confirm"))
    if study.spec.plan is not None:  # its numbers are what its budget allows, not too few
        return _unfinished(stage) if about.needs else None
    return caution(stage, about.uses, about.needs, about.concerned(stage.spec))


def caution(
    study: Study, states: Sequence[str], needs: int, families: Sequence[str] | None = None
) -> Caution | None:
    """That one of the families (None: any) has fewer than ``needs`` trials of those states, or a
    later stage fewer seeds, and how to get more."""
    if study.spec.arms:
        return _few_seeds(study, needs)
    concerned = study.spec.families if families is None else families
    counts = study.ended(states)["family"].value_counts().reindex(list(concerned), fill_value=0)
    lacking = counts[counts < needs]
    if lacking.empty:
        return None
    which = f"{spoken(str(lacking.idxmin()))} has {lacking.min()}"
    if len(counts) > 1:
        which = f"{len(lacking)} of {len(counts)} schedules have fewer, {which}"
    every = "every schedule" if len(counts) == len(study.spec.families) else "each of these"
    reason = f"Too few to conclude: {every} needs {count(needs, 'trial')} here, and {which}."
    return _more_trials(study, reason, needs - int(lacking.min()))


def _more_trials(study: Study, reason: str, lacking: int) -> Caution:
    """The same with the command that adds so many trials to each schedule, or runs those left."""
    options = []
    if not study.left:
        total = study.spec.trials + lacking * len(study.spec.families)
        options = ["--trials", str(total)]
    return Caution(reason, "To add trials", study.command("resume", *options), lacking)


def _few_seeds(study: Study, needs: int) -> Caution | None:
    seeds, verb = study.spec.seeds, "resume" if study.spec.compares else "confirm"
    if study.left:
        return _unfinished(study)
    if seeds < needs:
        reason = f"Too few to conclude: {count(seeds, 'seed')}."
        more = study.command(verb, "--seeds", str(needs))
        return Caution(reason, "To add seeds", more, needs - seeds)
    return None


def _unfinished(study: Study) -> Caution | None:
    """That runs of a stage are left, and how to go on."""
    if not study.left:
        return None
    noun = "trial" if study.spec.stage == "search" else "run"
    reason = f"Not finished: {study.left} of {count(study.spec.trials, noun)} are left."
    return Caution(reason, "To go on", study.going_on)


def agreeing(findings: Sequence[Finding], study: Study) -> list[Finding]:
    """The findings of a study whose cautions ask for one and the same number of further trials: so
    many that no section lacks any."""
    cautions = [each.caution for each in findings if each.stage == "search" and each.caution]
    most = max((each.lacking for each in cautions), default=0)

    def agreed(finding: Finding) -> Finding:
        caution = finding.caution
        if finding.stage != "search" or caution is None or not caution.lacking:
            return finding
        return replace(finding, caution=_more_trials(study, caution.reason, most))

    return [agreed(each) for each in findings]


def _states(trials: pd.DataFrame) -> str:
    counts = trials["state"].value_counts()
    return ", ".join(f"{n} {state}" for state, n in counts.items())
