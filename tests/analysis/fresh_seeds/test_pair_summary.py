"""Headlines of pairs: every verdict is said, however many there are, in few words."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import pandas as pd
import pytest

from analysis.estimators.comparison import NOT_JUDGED
from analysis.fresh_seeds.pair_summary import (
    NO_PAIR,
    all_pairs_headline,
    headline_of,
    summarise,
)
from analysis.summary import MOST_WORDS, words_in

VERDICTS = (
    *("better", "worse", "equivalent", "unresolved", "too few", NOT_JUDGED),
    *("more often untrained", "less often untrained"),
)
OTHERS = ("constant", "factor", "multi_factor", "inverse_power", "polynomial")


def row(family: str, verdict: str, **more: Any) -> dict[str, Any]:
    """A pair of cosine as `pairs.pairs` has it."""
    values = {"first": "cosine", "family": family, "verdict": verdict, "delta": 0.003}
    values |= {"stage": "test", "seeds": 8, "n": 8, "difference_accuracy": 0.012}
    values |= {"adjusted_accuracy_low": 0.004, "adjusted_accuracy_high": 0.02}
    values |= {"equivalence_accuracy_low": -0.002, "equivalence_accuracy_high": 0.0025}
    return values | {"untrained_first": 0, "untrained_second": 3} | more


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (("better",) * 3, "Cosine beats constant, factor and multi-factor."),
        (("worse", "worse"), "Cosine loses to constant and factor."),
        (("equivalent",), "Cosine equals constant within 0.3 points."),
        (
            ("better", "unresolved"),
            "Cosine beats constant, and cannot be told from factor.",
        ),
        (
            ("less often untrained", "more often untrained"),
            "Cosine fails to train less often than constant, and fails to train more often than "
            "factor.",
        ),
        (("too few",) * 2, "Too few seeds to tell cosine from constant and factor."),
        ((NOT_JUDGED,) * 2, "Not judged yet: cosine against constant and factor."),
        (
            ("better", "better", "better", "unresolved", "unresolved"),
            "Cosine beats constant, factor and multi-factor, and cannot be told from inverse-power "
            "and polynomial.",
        ),
    ],
)
def test_what_is_said(verdicts: tuple[str, ...], said: str) -> None:
    rows = [row(*each) for each in zip(OTHERS, verdicts, strict=False)]
    assert headline_of(rows) == said


def test_any_verdicts_on_five_others_fit() -> None:
    for verdicts in combinations_with_replacement(VERDICTS, 4):
        rows = [row(*each) for each in zip(OTHERS, (*verdicts, "better"), strict=True)]
        headline = headline_of(rows)
        assert words_in(headline) <= MOST_WORDS, headline
        assert "…" not in headline


def test_long_names_are_counted_and_the_numbers_are_right() -> None:
    name = "warmup_cosine: warmup=2 with a long list of settings of its own"
    rows = [row(f"{name} {n}", "better" if n < 5 else "unresolved") for n in range(9)]
    assert headline_of(rows) == "Cosine beats 5 schedules, and cannot be told from 4 schedules."
    rows[0] |= {"verdict": "worse"}
    several = [
        each | {"first": name, "verdict": verdict}
        for each, verdict in zip(rows, [*VERDICTS, "better"], strict=True)
    ]
    assert words_in(headline_of(several)) <= MOST_WORDS
    assert headline_of(several).endswith("of its own has 6 of 9 comparisons decided.")


@pytest.mark.parametrize("n", [3, 10, 45])
def test_all_pairs_name_winners_and_count_what_is_open(n: int) -> None:
    verdicts = [VERDICTS[k % len(VERDICTS)] for k in range(n)]
    rows = [row(f"b{k}", each, first=f"a{k % 4}") for k, each in enumerate(verdicts)]
    headline = all_pairs_headline(rows)
    assert words_in(headline) <= MOST_WORDS
    open_ = sum(each in ("unresolved", "too few", NOT_JUDGED) for each in verdicts)
    assert f"{open_} of {n} pairs" in headline or not open_


def test_a_loss_is_the_other_ones_win() -> None:
    assert all_pairs_headline([row("factor", "worse")]) == "Factor beats cosine."


def test_each_judgement_has_the_interval_that_decided() -> None:
    frame = pd.DataFrame([row("constant", "better"), row("factor", "equivalent")])
    frame = pd.concat([frame, pd.DataFrame([row("polynomial", "less often untrained")])])
    found = summarise(frame)
    assert [each.detail for each in found.judgements] == [
        "+1.20 points (+0.40 to +2.00)",
        "+1.20 points (-0.20 to +0.25)",
        "0 against 3 of 8 untrained",
    ]
    assert found.about == "Cosine against"
    assert "8 new seeds" in found.certainty
    assert "a wrong better or worse, for all of 3 pairs together, and 5 % a wrong equiv" in (
        found.certainty
    )


def test_planned_looks_and_exploratory_seeds_are_told() -> None:
    planned = {"looks": 3, "look": 1, "exploratory_n": 40}
    found = summarise(pd.DataFrame([row("constant", "better", **planned)]))
    assert "for all of 3 looks together" in found.certainty
    assert found.certainty.endswith("Seeds beyond the plan are exploratory and decide nothing.")


def test_too_few_seeds_claim_no_error_rate() -> None:
    found = summarise(pd.DataFrame([row("constant", "too few", n=3, seeds=3)]))
    assert "5 %" not in found.certainty
    assert "it takes 4" in found.certainty


def test_without_a_pair_that_is_said() -> None:
    assert summarise(pd.DataFrame()) == NO_PAIR


def test_images_that_chose_claim_no_error_rate() -> None:
    found = summarise(pd.DataFrame([row("constant", "better", stage="confirm")]))
    assert "studies" not in found.certainty
    assert "The same images chose what they judge here" in found.certainty
