"""Law: whatever command a status, a report or a message names, the command line takes it, and it
is about the study and the storage that it is named for."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from analysis.page.study_report import report_study
from analysis.report import write_report
from analysis.study import load_study
from study.cli.application import app
from study.storage import hints
from study.storage.hints import DEFAULT_STORAGE, command, with_command, wrapped
from study.storage.urls import address
from tests.analysis.conftest import plant_stages, plant_study
from tests.analysis.test_report import Page

ROOT = typer.main.get_command(app)
NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1).map(str.strip)
# Commands of a page stand in <code>.
_CODE = re.compile(r"(?<!\">)<code>(.*?)</code>", re.S)  # but not the schedule to paste


def understood(line: str) -> tuple[str, dict[str, Any]]:
    """The command and the values of its parameters, without running it. Fails where it is none."""
    program, verb, *words = shlex.split(line)
    assert program == "lrstudy"
    found = ROOT.commands[verb]  # type: ignore[attr-defined]
    return verb, found.make_context(verb, words, parent=ROOT.make_context("lrstudy", [verb])).params


@given(name=NAMES, folder=NAMES)
def test_a_command_names_its_study_and_storage(name: str, folder: str) -> None:
    url = f"sqlite:///{folder.replace('/', '_').replace('?', '_')}/it.db"
    verb, values = understood(command(url, "resume", name, "--trials", "7"))
    assert (verb, values["name"], values["trials"]) == ("resume", name, 7)
    assert values["storage"] == address(url)


def test_the_storage_is_named_only_where_another_would_be_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LRSTUDY_STORAGE", raising=False)
    other = "sqlite:///other.db"
    assert command(DEFAULT_STORAGE, "status", "it") == "lrstudy status it"
    assert command(other, "status", "it") == f"lrstudy status it --storage {other}"
    monkeypatch.setenv("LRSTUDY_STORAGE", other)
    assert command(other, "status", "it") == "lrstudy status it"
    line = f"lrstudy status it --storage {DEFAULT_STORAGE}"
    assert command(DEFAULT_STORAGE, "status", "it") == line


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:5/db", "postgresql://me@host:5/db"),
        ("postgresql://host/db?password=secret", "postgresql://host/db"),
        ("postgresql://host/db?sslpassword=secret&sslmode=require", None),
        ("postgresql://me@/db?host=/run/pg", "postgresql://me@/db?host=%2Frun%2Fpg"),
        ("no url", "no url"),
    ],
)
def test_a_hint_holds_no_password(url: str, shown: str | None) -> None:
    expected = shown or "postgresql://host/db?sslmode=require"
    assert address(url) == expected
    assert understood(command(url, "status", "it"))[1]["storage"] == expected
    assert address(expected) == expected


@given(words=st.lists(NAMES, min_size=1), width=st.integers(20, 120))
def test_a_broken_line_is_the_same_command(words: list[str], width: int) -> None:
    line = shlex.join(words)
    shown = wrapped(line, width)
    assert shlex.split(shown.replace("\\\n", " ")) == words
    for each in shown.splitlines():
        short = len(each) <= width
        assert short or len(shlex.split(each.removesuffix("\\"))) == 1


def test_a_command_that_does_not_fit_begins_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    line = "lrstudy resume it --storage sqlite:///a/rather/long/path.db"
    assert with_command("go on with:", line) == f"go on with: {line}"  # not a terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert with_command("go on with:", line) == (
        "go on with:\nlrstudy resume it --storage \\\n    sqlite:///a/rather/long/path.db"
    )
    assert with_command("see:", "lrstudy status it") == "see: lrstudy status it"


@pytest.fixture(scope="module")
def storages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two storages: one with studies in all their states, one with two studies of their names."""
    found = {}
    for place in ("here", "over there"):
        path = tmp_path_factory.mktemp("hints") / f"{place}.db"
        found[place] = plant_study(path, "fixed_rate", 4, everything="complete", name="searched")
        plant_study(path, "cosine", 12, name="half", upto=8)
        if place == "over there":
            continue
        plant_study(path, "fixed_rate", 3, everything="diverged", name="all lost")
        plant_study(path, "fixed_rate", 5, everything="complete", name="sure", states={3: "failed"})
        plant_stages(path, "sure", seeds=2, top=1)
        plant_study(path, "polynomial", 8, everything="complete", name="begun")
        plant_stages(path, "begun", seeds=2, top=1, stages=("confirm",))
    return found


