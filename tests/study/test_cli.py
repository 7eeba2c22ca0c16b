"""The command line in this process: what each command prints, and one line for each mistake."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis.schedules  # noqa: F401 - before a test replaces what it takes from figures
from search_spaces.parsing import parse_schedule
from search_spaces.spaces import SPACES
from tests.analysis.conftest import plant_study
from tests.study.conftest import Command, Outcome, assert_one_line


@pytest.fixture(scope="module")
def planted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("planted") / "lrstudy.db"
    plant_study(file, "fixed_rate", 12, states={3: "pruned", 4: "failed"}, everything="complete")
    plant_study(file, "cosine", 12, name="half", upto=6, everything="complete")
    return file


@pytest.fixture
def planted(planted_once: Path, tmp_path: Path) -> Path:
    """A database with a finished study `fixed_rate` and a half-done `half`."""
    return Path(shutil.copy(planted_once, tmp_path))


# ---------------------------------------------------------------- commands that print facts


def test_version(lrstudy: Command) -> None:
    assert lrstudy("--version") == Outcome(0, "lrstudy 0.1.0\n", "")


@pytest.mark.parametrize(
    "words",
    [
        *("spaces", "run", "resume", "confirm", "status", "best", "plot", "report", "export"),
        "dashboard",
        *("data fetch", "data where"),
    ],
)
def test_every_help_has_an_example(lrstudy: Command, words: str) -> None:
    shown = lrstudy(*words.split(), "--help")
    assert shown.status == 0
    assert f"Example: lrstudy {words}" in shown.out


def test_spaces_name_questions_schedules_and_ranges(lrstudy: Command) -> None:
    text = lrstudy("spaces").out
    listed = json.loads(lrstudy("spaces", "--json").out)
    assert set(listed) == set(SPACES)
    for name, space in SPACES.items():
        assert name in text
        assert space.QUESTION in text
        assert listed[name]["schedules"] == list(space.FAMILIES)
    assert listed["fixed_rate"]["parameters"] == {"base_lr": "0.003 to 3, log scale"}
    assert listed["warmup"]["parameters"]["warmup"] == "0 to 10 epochs"
    assert listed["chapter"]["presets"]["standard"] == (
        "30 trials of 30 epochs on all 60,000 training images"
    )


def test_status_lists_the_studies(lrstudy: Command, planted: Path) -> None:
    text = lrstudy("status").out
    assert "fixed_rate" in text
    assert "half" in text
    rows = {row["name"]: row for row in json.loads(lrstudy("status", "--json").out)}
    assert rows["fixed_rate"]["complete"] == 10
    assert rows["half"]["planned"] == 12


def test_status_of_a_study(lrstudy: Command, planted: Path) -> None:
    facts = json.loads(lrstudy("status", "half", "--json").out)
    assert facts["states"]["complete"] == facts["states"]["waiting"] == 6
    assert facts["seconds_left"] == pytest.approx(6 * 7.5)
    text = lrstudy("status", "half").out
    assert "6 of 12 have a result: 6 complete, 6 waiting" in text
    assert "about 0:00:45 at the present pace" in text
    retried = json.loads(lrstudy("status", "fixed_rate", "--json").out)
    assert retried["seconds_left"] == pytest.approx(7.5)  # the failed slot has two tries left
    done = lrstudy("status", "fixed_rate").out
    assert "1 pruned, 1 failed" in done
    assert f"{json.loads(lrstudy('best', 'fixed_rate', '--json').out)['accuracy']:.2%}" in done


def test_best_is_the_highest_complete_trial(lrstudy: Command, planted: Path) -> None:
    assert lrstudy("export", "fixed_rate", "--out", "t.csv").status == 0
    trials = pd.read_csv("t.csv")
    top = trials[trials["state"] == "complete"].sort_values("value").iloc[-1]
    found = json.loads(lrstudy("best", "fixed_rate", "--json").out)
    assert (found["trial"], found["accuracy"]) == (top["trial"], pytest.approx(top["value"]))
    text = lrstudy("best", "fixed_rate").out
    assert f"{top['value']:.2%} validation accuracy with a constant rate of" in text


def test_exported_frames(lrstudy: Command, planted: Path) -> None:
    assert lrstudy("export", "half", "--out", "t.parquet").out == "wrote 6 rows to t.parquet\n"
    assert lrstudy("export", "half", "--out", "c.csv", "--curves").status == 0
    assert len(pd.read_parquet("t.parquet")) == 6
    assert set(pd.read_csv("c.csv")["epoch"]) == set(range(6))


@pytest.mark.usefixtures("unrendered")
def test_report_goes_where_it_is_asked(lrstudy: Command, planted: Path) -> None:
    assert lrstudy("report", "fixed_rate").out == "wrote reports/fixed_rate/report.html\n"
    made = lrstudy("report", "fixed_rate", "half", "--out", "both")
    assert made.status == 0
    assert Path("both/findings.json").exists()


SPEC = "cosine:base=0.3,final=0.01,horizon=20,warmup=5"


def test_plot_prints_the_rates(lrstudy: Command, tmp_path: Path) -> None:
    printed = lrstudy("plot", SPEC, "--epochs", "3", "--steps-per-epoch", "4", "--csv").out
    (tmp_path / "rates.csv").write_text(printed)
    rates = pd.read_csv(tmp_path / "rates.csv")
    schedule: Any = parse_schedule(SPEC)
    np.testing.assert_allclose(rates[SPEC], schedule(np.arange(12), 4), rtol=1e-12)
    assert rates["epoch"].tolist() == [n / 4 for n in range(12)]


@pytest.mark.parametrize(("name", "head"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_plot_draws(lrstudy: Command, name: str, head: bytes) -> None:
    assert lrstudy("plot", SPEC, "constant:base=0.1", "--out", name).out == f"wrote {name}\n"
    assert Path(name).read_bytes().startswith(head)


# ---------------------------------------------------------------- wrong use: status 2, one line

WRONG = [
    ("run cosin", "unknown search space 'cosin'. Did you mean 'cosine'?"),
    ("run cosine --trials 13", "the next good number is 18"),
    ("run cosine --set base=1", "unknown parameter of cosine 'base'. Did you mean 'base_lr'?"),
    ("run cosine --range base_lr=1:0.1", "the range 1:0.1 is inverted"),
    ("run cosine --range base_lr=1:1", "--range base_lr=1:1 is empty"),
    ("run warmup --epochs 3 --range warmup=0:4", "a warmup of up to 4 epochs is longer than"),
    ("run cosine --device cuda:9", "device 'cuda:9' is not available here; there are: auto"),
    ("run cosine --sampler grid", "Invalid value for '--sampler'"),
    ("run cosine --trials 0", "Invalid value for '--trials'"),
    ("run", "Missing argument 'SPACE'"),
    ("rum cosine", "No such command 'rum'. Did you mean 'run', 'resume'?"),
    (
        "run cosine --pruner foo",
        "lrstudy: Invalid value for '--pruner': 'foo' is not one of 'none'",
    ),
    ("run cosine --json", "--json prints a dry run: give --dry-run too"),
    ("run cosine --bank --sampler tpe", "--bank samples at random and prunes nothing"),
    ("run cosine --bank --pruner median", "--bank samples at random and prunes nothing"),
    ("run chapter --bank", "chapter is a fixed design: it cannot be a bank"),
    ("confirm", "Missing argument 'NAME'"),
    ("confirm it --json", "--json prints a dry run: give --dry-run too"),
    ("confirm it --train-on some", "Invalid value for '--train-on': 'some' is not one of"),
    ("confirm it --top 0", "Invalid value for '--top'"),
    ("confirm it --seeds 0", "Invalid value for '--seeds'"),
    ("plot cosin:base=1", "unknown schedule 'cosin'. Did you mean 'cosine'?"),
    ("plot cosine:base=1,horizn=3", "unknown parameter of cosine 'horizn'. Did you mean"),
    ("plot plateau:base=0.1", "the schedule 'plateau' has no closed form: it follows the loss"),
    ("plot constant:base=1 --out a.gif", "--out must end in .png or .svg, not 'a.gif'"),
    ("plot constant:base=1 --epochs 1000000000", "196,000,000,000 updates are too many to draw"),
    ("export half --out a.xlsx", "--out must end in .parquet or .csv, not 'a.xlsx'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_use_is_one_line_and_writes_nothing(
    lrstudy: Command, tmp_path: Path, arguments: str, message: str
) -> None:
    assert_one_line(lrstudy(*arguments.split()), 2, message)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- a job that fails: status 1

FAILING = [
    ("status half", "there is no database lrstudy.db"),
    ("report half", "there is no database lrstudy.db"),
    ("resume half", "there is no database lrstudy.db; `lrstudy run SPACE` makes one"),
    ("confirm half", "there is no database lrstudy.db; `lrstudy run SPACE` makes one"),
    ("status half --storage nonsense", "the storage is not"),
]
SECRET = [
    ("status half", "mysql://u:secret@h/d", "use sqlite"),
    ("status half", "postgresql://me:secret@127.0.0.1:1/d", "me:***@127.0.0.1:1/d"),
    ("resume half", "postgresql://me:secret@127.0.0.1:1/d", "me:***@127.0.0.1:1/d"),
    ("worker half", "postgresql://me:secret@127.0.0.1:1/d", "me:***@127.0.0.1:1/d"),
]


@pytest.mark.parametrize(("arguments", "message"), FAILING)
def test_a_storage_that_is_not_there_is_one_line(
    lrstudy: Command, tmp_path: Path, arguments: str, message: str
) -> None:
    assert_one_line(lrstudy(*arguments.split()), 1, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "url", "message"), SECRET)
def test_a_password_is_never_printed(
    lrstudy: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: str,
    url: str,
    message: str,
) -> None:
    """On the command line it is warned of, since all users of the machine see it there."""
    outcome = lrstudy(*arguments.split(), "--storage", url)
    warning, error = outcome.err.splitlines()
    assert warning.startswith("lrstudy: a password on the command line can be seen by all users")
    assert message in error
    assert (outcome.status, outcome.out) == (1, "")
    monkeypatch.setenv("LRSTUDY_STORAGE", url)
    silent = lrstudy(*arguments.split())
    assert_one_line(silent, 1, message)
    assert "secret" not in outcome.err + silent.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "best", "report", "resume", "confirm", "export"])
def test_an_unknown_study_is_named_with_the_nearest(
    lrstudy: Command, planted: Path, command: str
) -> None:
    out = ("--out", "x.csv") if command == "export" else ()
    outcome = lrstudy(command, "hafl", *out)
    assert_one_line(outcome, 1, "unknown study 'hafl'. Did you mean 'half'?")


def test_the_database_of_another_program(lrstudy: Command, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "lrstudy.db") as other:
        other.execute("CREATE TABLE plants (name TEXT)")
    other.close()
    before = (tmp_path / "lrstudy.db").read_bytes()
    assert_one_line(lrstudy("status", "half"), 1, "lrstudy.db is not an Optuna database")
    assert_one_line(lrstudy("resume", "half"), 1, "lrstudy.db is the database of another program")
    assert (tmp_path / "lrstudy.db").read_bytes() == before


@pytest.mark.parametrize("command", ["status", "best", "report", "resume"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "the data in sqlite:///lrstudy.db are damaged: Expecting value"),
        ('{"space": 3}', "study 'half' was made by another version of lrstudy: space: "),
        ("[1]", "study 'half' was made by another version of lrstudy: "),
    ],
)
def test_a_damaged_spec_is_one_line(
    lrstudy: Command, planted: Path, command: str, text: str, message: str
) -> None:
    import sqlite3

    with sqlite3.connect(planted) as database:
        database.execute("UPDATE study_user_attributes SET value_json = ?", (text,))
    database.close()
    assert_one_line(lrstudy(command, "half"), 1, message)


@pytest.mark.parametrize("command", ["status", "resume"])
def test_a_name_that_is_no_text(lrstudy: Command, planted: Path, command: str) -> None:
    assert_one_line(lrstudy(command, "\udcff"), 2, "the name is not valid text")


def test_best_without_a_complete_trial(lrstudy: Command, tmp_path: Path) -> None:
    plant_study(tmp_path / "lrstudy.db", "fixed_rate", 2, everything="diverged")
    assert_one_line(lrstudy("best", "fixed_rate"), 1, "has no complete trial yet")


def test_a_report_that_cannot_be_written(lrstudy: Command, planted: Path) -> None:
    Path("taken").write_text("a file")
    outcome = lrstudy("report", "fixed_rate", "--out", "taken/report")
    assert_one_line(outcome, 1, "taken")
    assert Path("taken").read_text() == "a file"


def test_the_dashboard_says_how_to_get_it(
    lrstudy: Command, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert_one_line(lrstudy("dashboard"), 1, "pip install 'lrstudy[dashboard]'")


def test_data_that_are_nowhere_are_one_error_with_every_place(
    lrstudy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRSTUDY_DATA", str(tmp_path))
    outcome = lrstudy("data", "where")
    assert outcome.status == 1
    assert f"LRSTUDY_DATA, {tmp_path}: train-images-idx3-ubyte.gz is missing" in outcome.err
    assert_one_line_of_run = lrstudy("run", "cosine")
    assert assert_one_line_of_run.status == 1
    assert "Fashion-MNIST was not found" in assert_one_line_of_run.err
    assert list(tmp_path.iterdir()) == []
