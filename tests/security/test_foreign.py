"""Studies of other programs, specs that are none, and trials that lack what lrstudy writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import optuna
import pandas as pd
import pytest
import sqlalchemy as sa

from analysis.reading.frames import load
from analysis.reading.states import final_attempts
from study.spec import SPEC_ATTR
from tests.analysis.conftest import plant_study
from tests.security.conftest import Terminal, assert_plain, files, said
from tests.security.hostile import VALUES, set_attribute, trial_id, writing
from tests.study.conftest import Command

pytestmark = pytest.mark.integration

NAME = "fixed_rate"
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("status", "--watch"),
    ("best",),
    ("best", "--export", "mine"),
    ("report",),
    ("resume",),
    ("worker",),
    ("stop",),
    ("confirm",),
    ("confirm", "--dry-run"),
)
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture(scope="module")
def planted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("foreign") / "lrstudy.db"
    plant_study(file, NAME, 4, everything="complete")
    optuna.create_study(storage=f"sqlite:///{file}", study_name="other").optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=2
    )
    optuna.create_study(storage=f"sqlite:///{file}", study_name="two", directions=["minimize"] * 2)
    return file


@pytest.fixture
def url(planted_once: Path, tmp_path: Path) -> str:
    """A database with a finished study `fixed_rate`, and `other` and `two` of another program."""
    return f"sqlite:///{shutil.copy(planted_once, tmp_path)}"


def spec(url: str, text: str, *path: str) -> None:
    """Replace the stored spec, or a field of it, by a JSON text."""
    with writing(url) as connection:
        where = f"key = '{SPEC_ATTR}'"
        if path:
            query = sa.text(f"SELECT value_json FROM study_user_attributes WHERE {where}")
            whole = part = json.loads(connection.execute(query).scalar_one())
            for step in path[:-1]:
                part = part[step]
            part[path[-1]] = "HERE"
            text = json.dumps(whole).replace('"HERE"', text)
        connection.execute(
            sa.text(f"UPDATE study_user_attributes SET value_json = :text WHERE {where}"),
            {"text": text},
        )


@pytest.mark.usefixtures("unrendered")
@every_command
@pytest.mark.parametrize("name", ["other", "two"])
def test_the_study_of_another_program_is_left_alone(
    lrstudy: Command, url: str, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    """Who may look at it does; all others say why not."""
    before = files(tmp_path)
    outcome = lrstudy(*command, name, "--storage", url)
    looks = command in (("status",), ("status", "--json"))
    if looks or (name == "other" and command in (("best",), ("report",))):
        assert (outcome.status, outcome.err) == (0, "")
    elif command in (("best",), ("report",)):
        assert (outcome.status, said(outcome)[:23]) == (1, "study 'two' has 2 objec")
    else:
        assert (outcome.status, said(outcome)) == (1, f"study {name!r} was not made by lrstudy")
    if command != ("report",):
        assert files(tmp_path) == before
    assert len(optuna.load_study(study_name="other", storage=url).trials) == 2


@pytest.mark.usefixtures("tiny")
def test_a_study_of_another_program_is_not_run_again(lrstudy: Command, url: str) -> None:
    size = ("--epochs", "1", "--train-size", "20", "--workers", "0")
    outcome = lrstudy("run", "cosine", "--study", "other", *size, "--storage", url)
    assert (outcome.status, said(outcome)) == (1, "study 'other' was not made by lrstudy")


def test_its_trials_can_be_listed_and_exported(lrstudy: Command, url: str) -> None:
    listed = json.loads(lrstudy("status", "--json", "--storage", url).out)
    assert [(each["name"], each["space"], each["planned"]) for each in listed] == [
        (NAME, NAME, 4),
        ("other", None, None),
        ("two", None, None),
    ]
    shown = lrstudy("status", "--storage", url).out
    assert shown.count("another program's") == 2
    assert "nan" not in shown.lower()
    done = lrstudy("export", "other", "--out", "x.csv", "--storage", url)
    assert done == (0, "wrote 2 rows to x.csv: one for each trial\n", "")
    assert pd.read_csv("x.csv")["params_x"].between(0, 1).all()


@pytest.mark.parametrize("text", VALUES.values(), ids=VALUES)
def test_a_spec_that_is_none_is_explained_in_one_line(
    lrstudy: Command, url: str, text: str
) -> None:
    spec(url, text)
    for command in (("status",), ("report",), ("resume",), ("confirm",)):
        outcome = lrstudy(*command, NAME, "--storage", url)
        message = said(outcome)
        assert outcome.status == 1
        assert_plain(message)
        assert message.startswith(
            (
                f"study {NAME!r} was made by another version of lrstudy: ",
                f"study {NAME!r} was not made by lrstudy",
                f"the data in {url} are damaged: ",
            )
        )


@pytest.mark.parametrize("field", ["space", "trials", "families", "budget", "ranges", "stage"])
@pytest.mark.parametrize("label", ["terminal", "markup", "nan", "huge", "many_digits", "list"])
def test_a_field_of_the_spec_that_is_none_is_explained_in_one_line(
    lrstudy: Command, url: str, field: str, label: str
) -> None:
    spec(url, VALUES[label], field)
    for command in (("status",), ("resume",)):
        outcome = lrstudy(*command, NAME, "--storage", url)
        message = said(outcome)
        assert outcome.status == 1
        assert_plain(message)
        assert message.startswith((f"study {NAME!r} was made by", "the data in"))


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (("trials",), "1000000000000", "trials must be at most 1,000,000"),
        (("budget", "epochs"), "1000000000000", "budget.epochs must be at most"),
        (("trials",), "0", "trials must be at least 1"),
        (("ranges", "base_lr", "high"), "1e999", "ranges.base_lr.high must be a finite"),
        (("ranges", "base_lr", "high"), "NaN", "ranges.base_lr.high must be a finite"),
        (("optimizer",), '{"epochs": 3}', "epochs is no setting of the optimizer"),
        (("\x1b[31m",), "1", r"\x1b[31m is not known here"),
    ],
)
def test_a_spec_out_of_bounds_is_refused(
    lrstudy: Command, url: str, path: tuple[str, ...], text: str, message: str
) -> None:
    spec(url, text, *path)
    for command in COMMANDS:
        outcome = lrstudy(*command, NAME, "--storage", url)
        start = f"study {NAME!r} was made by another version of lrstudy: "
        assert outcome.status == 1
        assert said(outcome).startswith(start + message)


# ---------------------------------------------------------------- trials that lack something


def strip(url: str, number: int, *keys: str) -> None:
    """Take attributes from a trial."""
    with writing(url) as connection:
        for key in keys:
            connection.execute(
                sa.text("DELETE FROM trial_user_attributes WHERE key = :key AND trial_id = :trial"),
                {"key": key, "trial": trial_id(connection, NAME, number)},
            )


@pytest.mark.usefixtures("unrendered")
def test_trials_without_history_have_no_curve_and_keep_their_score(
    lrstudy: Command, url: str
) -> None:
    for number in range(4):
        strip(url, number, "history")
    assert lrstudy("status", NAME, "--storage", url).status == 0
    assert lrstudy("best", NAME, "--storage", url).status == 0
    assert lrstudy("report", NAME, "--out", "out", "--storage", url).status == 0
    assert len(pd.read_parquet("out/curves.parquet")) == 0
    assert set(pd.read_parquet("out/trials.parquet")["state"]) == {"complete"}


def test_trials_without_a_slot_are_nobodys_result(lrstudy: Command, url: str) -> None:
    """The slots' owner is asked: what counts for `status` is what `resume` would do."""
    best = json.loads(lrstudy("best", NAME, "--json", "--storage", url).out)["trial"]
    strip(url, best, "slot")
    found = json.loads(lrstudy("status", NAME, "--json", "--storage", url).out)
    assert (found["slots_left"], found["states"]["waiting"]) == (1, 1)
    assert found["best"]["trial"] != best
    assert json.loads(lrstudy("best", NAME, "--json", "--storage", url).out)["trial"] != best
    with writing(url) as connection:  # a slot that the study does not have is none
        set_attribute(connection, NAME, best, "slot", "99")
    assert json.loads(lrstudy("status", NAME, "--json", "--storage", url).out) == found
    assert len(final_attempts(load(url, NAME)[0])) == 4


