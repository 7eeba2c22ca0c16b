"""Plans: a budget is spent, half of it or less on the search, and never exceeded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.cli.choices import Choices, make_spec
from study.plan import FEWEST_AT_A_LOOK, MOST_LOOKS
from study.planning import (
    FEWEST_TRIALS,
    MARGIN,
    MOST_TRIALS,
    Costs,
    decided_on,
    least_budget,
    looks,
    make_plan,
)
from study.stages import likely_confirm_spec

COSTS = Costs(trial=4.0, confirm=80.0, test=24.0, at_once=2)
SPECS = {
    name: make_spec(Choices(space=name, preset="quick"))
    for name in ("fixed_rate", "polynomial", "cosine", "warmup", "langevin")
}


def confirmed(name: str):
    return likely_confirm_spec(name, SPECS[name], top=2, seeds=4, train_images=10_000)


def decided(name: str):
    return decided_on(SPECS[name], confirmed(name))


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("fixed_rate", "confirm"),
        ("polynomial", "confirm"),
        ("cosine", "test"),
        ("warmup", "test"),
        ("langevin", "test"),
    ],
)
def test_which_stage_decides(name: str, stage: str):
    assert decided(name) == stage


def test_given_schedules_are_decided_by_the_test():
    spec = make_spec(Choices(space="schedules", preset="quick", schedules=["cosine", "constant"]))
    confirm = likely_confirm_spec("it", spec, top=2, seeds=4, train_images=10_000)
    assert decided_on(spec, confirm) == "test"


@given(
    name=st.sampled_from(sorted(SPECS)),
    budget=st.floats(300, 1e5),
    trial=st.floats(0.5, 60),
    confirm=st.floats(1, 40),
    test=st.floats(1, 8),
    at_once=st.integers(1, 8),
)
def test_a_plan_keeps_to_its_budget_and_gives_the_search_the_smaller_part(
    name: str, budget: float, trial: float, confirm: float, test: float, at_once: int
):
    costs = Costs(trial, confirm * trial, test * trial, at_once)
    spec = SPECS[name]
    try:
        plan = make_plan(spec, decided(name), budget, costs)
    except ValueError:
        assert budget <= least_budget(spec, decided(name), costs) * 1.1
        return
    assert sum(plan.expected.values()) <= budget * (1 - MARGIN) + 1
    each = plan.trials / len(spec.families)
    assert each == int(each)
    assert FEWEST_TRIALS <= each <= MOST_TRIALS
    if each > FEWEST_TRIALS:
        assert plan.trials * trial <= budget * at_once / 2
    assert plan.looks[-1] >= FEWEST_AT_A_LOOK
    assert plan.seeds >= 4


def test_a_larger_budget_never_plans_less():
    plans = [
        make_plan(SPECS["cosine"], "test", minutes * 60, COSTS) for minutes in (12, 20, 40, 90)
    ]
    for smaller, larger in itertools.pairwise(plans):
        assert smaller.looks[-1] < larger.looks[-1]
        assert smaller.trials <= larger.trials


def test_what_decides_gets_the_rest():
    plan = make_plan(SPECS["cosine"], "test", 1200, COSTS)
    assert plan.seeds == 4
    assert plan.expected["test"] > plan.expected["confirm"]
    grid = make_plan(SPECS["fixed_rate"], "confirm", 1200, COSTS)
    assert grid.seeds == grid.looks[-1] > 5


def test_a_small_budget_is_refused_with_one_that_does():
    with pytest.raises(ValueError, match="1 min are too few for 6 schedules") as caught:
        make_plan(SPECS["cosine"], "test", 60, COSTS)
    least = least_budget(SPECS["cosine"], "test", COSTS)
    assert f"{-(-least // 60):.0f} min" in str(caught.value)
    make_plan(SPECS["cosine"], "test", least + 60, COSTS)


@pytest.mark.parametrize("seeds", range(5, 120))
def test_looks_end_with_all_seeds_and_none_is_below_five(seeds: int):
    found = looks(SPECS["cosine"], seeds)
    assert found[-1] == seeds
    assert len(found) <= MOST_LOOKS
    assert found[0] >= FEWEST_AT_A_LOOK
    assert list(found) == sorted(set(found))


def test_only_schedules_compared_with_one_are_judged_more_than_once():
    assert len(looks(SPECS["cosine"], 40)) == 3
    assert [looks(SPECS[each], 40) for each in ("warmup", "fixed_rate", "langevin")] == [(40,)] * 3
