"""Counts with their nouns, and shares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from search_spaces.words.phrases import count, percent, plural


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (0, "trial", "0 trials"),
        (1, "trial", "1 trial"),
        (1.0, "epoch", "1 epoch"),
        (2, "epoch", "2 epochs"),
        (0.5, "epoch", "0.5 epochs"),
        (1 / 3, "epoch", "0.3333 epochs"),
        (50_000, "image", "50,000 images"),
        (3, "schedule family", "3 schedule families"),
        (2, "study", "2 studies"),
        (2, "batch", "2 batches"),
        (2, "array", "2 arrays"),
    ],
)
def test_a_count_agrees_with_its_noun(n: float, noun: str, text: str) -> None:
    assert count(n, noun) == text


def test_digits_are_rounded_before_the_noun_is_chosen() -> None:
    assert count(1.004, "epoch", 2) == "1 epoch"
    assert plural("epoch") == "epochs"


def test_a_share_has_one_decimal() -> None:
    assert [percent(share) for share in (0, 0.6002, 1)] == ["0.0 %", "60.0 %", "100.0 %"]


def test_no_sentence_of_the_product_makes_its_own_plural() -> None:
    """A number that a run decides, straight before a noun in the plural, is a count."""
    nouns = "trials|epochs|seeds|runs|rows|studies|workers|images|configurations|rates|labels|steps"
    own = re.compile(rf"\{{[^{{}}]+\}} (?:more |training |fresh )?(?:{nouns})\b")
    several = (
        "SAME_FAILURES",
        "NEEDS",
        "IMAGES[",
        "images}",
        "len(counts)",
        "len(scores)",
        "len(values)",
        "{FEWEST}",
        "rounded(more)",  # of a new study, which takes several
        "{name} runs",  # of a stage
        "images:,}",  # of a written model, as many as the budget has
        "about.stage",
        "steps_per_epoch:,}",
    )
    root = Path(__file__).parents[3]
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for package in ("search_spaces", "study", "analysis", "lrstudy")
        for path in sorted((root / package).rglob("*.py"))
        for line in path.read_text().splitlines()
        if own.search(line) and not any(word in line for word in several)
    ]
    assert found == []
