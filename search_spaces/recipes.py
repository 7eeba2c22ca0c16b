"""Recipes: the optimizer that a study trains with, and the rates that suit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from search_spaces.config import Parameters, Ranges, TrialConfig

RecipeName = Literal["chapter", "momentum"]
CHAPTERS: RecipeName = "chapter"
RATES = ("base_lr",)
"""The parameters that are learning rates; all others are fractions, exponents or durations."""


@dataclass(frozen=True)
class Recipe:
    """optimizer: fields of TrialConfig that differ from their defaults. gain: how many times as far
    a rate moves the weights as in plain SGD, 1 / (1 - momentum) in the long run; the spaces' rates,
    which are those of plain SGD, are divided by it. meaning: in a few words, for the help."""

    optimizer: Mapping[str, Any]
    gain: float
    meaning: str

    def slowed(self, values: Parameters) -> Parameters:
        """Parameters of plain SGD with the rates of this recipe.

        >>> RECIPES["momentum"].slowed({"base_lr": 0.3, "exponent": 2.0})
        {'base_lr': 0.03, 'exponent': 2.0}
        """
        return {
            name: value / self.gain if name in RATES else value for name, value in values.items()
        }

    def slowed_ranges(self, ranges: Ranges) -> Ranges:
        """The ranges of plain SGD with those of the rates moved."""
        lows = self.slowed({name: each.low for name, each in ranges.items()})
        highs = self.slowed({name: each.high for name, each in ranges.items()})
        return {
            name: each.model_copy(update={"low": lows[name], "high": highs[name]})
            for name, each in ranges.items()
        }


RECIPES: dict[RecipeName, Recipe] = {
    "chapter": Recipe({}, 1.0, "plain SGD in batches of 256 images, as in the chapter"),
    "momentum": Recipe(
        {"momentum": 0.9, "batch_size": 32},
        10.0,
        "SGD with momentum 0.9 in batches of 32, at a tenth of the rates",
    ),
}


def optimizer_in_words(optimizer: Mapping[str, Any]) -> str:
    """What trains, in one phrase. optimizer: fields of TrialConfig that differ from their defaults.

    >>> optimizer_in_words(RECIPES["momentum"].optimizer)
    'SGD with momentum 0.9 in batches of 32 images'
    """
    batch_size = optimizer.get("batch_size", TrialConfig.model_fields["batch_size"].default)
    momentum = optimizer.get("momentum", 0.0)
    kind = "Nesterov momentum" if optimizer.get("nesterov") else "momentum"
    sgd = f"SGD with {kind} {momentum:g}" if momentum else "plain SGD"
    return f"{sgd} in batches of {batch_size:,} {'image' if batch_size == 1 else 'images'}"


def recipe_in_words(name: RecipeName, optimizer: Mapping[str, Any]) -> str:
    """The recipe of a study for who reads its results, and that momentum is another question.

    >>> recipe_in_words("chapter", {})
    'Recipe chapter: plain SGD in batches of 256 images.'
    """
    first = f"Recipe {name}: {optimizer_in_words(optimizer)}."
    if not optimizer.get("momentum"):
        return first
    return (
        f"{first} That is another question than the chapter's plain SGD: rates and verdicts do not "
        "carry over."
    )
