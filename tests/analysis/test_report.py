"""The report: self-contained, escaped, complete, and written whole or not at all."""

from __future__ import annotations

import errno
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

from analysis import report
from analysis.answers import ANSWERS
from analysis.page.naming import slug
from analysis.reading.database import split_name
from analysis.reading.frames import load
from analysis.reading.loading import tidy
from analysis.report import MARKDOWN, headlines, write_report
from search_spaces.spaces import CHAPTER, SPACES
from study.storage.urls import StorageError
from tests.analysis.conftest import Plant, plant_stages, plant_study

EVIL = '<script>alert("x")</script>/../../y&'
NAMES = ("fixed_rate", "cosine", "chapter", "all diverged", "none yet")
_TEMPLATE = Path(report.__file__).parent / "page" / "templates" / "report.html.j2"
OWN_SCRIPT = (
    _TEMPLATE.read_text(encoding="utf-8").partition("<script>")[2].partition("</script>")[0]
)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a page asks for, holds and says without its own script; fails on tags that do not
    match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.alts: list[str] = []
        self.text = ""
        self.feed(html.replace(f"<script>{OWN_SCRIPT}</script>", ""))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attrs)
        self.links += [str(values[name]) for name in ("src", "href", "action") if name in values]
        self.ids += [str(values["id"])] if "id" in values else []
        self.alts += [str(values.get("aria-label"))] if tag == "svg" else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] != ["style"] else ""


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(everything: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of several studies, two of which came to nothing."""
    out = tmp_path_factory.mktemp("written") / "report"
    return write_report(everything, NAMES, out)


def test_answers_have_the_questions_of_their_spaces() -> None:
    assert set(ANSWERS) <= set(SPACES)  # the others have that of any space
    for name, answer in ANSWERS.items():
        assert answer.searched.ABOUT.question == SPACES[name].QUESTION


def test_the_page_needs_no_network_and_no_other_script(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    found = Page(html)
    anchors = [link for link in found.links if link.startswith("#")]
    assert len(anchors) + found.links.count(CHAPTER) == len(found.links)
    assert {link.removeprefix("#") for link in anchors} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert html.count(OWN_SCRIPT) == 1
    assert len(OWN_SCRIPT) > 100
    assert not {"script", "link", "iframe", "object", "base", "img"} & set(found.tags)
    assert "@import" not in html
    assert set(re.findall(r"url\(.", html)) == {"url(#"}  # within the page
    assert len(found.alts) > 5
    assert all(len(alt) > 20 for alt in found.alts)


def test_all_files_are_there(written: Path) -> None:
    folder = written.parent
    assert {path.name for path in folder.iterdir()} == {
        "report.html",
        "findings.json",
        "trials.parquet",
        "curves.parquet",
        "figures",
    }
    images = page(written).alts
    for kind in ("png", "svg"):
        assert len(list((folder / "figures").glob(f"*.{kind}"))) == len(images)


def test_verdicts_stand_on_top_and_in_the_data(written: Path) -> None:
    values = json.loads((written.parent / "findings.json").read_text(), parse_constant=pytest.fail)
    text = page(written).text
    top = text[: text.index("How this was measured")]
    assert list(values) == [*NAMES]
    for value in values.values():
        assert value["headline"] in top
        assert value["certainty"] in text
        assert value["verdict"] in text
        for finding in value["findings"]:
            assert finding["verdict"] in text
            assert finding["basis"] in text
            assert finding["caution"] is None or finding["caution"] in text
            assert all((written.parent / each).is_file() for each in finding["figures"])


def test_the_tables_are_those_of_the_database(written: Path, everything: str) -> None:
    for position, file in enumerate(("trials.parquet", "curves.parquet")):
        found = pd.read_parquet(written.parent / file)
        for name in ("cosine", "none yet"):
            expected = tidy(load(everything, name)[position])
            own = found[found["study"] == name]
            assert own["trial"].tolist() == expected["trial"].tolist()
            pd.testing.assert_frame_equal(
                own[["trial", "schedule", "state"]].reset_index(drop=True),
                expected[["trial", "schedule", "state"]],
                check_dtype=False,
            )


def test_estimates_in_the_data_are_the_estimators(written: Path, everything: str) -> None:
    values = json.loads((written.parent / "findings.json").read_text())
    best = values["fixed_rate"]["findings"][0]["estimates"]["close"][0]
    trials = load(everything, "fixed_rate")[0]
    complete = trials[trials["state"] == "complete"]
    assert best["accuracy"] == pytest.approx(complete["value"].max(), abs=1e-12)


def test_hostile_names_do_no_harm(plant: Plant, tmp_path: Path) -> None:
    url = plant("fixed_rate", 3, name=EVIL, states={0: "failed"})
    out = tmp_path / "deep" / "out"
    path = write_report(url, [EVIL], out)
    found = page(path)
    assert "script" not in found.tags
    assert EVIL in found.text
    assert {each.name for each in tmp_path.iterdir()} == {"planted.db", "deep"}
    assert [each.name for each in out.parent.iterdir()] == ["out"]
    for picture in (out / "figures").iterdir():
        assert re.fullmatch(r"script-alert-x-script-y-[a-z-]+\.(png|svg)", picture.name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cosine", "cosine"),
        ("../../x", "x"),
        ("A b_C", "a-b_c"),
        ("///", "study"),
        ("ü", "study"),
        ("x" * 500, "x" * 60),
    ],
)
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.usefixtures("unrendered")
def test_names_with_the_same_slug_keep_their_own_figures(plant: Plant, tmp_path: Path) -> None:
    names = ["a b", "a-b", "a-b-2"]
    for name in names:
        url = plant("fixed_rate", 2, name=name, everything="complete")
    write_report(url, names, tmp_path / "out")
    stems = {path.stem for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"a-b-best-fixed-rate", "a-b-2-best-fixed-rate", "a-b-2-2-best-fixed-rate"} <= stems


@pytest.mark.usefixtures("unrendered")
def test_a_study_named_twice_is_reported_once(plant: Plant, tmp_path: Path) -> None:
    url = plant("fixed_rate", 2, everything="complete")
    path = write_report(url, ["fixed_rate", "fixed_rate"], tmp_path / "out")
    rows = [each for each in page(path).ids if re.fullmatch(r"fixed_rate(-search-\d)?", each)]
    assert rows == ["fixed_rate", "fixed_rate-search-0", "fixed_rate-search-1"]


def full_disk(*arguments: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("unrendered")
def test_a_full_disk_leaves_nothing(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = plant("fixed_rate", 2, everything="complete")
    monkeypatch.setattr(pd.DataFrame, "to_parquet", full_disk)
    with pytest.raises(OSError, match="No space left on device"):
        write_report(url, ["fixed_rate"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("unrendered")
def test_a_full_disk_leaves_an_earlier_report_and_other_files(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = plant("fixed_rate", 2, everything="complete")
    path = write_report(url, ["fixed_rate"], tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()}
    monkeypatch.setattr(report, "render_page", full_disk)
    with pytest.raises(OSError, match="No space left on device"):
        write_report(url, ["fixed_rate"], tmp_path / "out")
    after = {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()}
    assert after == before
    monkeypatch.undo()
    write_report(url, ["fixed_rate"], tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("unrendered")
def test_a_file_in_the_way(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileExistsError):
        write_report(plant("fixed_rate", 1), ["fixed_rate"], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.usefixtures("unrendered")
def test_a_study_that_is_not_there_leaves_nothing(plant: Plant, tmp_path: Path) -> None:
    url = plant("fixed_rate", 1)
    optuna.create_study(storage=url, study_name="foreign", directions=["minimize"] * 2)
    for name, message in {
        "nope": "unknown study 'nope'.",
        "foreign": "study 'foreign' has 2 objectives",
    }.items():
        with pytest.raises(StorageError) as error:
            write_report(url, ["fixed_rate", name], tmp_path / "out")
        assert str(error.value).startswith(message)
    with pytest.raises(ValueError, match="a report needs the name of at least one study"):
        write_report(url, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("unrendered")
def test_studies_of_several_storages_stand_in_one_report(tmp_path: Path) -> None:
    urls = []
    for name in ("here", "there"):
        path = tmp_path / f"{name}.db"
        plant_study(path, "fixed_rate", 6, everything="complete")
        urls.append(plant_stages(path, "fixed_rate", seeds=2, top=1))
    names = ["fixed_rate", f"{urls[1]}#fixed_rate", "fixed_rate-confirm"]
    path = write_report(urls[0], names, tmp_path / "out")
    found = page(path)
    assert {"fixed_rate", "fixed_rate-2"} < set(found.ids)
    values = json.loads((path.parent / "findings.json").read_text(encoding="utf-8"))
    assert list(values) == [f"fixed_rate ({url})" for url in urls]
    for each in values.values():
        assert set(each["facts"]) == {"search", "confirm", "test"}
        stages = [finding["stage"] for finding in each["findings"]]
        assert stages[:3] == ["confirm", "test", "confirm"]
    trials = pd.read_parquet(path.parent / "trials.parquet")
    assert set(trials["study"]) == {"fixed_rate", "fixed_rate-confirm", "fixed_rate-test"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cosine", ("here", "cosine")),
        ("sqlite:///a#b.db#cosine", ("sqlite:///a#b.db", "cosine")),
        ("postgresql+psycopg://me@host/db#a b", ("postgresql+psycopg://me@host/db", "a b")),
        ('<a href="http://x#y">', ("here", '<a href="http://x#y">')),
        ("sqlite:///a.db", ("here", "sqlite:///a.db")),
    ],
)
def test_a_name_may_carry_its_storage(name: str, expected: tuple[str, str]) -> None:
    assert split_name(name, "here") == expected


def test_the_first_line_of_a_study_names_its_recipe(plant: Plant, tmp_path: Path) -> None:
    optimizer = {"momentum": 0.9, "batch_size": 32}
    plant("fixed_rate", 4, everything="complete")
    url = plant("cosine", 6, everything="complete", recipe="momentum", optimizer=optimizer)
    page = Page(write_report(url, ["fixed_rate", "cosine"], tmp_path / "out").read_text())
    assert "fixed_rate Recipe chapter: plain SGD in batches" in page.text
    words = (
        "Recipe momentum: SGD with momentum 0.9 in batches of 32 images. That is another question"
    )
    assert words in page.text
    assert page.text.count("another question") == 1


def test_markdown_says_what_the_page_says(everything: str, written: Path, tmp_path: Path) -> None:
    write_report(everything, NAMES, tmp_path / "out", markdown=True)
    text = (tmp_path / "out" / MARKDOWN).read_text(encoding="utf-8")
    plain = text.replace("\\", "")
    for value in json.loads((written.parent / "findings.json").read_text()).values():
        for said in (value["headline"], value["certainty"], value["verdict"]):
            assert " ".join(said.split()) in plain
        for finding in value["findings"]:
            assert all(f"]({each})" in text for each in finding["figures"])
    for named in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (tmp_path / "out" / named).is_file()
    assert "```python\nimport torch" in text
    for line in text.splitlines():
        if line.startswith("| ") and "---" not in line:
            assert line.endswith(" |")


def test_headlines_are_read_back(written: Path) -> None:
    found = headlines(written.parent)
    assert list(found) == [*NAMES]
    assert all(headline and len(headline.split()) <= 25 for headline, _ in found.values())
