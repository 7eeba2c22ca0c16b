"""Numbers and sequences of other libraries as Python's own, which JSON holds."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> Any:
    """The value with everything that has a ``tolist`` (scalars and arrays of numpy, columns of
    pandas, tensors) as numbers and lists, inside of dictionaries, lists and tuples, too."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value
