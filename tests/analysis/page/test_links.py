"""Links to trials: every number that the page has, nothing else, and nothing unescaped."""

from __future__ import annotations

import re

import pytest

from analysis.page.leaderboard import trial_rows
from analysis.page.links import (
    anchor,
    anchors,
    linked,
    stages,
    trial_links,
)
from analysis.study import load_study
from analysis.wording import Sentence, Trials, sentence
from tests.analysis.conftest import Plant, plant_stages

KNOWN = frozenset(
    anchor("s", stage, n) for stage in ("search", "confirm", "test") for n in range(50)
)


def links(text: Sentence) -> list[str]:
    return re.findall(r'href="#s-([a-z]+-\d+)"', linked(text, "s", KNOWN))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (sentence("best: 0.3 (", Trials([12]), "), 83.1 %"), ["search-12"]),
        (sentence(Trials([1]), ", 40 of 50 diverged"), ["search-1"]),
        (
            sentence(Trials([3, 8, 13], "confirm"), ", 40 %"),
            ["confirm-3", "confirm-8", "confirm-13"],
        ),
        (
            sentence(Trials([2], "test"), "; ", Trials([4, 5])),
            ["test-2", "search-4", "search-5"],
        ),
        (sentence(Trials([99]), " is not on the page"), []),
        (sentence("what looks like trial 3 is text"), []),
    ],
)
def test_trials_become_links_and_the_text_stays(text: Sentence, expected: list[str]) -> None:
    assert links(text) == expected
    assert re.sub(r"<[^>]*>", "", linked(text, "s", KNOWN)) == str(text)


def test_the_rest_is_escaped() -> None:
    assert linked(sentence("<b> ", Trials([3]), " & <i>"), "s", KNOWN) == (
        '&lt;b&gt; trial <a href="#s-search-3">3</a> &amp; &lt;i&gt;'
    )


def test_many_links_are_folded() -> None:
    few, many = (trial_links(range(n), "s", "test", KNOWN) for n in (12, 13))
    assert few.count("<a ") == 12
    assert "<details>" not in few
    assert many.startswith("<details><summary>13 runs</summary>")
    assert trial_links([99], "s", "test", KNOWN) == "99"


def test_every_attempt_of_every_stage_has_an_anchor_and_a_row(plant: Plant) -> None:
    url = plant("fixed_rate", 8, everything="complete", retries={2: "interrupted"})
    plain = load_study(url, "fixed_rate")
    assert list(stages(plain)) == ["search"]
    plant_stages(url.removeprefix("sqlite:///"), "fixed_rate", seeds=2, top=1)  # type: ignore[arg-type]
    study = load_study(url, "fixed_rate")
    rows = {stage: trial_rows(each) for stage, each in stages(study).items()}
    assert list(rows) == ["search", "confirm", "test"]
    assert len(rows["search"]) == 9
    assert anchors(study, "x") == {
        anchor("x", stage, trial) for stage, frame in rows.items() for trial in frame["trial"]
    }
