"""Words of the report's sentences: trials by number, differences, lists."""

from __future__ import annotations

from collections.abc import Sequence


def numbered(noun: str, numbers: Sequence[int]) -> str:
    """Trials by their numbers, as the page links them: ``trial 3``, ``confirm trials 3, 8``."""
    return f"{noun}{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points."""
    return f"{100 * difference:.1f} points"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