STUDIES = ("searched", "half", "all lost", "sure", "begun")
IN_BOTH = STUDIES[:2]


@pytest.mark.usefixtures("unrendered")
def test_every_command_of_a_report_acts_on_its_own_study(
    storages: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first storage is the usual one: only the second is named."""
    monkeypatch.setenv("LRSTUDY_STORAGE", storages["here"])
    names = [*STUDIES, *(f"{storages['over there']}#{name}" for name in IN_BOTH)]
    page = write_report(storages["here"], names, tmp_path / "out").read_text(encoding="utf-8")
    sections = page.split('<section class="study" id="')[1:]
    assert len(sections) == len(names)
    for name, section in zip([*STUDIES, *IN_BOTH], sections, strict=True):
        there = len(STUDIES) <= sections.index(section)
        lines = Page(f"<p>{' '.join(_CODE.findall(section))}</p>").text  # entities are read
        found = [f"lrstudy {each.strip()}" for each in lines.split("lrstudy ")[1:]]
        assert found
        for line in found:
            verb, values = understood(line)
            if verb == "dashboard":  # of all studies of a storage
                assert ("--storage" in line) == there
                continue
            acted = values.get("study") or values["name"]
            assert acted in (name, f"{name}-again"), line
            place = "over there" if there else "here"
            assert values["storage"] == storages[place], line
            assert verb in ("resume", "confirm", "run")
            assert ("--storage" in line) == there


def _cautions(url: str, name: str) -> list[str]:
    study = load_study(url, name)
    made = report_study(study, "it", name)
    found = [each.caution.command for each in made.findings if each.caution]
    return [*found, *([made.unconfirmed.command] if made.unconfirmed else [])]


@pytest.mark.usefixtures("unrendered")
def test_one_page_asks_for_one_number_of_trials(tmp_path: Path) -> None:
    """Sections count different states, and so lack different numbers."""
    states = {1: "pruned", 2: "stalled", 5: "pruned"}
    url = plant_study(tmp_path / "p.db", "fixed_rate", 12, everything="complete", states=states)
    (asked,) = {each for each in _cautions(url, "fixed_rate") if " --trials " in each}
    assert understood(asked)[1]["trials"] == 12 + 20 - 9  # nine are complete


@pytest.mark.usefixtures("unrendered")
def test_a_search_is_finished_before_it_is_confirmed(storages: dict[str, str]) -> None:
    verbs = {
        name: {understood(each)[0] for each in _cautions(storages["here"], name)}
        for name in STUDIES
    }
    assert verbs["half"] == {"resume"}
    assert verbs["all lost"] == {"resume"}
    assert "confirm" in verbs["searched"]
    assert "confirm" in verbs["begun"]


@pytest.mark.usefixtures("unrendered")
def test_the_json_names_the_commands_of_the_page(storages: dict[str, str], tmp_path: Path) -> None:
    page = write_report(storages["here"], ["sure"], tmp_path / "out")
    values = json.loads((page.parent / "findings.json").read_text(encoding="utf-8"))
    text = Page(page.read_text(encoding="utf-8")).text
    cautions = [each["caution"] for each in values["sure"]["findings"] if each["caution"]]
    assert cautions
    assert all(each in text for each in cautions)


def test_no_other_module_writes_a_command_line() -> None:
    """`lrstudy VERB` with a name or option behind it stands in docstrings and in `hints`."""
    root = Path(hints.__file__).parents[2]
    written = re.compile(r"""f["'][^"']*lrstudy (?:resume|confirm|worker|report|best|stop) ?\{""")
    for package in ("study", "analysis", "search_spaces"):
        for path in (root / package).rglob("*.py"):
            assert not written.search(path.read_text(encoding="utf-8")), path
