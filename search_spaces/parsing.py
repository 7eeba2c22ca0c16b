"""Reads a schedule from one line of text, such as ``cosine:base=0.3,final=0.01,horizon=20``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from search_spaces.schedules import FAMILIES, ScheduleConfig, TorchScheduler, schedule_adapter

_SHORT = {"base": "base_lr", "final": "final_lr", "start": "start_lr"}
_LISTS = ("milestones", "rates")
_WORDS = {"true": True, "false": False, "none": None}


def parse_schedule(text: str) -> ScheduleConfig:
    """The schedule that ``family:name=value,...`` describes.

    ``base``, ``final`` and ``start`` stand for ``base_lr``, ``final_lr`` and ``start_lr``; a list
    is written ``15/30``, one of a single number ``15/``. Arguments of
    ``torch:scheduler=StepLR,...`` that no schedule has go to the torch class. Raises ValueError, in
    one line, with the nearest name where one is unknown.
    """
    name, _, rest = (part.strip() for part in text.partition(":"))
    family = FAMILIES.get(name)
    if family is None:
        raise ValueError(unknown("schedule", name, FAMILIES))
    known = [field for field in family.model_fields if field not in ("family", "arguments")]
    fields: dict[str, Any] = {"family": name}
    arguments: dict[str, Any] = {}
    for key, value in _pairs(text, rest).items():
        if key in known:
            fields[key] = [value] if key in _LISTS and not isinstance(value, list) else value
        elif family is TorchScheduler:
            arguments[key] = value
        else:
            raise ValueError(unknown(f"parameter of {name}", key, known))
    if arguments:
        fields["arguments"] = arguments
    try:
        schedule: ScheduleConfig = schedule_adapter.validate_python(fields)
    except ValidationError as error:
        raise ValueError(f"{text}: {first_problem(error)}") from None
    return schedule


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line that says what is unknown, what comes nearest, and what there is."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{guess} There are: {', '.join(names)}."


def first_problem(error: ValidationError) -> str:
    """The first of pydantic's complaints as one line: where, what is allowed, what it got."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"] if part not in FAMILIES)
    message = " ".join(problem["msg"].removeprefix("Value error, ").split())
    # pydantic's own messages do not name the value.
    if problem["type"] not in ("value_error", "extra_forbidden"):
        value = problem["input"]
        message += f", not {value!r}" if isinstance(value, str | int | float) else ""
    return f"{place}: {message}" if place else message


def _pairs(text: str, rest: str) -> dict[str, Any]:
    """The ``name=value,...`` of ``text``, short names written out."""
    pairs: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise ValueError(f"{pair!r} in {text!r} is not of the form name=value")
        key = _SHORT.get(key, key)
        if key in pairs:
            raise ValueError(f"{key!r} is given twice in {text!r}")
        pairs[key] = _value(value)
    return pairs


def _value(text: str) -> Any:
    """A number, boolean, None or list where the text is one, else the text itself."""
    if "/" in text:
        return [_value(part.strip()) for part in text.split("/") if part.strip()]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
