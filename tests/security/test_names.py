"""Studies whose names are paths, markup or commands to a terminal."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import analysis.sections.schedules  # noqa: F401 - before a test replaces what it takes from figures
from search_spaces.config import Budget
from search_spaces.spaces import CHAPTER
from study.terminal import printable
from tests.analysis.conftest import plant_study
from tests.analysis.test_report import Page
from tests.security.conftest import Terminal, assert_plain, files
from tests.study.conftest import Command

pytestmark = pytest.mark.integration

NAMES = {
    "parents": "../../x",
    "absolute": "/x/y",
    "dots": "..",
    "script": "<script>alert(1)</script>",
    "attribute": "\"' onerror=alert(1) x=&amp;",
    "colour": "a\x1b[31mb\x9b2Jc\x08",
    "title": "\x1b]0;owned\x07",
    "lines": "a\r\nb\u2028\u202ec",
    "rich": "[red]x[/] [/] [b \\",
    "shell": "$(touch x);`touch x`&",
}
PARTS = ("trials", "best", "epochs", "left")


@pytest.fixture(scope="module")
def planted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("names") / "lrstudy.db"
    for name in NAMES.values():
        plant_study(
            file, "fixed_rate", 3, name=name, everything="complete", budget=Budget(epochs=2)
        )
    return file


@pytest.fixture
def planted(planted_once: Path, deep: Path) -> Path:
    """The working directory, with a database of finished studies of all those names."""
    shutil.copy(planted_once, deep)
    return deep


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.usefixtures("unrendered", "planted")
def test_a_report_stays_in_its_directory_and_its_page_is_text(
    lrstudy: Command, tmp_path: Path, name: str
) -> None:
    before = files(tmp_path)
    done = lrstudy("report", name)
    assert (done.status, done.err) == (0, "")
    place = (
        done.out.splitlines(keepends=True)[-1].removeprefix("wrote ").removesuffix("/report.html\n")
    )
    assert re.fullmatch(r"reports/[a-z0-9_-]+", place)
    made = files(tmp_path) - before
    assert {Path(each).parent.name for each in made} == {Path(place).name, "figures"}
    assert all(each.startswith(f"one/two/three/{place}/") for each in made)
    assert all(re.fullmatch(r"[a-z0-9_.-]+", Path(each).name) for each in made)
    page = Page(Path(place, "report.html").read_bytes().decode())
    assert name in page.text
    assert not {"script", "object", "iframe"} & set(page.tags)
    assert all(link.startswith(("data:image/png;", "#", CHAPTER)) for link in page.links)
    found = json.loads(Path(place, "findings.json").read_text(), parse_constant=pytest.fail)
    assert list(found) == [name]


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_export_writes_its_one_file(
    lrstudy: Command, tmp_path: Path, name: str, suffix: str
) -> None:
    before = files(tmp_path)
    done = lrstudy("export", name, "--out", f"trials.{suffix}")
    assert done == (0, f"wrote 3 rows to trials.{suffix}: one for each trial\n", "")
    assert files(tmp_path) - before == {f"one/two/three/trials.{suffix}"}


@pytest.mark.usefixtures("planted")
def test_a_terminal_shows_the_name_as_it_is_and_obeys_nothing(
    terminal: Terminal, name: str
) -> None:
    shown = terminal("status", name)
    assert_plain(shown)
    assert shown.startswith(printable(name))
    assert {line.split()[0] for line in shown.splitlines()} >= {*PARTS}
    watched = terminal("status", name, "--watch")
    assert_plain(watched)
    assert "no worker trains at the moment" in watched
    for line in shown.splitlines():
        assert line.rstrip() in watched


@pytest.mark.usefixtures("planted")
def test_the_list_has_a_line_for_each(terminal: Terminal) -> None:
    shown = terminal("status")
    assert_plain(shown)
    lines = shown.splitlines()[1:]
    assert len(lines) == len(NAMES)
    for name, line in zip(NAMES.values(), lines, strict=True):
        assert line.startswith(printable(name))
        rest = " ".join(line.removeprefix(printable(name)).split())
        assert rest == "fixed_rate 3 of 3 have a result: 3 complete"


@pytest.mark.usefixtures("planted")
def test_json_names_the_study_and_is_plain(terminal: Terminal, name: str) -> None:
    for words in (("status", name, "--json"), ("best", name, "--json")):
        shown = terminal(*words)
        assert_plain(shown)
        assert json.loads(shown, parse_constant=pytest.fail)["study"] == name
    listed = terminal("status", "--json")
    assert_plain(listed)
    assert name in [each["name"] for each in json.loads(listed)]


@pytest.mark.usefixtures("planted", "tiny")
def test_other_commands_say_one_thing_and_write_nothing(
    terminal: Terminal, tmp_path: Path, name: str
) -> None:
    before = files(tmp_path)
    assert terminal("best", name).startswith("trial ")
    done = terminal("resume", name)
    assert done == f"study {name!r} is finished: 3 of 3 trials\n"
    assert terminal("worker", name) == f"study {name!r} is complete\n"
    planned = terminal("confirm", name, "--dry-run", "--top", "1", "--seeds", "1")
    assert planned.endswith("Nothing was written.\n")
    stopped = terminal("stop", name)
    for shown in (done, planned, stopped):
        assert_plain(shown)
    journal = {"one/two/three/lrstudy.db-wal", "one/two/three/lrstudy.db-shm"}
    assert files(tmp_path) - journal == before


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("command", ["status", "best", "report", "resume", "stop", "confirm"])
def test_a_wrong_name_is_answered_in_one_line_whatever_the_others_are(
    terminal: Terminal, command: str
) -> None:
    shown = terminal(command, "fixed_rat", status=2)
    assert shown.count("\n") == 1
    assert_plain(shown)
    assert shown.startswith("lrstudy: unknown study 'fixed_rat'.")


@pytest.mark.usefixtures("planted")
def test_several_stand_in_one_report(lrstudy: Command, tmp_path: Path) -> None:
    before = files(tmp_path)
    done = lrstudy("report", *NAMES.values(), "--out", "all")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "wrote all/report.html"
    made = files(tmp_path) - before
    assert all(each.startswith("one/two/three/all/") for each in made)
    for path in Path("all", "figures").glob("*.svg"):
        assert "<script" not in path.read_text(encoding="utf-8")
    page = Page(Path("all", "report.html").read_bytes().decode())
    assert all(name in page.text for name in NAMES.values())
