"""Text on its way to a terminal: what a database holds must not move the cursor or colour it."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text in one line: characters that no font draws (control characters, escape sequences,
    line ends, marks that reorder text) as Python writes them, e.g. ``\\x1b``."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
