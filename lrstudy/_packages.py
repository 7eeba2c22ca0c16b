"""Has lrstudy's packages imported from beside this one, whatever the working directory holds.

The directory of a notebook comes first on sys.path, so that a folder ``analysis`` or a file
``study.py`` in it would be imported in their place.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

HOME = Path(__file__).resolve().parents[1]
PACKAGES = ("search_spaces", "study", "analysis")


class Finder:
    """Asked before sys.path; knows the three names alone."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the package is, None for every other module."""
        return PathFinder.find_spec(name, [str(HOME)]) if name in PACKAGES else None


def claim() -> None:
    """From now on the three names are lrstudy's; once is enough.

    Raises ImportError where another module has one of them already.
    """
    for name in PACKAGES:
        place = _place(sys.modules[name]) if name in sys.modules else HOME / name
        if place != HOME / name:
            raise ImportError(
                f"lrstudy has a package {name!r} of its own, and {place} was imported under that "
                "name before it: rename yours"
            )
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)


def _place(module: ModuleType) -> Path | None:
    """The folder of a package, with or without an __init__.py, or the file of a module."""
    place = next(iter(getattr(module, "__path__", ())), None) or getattr(module, "__file__", None)
    return Path(place).resolve() if place else None


claim()
