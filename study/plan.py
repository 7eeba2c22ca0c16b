"""What follows a search, decided before it begins: how many candidates, seeds and looks."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from search_spaces.words.phrases import count

MOST_LOOKS = 3
FEWEST_JUDGED = 4
"""Seeds that a verdict needs at least: `analysis.estimators.skew` says why."""
FEWEST_AT_A_LOOK = 5
"""Seeds below which no planned look judges: fewer show too little of how seeds differ."""


def _not_too_few(looks: tuple[int, ...]) -> tuple[int, ...]:
    if not looks or looks[0] < FEWEST_AT_A_LOOK:
        fewest = count(FEWEST_AT_A_LOOK, "seed")
        raise ValueError(f"the first look is at {fewest} or more, not at {looks}")
    return looks


def _rising(looks: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(looks)):
        raise ValueError(f"the looks must rise, not be at {looks}")
    return looks


Looks = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...],
    Field(max_length=MOST_LOOKS),
    AfterValidator(_rising),
]


class Plan(BaseModel):
    """How an answer spends its budget. It is made before anything is trained, and stays.

    budget: seconds that were asked for. trials: of the search. top: candidates of each family that
    are trained again, fewer where the search says that they cannot win. seeds: of each of them, and
    of the question's grid, on validation images. looks: seeds of the test after which its pairs are
    judged. expected: seconds that each stage was thought to take when the plan was made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Annotated[float, Field(gt=0)]
    trials: Annotated[int, Field(ge=1)]
    top: Annotated[int, Field(ge=1)]
    seeds: Annotated[int, Field(ge=1)]
    looks: Annotated[Looks, AfterValidator(_not_too_few)]
    expected: dict[str, float] = Field(default_factory=dict)
