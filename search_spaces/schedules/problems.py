"""What pydantic found wrong, as a sentence that a person reads at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_LONGEST = 40  # characters of a value that is repeated

# pydantic's names of what can be wrong; {...} is what is allowed.
_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_SWITCH = "must be true or false"
_TEXT = "must be text"
_LIST = "must be a list"
_GROUP = "must be a group of named values"
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), _WHOLE),
    **dict.fromkeys(("bool_type", "bool_parsing"), _SWITCH),
    **dict.fromkeys(("string_type", "string_unicode"), _TEXT),
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _GROUP),
    "none_required": "must be none",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "must say its {discriminator}",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "must be a plain name",
    "json_invalid": "is not JSON",
    "callable_type": "is a function, which cannot be given here",
}
# Where the value says nothing, or was only part of what is allowed.
_WITHOUT_VALUE = (
    *("missing", "extra_forbidden", "union_tag_not_found"),
    *("too_short", "json_invalid", "callable_type"),
)


def first_problem(error: ValidationError, spoken: Mapping[str, str] | None = None) -> str:
    """The first of pydantic's complaints as one line: where, what is allowed, what it got.

    spoken: fields that the user writes otherwise, e.g. ``base`` for ``base_lr``.
    """
    problem = error.errors(include_url=False)[0]
    names = {**(spoken or {})}
    place = _place(problem, names)
    if problem["type"] == "value_error":
        message = " ".join(problem["msg"].removeprefix("Value error, ").split())
        for field, word in names.items():
            message = re.sub(rf"\b{field}\b", word, message)
        return f"{place}: {message}" if place else message
    return f"{place or 'it'} {sentence(problem)}"


def sentence(problem: ErrorDetails) -> str:
    """What is allowed, and what it got: ``must be above 0, not -1``."""
    kind = problem["type"]
    limits = {name: _plain(value) for name, value in problem.get("ctx", {}).items()}
    text = _SENTENCES.get(kind, "cannot be used").format_map(limits)
    value = None if kind in _WITHOUT_VALUE else shown(problem["input"])
    return text if value is None else f"{text}, not {value}"


def shown(value: Any) -> str | None:
    """A value as a user writes it; None where it is none that could be written in a few words."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        line = " ".join(value.split())
        if line.isdecimal():  # of a command line, where everything is text
            return line
        return repr(line if len(line) <= _LONGEST else line[:_LONGEST] + "...")
    if isinstance(value, int):  # Python refuses to write thousands of digits
        return str(value) if value.bit_length() <= 64 else "a number of so many digits"
    return str(value) if isinstance(value, float) else None


def _place(problem: ErrorDetails, names: Mapping[str, str]) -> str:
    """Where it is: ``horizon``, ``schedule.horizon``, ``number 2 of rates``."""
    *before, last = problem["loc"] or ("",)
    of = ".".join(names.get(part, part) for part in map(str, before))
    if isinstance(last, int):
        return f"number {last + 1} of {of or 'the list'}"
    word = names.get(last, last)
    return f"{of}.{word}" if of else word


def _plain(value: Any) -> str:
    """A limit: numbers with a comma after thousands."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
