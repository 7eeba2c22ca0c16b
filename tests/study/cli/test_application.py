"""The command line in this process: what each command prints, and one line for each mistake."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis.sections.schedules  # noqa: F401 - before a test replaces what it takes from figures
from analysis.reading.columns import TRIALS
from search_spaces.schedules.text import parse_schedule
from search_spaces.spaces import CHAPTER, SPACES, listed
from study.export.weights import Exported
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
        *(
            "spaces",
            "schedules",
            "run",
            "compare",
            "resume",
            "confirm",
            "status",
            "best",
            "plot",
            "report",
            "export",
        ),
        "dashboard",
        *("data fetch", "data where"),
    ],
)
def test_every_help_has_an_example(lrstudy: Command, words: str) -> None:
    shown = lrstudy(*words.split(), "--help")
    assert shown.status == 0
    assert f"Example: lrstudy {words}" in shown.out


def test_spaces_name_questions_schedules_and_ranges(lrstudy: Command) -> None:
    text = " ".join(lrstudy("spaces").out.split())
    facts = json.loads(lrstudy("spaces", "--json").out)
    assert list(facts) == list(listed())
    for name, space in listed().items():
        assert name in text
        numbered = "" if space.EXERCISE is None else f"exercise {space.EXERCISE}: "
        assert f"{name} {numbered}{space.QUESTION}" in text
        assert facts[name]["exercise"] == space.EXERCISE
        assert facts[name]["schedules"] == list(space.FAMILIES)
    assert [space.EXERCISE for space in SPACES.values()] == [1, 2, 3, 4, 5, None]
    assert CHAPTER in text
    assert facts["fixed_rate"]["parameters"] == {
        "base_lr": "0.003 to 3, log scale (--preset quick: 0.0003 to 0.3, log scale)"
    }
    assert facts["warmup"]["parameters"]["warmup"] == (
        "0 to 10 epochs (--preset quick: 0 to 2 epochs)"
    )
    assert facts["chapter"]["presets"]["standard"] == (
        "30 trials of 30 epochs on all 60,000 training images, recipe chapter: plain SGD in "
        "batches of 256 images"
    )
    assert facts["cosine"]["presets"]["quick"].endswith(
        "recipe momentum: SGD with momentum 0.9 in batches of 32 images"
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
    assert "about 45 s at the present pace" in text
    retried = json.loads(lrstudy("status", "fixed_rate", "--json").out)
    assert retried["seconds_left"] == pytest.approx(7.5)  # the failed slot has two tries left
    done = lrstudy("status", "fixed_rate").out
    assert "1 pruned, 1 failed" in done
    accuracy = json.loads(lrstudy("best", "fixed_rate", "--json").out)["accuracy"]
    assert f"{100 * accuracy:.1f} %" in done


def test_best_is_the_highest_complete_trial(lrstudy: Command, planted: Path) -> None:
    assert lrstudy("export", "fixed_rate", "--out", "t.csv").status == 0
    trials = pd.read_csv("t.csv")
    top = trials[trials["state"] == "complete"].sort_values("value").iloc[-1]
    found = json.loads(lrstudy("best", "fixed_rate", "--json").out)
    assert (found["trial"], found["accuracy"]) == (top["trial"], pytest.approx(top["value"]))
    text = lrstudy("best", "fixed_rate").out
    assert f"{100 * top['value']:.1f} % validation accuracy with a constant rate of" in text


def test_exported_frames(lrstudy: Command, planted: Path) -> None:
    assert lrstudy("export", "half", "--out", "t.parquet").out == (
        "wrote 6 rows to t.parquet: one for each trial\n"
    )
    outcome = lrstudy("export", "half", "--out", "t.parquet", "--attempts")
    assert outcome.out == "replaced t.parquet with 6 rows: one for each attempt\n"
    shown = lrstudy("export", "--columns")
    assert shown.status == 0
    assert all(f"  {name}" in shown.out for name in TRIALS)
    assert lrstudy("export", "half", "--out", "c.csv", "--curves").status == 0
    assert len(pd.read_parquet("t.parquet")) == 6
    assert set(pd.read_csv("c.csv")["epoch"]) == set(range(6))


@pytest.mark.usefixtures("unrendered")
def test_report_goes_where_it_is_asked(lrstudy: Command, planted: Path) -> None:
    assert lrstudy("report", "fixed_rate").out.endswith("\nwrote reports/fixed_rate/report.html\n")
    made = lrstudy("report", "fixed_rate", "half", "--out", "both")
    assert made.status == 0
    assert Path("both/findings.json").exists()


@pytest.mark.usefixtures("unrendered")
def test_a_report_is_opened_and_written_as_markdown(
    lrstudy: Command, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: not opened.append(url))  # type: ignore[func-returns-value]
    made = lrstudy("report", "fixed_rate", "--markdown", "--open")
    assert (made.status, made.err) == (0, "")
    page = Path("reports/fixed_rate/report.html").resolve()
    assert opened == [page.as_uri()]
    assert made.out.splitlines()[0] in page.with_name("report.md").read_text().replace("\\", "")


@pytest.mark.usefixtures("unrendered")
def test_where_no_browser_is_that_is_said(
    lrstudy: Command, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    made = lrstudy("report", "fixed_rate", "--open")
    assert made.status == 1
    assert "no browser could be opened here; the page is " in made.err
    assert Path("reports/fixed_rate/report.html").exists()


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


def test_plot_says_what_so_many_epochs_do_not_reach(lrstudy: Command) -> None:
    whole = lrstudy("plot", SPEC, "--epochs", "30", "--steps-per-epoch", "4", "--csv")
    short = lrstudy(
        "plot", SPEC, "constant:base=1", "--epochs", "10", "--steps-per-epoch", "4", "--csv"
    )
    assert (whole.err, short.status) == ("", 0)
    assert short.err == (
        f"lrstudy: {SPEC}: training ends after 10 epochs of a horizon of 20, "
        "at a rate of 0.234 instead of 0.01\n"
    )
    assert short.out.startswith(f'step,epoch,"{SPEC}",constant:base=1\n')


def test_plot_steps_one_cycle_lr_after_every_update(lrstudy: Command, tmp_path: Path) -> None:
    spec = "torch:base=1,scheduler=OneCycleLR,max_lr=0.1,steps_per_epoch=196,epochs=30"
    printed = lrstudy("plot", f"{spec},cycle_momentum=false", "--csv")
    (tmp_path / "rates.csv").write_text(printed.out)
    assert pd.read_csv(tmp_path / "rates.csv").iloc[:, -1].max() == pytest.approx(0.1, rel=1e-6)
    assert printed.err == ""


# ---------------------------------------------------------------- wrong use: status 2, one line

WRONG = [
    ("run cosin", "unknown search space 'cosin'. Did you mean 'cosine'?"),
    ("run cosine --trials 13", "the next good number is 18"),
    ("run cosine --set bas=1", "unknown parameter of cosine 'bas'. Did you mean 'base_lr'?"),
    ("run cosine --set optimizer=adam", "unknown parameter of cosine 'optimizer'. There are: base"),
    (
        "run cosine --range weight_decay=0:1",
        "weight_decay is not sampled: --set weight_decay=... gives it a value",
    ),
    ("run cosine --range base_lr=1:0.1", "the range 1:0.1 is inverted"),
    ("run cosine --range base_lr=1:1", "--range base_lr=1:1 is empty"),
    ("run warmup --epochs 3 --range warmup=0:4", "a warmup of up to 4 epochs is longer than"),
    ("run cosine --device cuda:9", "device 'cuda:9' is not available here; there are: auto"),
    ("run cosine --sampler grid", "Invalid value for '--sampler'"),
    ("run cosine --trials 0", "--trials must be at least 1, not 0. See `lrstudy run --help`."),
    ("run cosine --trials x", "--trials must be a whole number, not 'x'. See `lrstudy run --help`"),
    ("best it --delta", "No such option: --delta"),
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
    ("confirm it --top 0", "--top must be at least 1, not 0"),
    ("confirm it --seeds 0", "--seeds must be at least 1, not 0"),
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
    assert_one_line(outcome, 2, "unknown study 'hafl'. Did you mean 'half'?")


def test_what_is_logged_is_a_line_as_errors_are(
    lrstudy: Command, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waiting(*_arguments: object) -> None:
        logging.getLogger("lrstudy.waits").warning("it is %s", "away")

    monkeypatch.setattr("study.storage.studies.set_stopping", waiting)
    for _ in range(2):  # once a command, however many there were in this process
        assert lrstudy("stop", "half").err == "lrstudy: it is away\n"


@pytest.mark.parametrize("command", ["status", "best", "report", "resume"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "the data in sqlite:///lrstudy.db are damaged: Expecting value"),
        (
            '{"space": 3}',
            "made by another version of lrstudy: space must be text, not 3",
        ),
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
    assert_one_line(
        lrstudy("best", "fixed_rate"),
        1,
        "has ended, and none of its trials is complete: 2 diverged",
    )


def test_a_report_that_cannot_be_written(lrstudy: Command, planted: Path) -> None:
    Path("taken").write_text("a file")
    outcome = lrstudy("report", "fixed_rate", "--out", "taken/report")
    assert_one_line(outcome, 1, "taken")
    assert Path("taken").read_text() == "a file"


def test_best_says_what_became_of_the_trials_so_far(lrstudy: Command, tmp_path: Path) -> None:
    plant_study(tmp_path / "lrstudy.db", "fixed_rate", 4, upto=2, everything="stalled")
    message = "study 'fixed_rate' has no complete trial yet: 2 stalled, 2 waiting"
    assert_one_line(lrstudy("best", "fixed_rate"), 1, message)


WRITING = ["report fixed_rate", "export fixed_rate", "plot constant:base=1"]


def written(words: str, out: str) -> tuple[str, ...]:
    suffix = {"export": ".csv", "plot": ".png"}.get(words.split()[0], "")
    return (*words.split(), "--out", out + suffix)


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("words", WRITING)
@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("taken/out", "a file stands where a directory is needed; choose another place"),
        ("x" * 300, "the name is too long; choose a shorter one"),
    ],
)
def test_what_cannot_be_written_is_named_with_what_to_do(
    lrstudy: Command, planted: Path, words: str, out: str, reason: str
) -> None:
    Path("taken").write_text("a file")
    command = written(words, out)
    assert_one_line(lrstudy(*command), 1, f"lrstudy: cannot write {command[-1]}: {reason}")
    assert sorted(Path().iterdir()) == [Path("lrstudy.db"), Path("taken")]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("words", WRITING)
def test_a_full_disk_is_named_and_leaves_nothing_half_written(
    lrstudy: Command, planted: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def full(*_args: Any, **_options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    command = written(words, "out")
    message = f"cannot write {command[-1]}: the disk is full; make room, or choose another place"
    assert_one_line(lrstudy(*command), 1, message)
    assert [path for path in Path().rglob("*") if path.is_file()] == [Path("lrstudy.db")]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("words", WRITING)
def test_what_was_there_is_said_to_be_replaced(lrstudy: Command, planted: Path, words: str) -> None:
    first, second = lrstudy(*written(words, "out")), lrstudy(*written(words, "out"))
    assert (first.status, second.status) == (0, 0)
    assert "wrote" in first.out.splitlines()[-1]
    assert "replaced" in second.out.splitlines()[-1]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("name", ["report.html", "trials.parquet"])
def test_a_report_replaces_what_lrstudy_did_not_write_only_by_force(
    lrstudy: Command, planted: Path, name: str
) -> None:
    foreign = Path("out") / name
    foreign.parent.mkdir()
    foreign.write_text("<title>My holidays</title>")
    refused = lrstudy("report", "fixed_rate", "--out", "out")
    assert_one_line(refused, 2, f"lrstudy did not write {foreign}: choose another --out, or")
    assert [path.name for path in foreign.parent.iterdir()] == [name]
    assert foreign.read_text() == "<title>My holidays</title>"
    assert lrstudy("report", "fixed_rate", "--out", "out", "--force").status == 0
    assert foreign.read_bytes() != b"<title>My holidays</title>"


@pytest.mark.parametrize("name", ["config.json", "schedule.py", "weights.safetensors"])
def test_an_export_replaces_what_lrstudy_did_not_write_only_by_force(
    lrstudy: Command, planted: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trained: list[Path] = []

    def export(_spec: Any, _slot: int, config: Any, directory: Path, **_: Any) -> Any:
        trained.append(directory)
        (directory / "config.json").write_text(config.model_dump_json())
        return Exported(directory, 0.5)

    monkeypatch.setattr("study.export.weights.export", export)
    foreign = Path("out") / name
    foreign.parent.mkdir()
    foreign.write_text("{}")
    refused = lrstudy("best", "fixed_rate", "--export", "out")
    assert_one_line(refused, 2, f"lrstudy did not write {foreign}: choose another --export, or")
    assert trained == []
    for force in (("--force",), ()):  # then it is lrstudy's own
        done = lrstudy("best", "fixed_rate", "--export", "out", *force)
        assert done.out.endswith(": 50.0 %; replaced out\n")


def test_the_short_name_of_the_base_rate_is_understood_everywhere(lrstudy: Command) -> None:
    assert_one_line(lrstudy("run", "cosine", "--set", "base=-1"), 2, "lrstudy: base: a logarithmic")
    assert_one_line(lrstudy("run", "cosine", "--range", "base=2:1"), 2, "base: the range 2:1 is in")
    twice = lrstudy("run", "cosine", "--set", "base=1", "--range", "base_lr=1:2")
    assert_one_line(twice, 2, "base_lr is given to both --set and --range")


@pytest.mark.parametrize("command", ["run", "resume", "confirm", "worker"])
def test_help_says_what_is_true_of_workers_and_time(lrstudy: Command, command: str) -> None:
    text = " ".join(lrstudy(command, "--help").out.split())
    assert "status 3" in text
    assert ("for each CPU core" in text) == (command != "worker")


def test_the_dashboard_says_how_to_get_it(
    lrstudy: Command, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert_one_line(lrstudy("dashboard"), 1, "pip install 'lrstudy[dashboard]'")


@pytest.mark.parametrize(
    ("options", "host"), [((), "127.0.0.1"), (("--host", "0.0.0.0"), "0.0.0.0")]
)
def test_the_dashboard_listens_where_it_is_asked_to(
    lrstudy: Command,
    planted: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    host: str,
) -> None:
    asked: dict[str, Any] = {}
    stand_in = SimpleNamespace(run_server=lambda _storage, **where: asked.update(where))
    monkeypatch.setitem(sys.modules, "optuna_dashboard", stand_in)
    said = lrstudy("dashboard", "--port", "8765", *options).out
    assert asked == {"host": host, "port": 8765}
    assert f"http://{host}:8765" in said


def test_the_dashboard_refuses_an_address_of_another_machine(
    lrstudy: Command, planted: Path
) -> None:
    outcome = lrstudy("dashboard", "--host", "192.0.2.1")  # which is nobody's (RFC 5737)
    assert_one_line(outcome, 1, "cannot listen on 192.0.2.1, port 8080")


def test_data_that_are_nowhere_are_one_error_with_every_place(
    lrstudy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRSTUDY_DATA", str(tmp_path))
    outcome = lrstudy("data", "where")
    assert outcome.status == 1
    assert f"\n  LRSTUDY_DATA, {tmp_path}: none of its 4 files is there\n" in outcome.err
    assert max(map(len, outcome.err.splitlines())) < 300
    assert_one_line_of_run = lrstudy("run", "cosine")
    assert assert_one_line_of_run.status == 1
    assert "Fashion-MNIST was not found" in assert_one_line_of_run.err
    assert list(tmp_path.iterdir()) == []
