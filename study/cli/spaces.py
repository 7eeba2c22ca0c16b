"""`lrstudy spaces`: what there is to try."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from search_spaces.config import Range
from search_spaces.recipes import RECIPES, optimizer_in_words
from search_spaces.space import Preset, SearchSpace
from search_spaces.spaces import CHAPTER, in_recipe, listed
from search_spaces.words.phrases import count
from study.cli.layout import Grid
from study.cli.options import AsJson, print_json

_GIVEN = "those of --schedule SPEC, which every space but langevin and chapter takes"


def spaces(as_json: AsJson = False) -> None:
    """List the search spaces: the question of each, its schedules, parameters and ranges.

    Example: lrstudy spaces
    """
    if as_json:
        print_json({name: _facts(space) for name, space in listed().items()})
        return
    console = Console()
    console.print("Exercises 1 to 5 are the chapter's:", highlight=False)
    console.print(CHAPTER, highlight=False, soft_wrap=True)
    console.print()
    for name, space in listed().items():
        console.print(Grid(("", ""), _rows(name, space)))
        console.print()


def _rows(name: str, space: SearchSpace) -> list[tuple[str, str]]:
    """What a person should know of a space, each with its label."""
    facts = _facts(space)
    exercise = "" if space.EXERCISE is None else f"exercise {space.EXERCISE}: "
    return [
        (name, f"{exercise}{facts['question']}"),
        ("schedules", ", ".join(facts["schedules"]) or _GIVEN),
        *facts["parameters"].items(),
        *((f"--preset {preset}", text) for preset, text in facts["presets"].items()),
    ]


def _facts(space: SearchSpace) -> dict[str, Any]:
    standard = space.PRESETS["standard"].budget
    return {
        "exercise": space.EXERCISE,
        "question": space.QUESTION,
        "schedules": list(space.FAMILIES),
        "parameters": {name: _widths(space, name) for name in space.ranges(standard)},
        "presets": {name: _budget(space, preset) for name, preset in space.PRESETS.items()},
    }


def _widths(space: SearchSpace, name: str) -> str:
    """Where a parameter is sampled with the standard preset; with another one where it differs."""
    found = {
        preset: _words(in_recipe(name, space, made.recipe).ranges(made.budget)[name])
        for preset, made in space.PRESETS.items()
    }
    usual = found.pop("standard")
    others = [f"--preset {each}: {text}" for each, text in found.items() if text != usual]
    return f"{usual} ({'; '.join(others)})" if others else usual


def _budget(space: SearchSpace, preset: Preset) -> str:
    trials = preset.trials_per_family * (len(space.FAMILIES) or 1)
    images = _images(preset.budget.train_size, space.DESIGNED)
    trains = optimizer_in_words({**RECIPES[preset.recipe].optimizer, **preset.optimizer})
    each = count(preset.budget.epochs, "epoch")
    trials_of = count(trials, "trial") + ("" if space.FAMILIES else " of each schedule")
    return f"{trials_of} of {each} on {images} training images, recipe {preset.recipe}: {trains}"


def _words(interval: Range) -> str:
    scale = ", log scale" if interval.log else ""
    unit = f" {interval.unit}" if interval.unit else ""
    return f"{interval.low:g} to {interval.high:g}{unit}{scale}"


def _images(train_size: int | None, designed: bool) -> str:
    if train_size is not None:
        return f"{train_size:,}"
    return "all 60,000" if designed else "50,000"
