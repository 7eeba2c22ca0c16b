"""Options that several commands share as one bundle: a dataclass whose fields are the options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def with_bundle(parameter: str, bundle: type, *without: str) -> Decorator:
    """Gives a command the options of a bundle, but for some, in the place of that parameter of its.

    An option that the command declares itself keeps its place and its words, and counts for the
    bundle, too.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        declared = inspect.signature(command, eval_str=True)
        names = [each.name for each in fields(bundle) if each.name not in without]
        signature = _with_options(declared, parameter, bundle, names)

        @functools.wraps(command)
        def with_options(*args: object, **options: object) -> None:
            given = signature.bind(*args, **options)
            given.apply_defaults()
            values = given.arguments
            made = bundle(**{name: values[name] for name in names})
            rest = {name: values[name] for name in declared.parameters if name != parameter}
            command(**rest, **{parameter: made})

        # typer reads names, order and defaults in the one, and kinds and help in the other.
        with_options.__signature__ = signature  # type: ignore[attr-defined]
        with_options.__annotations__ = {
            each.name: each.annotation for each in signature.parameters.values()
        }
        return with_options

    return decorate


def _with_options(
    declared: inspect.Signature, parameter: str, bundle: type, names: list[str]
) -> inspect.Signature:
    """The signature with the bundle's options where ``parameter`` stands."""
    added = [_option(bundle, name) for name in names if name not in declared.parameters]
    parameters = [
        each
        for known in declared.parameters.values()
        for each in (added if known.name == parameter else [known])
    ]
    return declared.replace(parameters=parameters)


def _option(bundle: type, name: str) -> inspect.Parameter:
    """A field of the bundle as a command's parameter."""
    defaults: dict[str, Any] = {each.name: each.default for each in fields(bundle)}
    annotation = get_type_hints(bundle, include_extras=True)[name]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=defaults[name], annotation=annotation)