@pytest.fixture
def running(url: str) -> str:
    """A study whose trial 1 runs, as far as anybody knows, and never gave a sign of life."""
    with writing(url) as connection:
        trial = {"trial": trial_id(connection, NAME, 1)}
        connection.execute(
            sa.text(
                "UPDATE trials SET state = 'RUNNING', datetime_complete = NULL "
                "WHERE trial_id = :trial"
            ),
            trial,
        )
        connection.execute(sa.text("DELETE FROM trial_heartbeats"))
    return url


def test_a_running_trial_without_a_sign_of_life_is_shown_as_such(
    lrstudy: Command, running: str
) -> None:
    found = json.loads(lrstudy("status", NAME, "--json", "--storage", running).out)
    assert [(each["trial"], each["silent"]) for each in found["workers"]] == [(1, None)]
    assert (found["states"]["running"], found["slots_left"]) == (1, 1)


@pytest.mark.parametrize("text", VALUES.values(), ids=VALUES)
def test_who_works_is_shown_as_text_whatever_it_says(
    lrstudy: Command, terminal: Terminal, running: str, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with writing(running) as connection:
        for key in ("host", "pid", "device", "family", "config", "history"):
            set_attribute(connection, NAME, 1, key, text)

    def asleep(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", asleep)
    for words in (("--watch",), ("--json",), ()):
        shown = terminal("status", NAME, *words, "--storage", running)
        assert_plain(shown)
        if words == ("--watch",):
            assert "never" in shown
        if words == ("--json",):
            found = json.loads(shown, parse_constant=pytest.fail)["workers"]
            assert [each["trial"] for each in found] == [1]
            assert isinstance(found[0]["pid"], int | None)
