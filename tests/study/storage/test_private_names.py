"""All that is private to Optuna is used in `study.storage`; this is the list of it."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

PRODUCT = Path(__file__).parents[3]
ROOMS = [PRODUCT / name for name in ("search_spaces", "study", "analysis")]
MODULES = sorted(path for room in ROOMS for path in room.rglob("*.py"))
# Of every NamedTuple, of abc, os and torch.
OTHERS = {
    *("_asdict", "_fields", "_replace", "_abc_impl", "_exit"),
    *("_foreach_add_", "_foreach_lerp_"),
}

# What a new Optuna may change: by module, the private names that it rests on.
KNOWN = {
    "study/storage/claims.py": {
        "_create_new_trial",
        "_get_prepared_new_trial",
        "_set_trial_attr_without_commit",
        "optuna.storages._rdb.models",
        "optuna.storages._rdb.storage._create_scoped_session",
    },
    "study/storage/outages.py": {"_create_new_trial", "_get_trials", "_set_trial_param"},
    "study/storage/schema.py": {"optuna.storages._rdb.models"},
    "study/storage/views.py": {
        *("_storage", "_study_id", "_trial_id", "_backend"),
        *("_create_bracket_study", "_get_bracket_id", "_get_trials"),
    },
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OTHERS


def imported(tree: ast.AST) -> Iterator[str]:
    """Private modules and names that are imported from Optuna."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna"):
            parts = str(node.module).split(".")
            for alias in node.names:
                if any(map(is_private, [*parts, alias.name])):
                    yield f"{node.module}.{alias.name}"


def asked_of_others(tree: ast.AST) -> Iterator[str]:
    """Private attributes of what is not one's own object."""
    for node in ast.walk(tree):
        own = isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls")
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not own:
            yield node.attr
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            yield from (
                each.value
                for each in node.args[1:2]
                if isinstance(each, ast.Constant) and is_private(each.value)
            )


def inherited(path: Path) -> Iterator[str]:
    """Private names of Optuna's classes that a class of the module replaces or uses as its own."""
    name = ".".join(path.relative_to(PRODUCT).with_suffix("").parts).removesuffix(".__init__")
    for each in vars(importlib.import_module(name)).values():
        if not inspect.isclass(each) or each.__module__ != name:
            continue
        theirs = {
            attribute
            for base in each.__mro__[1:]
            if base.__module__.startswith("optuna.")
            for attribute in vars(base)
            if is_private(attribute)
        }
        yield from theirs & set(vars(each))
        mine = ast.walk(ast.parse(inspect.getsource(each)))
        yield from theirs & {node.attr for node in mine if isinstance(node, ast.Attribute)}


def private_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {*imported(tree), *asked_of_others(tree), *inherited(path)}


def test_they_are_used_in_one_room_and_known() -> None:
    found = {path.relative_to(PRODUCT).as_posix(): private_names(path) for path in MODULES}
    assert {name: each for name, each in found.items() if each} == KNOWN
    assert all(name.startswith("study/storage/") for name in KNOWN)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from optuna.storages._rdb import models", "optuna.storages._rdb.models"),
        ("from optuna.study import _x", "optuna.study._x"),
        ("study._study_id", "_study_id"),
        ("getattr(storage, '_backend', None)", "_backend"),
        ("super()._get_trials()", "_get_trials"),
    ],
)
def test_each_way_to_use_one_is_seen(code: str, name: str) -> None:
    tree = ast.parse(code)
    assert [*imported(tree), *asked_of_others(tree)] == [name]
