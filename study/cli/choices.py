"""From the words of `lrstudy run` to a StudySpec. Raises ValueError in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from search_spaces.config import Budget, Range, Ranges, TrialConfig
from search_spaces.recipes import RECIPES
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.problems import first_problem
from search_spaces.schedules.text import field_name
from search_spaces.spaces import GIVEN, find_space
from search_spaces.words.unknown import unknown
from study.cli.bundles import Decorator, with_bundle
from study.cli.completion import complete_plot
from study.cli.options import AskedRecipe, one_of
from study.names import check_new_name
from study.spec import StudySpec
from study.study_file import SUFFIX, read_study
from study.trials.pruners import PRUNERS
from study.trials.sampler import SAMPLERS

OPTIMIZER = ("momentum", "nesterov", "weight_decay", "init", "batch_size")


@dataclass(frozen=True)
class Choices:
    """What the user said; None where the preset or the space decides. Each field but the first is
    an option.

    space: name of a search space, or file of a study's definition.
    """

    space: str = ""
    preset: Annotated[
        Literal["quick", "standard"] | None,
        typer.Option(
            "--preset",
            help="Trials, epochs, images and recipe; default: standard, of answer and compare "
            "quick.",
        ),
    ] = None
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Number of trials.")] = None
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs of each trial.")] = (
        None
    )
    train_size: Annotated[
        int | None, typer.Option("--train-size", min=1, help="Training images of each trial.")
    ] = None
    sampler: Annotated[
        str | None,
        one_of("--sampler", SAMPLERS, "What draws the trials; default: tpe, of answer qmc."),
    ] = None
    pruner: Annotated[
        str | None,
        one_of(
            "--pruner", PRUNERS, "What stops bad trials early; default: percentile, of answer none."
        ),
    ] = None
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of sampling and training; default: 0.")
    ] = None
    kernel: Annotated[
        Literal["auto", "torch", "numba"] | None,
        typer.Option(
            "--kernel",
            help="What computes LeNet's convolutions in all of the study; default: auto, which is "
            "numba on a CPU where it is installed, else torch; torch with --workers 0.",
        ),
    ] = None
    bank: Annotated[
        bool,
        typer.Option(
            "--bank",
            help="Independent random trials without pruning; the report needs them for tuning "
            "curves and to compare pruners.",
        ),
    ] = False
    recipe: AskedRecipe = None
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Fix a parameter; may be repeated."),
    ] = None
    bounds: Annotated[
        list[str] | None,
        typer.Option(
            "--range", metavar="NAME=LOW:HIGH", help="Sample a parameter between these bounds."
        ),
    ] = None
    schedules: Annotated[
        list[str] | None,
        typer.Option(
            "--schedule",
            metavar="SPEC",
            help="Add a schedule, written as for `lrstudy plot`; what it leaves out is sampled.",
            autocompletion=complete_plot,
        ),
    ] = None
    tries: Annotated[
        list[str] | None,
        typer.Option("--try", metavar="NAME=VALUE,...", help="Train this configuration first."),
    ] = None

    @property
    def given(self) -> list[str]:
        """The options that were given."""
        values = {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        nothing = (None, False)
        return [
            name
            for name, value in values.items()
            if not any(value is each for each in nothing) and value not in ((), [])
        ]

    @property
    def leaves_kernel_open(self) -> bool:
        """Whether the devices decide which kernel the study has; a file has decided."""
        return self.kernel in (None, "auto") and not self.space.endswith(SUFFIX)


NO_CHOICES = Choices()
"""Stands in a command's signature where `with_choices` puts the options."""


def with_choices(*without: str) -> Decorator:
    """Gives a command the options of Choices, but for some, in the place of its parameter
    ``choices``. The command declares the space itself."""
    return with_bundle("choices", Choices, *without)


def name_of(space: str) -> str:
    """The name that a study has where none is given: its space's, or its file's."""
    return read_study(Path(space))[0] if space.endswith(SUFFIX) else space


def define(choices: Choices, study: str | None) -> tuple[str, StudySpec]:
    """Name and spec of the study that is asked for: by options, or by a file. study: another name
    than the space's, or the file's. Its kernel is torch where the choices leave it open."""
    if choices.space.endswith(SUFFIX):
        _check_alone(choices)
        name, spec = read_study(Path(choices.space))
        _check_design(spec.space, spec.sampler, spec.pruner)
    else:
        name, spec = choices.space, make_spec(choices)
    if study is not None:
        check_new_name(study)
    return (name if study is None else study), spec


def _check_alone(choices: Choices) -> None:
    """Raises ValueError where an option would change what a file defines."""
    for name in choices.given:
        option = {"fixed": "set", "bounds": "range", "schedules": "schedule", "tries": "try"}
        word = option.get(name, name).replace("_", "-")
        raise ValueError(
            f"{choices.space} defines the study, and --{word} would change it: edit the file, or a "
            "copy"
        )


def _check_design(space: str, sampler: str | None, pruner: str | None) -> None:
    """Raises ValueError where a fixed design would be sampled or pruned."""
    if (
        space != GIVEN
        and find_space(space).DESIGNED
        and not (sampler in (None, "random") and pruner in (None, "none"))
    ):
        raise ValueError(f"{space} is a fixed design: nothing is sampled or pruned")


