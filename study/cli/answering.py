"""Carries out a planned answer: its stages, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence

import typer

from study.cli.crew import Crew
from study.cli.later_stages import (
    carry_out,
    create_or_extend,
    stage_left,
    stored_stage,
    train_images,
    trials_of,
)
from study.cli.launching import check, report_failures
from study.cli.options import failures, opened
from study.cli.plans import plan_in_words
from study.durations import duration
from study.plan import Plan
from study.spec import StudySpec
from study.storage.hints import answer_command

LATE = 1.2
"""A stage that took that many times what was planned is told."""
SHORT = 60.0  # seconds
HOPELESS = 0.02
"""A share of accuracy that seeds do not make up for: they differ by up to half of it."""


def late(stage: str, took: float, planned: float) -> str | None:
    """That a stage took much longer (seconds) than planned; None where it did not, or is so short
    that it does not matter.

    >>> late("search", 600.0, 300.0)
    'search took 10 min, and 5 min were planned; nothing is cut'
    """
    if took <= max(LATE * planned, SHORT):
        return None
    return f"{stage} took {duration(took)}, and {duration(planned)} were planned; nothing is cut"


class Answer:
    """The stages of a planned study, one after the other, each continued where it stopped."""

    def __init__(
        self,
        url: str,
        name: str,
        spec: StudySpec,
        plan: Plan,
        places: Sequence[str],
        crew: Crew,
    ) -> None:
        self.url, self.name, self.spec, self.plan = url, name, spec, plan
        self.places, self.crew = places, crew
        self.going_on = answer_command(url, spec.space, name, *crew.options())

    def carry_out(self) -> None:
        """Search, confirm, test. Raises typer.Exit, naming the command, where trials are left."""
        from study.storage.studies import set_answered

        self._stage("search", self.name, self.spec)
        self._stage("confirm", *self._confirm())
        self._test()
        with opened(self.url) as storage:
            set_answered(storage, self.name)

    def _stage(self, stage: str, made: str, spec: StudySpec, note: str = "") -> None:
        """Carry out a stage, and say where it took longer than planned."""
        create_or_extend(self.url, made, spec)
        begun, left = time.monotonic(), stage_left(self.url, made, spec)
        above = (f"plan: {plan_in_words(self.plan)}", f"now: {stage}{note}", *self._so_far(stage))
        carry_out(self.url, made, spec, self.places, self.crew, None, self.going_on, above)
        report_failures(self.url, made, spec)
        took, whole = time.monotonic() - begun, self.plan.expected.get(stage)
        if whole is None:  # a plan that a person wrote
            return
        planned = whole * self._part(stage, spec) * left / spec.trials
        if (line := late(stage, took, planned)) is not None:
            typer.echo(f"lrstudy: {line}", err=True)

    def _part(self, stage: str, spec: StudySpec) -> float:
        """The part of a stage's plan that the study of now has."""
        return spec.seeds / self.plan.looks[-1] if stage == "test" else 1.0

    def _confirm(self) -> tuple[str, StudySpec]:
        from study.stages import confirm_spec, sibling

        made = sibling(self.name, "confirm")
        with opened(self.url) as storage:
            stored = stored_stage(storage, made, self.name)
            if stored is not None:
                return made, stored
            trials = trials_of(self.url, storage, self.name, self.spec)
        with failures(ValueError):
            return made, confirm_spec(
                self.name,
                self.spec,
                trials,
                top=self.plan.top,
                seeds=self.plan.seeds,
                train_images=train_images(self.spec),
                margin=HOPELESS,
            )

    def _test(self) -> None:
        """Look after look: the arms of pairs that are still open are trained on."""
        from study.stages import sibling, test_spec
        from study.storage.studies import load_spec

        made, confirmed = sibling(self.name, "test"), sibling(self.name, "confirm")
        with opened(self.url) as storage:
            stored = stored_stage(storage, made, self.name)
            if stored is None:
                spec = load_spec(storage, confirmed)
                trials = trials_of(self.url, storage, confirmed, spec)
                with failures(ValueError):
                    stored = test_spec(
                        self.name, spec, trials, looks=self.plan.looks, train_on="train"
                    )
        check(stored, self.crew)
        while True:
            looks = len(stored.looks)
            reached = [n for n, seeds in enumerate(stored.looks, 1) if seeds >= stored.seeds]
            at = reached[0] if reached else looks
            note = f", look {at} of {looks}" if looks > 1 else ""
            self._stage("test", made, stored, note)
            going = self._open_arms()
            if at == looks or not going:
                return
            stored = stored.with_round(going, stored.looks[at] - stored.seeds)

    def _open_arms(self) -> list[int]:
        from analysis.fresh_seeds.looks import open_arms
        from analysis.study import load_study

        return open_arms(load_study(self.url, self.name))

    def _so_far(self, stage: str) -> list[str]:
        """Which pairs of a test in looks are decided, in one line; none before the first look."""
        from analysis.fresh_seeds.looks import reference
        from analysis.fresh_seeds.pair_words import briefly
        from analysis.fresh_seeds.pairs import pairs
        from analysis.study import load_study

        study = load_study(self.url, self.name)
        first = reference(study) if stage == "test" and len(self.plan.looks) > 1 else None
        if study.test is None or first is None:
            return []
        line = briefly(pairs(study, first))
        return [f"so far: {line}"] if line else []
