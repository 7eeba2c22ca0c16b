"""Schedules that are given as text, alone or beside those of a space."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import FixedTrial

from search_spaces.config import Budget, TrialConfig
from search_spaces.schedules.base import FAMILIES
from search_spaces.schedules.text import parse_schedule
from search_spaces.spaces import SPACES, find_space

BUDGET = Budget(epochs=12)
WITH_SETTINGS = {
    "table": "table:rates=0.1/0.2",
    "torch": "torch:scheduler=StepLR,step_size=3",
    "then": "constant:until=4 then cosine:final=0",
}
"""What can be neither sampled nor filled in."""


def built(texts: list[str], family: str, values: dict[str, float]) -> tuple[Any, dict[str, Any]]:
    """The schedule of these values, and what was sampled for it."""
    space, trial = find_space("schedules", texts), FixedTrial(values)
    fields = space.suggest(trial, family, BUDGET, space.ranges(BUDGET))
    return TrialConfig(**fields, epochs=12, seed=0).schedule, trial.params


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_given_and_its_baseline_is_a_schedule(name: str) -> None:
    text = WITH_SETTINGS.get(name, name)
    space = find_space("schedules", [text])
    [label] = space.FAMILIES
    ranges = space.ranges(BUDGET)
    for values in space.baselines(label, BUDGET) or [{}]:
        schedule, sampled = built([text], label, values)
        assert schedule.family == name
        assert sampled == values
        assert values.keys() == ranges.keys()
        assert all(ranges[each].low <= value <= ranges[each].high for each, value in values.items())


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_trial_can_be_built_at_both_ends_of_all_ranges(name: str, end: str) -> None:
    text = WITH_SETTINGS.get(name, name)
    space = find_space("schedules", [text])
    ranges = space.ranges(BUDGET)
    schedule, _ = built(
        [text], space.FAMILIES[0], {each: getattr(r, end) for each, r in ranges.items()}
    )
    assert schedule.family == name


@pytest.mark.parametrize(
    ("text", "values", "same"),
    [
        ("cosine", {"base_lr": 0.4, "final_fraction": 0.25}, "cosine:base=0.4,final=0.1"),
        ("cosine:base=0.4", {"final_fraction": 0.25}, "cosine:base=0.4,final=0.1"),
        ("cosine:final=0.1", {"base_lr": 0.4}, "cosine:base=0.4,final=0.1"),
        (
            "cosine:final=0.1,warmup=?",
            {"base_lr": 0.4, "warmup": 2.5},
            "cosine:base=0.4,final=0.1,warmup=2.5",
        ),
        ("polynomial:base=1", {"exponent": 3.0}, "polynomial:base=1,exponent=3"),
        (
            "warmup_stable_decay:base=1,warmup=2",
            {"cooldown_fraction": 0.5},
            "warmup_stable_decay:base=1,warmup=2,cooldown=5",
        ),
        (
            "warmup_stable_decay:base=1,warmup=50%",
            {"cooldown_fraction": 0.5},
            "warmup_stable_decay:base=1,warmup=6,cooldown=3",
        ),
        ("one_cycle:base=1,warmup=2", {"peak_fraction": 0.5}, "one_cycle:base=1,warmup=2,peak=7"),
        ("plateau:patience=1", {"base_lr": 1, "alpha": 0.5}, "plateau:base=1,alpha=0.5,patience=1"),
        ("multi_factor", {"base_lr": 1, "alpha": 0.5}, "multi_factor:base=1,alpha=0.5"),
        ("multi_factor:base=1,alpha=0.5", {}, "multi_factor:base=1,alpha=0.5,milestones=6/9"),
    ],
)
def test_what_is_left_out_is_sampled(text: str, values: dict[str, float], same: str) -> None:
    family = text.partition(":")[0]
    assert built([text], family, values) == (parse_schedule(same, 12), values)


def test_a_factor_ends_at_the_sampled_fraction() -> None:
    schedule, _ = built(["factor:base=0.5"], "factor", {"final_fraction": 0.1})
    assert schedule(12) == pytest.approx(0.05, rel=1e-12)


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["cosine", "factor"], ("cosine", "factor")),
        (
            ["constant:until=3 then cosine", "constant:until=4 then cosine", "cosine"],
            ("constant then cosine: until=3", "constant then cosine: until=4", "cosine"),
        ),
        (["cosine", "cosine:warmup=1"], ("cosine", "cosine: warmup=1")),
        (
            ["cosine:base=1,warmup=1", "cosine:base=1,warmup=2,final=0"],
            ("cosine: warmup=1", "cosine: warmup=2 final=0"),
        ),
        (
            ["torch:scheduler=StepLR,step_size=3", "torch:scheduler=StepLR,step_size=4"],
            ("torch: step_size=3", "torch: step_size=4"),
        ),
    ],
)
def test_schedules_of_one_family_are_told_apart(texts: list[str], labels: tuple[str, ...]) -> None:
    assert labels == find_space("schedules", texts).FAMILIES


@pytest.mark.parametrize("name", ["fixed_rate", "polynomial", "cosine", "warmup"])
def test_a_space_keeps_its_own_families_ranges_and_runs(name: str) -> None:
    plain, joined = SPACES[name], find_space(name, ["warmup_stable_decay:final=0.01"])
    assert (*plain.FAMILIES, "warmup_stable_decay") == joined.FAMILIES
    ranges = joined.ranges(BUDGET)
    assert plain.ranges(BUDGET).items() <= ranges.items()
    values = {each: r.high for each, r in ranges.items()}
    for family in plain.FAMILIES:
        assert joined.baselines(family, BUDGET) == plain.baselines(family, BUDGET)
        suggested = [
            space.suggest(FixedTrial(values), family, BUDGET, ranges) for space in (plain, joined)
        ]
        assert suggested[0] == suggested[1]
    best = {family: plain.baselines(family, BUDGET)[0] for family in plain.FAMILIES}
    sized = Budget(epochs=12, train_size=1000)
    more = best | {"warmup_stable_decay": {"base_lr": 0.3, "cooldown_fraction": 0.2}}
    assert joined.grid(more, sized) == plain.grid(best, sized) != []


def test_a_family_that_the_space_has_needs_something_new() -> None:
    assert find_space("cosine", ["cosine:warmup=3"]).FAMILIES[-1] == "cosine: warmup=3"
    with pytest.raises(ValueError, match=r"^the schedule 'cosine' is there twice$"):
        find_space("cosine", ["cosine"])


def test_where_nothing_is_sampled_every_trial_has_its_own_seed() -> None:
    sampled = find_space("schedules", ["cosine"]).PRESETS
    fixed = find_space("schedules", ["cosine", "constant:base=0.3"]).PRESETS
    assert {each.replicates for each in sampled.values()} == {2}
    assert {each.replicates for each in fixed.values()} == {None}


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("schedules", [], "schedules needs --schedule SPEC"),
        ("schedule", [], "unknown search space 'schedule'. Did you mean 'schedules'?"),
        ("schedules", ["cosin"], "unknown schedule 'cosin'. Did you mean 'cosine'?"),
        ("langevin", ["cosine"], "this space compares no schedules"),
        ("chapter", ["cosine"], "this space compares no schedules"),
    ],
)
def test_what_cannot_be_is_explained_in_one_line(name: str, texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        find_space(name, texts)
    assert message in str(caught.value)