def make_spec(choices: Choices) -> StudySpec:
    """The study that the options ask for."""
    schedules = choices.schedules or ()
    preset = find_space(choices.space, schedules).PRESETS[choices.preset or "standard"]
    recipe = choices.recipe or preset.recipe
    space = find_space(choices.space, schedules, recipe)
    _check_design(choices.space, choices.sampler, choices.pruner)
    _check_bank(choices)
    budget = _budget(preset.budget, choices)
    fixed = _pairs(choices.fixed or (), "--set", "NAME=VALUE")
    bounds = _pairs(choices.bounds or (), "--range", "NAME=LOW:HIGH")
    if both := set(map(field_name, fixed)) & set(map(field_name, bounds)):
        raise ValueError(f"{min(both)} is given to both --set and --range")
    families = _families(space.FAMILIES, fixed.pop("schedule", None), len(schedules))
    said = {name: fixed.pop(name) for name in OPTIMIZER if name in fixed}
    return StudySpec(
        space=choices.space,
        families=families,
        schedules=tuple(schedules),
        trials=choices.trials or preset.trials_per_family * len(families),
        budget=budget,
        ranges=_ranges(space.ranges(budget), fixed, bounds, choices.space),
        optimizer=_unusual(_optimizer(said, {**RECIPES[recipe].optimizer, **preset.optimizer})),
        recipe=recipe,
        sampler=choices.sampler or ("random" if space.DESIGNED or choices.bank else "tpe"),
        pruner=choices.pruner or ("none" if space.DESIGNED or choices.bank else "percentile"),
        kernel="numba" if choices.kernel == "numba" else "torch",
        seed=choices.seed or 0,
        tries=tuple(choices.tries or ()),
        replicates=None if choices.bank else preset.replicates,
        bank=choices.bank,
    )


def _families(all_of_them: tuple[str, ...], chosen: str | None, given: int) -> tuple[str, ...]:
    """Those of the space that ``--set schedule=`` chose, and the given ones, which come last."""
    if chosen is None:
        return all_of_them
    return (*chosen.split(","), *all_of_them[len(all_of_them) - given :])


def _check_bank(choices: Choices) -> None:
    """Raises ValueError where a bank is asked for with what it cannot have."""
    if not choices.bank:
        return
    if find_space(choices.space, choices.schedules or ()).DESIGNED:
        raise ValueError(f"{choices.space} is a fixed design: it cannot be a bank")
    if choices.sampler not in (None, "random") or choices.pruner not in (None, "none"):
        raise ValueError("--bank samples at random and prunes nothing")


def _budget(preset: Budget, choices: Choices) -> Budget:
    values = {"epochs": choices.epochs, "train_size": choices.train_size}
    changed = {name: value for name, value in values.items() if value is not None}
    return Budget(**preset.model_dump() | changed)


def _ranges(ranges: Ranges, fixed: dict[str, str], bounds: dict[str, str], space: str) -> Ranges:
    """The space's ranges with those that the user fixed or moved."""
    for name, text in fixed.items():
        _check_name(name, [*ranges, "schedule", *OPTIMIZER], space)
        value = _number(text, f"--set {name}={text}")
        ranges[field_name(name)] = _moved(ranges, name, value, value)
    for name, text in bounds.items():
        if name in ("schedule", *OPTIMIZER):
            raise ValueError(f"{name} is not sampled: --set {name}=... gives it a value")
        _check_name(name, ranges, space)
        option = f"--range {name}={text}"
        low, colon, high = text.partition(":")
        if not (colon and low and high):
            raise ValueError(f"{option} is not of the form NAME=LOW:HIGH")
        start, end = _number(low, option), _number(high, option)
        if start == end:
            raise ValueError(f"{option} is empty; fix a parameter with --set")
        ranges[field_name(name)] = _moved(ranges, name, start, end)
    return ranges


def _check_name(name: str, known: Iterable[str], space: str) -> None:
    """Raises ValueError, before anything is said of its value, where there is no such parameter."""
    if field_name(name) not in (names := list(known)):
        raise ValueError(unknown(f"parameter of {space}", name, names))


def _moved(ranges: Ranges, name: str, low: float, high: float) -> Range:
    """The range with these ends; errors call it by the name that the user wrote."""
    for value in (low, high):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value}")
    try:
        return Range(**ranges[field_name(name)].model_dump() | {"low": low, "high": high})
    except ValidationError as error:
        raise ValueError(f"{name}: {first_problem(error)}") from None


def _optimizer(texts: dict[str, str], usual: dict[str, Any]) -> dict[str, Any]:
    """The usual options with those of the user, as TrialConfig validates them together."""
    values = dict(usual)
    for name, text in texts.items():
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    config = TrialConfig(schedule=Constant(base_lr=1.0), epochs=1, seed=0, **values)
    return {name: getattr(config, name) for name in values}


def _unusual(optimizer: dict[str, Any]) -> dict[str, Any]:
    """Those that differ from TrialConfig's defaults."""
    usual = {name: TrialConfig.model_fields[name].default for name in optimizer}
    return {name: value for name, value in optimizer.items() if value != usual[name]}


def _pairs(texts: Sequence[str], option: str, form: str) -> dict[str, str]:
    """The NAME=... of an option that may be given several times, once for each parameter."""
    pairs: dict[str, str] = {}
    given: set[str] = set()
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise ValueError(f"{option} {text} is not of the form {form}")
        if field_name(name) in given:
            raise ValueError(f"{option} {name} is given twice")
        given.add(field_name(name))
        pairs[name] = value
    return pairs


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option}: {text!r} is not a number") from None
