"""Rounds: arms of a later stage that stop early leave the seeds of all others as they are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from search_spaces.config import Arm, Budget
from study.spec import Round, StudySpec


def a_test(seeds: int = 5, **changes: object) -> StudySpec:
    """A comparison of three constant rates."""
    arms = tuple(
        Arm(family=f"constant: base_lr={rate}", parameters={}) for rate in ("0.1", "0.2", "0.3")
    )
    values = {
        "space": "schedules",
        "families": tuple(arm.family for arm in arms),
        "schedules": tuple(f"constant:base_lr={rate}" for rate in ("0.1", "0.2", "0.3")),
        "trials": 3 * seeds,
        "budget": Budget(epochs=1),
        "ranges": {},
        "stage": "test",
        "arms": arms,
        "sampler": "random",
        "pruner": "none",
        "replicates": None,
    }
    return StudySpec.model_validate(values | changes)


def slots(spec: StudySpec) -> list[tuple[int | None, int, int]]:
    return [
        (spec.arm_place(slot), spec.replicate(slot), spec.training_seed(slot))
        for slot in range(spec.trials)
    ]


def test_a_comparison_has_arms_and_no_source():
    assert a_test().compares
    assert a_test().seeds == 5
    assert a_test().reads_test
    assert a_test().validates


def test_without_rounds_every_arm_has_every_seed():
    pairs = [(arm, seed) for arm, seed, _ in slots(a_test(2))]
    assert pairs == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]


def test_an_arm_that_stops_has_no_more_slots_and_the_others_keep_their_seeds():
    both = a_test(2).with_round((0, 2), 3)
    assert both.trials == 12
    assert both.seeds == 5
    whole = {(arm, replicate): seed for arm, replicate, seed in slots(a_test(5))}
    for arm, replicate, seed in slots(both):
        assert whole[arm, replicate] == seed
    assert sorted({r for a, r, _ in slots(both) if a == 1}) == [0, 1]
    assert sorted({r for a, r, _ in slots(both) if a == 2}) == [0, 1, 2, 3, 4]


def test_earlier_slots_stay_what_they_were():
    assert slots(a_test(2).with_round((0, 2), 3))[:6] == slots(a_test(2))
    assert slots(a_test(2).with_round((0, 1, 2), 3)) == slots(a_test(5))


def test_more_seeds_go_to_the_arms_of_the_last_round():
    spec = a_test(2).with_round((0, 1), 1).with_seeds(5)
    assert [each.seeds for each in spec.rounds] == [2, 1, 2]
    assert spec.rounds[-1].arms == (0, 1)
    assert a_test(2).with_seeds(2) == a_test(2)
    assert a_test(2).with_seeds(4) == a_test(4)
    with pytest.raises(ValueError, match="5 seeds; a total of 3 is fewer"):
        spec.with_seeds(3)


def test_rounds_that_contradict_the_study_are_refused():
    with pytest.raises(ValidationError, match="an arm that the study does not have"):
        a_test(rounds=(Round(arms=(3,), seeds=15),))
    with pytest.raises(ValidationError, match="the rounds have 6 trials, the study 15"):
        a_test(rounds=(Round(arms=(0, 1), seeds=3),))


def test_looks_rise_and_are_at_most_three():
    assert a_test(looks=(5, 9, 12)).looks == (5, 9, 12)
    for wrong in ((5, 5), (9, 5), (5, 6, 7, 8)):
        with pytest.raises(ValidationError, match="looks"):
            a_test(looks=wrong)
