"""Summary: an answer at one glance. A headline, how sure it is, and a row of verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

MOST_WORDS = 25
"""Of a headline, which is read at one glance."""

Tone = Literal["good", "bad", "same", "open"]


class Sign(NamedTuple):
    """How a verdict looks: a sign that needs no colour, and the tone that its colour has."""

    sign: str
    tone: Tone


SIGNS: dict[str, Sign] = {
    "best": Sign("★", "good"),
    "better": Sign("▲", "good"),
    "as good": Sign("✓", "good"),
    "met": Sign("✓", "good"),
    "less often untrained": Sign("△", "good"),
    "equivalent": Sign("=", "same"),
    "unresolved": Sign("?", "open"),
    "not judged yet": Sign("…", "open"),
    "too few": Sign("…", "open"),
    "worse": Sign("▼", "bad"),
    "more often untrained": Sign("▽", "bad"),
    "untrained": Sign("✕", "bad"),
    "missed": Sign("✕", "bad"),
}
"""By verdict."""
_WORDS = {"too few": "too few seeds", "untrained": "never trained"}


@dataclass(frozen=True)
class Judgement:
    """What was found of one schedule, rate, exponent or length. verdict: one of SIGNS; detail: the
    number behind it, in a few words."""

    of: str
    verdict: str
    detail: str = ""

    @property
    def words(self) -> str:
        """The verdict as it is printed."""
        return _WORDS.get(self.verdict, self.verdict)

    @property
    def sign(self) -> Sign:
        """How it looks."""
        return SIGNS[self.verdict]


@dataclass(frozen=True)
class Summary:
    """headline: the answer in at most MOST_WORDS words. certainty: what it rests on and how sure it
    is, in a sentence. about: whose verdicts the row holds; judgements: these, in their order."""

    headline: str
    certainty: str
    about: str = ""
    judgements: Sequence[Judgement] = ()


def words_in(text: str) -> int:
    """How many words a text has.

    >>> words_in("Cosine beats constant.")
    3
    """
    return len(text.split())


def fitting(versions: Iterable[str], most: int = MOST_WORDS) -> str:
    """The first of the versions, the fullest one first, with at most so many words, beginning with
    a capital letter; the last one cut off at a word, where none is that short.

    >>> fitting(["cosine beats constant and factor.", "cosine beats two others."], most=4)
    'Cosine beats two others.'
    """
    text = ""
    for text in versions:
        if words_in(text) <= most:
            break
    else:
        text = " ".join(text.split()[:most]) + " …"
    return text[:1].upper() + text[1:]
