"""Pictures within a page: ids of their own, marks that lead to their trials, nothing unescaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures.marks import curve_of, curves, of_trial, scatter_trials
from analysis.figures.style import canvas, render
from analysis.page.svg import Mark, inline

MARKS = {
    f"search-{n}": Mark(f"s-search-{n}", f"s-search-{n}-curve", f"trial {n}: <b>&") for n in (3, 4)
}
ALT = 'What "it" shows: <b> & more'


def drawn() -> Figure:
    """Marks of trials 3, 4 and 5, the curve of trial 3, a line of trial 4 and one of none."""
    rows = pd.DataFrame({"trial": [3, 4, 5]})
    with canvas() as (figure, axes):
        one = axes[0, 0]
        scatter_trials(one, [0, 1, 2], [0, 1, 2], rows, color="#ff0000")
        curve_of(one.plot([0, 1], [1, 2], ":")[0], rows[:1])
        of_trial(one.plot([0, 2], [1, 0])[0], rows[1:2])
        one.plot([0, 2], [2, 1])
        one.set_title("title")
        return figure


@pytest.fixture(scope="module")
def svg() -> bytes:
    return render(drawn(), "svg")


def elements(svg: bytes, prefix: str = "p-") -> ET.Element:
    return ET.fromstring(inline(svg, ALT, prefix, MARKS))


def test_ids_of_two_pictures_differ_and_every_reference_is_met(svg: bytes) -> None:
    found = []
    for prefix in ("one-", "two-"):
        html = str(inline(svg, ALT, prefix, {}))
        ids = set(re.findall(r'\bid="([^"]*)"', html))
        referred = re.findall(r'\bhref="#([^"]*)"', html) + re.findall(r"url\(#([^)]*)\)", html)
        assert set(referred) == ids
        assert len(ids) > 10
        assert all(each.startswith(prefix) for each in ids)
        found.append(ids)
    assert not found[0] & found[1]


def test_colours_are_no_references(svg: bytes) -> None:
    assert "fill: #ff0000" in inline(svg, ALT, "p-", MARKS)


def test_marks_of_trials_lead_to_their_rows_and_name_them(svg: bytes) -> None:
    links = list(elements(svg).iter("a"))
    titles = {each.attrib["href"]: each.findtext("title") for each in links}
    assert titles == {"#s-search-3": "trial 3: <b>&", "#s-search-4": "trial 4: <b>&"}
    assert len(links) == 4  # two marks, a curve, a line; trial 5 has no row
    assert all(each[0].tag == "title" and len(each) > 1 for each in links)
    assert {each.get("tabindex") for each in links} == {"-1"}
    assert all(each.attrib.keys() == {"href", "tabindex"} for each in links)  # no other window


def test_a_curve_has_the_anchor_to_which_its_row_leads(svg: bytes) -> None:
    assert curves(drawn()) == {"search-3"}
    anchored = [each for each in elements(svg).iter() if each.get("id", "").startswith("s-")]
    assert [each.get("id") for each in anchored] == ["s-search-3-curve"]
    assert anchored[0].find("a/path") is not None


def test_a_line_has_a_wider_copy_that_meets_the_pointer(svg: bytes) -> None:
    lines = [link for link in elements(svg).iter("a") if link.find("path") is not None]
    assert len(lines) == 2
    for link in lines:
        line, copy = link.findall("path")
        assert "fill: none" in line.get("style", "")
        assert (copy.get("class"), copy.get("style")) == ("reach", None)
        assert copy.get("d") == line.get("d")


def test_the_picture_is_one_image_for_who_cannot_see_it(svg: bytes) -> None:
    root = elements(svg)
    assert root.attrib.keys() == {"viewBox", "role", "aria-label"}
    assert (root.get("role"), root.get("aria-label")) == ("img", ALT)
    assert root.find("title") is None
    assert not {"style", "metadata", "script"} & {each.tag for each in root.iter()}


def test_it_is_smaller_than_the_file(svg: bytes) -> None:
    assert len(inline(svg, ALT, "picture1-", MARKS)) < len(svg)


def test_rows_that_name_no_trial_leave_marks_as_they_are() -> None:
    with canvas() as (figure, axes):
        scatter_trials(axes[0, 0], [1.0], [2.0], pd.DataFrame({"x": [1.0]}))
        curve_of(axes[0, 0].plot([], [])[0], pd.DataFrame({"trial": []}))
        assert "<a " not in render(figure, "svg").decode()
        assert curves(figure) == set()
