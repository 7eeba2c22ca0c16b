"""Numbers in sentences: a count with its noun, and a share in per cent."""

from __future__ import annotations

import re


def count(n: float, noun: str, digits: int = 4) -> str:
    """A number and its noun: ``1 trial``, ``2 trials``, ``0.5 epochs``, ``3 families``.

    noun: in the singular; its last word gets the plural. Whole numbers have a comma after
    thousands, others so many digits.
    """
    number = f"{int(n):,}" if n == int(n) else f"{n:.{digits}g}"
    return f"{number} {noun if number == '1' else plural(noun)}"


def plural(noun: str) -> str:
    """The regular plural: trials, families, batches."""
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|sh|tch)$", noun) else "s")


def percent(share: float) -> str:
    """A share as per cent with one decimal, as every accuracy is written: ``60.0 %``."""
    return f"{100 * share:.1f} %"
