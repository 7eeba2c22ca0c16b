"""Words are explained once a page, where they are first used, from the one glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markupsafe import Markup

from analysis.page.glossary import explainer
from analysis.report import write_report
from search_spaces.spaces import CHAPTER
from search_spaces.words.glossary import TERMS
from tests.analysis.conftest import plant_stages, plant_study
from tests.analysis.test_report import Page
from tests.study.conftest import Command, lrstudy

__all__ = ["lrstudy"]  # the fixture


def test_a_word_is_explained_after_the_part_that_uses_it_first() -> None:
    explained = explainer()
    for part in (
        "<p>None.</p>",
        '<svg aria-label="stalled"><title>stalled</title></svg>',
        "<p>uninstalled nats-</p>",
    ):
        assert "stalled</dfn>" not in explained(Markup(part))
    html = Markup("<td>stalled</td>")
    line = Markup(f'<p class="quiet"><dfn>stalled</dfn>: {TERMS["stalled"]}.</p>\n')
    assert explained(html) == html + line
    assert explained(html) == html
    assert explainer()(html) == html + line  # another page


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a confirmed study with a stalled run, and of one that is no exercise."""
    folder = tmp_path_factory.mktemp("glossary")
    plant_study(folder / "planted.db", "cosine", 12, states={1: "stalled"})
    url = plant_stages(folder / "planted.db", "cosine", seeds=5, top=1)
    plant_study(folder / "planted.db", "chapter", 10)
    return write_report(url, ["cosine", "chapter"], folder / "out").read_text(encoding="utf-8")


@pytest.mark.parametrize("term", TERMS)
def test_a_page_explains_its_words_once_and_at_their_first_use(html: str, term: str) -> None:
    assert html.count(f"<dfn>{term}</dfn>: {Markup.escape(TERMS[term])}.") == 1
    body = re.sub(r"<svg .*?</svg>", "", html[html.index("<body>") :], flags=re.DOTALL)
    body = re.sub(r'aria-label="[^"]*"', "", body)
    before = body[: body.index(f"<dfn>{term}</dfn>")]
    first = re.search(rf"\b{term}\b", before)
    assert first is not None
    assert before[first.start() :].count("<section") <= 1  # within the part that uses it
    assert not re.search(rf"\b{term}\b", before[: first.start()])


def test_the_exercises_are_numbered_and_linked(html: str) -> None:
    found = Page(html)
    assert found.links.count(CHAPTER) == 1  # the chapter's own runs are no exercise
    assert "Exercise 3: How does cosine compare" in found.text


def test_the_documentation_says_the_same() -> None:
    docs = Path(__file__).parents[3] / "docs"
    plain = " ".join((docs / "reading-results.md").read_text(encoding="utf-8").split())
    for term, meaning in TERMS.items():
        assert f"*{term}*: {meaning}." in plain
    assert CHAPTER in (docs / "answers.md").read_text(encoding="utf-8")


def test_status_explains_a_state_that_a_trial_is_in(lrstudy: Command, tmp_path: Path) -> None:
    url = plant_study(tmp_path / "planted.db", "fixed_rate", 4, name="whole")
    assert "anything" not in lrstudy("status", "--storage", url).out
    plant_study(tmp_path / "planted.db", "fixed_rate", 4, name="lossy", states={1: "stalled"})
    for arguments in ((), ("lossy",)):
        out = " ".join(lrstudy("status", *arguments, "--storage", url).out.split())
        assert out.count(TERMS["stalled"]) == 1
    assert "anything" not in lrstudy("status", "whole", "--storage", url).out
