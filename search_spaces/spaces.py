"""The search spaces by name."""

from __future__ import annotations

from search_spaces import chapter, cosine, fixed_rate, langevin, polynomial, warmup
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


def find_space(name: str) -> SearchSpace:
    """The space of that name. Raises ValueError naming the nearest one."""
    if name not in SPACES:
        raise ValueError(unknown("search space", name, SPACES))
    return SPACES[name]
