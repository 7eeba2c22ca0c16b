"""Sentences carry the trials that they name, and print them."""

from __future__ import annotations

import pytest

from analysis.wording import Sentence, Trials, joined, numbered, sentence


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (Trials([3]), "trial 3"),
        (Trials([3, 8]), "trials 3, 8"),
        (Trials([3], "confirm"), "confirm trial 3"),
        (Trials([3, 8, 13], "test"), "test trials 3, 8, 13"),
    ],
)
def test_trials_as_text(trials: Trials, expected: str) -> None:
    assert str(trials) == f"{trials}" == expected
    assert numbered("trial", trials.numbers) == str(Trials(trials.numbers))


def test_a_sentence_of_sentences_is_flat() -> None:
    inner = sentence("at 0.3 (", Trials([3]), ")")
    whole = sentence("best ", inner, "; ", sentence(), "worst ", inner, ".")
    assert whole == Sentence(
        ("best ", "at 0.3 (", Trials([3]), ")", "; ", "worst ", "at 0.3 (", Trials([3]), ")", ".")
    )
    assert str(whole) == f"{whole}" == "best at 0.3 (trial 3); worst at 0.3 (trial 3)."


def test_joined_puts_the_text_between() -> None:
    assert str(joined("; ", ["a", sentence("b ", Trials([1]))])) == "a; b trial 1"
    assert str(joined("; ", ["a"])) == "a"
    assert joined("; ", []) == sentence()
