"""Pruners by name: what they stop, and what they must leave alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.pruners import NopPruner
from optuna.trial import TrialState

from search_spaces.config import Range
from study.spec import StudySpec
from study.storage.studies import open_storage
from study.trials.pruners import (
    CONTROL_SHARE,
    FamilyPruner,
    find_pruner,
    grace_epochs,
    is_control,
    make_pruner,
)

PRUNERS = ("median", "percentile", "asha", "hyperband")
EPOCHS = 12
Curve = Sequence[float]


class Race:
    """A study whose trials report curves that are given beforehand."""

    def __init__(self, spec: StudySpec) -> None:
        self.spec = spec
        self.study = optuna.create_study(
            study_name="race", direction="maximize", pruner=make_pruner(spec)
        )

    def run(
        self, curve: Curve, family: int = 0, *, control: bool = False, start: int = 0
    ) -> int | None:
        """Epoch after which the trial was pruned, None if it ran to the end."""
        step = len(self.spec.families)
        slots = range(family, 100_000, step)
        slot = next(slot for slot in slots if is_control(self.spec, slot) == control)
        trial = self.study.ask()
        trial.set_user_attr("slot", slot)
        trial.set_user_attr("family", self.spec.family(slot))
        for epoch, value in enumerate(curve, start):
            trial.report(value, epoch)
            if trial.should_prune():
                self.study.tell(trial, state=TrialState.PRUNED)
                return epoch
        self.study.tell(trial, curve[-1])
        return None


def curve(level: float) -> list[float]:
    """Rises to ``level`` at the end."""
    return [level * (1 - 0.5 ** (epoch + 1)) for epoch in range(EPOCHS)]


def flat(level: float) -> list[float]:
    return [level] * EPOCHS


@pytest.fixture
def race(make_spec: Any) -> Callable[..., Race]:
    def made(pruner: str, references: int, **changes: Any) -> Race:
        space = changes.pop("space", "polynomial")
        begun = Race(make_spec(space, 600, epochs=EPOCHS, pruner=pruner, **changes))
        for number in range(references):  # each better than the last, so that none is stopped
            assert begun.run(curve(0.5 + 0.01 * number)) is None
        return begun

    return made


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_bad_trial_is_stopped_and_the_best_is_not(race: Any, pruner: str) -> None:
    begun = race(pruner, 12)
    stopped = begun.run(flat(0.1))
    assert stopped is not None
    assert grace_epochs(begun.spec) - 1 <= stopped < EPOCHS - 1
    assert begun.run(curve(0.9)) is None


def test_without_a_pruner_nothing_is_stopped(race: Any) -> None:
    begun = race("none", 12)
    assert begun.run(flat(0.0)) is None
    assert isinstance(begun.study.pruner, NopPruner)


def test_percentile_keeps_the_better_three_quarters_and_median_the_half(race: Any) -> None:
    """Of eight references 0.50, 0.51, ... 0.57 the lower quartile is 0.5175, the median 0.535."""
    for pruner, kept, stopped in [("percentile", 0.52, 0.515), ("median", 0.54, 0.53)]:
        assert race(pruner, 8).run(curve(kept)) is None
        assert race(pruner, 8).run(curve(stopped)) is not None


@pytest.mark.parametrize("pruner", ["median", "percentile"])
def test_five_trials_of_the_family_must_have_come_as_far(race: Any, pruner: str) -> None:
    assert race(pruner, 4).run(flat(0.0)) is None
    assert race(pruner, 5).run(flat(0.0)) == grace_epochs(race(pruner, 0).spec) - 1
    begun = race(pruner, 4)
    for _ in range(6):  # diverged: complete, but without later epochs
        assert begun.run(curve(0.5)[:1]) is None
    assert begun.run(flat(0.0)) is None


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_family_is_compared_with_itself_only(race: Any, pruner: str) -> None:
    """The other family is far better: pooled, it would stop every trial of this one."""
    begun = race(pruner, 12)
    for number in range(12):
        assert begun.run(curve(0.2 + 0.01 * number), family=1) is None
    assert begun.run(curve(0.4), family=1) is None
    assert begun.run(flat(0.05), family=1) is not None
    # And the other way round: what is best in that family is bad in this one.
    assert begun.run(curve(0.32)) is not None


@pytest.mark.parametrize("pruner", PRUNERS)
def test_controls_are_never_stopped(race: Any, pruner: str) -> None:
    begun = race(pruner, 12)
    assert begun.run(flat(0.0), control=True) is None
    assert begun.run(flat(0.0), control=False) is not None


def test_a_random_tenth_of_the_slots_are_controls(make_spec: Any) -> None:
    specs = [make_spec("polynomial", 2, seed=seed) for seed in (0, 1)]
    chosen = np.array([[is_control(spec, slot) for slot in range(2_000)] for spec in specs])
    assert np.all(np.abs(chosen.mean(axis=1) - CONTROL_SHARE) < 0.025)  # 3.7 standard errors
    assert np.any(chosen[0] != chosen[1])
    by_family = chosen.reshape(2, -1, 2).mean(axis=1)
    assert np.all(np.abs(by_family - CONTROL_SHARE) < 0.035)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_nothing_is_stopped_before_the_longest_warmup_has_ended(race: Any, pruner: str) -> None:
    ranges = {
        "base_lr": Range(low=0.1, high=1, log=True),
        "warmup": Range(low=0, high=4.5, unit="epochs"),
    }
    begun = race(pruner, 12, space="warmup", ranges=ranges)
    assert grace_epochs(begun.spec) == 5
    stopped = begun.run(flat(0.0))
    assert stopped is not None
    assert stopped >= 4


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_trial_that_reached_the_last_epoch_is_complete(race: Any, pruner: str) -> None:
    begun = race(pruner, 12)
    assert begun.run([0.0], start=EPOCHS - 1) is None
    assert begun.run([0.0], start=EPOCHS - 2) == EPOCHS - 2


def test_a_trial_that_has_reported_nothing_goes_on(race: Any) -> None:
    begun = race("median", 6)
    trial = begun.study.ask()
    trial.set_user_attr("slot", 1)
    assert not trial.should_prune()


@pytest.mark.parametrize(
    ("epochs", "warmup", "grace"),
    [(1, 0, 1), (2, 0, 1), (6, 0, 2), (30, 0, 6), (30, 6, 6), (30, 6.5, 7), (30, 10, 10)],
)
def test_grace_is_a_fifth_of_training_or_the_longest_warmup(
    make_spec: Any, epochs: int, warmup: float, grace: int
) -> None:
    ranges = {"base_lr": Range(low=0.1, high=1, log=True), "warmup": Range(low=0, high=warmup)}
    spec = make_spec("warmup", 3, epochs=epochs, ranges=ranges)
    assert grace_epochs(spec) == grace


@pytest.mark.parametrize("pruner", ["asha", "hyperband"])
def test_only_the_best_third_goes_up_a_rung(race: Any, pruner: str) -> None:
    """Rungs at 3 and 9 of 12 epochs: of 30 trials in random order about a third go on."""
    begun = race(pruner, 0)
    levels = np.random.default_rng(0).permutation(np.linspace(0.2, 0.8, 30))
    ends = [begun.run(curve(float(level))) for level in levels]
    assert set(ends) - {None} == {3, 9}
    assert ends[int(np.argmax(levels))] is None
    stopped = levels[[end is not None for end in ends]].mean()
    finished = levels[[end is None for end in ends]].mean()
    assert stopped < finished


def test_hyperband_has_brackets_that_start_at_the_grace(make_spec: Any) -> None:
    """Of 12 epochs with grace 3: brackets whose first rungs lie at 3 and at 9."""
    begun = Race(make_spec("fixed_rate", 600, epochs=EPOCHS, pruner="hyperband"))
    assert begun.run(curve(0.9)) is None
    ends = [begun.run(flat(0.1)) for _ in range(40)]
    assert set(ends) <= {3, 9, None}
    assert {3, 9} <= set(ends)


def test_a_study_of_one_epoch_prunes_nothing(make_spec: Any) -> None:
    for pruner in PRUNERS:
        begun = Race(make_spec("fixed_rate", 600, epochs=1, pruner=pruner))
        assert [begun.run([level]) for level in (0.9, 0.8, 0.7, 0.6, 0.5, 0.1)] == [None] * 6


# ---------------------------------------------------------------- in a database


@pytest.mark.parametrize("pruner", ["median", "percentile"])
def test_a_report_reads_no_trial_that_runs_and_decides_as_if_it_had_read_all(
    make_study: Any, monkeypatch: pytest.MonkeyPatch, pruner: str
) -> None:
    stored = make_study("fixed_rate", 90, epochs=EPOCHS, pruner=pruner)
    mine, other = stored.load(), stored.load(open_storage(stored.url))
    assert isinstance(mine.pruner, FamilyPruner)
    rng, decided = np.random.default_rng(0), set()

    def refuse(*_: Any) -> None:
        pytest.fail("all trials are read")

    for _ in range(10):
        other.ask()  # it runs on
        theirs, trial = other.ask(), mine.ask()
        level = rng.uniform(0.3, 0.9)
        for epoch, value in enumerate(curve(level)):
            trial.report(value, epoch)
            if epoch == EPOCHS // 2:  # another worker's trial ends between two reports
                theirs.report(level - 0.1, epoch)
                other.tell(theirs, level)
            with monkeypatch.context() as patch:
                patch.setattr(stored.storage, "_get_trials", refuse)
                stop = trial.should_prune()
            frozen = stored.storage.get_trial(trial._trial_id)
            judged = grace_epochs(stored.spec) <= epoch + 1 < EPOCHS
            judged &= not is_control(stored.spec, trial.user_attrs["slot"])
            assert stop == (judged and mine.pruner._base.prune(mine, frozen))
            decided.add(stop)
        mine.tell(trial, level)
    assert decided == {True, False}


def test_a_pruner_that_there_is_not_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^unknown pruner 'medan'. Did you mean 'median'\?"):
        find_pruner("medan")
