"""The search spaces by name."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces import (
    chapter,
    cosine,
    fixed_rate,
    given_schedules,
    langevin,
    polynomial,
    warmup,
)
from search_spaces.given_schedules import join
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


def find_space(name: str, schedules: Sequence[str] = ()) -> SearchSpace:
    """The space of that name, with schedules that are given as text. Raises ValueError, in one
    line, where there is none, naming the nearest one, or where a text is wrong."""
    if name == GIVEN:
        if not schedules:
            raise ValueError(
                f"{GIVEN} needs --schedule SPEC, once for each: `lrstudy schedules` lists them"
            )
        return join(given_schedules, schedules)
    if name not in SPACES:
        raise ValueError(unknown("search space", name, listed()))
    return join(SPACES[name], schedules) if schedules else SPACES[name]
