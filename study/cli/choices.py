"""From the options of `lrstudy run` to a StudySpec. Raises ValueError in one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from search_spaces.config import Budget, Range, Ranges, TrialConfig
from search_spaces.parsing import first_problem, unknown
from search_spaces.schedules import Constant
from search_spaces.spaces import find_space
from study.spec import Pruner, Sampler, StudySpec

OPTIMIZER = ("momentum", "nesterov", "weight_decay", "init", "batch_size")


@dataclass(frozen=True)
class Choices:
    """What the user said; None where the preset or the space decides."""

    space: str
    preset: str
    trials: int | None
    epochs: int | None
    train_size: int | None
    sampler: Sampler | None
    pruner: Pruner | None
    seed: int
    bank: bool
    fixed: Sequence[str]
    bounds: Sequence[str]


def make_spec(said: Choices) -> StudySpec:
    """The study that the choices ask for."""
    space = find_space(said.space)
    if space.DESIGNED and (said.sampler or said.pruner not in (None, "none")):
        raise ValueError(f"{said.space} is a fixed design: nothing is sampled or pruned")
    _check_bank(said)
    preset = space.PRESETS[said.preset]
    budget = _budget(preset.budget, said)
    fixed = _pairs(said.fixed, "--set", "NAME=VALUE")
    bounds = _pairs(said.bounds, "--range", "NAME=LOW:HIGH")
    if both := fixed.keys() & bounds.keys():
        raise ValueError(f"{min(both)} is given to both --set and --range")
    families = tuple(fixed.pop("schedule").split(",")) if "schedule" in fixed else space.FAMILIES
    optimizer = {name: fixed.pop(name) for name in OPTIMIZER if name in fixed}
    return StudySpec(
        space=said.space,
        families=families,
        trials=said.trials or preset.trials_per_family * len(families),
        budget=budget,
        ranges=_ranges(space.ranges(budget), fixed, bounds, said.space),
        optimizer=_unusual(preset.optimizer | _optimizer(optimizer)),
        sampler=said.sampler or ("random" if space.DESIGNED or said.bank else "tpe"),
        pruner=said.pruner or ("none" if space.DESIGNED or said.bank else "percentile"),
        seed=said.seed,
        replicates=None if said.bank else preset.replicates,
        bank=said.bank,
    )


def _check_bank(said: Choices) -> None:
    """Raises ValueError where a bank is asked for with what it cannot have."""
    if not said.bank:
        return
    if find_space(said.space).DESIGNED:
        raise ValueError(f"{said.space} is a fixed design: it cannot be a bank")
    if said.sampler not in (None, "random") or said.pruner not in (None, "none"):
        raise ValueError("--bank samples at random and prunes nothing")


def _budget(preset: Budget, said: Choices) -> Budget:
    values = {"epochs": said.epochs, "train_size": said.train_size}
    changed = {name: value for name, value in values.items() if value is not None}
    return Budget(**preset.model_dump() | changed)


def _ranges(ranges: Ranges, fixed: dict[str, str], bounds: dict[str, str], space: str) -> Ranges:
    """The space's ranges with those that the user fixed or moved."""
    for name, text in fixed.items():
        value = _number(text, f"--set {name}={text}")
        ranges[name] = _moved(ranges, name, value, value, space)
    for name, text in bounds.items():
        option = f"--range {name}={text}"
        low, colon, high = text.partition(":")
        if not colon:
            raise ValueError(f"{option} is not of the form NAME=LOW:HIGH")
        start, end = _number(low, option), _number(high, option)
        if start == end:
            raise ValueError(f"{option} is empty; fix a parameter with --set")
        ranges[name] = _moved(ranges, name, start, end, space)
    return ranges


def _moved(ranges: Ranges, name: str, low: float, high: float, space: str) -> Range:
    if name not in ranges:
        known = [*ranges, "schedule", *OPTIMIZER]
        raise ValueError(unknown(f"parameter of {space}", name, known))
    try:
        return Range(**ranges[name].model_dump() | {"low": low, "high": high})
    except ValidationError as error:
        raise ValueError(f"{name}: {first_problem(error)}") from None


def _optimizer(said: dict[str, str]) -> dict[str, Any]:
    """Optimizer options as TrialConfig validates them."""
    values: dict[str, Any] = {}
    for name, text in said.items():
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
    """The NAME=... of an option that may be given several times, once for each name."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise ValueError(f"{option} {text} is not of the form {form}")
        if name in pairs:
            raise ValueError(f"{option} {name} is given twice")
        pairs[name] = value
    return pairs


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option}: {text!r} is not a number") from None
