"""Recipes: what they train with, and which rates they move."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from search_spaces.config import Budget, TrialConfig
from search_spaces.recipes import (
    CHAPTERS,
    RECIPES,
    Recipe,
    RecipeName,
    optimizer_in_words,
    recipe_in_words,
)
from search_spaces.schedules.decays import Constant
from search_spaces.spaces import SPACES, find_space

BUDGET = Budget(epochs=6, train_size=10_000)
SEARCHES = [name for name, space in SPACES.items() if not (space.DESIGNED or space.SAMPLES_WEIGHTS)]
MOMENTUM = RECIPES["momentum"]


def test_each_name_has_a_recipe_and_the_chapters_changes_nothing() -> None:
    assert tuple(RECIPES) == get_args(RecipeName)
    assert RECIPES[CHAPTERS].optimizer == {}
    assert RECIPES[CHAPTERS].slowed({"base_lr": 0.3}) == {"base_lr": 0.3}


@pytest.mark.parametrize("recipe", RECIPES.values())
def test_rates_are_divided_by_what_momentum_multiplies_a_steady_step_by(recipe: Recipe) -> None:
    """A constant gradient moves the weights by lr / (1 - momentum) an update in the long run."""
    config = TrialConfig(schedule=Constant(base_lr=1), epochs=1, seed=0, **recipe.optimizer)
    velocity = 0.0
    for _ in range(1_000):
        velocity = config.momentum * velocity + 1.0
    assert recipe.gain == pytest.approx(velocity)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_recipe_moves_the_rates_of_a_space_and_nothing_else(name: str) -> None:
    plain, slow = find_space(name), find_space(name, (), "momentum")
    usual, moved = plain.ranges(BUDGET), slow.ranges(BUDGET)
    assert list(moved) == list(usual)
    for parameter, each in moved.items():
        gain = MOMENTUM.gain if parameter == "base_lr" else 1.0
        assert each.low == pytest.approx(usual[parameter].low / gain)
        assert each.high == pytest.approx(usual[parameter].high / gain)
        assert (each.log, each.unit) == (usual[parameter].log, usual[parameter].unit)
    for family in plain.FAMILIES:
        known = zip(plain.baselines(family, BUDGET), slow.baselines(family, BUDGET), strict=True)
        for values, slowed in known:
            assert slowed == MOMENTUM.slowed(values)
            assert slowed["base_lr"] == pytest.approx(values["base_lr"] / MOMENTUM.gain)


def test_given_schedules_have_their_usual_rate_moved_and_their_fractions_not() -> None:
    plain = find_space("schedules", ["cosine"])
    slow = find_space("schedules", ["cosine"], "momentum")
    [usual], [moved] = plain.baselines("cosine", BUDGET), slow.baselines("cosine", BUDGET)
    assert moved == usual | {"base_lr": pytest.approx(usual["base_lr"] / 10)}


@pytest.mark.parametrize("name", ["langevin", "chapter"])
def test_what_needs_plain_sgd_has_no_other_recipe(name: str) -> None:
    assert find_space(name, (), CHAPTERS) is SPACES[name]
    with pytest.raises(ValueError, match=f"^{name} .* needs plain SGD: --recipe chapter$"):
        find_space(name, (), "momentum")


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        ({}, "plain SGD in batches of 256 images"),
        ({"batch_size": 1}, "plain SGD in batches of 1 image"),
        ({"momentum": 0.5}, "SGD with momentum 0.5 in batches of 256 images"),
        (
            {"momentum": 0.5, "nesterov": True, "batch_size": 8},
            "SGD with Nesterov momentum 0.5 in batches of 8 images",
        ),
    ],
)
def test_an_optimizer_in_words(optimizer: dict[str, Any], words: str) -> None:
    assert optimizer_in_words(optimizer) == words
    said = recipe_in_words("momentum", optimizer)
    assert said.startswith(f"Recipe momentum: {words}.")
    assert ("another question" in said) == ("momentum" in optimizer)
