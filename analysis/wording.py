"""Sentences of the report: words, and the trials that they name as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search_spaces.words.phrases import plural
from study.spec import Stage


@dataclass(frozen=True)
class Trials:
    """Trials of a stage by their numbers; as text ``trial 3``, ``confirm trials 3, 8``."""

    numbers: Sequence[int]
    stage: Stage = "search"

    @property
    def noun(self) -> str:
        """What they are called; those of the search by no other name than trial."""
        noun = "trial" if self.stage == "search" else f"{self.stage} trial"
        return noun if len(self.numbers) == 1 else plural(noun)

    def __str__(self) -> str:
        return f"{self.noun} {', '.join(map(str, self.numbers))}"


@dataclass(frozen=True)
class Sentence:
    """Text with the trials that it names. The page makes links of these; `str` prints them."""

    parts: tuple[str | Trials, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


def sentence(*parts: str | Trials | Sentence) -> Sentence:
    """What the parts say, one after the other.

    >>> str(sentence("The best is ", Trials([3]), "."))
    'The best is trial 3.'
    """
    flat: list[str | Trials] = []
    for part in parts:
        flat += part.parts if isinstance(part, Sentence) else (part,)
    return Sentence(tuple(flat))


def with_trial(text: str, trial: int, more: str = "", stage: Stage = "search") -> Sentence:
    """The text and its trial in brackets.

    >>> str(with_trial("The best rate is 0.3", 7, ", best of 9"))
    'The best rate is 0.3 (trial 7, best of 9)'
    """
    return sentence(f"{text} (", Trials([trial], stage), f"{more})")


def joined(between: str, parts: Iterable[str | Sentence]) -> Sentence:
    """The parts with that text between them."""
    return sentence(*[each for part in parts for each in (between, part)][1:])


def numbered(noun: str, numbers: Sequence[int]) -> str:
    """Trials in plain text: ``trial 3``, ``trials 3, 8``."""
    return f"{noun if len(numbers) == 1 else plural(noun)} {', '.join(map(str, numbers))}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points."""
    return f"{100 * difference:.1f} points"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
