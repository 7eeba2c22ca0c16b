"""The headlines of the questions: every case that their verdicts can be in."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.questions import chapter_summary
from analysis.questions.any_space import summary as any_space
from analysis.questions.fixed_rate import summary as fixed_rate
from analysis.questions.langevin import summary as langevin
from analysis.questions.polynomial import summary as polynomial
from analysis.questions.warmup import summary as warmup
from analysis.summary import MOST_WORDS, words_in

STANDINGS = ("tied", "worse", "too few", "more often untrained", "untrained")


def rates(*standings: str, complete: int = 8) -> list[dict[Any, Any]]:
    values = [0.05 * 2**n for n in range(len(standings))]
    return [
        {"base_lr": rate, "standing": each, "complete": complete, "n": 8, "untrained": 0}
        | {"accuracy": 0.85}
        for rate, each in zip(values, standings, strict=True)
    ]


@pytest.mark.parametrize(
    ("standings", "complete", "said"),
    [
        (
            ("worse", "best", "worse"),
            8,
            "A rate of 0.1 is the best of 3 fixed rates; all others are worse or fail to train.",
        ),
        (
            ("tied", "best", "untrained"),
            8,
            "A rate of 0.1 is the best of 3 fixed rates; 0.05 cannot be told from it.",
        ),
        (
            ("tied", "tied", "best", "tied", "tied", "worse"),
            8,
            "A rate of 0.2 is the best of 6 fixed rates; those from 0.05 to 0.8 cannot be told "
            "from it.",
        ),
        (
            ("tied", "tied", "worse", "tied", "best", "tied"),
            8,
            "A rate of 0.8 is the best of 6 fixed rates; 4 others cannot be told from it.",
        ),
        (("best",), 8, "One fixed rate was tried, 0.05; there is none to compare it with."),
        (
            ("too few", "best"),
            3,
            "Too few to tell: 0.1 came out best of 2 fixed rates on 3 seeds.",
        ),
        (
            ("untrained", "untrained"),
            0,
            "No rate trained: every run at 2 fixed rates was untrained.",
        ),
    ],
)
def test_fixed_rates(standings: tuple[str, ...], complete: int, said: str) -> None:
    assert fixed_rate.headline(rates(*standings, complete=complete)) == said


def test_any_standing_of_fixed_rates_fits() -> None:
    for others in product(STANDINGS, repeat=5):
        assert words_in(fixed_rate.headline(rates("best", *others))) <= MOST_WORDS


def lengths(*standings: str) -> list[dict[Any, Any]]:
    epochs = (0.0, 0.5, 1.0, 2.0)
    rows = zip(epochs, standings, strict=False)
    return [{"warmup": length, "standing": each, "not_inferior": False} for length, each in rows]


@pytest.mark.parametrize(
    ("standings", "facts", "said"),
    [
        (
            ("tied", "best"),
            {"shortest": 0.0},
            "No warmup is needed: none is shown to be as good, within 0.3 points, as any other "
            "length.",
        ),
        (
            ("worse", "tied", "best"),
            {"shortest": 0.5},
            "A warmup of 0.5 epochs is enough: it is shown to be as good, within 0.3 points, as "
            "any other length.",
        ),
        (
            ("tied", "tied", "best"),
            {},
            "1 epoch of warmup did best, but no length is shown to equal all others within 0.3 "
            "points; 0 and 0.5 may be as good.",
        ),
        (
            ("worse", "more often untrained", "best"),
            {},
            "1 epoch of warmup is best; every other length is worse.",
        ),
        (
            ("too few", "best"),
            {"seeds": 3},
            "Too few to tell: 0.5 epochs of warmup did best of 2 lengths on 3 seeds.",
        ),
        (("untrained",), {"best": np.nan}, "No run trained at any length of warmup."),
    ],
)
def test_lengths_of_warmup(standings: tuple[str, ...], facts: dict[str, Any], said: str) -> None:
    rows = lengths(*standings)
    best = next((row["warmup"] for row in rows if row["standing"] == "best"), np.nan)
    known = {"best": best, "shortest": np.nan, "seeds": 8, "delta": 0.003} | facts
    assert warmup.headline(known, rows) == said
    assert words_in(said) <= MOST_WORDS


def compared(*verdicts: str, first: str = "exponent 2") -> pd.DataFrame:
    names = [f"exponent {n}" for n in (0.5, 1, 4)][: len(verdicts)]
    frame = pd.DataFrame({"family": names, "verdict": list(verdicts)})
    return frame.assign(
        first=first, delta=0.003, stage="confirm", seeds=8, n=8, difference_accuracy=0.01
    )


def exponents(*found: bool) -> pd.DataFrame:
    values = (0.5, 1.0, 2.0, 4.0)[: len(found)]
    frame = pd.DataFrame({"exponent": values, "found": found})
    return frame.assign(accuracy=0.86, base_lr=0.3)


def test_exponents() -> None:
    estimates = {
        "exponents": exponents(True, True, True, False),
        "compared": compared("better", "unresolved"),
        "share": pd.DataFrame({"share": [0.93]}),
    }
    found = polynomial.summarise(estimates)
    assert found.headline == (
        "Exponent 2 beats 0.5, and cannot be told from 1; the mean rate explains 93 % of the "
        "variation."
    )
    verdicts = {each.of: each.verdict for each in found.judgements}
    assert verdicts == {"0.5": "worse", "1": "unresolved", "2": "best", "4": "untrained"}
    unknown = polynomial.summarise(estimates | {"share": pd.DataFrame({"share": [np.nan]})})
    assert unknown.headline == "Exponent 2 beats 0.5, and cannot be told from 1."


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((), "No polynomial run has a result on fresh seeds yet."),
        ((False, False), "No run trained at 2 exponents of polynomial decay."),
        ((False, True), "Only exponent 1 trained; there is none to compare it with."),
    ],
)
def test_exponents_without_a_pair(found: tuple[bool, ...], said: str) -> None:
    estimates = {"exponents": exponents(*found), "compared": compared().iloc[:0]}
    assert polynomial.summarise(estimates).headline == said


def methods(*verdicts: str) -> pd.DataFrame:
    names = ("sgld", "swa", "snapshots", "cyclical")[: len(verdicts)]
    frame = pd.DataFrame({"family": names, "verdict": list(verdicts)})
    frame = frame.assign(first="sgd", delta=0.003, stage="test", seeds=8, n=8)
    frame = frame.assign(difference_accuracy=0.01, adjusted_accuracy_low=0.001)
    return frame.assign(adjusted_accuracy_high=0.02, difference_nll=0.05, adjusted_nll_low=0.01)


def test_both_measures_of_samplers_are_said() -> None:
    accuracy, likelihood = methods("better", "unresolved"), methods("worse", "worse")
    likelihood["adjusted_nll_high"] = 0.09
    estimates = {"comparison": accuracy, "comparison_nll": likelihood}
    found = langevin.summarise(estimates)
    assert found.headline == (
        "In accuracy SGD beats sgld, and cannot be told from swa; in likelihood it loses to sgld "
        "and swa."
    )
    assert [each.of for each in found.judgements][2:] == ["sgld, likelihood", "swa, likelihood"]
    assert found.judgements[2].detail == "+0.050 nats (+0.010 to +0.090)"


def test_what_both_measures_say_is_said_once() -> None:
    verdicts = ("worse", "worse", "unresolved", "unresolved")
    assert langevin.headline(methods(*verdicts), methods(*verdicts)) == (
        "In accuracy and in likelihood SGD loses to sgld and swa, and cannot be told from "
        "snapshots and cyclical."
    )
    other = langevin.headline(methods(*verdicts), methods("worse", *verdicts[:3]))
    assert other == (
        "In accuracy SGD loses to sgld and swa, and is undecided against 2; in likelihood it "
        "loses to 3 schedules, and is undecided against 1."
    )


def test_any_verdicts_on_samplers_fit() -> None:
    verdicts = ("better", "worse", "equivalent", "unresolved", "too few", "more often untrained")
    for first in combinations_with_replacement(verdicts, 4):
        headline = langevin.headline(methods(*first), methods(*reversed(first)))
        assert words_in(headline) <= MOST_WORDS
        assert "…" not in headline


def test_published_figures() -> None:
    def figures(*within: bool) -> pd.DataFrame:
        runs = ("constant", "cosine")[: len(within)]
        frame = pd.DataFrame({"run": runs, "within": within, "variant": "as-published"})
        return frame.assign(mean=0.2, published=0.19)

    all_met = {"train_loss": figures(True, True), "test_accuracy": figures(True, True)}
    assert chapter_summary.summarise(all_met).headline == "All 4 published figures are reproduced."
    one = chapter_summary.summarise(all_met | {"train_loss": figures(True, False)})
    assert one.headline == ("3 of 4 published figures are reproduced; not cosine, training loss.")
    assert [each.verdict for each in one.judgements].count("missed") == 1
    none = {"train_loss": figures(), "test_accuracy": figures()}
    assert (
        chapter_summary.summarise(none).headline == "None of the published runs has a result yet."
    )


def test_a_space_without_a_pair_names_its_best_configuration() -> None:
    row = {"family": "constant", "accuracy": 0.861, "complete": 5, "configuration": "base_lr=0.3"}
    estimates = {"comparison": pd.DataFrame(), "configurations": pd.DataFrame([row])}
    assert any_space.of_fresh_seeds(estimates).headline == (
        "Constant reaches 86.1 %, the best of 1 configuration at base_lr=0.3; there is no other "
        "schedule."
    )
    without = estimates | {"configurations": pd.DataFrame([row | {"accuracy": np.nan}])}
    assert "No configuration" in any_space.of_fresh_seeds(without).headline


@pytest.mark.parametrize(("complete", "claims"), [(3, False), (4, True)])
def test_too_few_seeds_of_rates_claim_no_error_rate(complete: int, claims: bool) -> None:
    peak = {"n": complete, "low": 0.03, "high": 0.2, "open_low": False, "open_high": True}
    estimates = {
        "rates": pd.DataFrame(rates("too few", "best", complete=complete)),
        "peak": pd.DataFrame([peak]),
    }
    found = fixed_rate.summarise(estimates).certainty
    assert ("5 %" in found) is claims
    assert ("it takes 4" in found) is not claims
    assert ("between 0.03 and 0.2 (95 %), or beyond what was tried" in found) is claims


@pytest.mark.parametrize(("seeds", "claims"), [(3, False), (8, True)])
def test_too_few_seeds_of_lengths_claim_no_error_rate(seeds: int, claims: bool) -> None:
    facts = {"best": 0.5, "shortest": np.nan, "seeds": seeds, "delta": 0.003}
    rows = [
        row | {"images": "validation", "behind_accuracy": np.nan, "untrained": 0, "n": seeds}
        for row in lengths("too few", "best")
    ]
    estimates = {
        "cells": pd.DataFrame({"warmup": [0.0]}),
        "facts": pd.DataFrame([facts]),
        "lengths": pd.DataFrame(rows),
    }
    found = warmup.summarise(estimates).certainty
    assert ("5 %" in found) is claims
    assert ("it takes 4" in found) is not claims
