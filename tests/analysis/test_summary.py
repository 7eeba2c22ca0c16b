"""Summaries: short enough for one glance, and no verdict without a sign."""

from __future__ import annotations

import pytest

from analysis.estimators.best import Standing
from analysis.estimators.comparison import NOT_JUDGED
from analysis.fresh_seeds.pair_words import _LEADS
from analysis.summary import MOST_WORDS, SIGNS, Judgement, fitting, words_in


@pytest.mark.parametrize("verdict", [*_LEADS, NOT_JUDGED, *Standing.__args__])  # type: ignore[attr-defined]
def test_every_verdict_has_a_sign_and_words(verdict: str) -> None:
    shown = "unresolved" if verdict == "tied" else verdict
    judgement = Judgement("cosine", shown)
    assert judgement.sign.sign
    assert judgement.words


def test_signs_tell_verdicts_apart_without_colour() -> None:
    words = {(sign.sign, Judgement("", verdict).words) for verdict, sign in SIGNS.items()}
    assert len(words) == len(SIGNS)
    better, worse = SIGNS["better"].sign, SIGNS["worse"].sign
    assert len({better, worse, SIGNS["equivalent"].sign, SIGNS["unresolved"].sign}) == 4


def test_the_first_version_that_fits_is_taken() -> None:
    long, short = "word " * (MOST_WORDS + 1), "a short one"
    assert fitting(["as it is", short]) == "As it is"
    assert fitting([long, short]) == "A short one"
    assert fitting([long, "word " * MOST_WORDS]).startswith("Word")


def test_a_text_that_never_fits_is_cut_at_a_word() -> None:
    cut = fitting(["word " * 100])
    assert cut.endswith("word …")
    assert words_in(cut) == MOST_WORDS + 1  # and the dots
