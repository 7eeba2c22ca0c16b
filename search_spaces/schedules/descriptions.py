"""What a schedule family says of itself: from its class, its fields and its docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from search_spaces.schedules.base import FAMILIES, ScheduleConfig, Unit
from search_spaces.schedules.text import short_names
from search_spaces.words.unknown import unknown

SYMBOLS = "t is the update, w the warmup, T the horizon, and u = t - w"
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_MEANING = re.compile(r"^(\w+): (.*(?:\n +.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a family, in words.

    names: every name that text may call it by, the field's own first. allowed: its values; unit:
    "" where it has none. default: None where it must be given.
    """

    names: tuple[str, ...]
    meaning: str
    allowed: str
    unit: str
    default: str | None


@dataclass(frozen=True)
class Family:
    """A schedule family, in words.

    example: text that `parse_schedule` reads. own: its parameters; common: those that all have.
    """

    name: str
    summary: str
    formula: str
    reference: str
    example: str
    own: tuple[Parameter, ...]
    common: tuple[Parameter, ...]


def describe(name: str) -> Family:
    """The family of that name. Raises ValueError naming the nearest one."""
    if name not in FAMILIES:
        raise ValueError(unknown("schedule", name, FAMILIES))
    cls = FAMILIES[name]
    parameters = {
        field: _parameter(cls, field, info)
        for field, info in cls.model_fields.items()
        if field != "family"
    }
    everywhere = ScheduleConfig.model_fields.keys() - {"base_lr"}
    return Family(
        name=name,
        summary=inspect.getdoc(cls).splitlines()[0].rstrip("."),  # type: ignore[union-attr]
        formula=cls.FORMULA,
        reference=cls.REFERENCE,
        example=cls.EXAMPLE,
        own=tuple(each for field, each in parameters.items() if field not in everywhere),
        common=tuple(each for field, each in parameters.items() if field in everywhere),
    )


def _parameter(cls: type[ScheduleConfig], field: str, info: FieldInfo) -> Parameter:
    short = [each for each, own in short_names(cls.model_fields).items() if own == field]
    return Parameter(
        names=(field, *short),
        meaning=_meaning(cls, field),
        allowed=_allowed(info),
        unit=" ".join(_units(info)),
        default=_default(cls, field, info),
    )


def _meaning(cls: type[ScheduleConfig], field: str) -> str:
    """The line ``field: meaning`` of the nearest class's docstring that has one."""
    for each in cls.__mro__:
        if issubclass(each, ScheduleConfig):
            found = dict(_MEANING.findall(inspect.cleandoc(each.__doc__ or "")))
            if field in found:
                return " ".join(found[field].replace("``", "").split())
    raise LookupError(f"{cls.__name__} does not say what {field} is")


def _default(cls: type[ScheduleConfig], field: str, info: FieldInfo) -> str | None:
    if field in cls.LEFT_OUT:
        return cls.LEFT_OUT[field]
    if info.is_required():
        return None
    value = info.get_default(call_default_factory=True)
    return f"{value:g}" if isinstance(value, float) else _word(value)


def _word(value: Any) -> str:
    return "none" if value in ({}, None) else str(value).lower()


def _allowed(info: FieldInfo) -> str:
    """The values that a field takes."""
    kind: Any = info.annotation
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        (each, _) = get_args(kind)
        bounds = _bounds(get_args(each)[1:])
        return f"{bounds} each, written 1/2/3" if bounds else "schedules, with `then` between them"
    if get_origin(kind) is dict:
        return "NAME=VALUE,..."
    if kind is bool:
        return "true or false"
    if kind is str:
        return "a name"
    return ("a whole number " if kind is int else "") + _bounds(info.metadata)


def _bounds(metadata: Any) -> str:
    """The limits among the annotations of a number."""
    flat = [bound for each in metadata for bound in getattr(each, "metadata", [each])]
    limits = [
        f"{sign} {getattr(bound, name):g}"
        for bound in flat
        for name, sign in _SIGNS.items()
        if hasattr(bound, name)
    ]
    return " and ".join(limits)


def _units(info: FieldInfo) -> list[str]:
    """The unit of a field, or of the numbers in it."""
    inner = [part for each in get_args(info.annotation) for part in get_args(each)[1:]]
    return [each.name for each in (*info.metadata, *inner) if isinstance(each, Unit)]
