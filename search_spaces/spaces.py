"""The search spaces by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import BaseTrial

from search_spaces import (
    chapter,
    cosine,
    fixed_rate,
    given_schedules,
    langevin,
    polynomial,
    warmup,
)
from search_spaces.config import Arm, Budget, Parameters, Ranges
from search_spaces.given_schedules import join
from search_spaces.recipes import CHAPTERS, RECIPES, Recipe, RecipeName
from search_spaces.space import SearchSpace
from search_spaces.words.unknown import unknown

# Zhang et al., Dive into Deep Learning, section 12.11, at its exercises.
CHAPTER = "https://d2l.ai/chapter_optimization/lr-scheduler.html#exercises"


SPACES: dict[str, SearchSpace] = {
    "fixed_rate": fixed_rate,
    "polynomial": polynomial,
    "cosine": cosine,
    "warmup": warmup,
    "langevin": langevin,
    "chapter": chapter,
}


GIVEN = "schedules"
"""The space whose schedules are all given."""


def listed() -> dict[str, SearchSpace]:
    """What a user can choose from."""
    return {**SPACES, GIVEN: given_schedules}


def find_space(
    name: str, schedules: Sequence[str] = (), recipe: RecipeName = CHAPTERS
) -> SearchSpace:
    """The space of that name, with schedules that are given as text, and the rates of a recipe.
    Raises ValueError, in one line, where there is none, naming the nearest one, where a text is
    wrong, or where the space needs plain SGD."""
    if name == GIVEN:
        if not schedules:
            raise ValueError(
                f"{GIVEN} needs --schedule SPEC, once for each: `lrstudy schedules` lists them"
            )
        return in_recipe(name, join(given_schedules, schedules), recipe)
    if name not in SPACES:
        raise ValueError(unknown("search space", name, listed()))
    space = SPACES[name]
    return in_recipe(name, join(space, schedules) if schedules else space, recipe)


def in_recipe(name: str, space: SearchSpace, recipe: RecipeName) -> SearchSpace:
    """The space with the rates of that recipe. Raises ValueError where it needs plain SGD."""
    if recipe == CHAPTERS:
        return space
    if space.DESIGNED or space.SAMPLES_WEIGHTS:
        why = "is the chapter's own design" if space.DESIGNED else "samples weights by noise"
        raise ValueError(f"{name} {why}, which needs plain SGD: --recipe {CHAPTERS}")
    return _InRecipe(space, RECIPES[recipe])


class _InRecipe:
    """A search space whose learning rates are those of a recipe; all else is the space's own."""

    DESIGNED = False
    SAMPLES_WEIGHTS = False

    def __init__(self, space: SearchSpace, recipe: Recipe) -> None:
        self.space, self.recipe = space, recipe
        self.EXERCISE, self.QUESTION = space.EXERCISE, space.QUESTION
        self.FAMILIES = space.FAMILIES
        self.REFERENCE, self.COMPARED = space.REFERENCE, space.COMPARED
        self.PRESETS = space.PRESETS

    def ranges(self, budget: Budget) -> Ranges:
        """The space's, with slower rates."""
        return self.recipe.slowed_ranges(self.space.ranges(budget))

    def suggest(self, trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
        """The space's."""
        return self.space.suggest(trial, family, budget, ranges)

    def baselines(self, family: str, budget: Budget) -> list[Parameters]:
        """The space's, with slower rates."""
        return [self.recipe.slowed(each) for each in self.space.baselines(family, budget)]

    def grid(self, best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
        """The space's: it lies around rates of this recipe."""
        return self.space.grid(best, budget)
