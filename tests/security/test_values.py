"""Databases whose trials hold markup, numbers that are none, huge ones, and values of other types.

Nothing of it may end a command, reach a page as a tag or a terminal as a command, or change what is
said of the trials beside it.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

import analysis.sections.schedules  # noqa: F401 - before a test replaces what it takes from figures
from analysis.page.tables import NONE
from analysis.reading.frames import load
from analysis.reading.loading import tidy
from analysis.reading.plausible import UNUSABLE
from analysis.reading.studies import studies
from search_spaces.spaces import CHAPTER
from tests.analysis.conftest import plant_stages, plant_study
from tests.analysis.test_report import Page
from tests.security.conftest import Terminal, assert_plain, said
from tests.security.hostile import (
    VALUES,
    attribute,
    poison,
    set_attribute,
    set_inside,
    trial_id,
    writing,
)
from tests.study.conftest import Command

pytestmark = pytest.mark.integration

SPACES = {
    "fixed_rate": 24,
    "cosine": 24,
    "polynomial": 44,
    "warmup": 24,
    "langevin": 40,
    "chapter": 20,
}
NAME = "fixed_rate"
_OURS = ("data:image/png;", "#", CHAPTER)  # links of a page


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database for each space, its search confirmed and tested."""
    found = {}
    for space, trials in SPACES.items():
        file = found[space] = tmp_path_factory.mktemp("bases") / f"{space}.db"
        if space == "chapter":
            plant_study(file, space, trials, replicates=None)
        else:
            plant_study(file, space, trials)
            plant_stages(file, space, seeds=3, top=1)
    return found


def url_of(file: Path | str) -> str:
    return f"sqlite:///{file}"


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    ("space", "text"),
    [
        pytest.param(list(SPACES)[index % len(SPACES)], text, id=label)
        for index, (label, text) in enumerate(VALUES.items())
    ],
)
def test_a_value_in_any_place_ends_no_command_and_leaves_the_other_trials_as_they_are(
    bases: dict[str, Path], lrstudy: Command, terminal: Terminal, space: str, text: str
) -> None:
    url = url_of(shutil.copy(bases[space], Path("lrstudy.db")))
    for study in studies(url).to_dict("records"):
        poison(url, study["name"], text, study["attempts"])
        for command in (("status", study["name"]), ("status", study["name"], "--json")):
            shown = terminal(*command)
            assert_plain(shown)
            if "--json" in command:
                json.loads(shown, parse_constant=pytest.fail)
        for out in ("x.csv", "x.parquet"):
            for more in ((), ("--curves",)):
                assert lrstudy("export", study["name"], "--out", out, *more).status == 0
    best = lrstudy("best", space)
    assert_plain(best.out + best.err)
    assert all(line.startswith("lrstudy: ") for line in best.err.splitlines())
    done = lrstudy("report", space, "--out", "out")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "wrote out/report.html"
    page = Page(Path("out", "report.html").read_text(encoding="utf-8"))
    assert not {"script", "object", "iframe"} & set(page.tags)
    assert not [link for link in page.links if not link.startswith(_OURS)]
    json.loads(Path("out", "findings.json").read_text(), parse_constant=pytest.fail)
    _others_are_unchanged(url_of(bases[space]), space)


def _others_are_unchanged(clean: str, name: str) -> None:
    """Every fourth trial was left as it is; so is its row."""
    columns = ["trial", "slot", "state", "value", "schedule", "seed", "base_lr", "train_loss"]
    found = pd.read_parquet("out/trials.parquet").query("study == @name")
    expected = tidy(load(clean, name)[0])
    pd.testing.assert_frame_equal(
        found.loc[found["trial"] % 4 == 0, columns].reset_index(drop=True),
        expected.loc[expected["trial"] % 4 == 0, columns].reset_index(drop=True),
        check_dtype=False,
    )


# ---------------------------------------------------------------- one trial


@pytest.fixture
def one(one_once: Path, tmp_path: Path) -> str:
    """A study of four complete trials."""
    return url_of(shutil.copy(one_once, tmp_path))


@pytest.fixture(scope="module")
def one_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("one") / "planted.db"
    plant_study(file, NAME, 4, everything="complete", noise=0.01)
    return file


def put(url: str, key: str, text: str, number: int = 1) -> None:
    with writing(url) as connection:
        set_attribute(connection, NAME, number, key, text)


def states(url: str, lrstudy: Command) -> list[str]:
    """What the report makes of each trial."""
    assert lrstudy("report", NAME, "--out", "out", "--storage", url).status == 0
    return list(pd.read_parquet("out/trials.parquet")["state"])


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("slot", "null"),
        ("slot", "4"),
        ("slot", "-1"),
        ("slot", "0.5"),
        ("slot", "2"),
        ("family", '"cosine"'),
        ("family", VALUES["markup"]),
        ("replicate", "7"),
        ("seed", "3"),
        ("arm", "0"),
        ("config", "{}"),
    ],
)
def test_a_trial_that_contradicts_its_slot_is_shown_and_not_counted(
    one: str, lrstudy: Command, key: str, text: str
) -> None:
    put(one, key, text)
    assert states(one, lrstudy) == ["complete", UNUSABLE, "complete", "complete"]
    page = Page(Path("out", "report.html").read_text(encoding="utf-8"))
    assert "fixed_rate-search-1" in page.ids
    assert re.search(rf"\n{NONE}1[^\n]*{UNUSABLE}", page.text)
    findings = json.loads(Path("out", "findings.json").read_text())[NAME]["findings"]
    assert findings[0]["basis"].startswith("Rests on 3 trials (3 complete)")


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("value", ["NULL", "1e308", "-0.1", "1.001", "'much'", "'<script>'"])
def test_a_score_that_is_no_share_is_not_counted(one: str, lrstudy: Command, value: str) -> None:
    with writing(one) as connection:
        changed = sa.text(f"UPDATE trial_values SET value = {value} WHERE trial_id = :trial")
        connection.execute(changed, {"trial": trial_id(connection, NAME, 1)})
    assert states(one, lrstudy) == ["complete", UNUSABLE, "complete", "complete"]
    found = json.loads(lrstudy("best", NAME, "--json", "--storage", one).out)
    assert found["trial"] != 1
    assert lrstudy("status", NAME, "--storage", one).status == 0


@pytest.mark.usefixtures("unrendered")
def test_a_score_that_its_history_denies_is_shown_and_not_counted(
    one: str, lrstudy: Command
) -> None:
    """By none of the commands; each says which trial, and why."""
    with writing(one) as connection:
        changed = sa.text("UPDATE trial_values SET value = 0.9999 WHERE trial_id = :trial")
        connection.execute(changed, {"trial": trial_id(connection, NAME, 1)})
    why = "trial 1: its score is 0.9999, its history's last validation accuracy 0."
    storage = ("--storage", one)
    assert states(one, lrstudy) == ["complete", UNUSABLE, "complete", "complete"]
    page = Page(Path("out", "report.html").read_text(encoding="utf-8"))
    assert "Search: not counted, 1 trial contradicts" in page.text
    assert why in page.text
    best = lrstudy("best", NAME, "--json", *storage)
    assert json.loads(best.out)["trial"] != 1
    assert why in best.err
    status = json.loads(lrstudy("status", NAME, "--json", *storage).out)
    assert status["best"]["trial"] == json.loads(best.out)["trial"]
    assert [each.startswith(why) for each in status["left_out"]] == [True]
    assert "unusable" in lrstudy("status", NAME, *storage).out
    exported = lrstudy("export", NAME, "--out", "x.csv", *storage)
    assert exported.out == "wrote 4 rows to x.csv: one for each trial\n"
    assert why in exported.err
    trials = pd.read_csv("x.csv")
    assert (trials["state"][1], trials["value"][1]) == (UNUSABLE, 0.9999)
    assert trials["contradiction"].notna().tolist() == [False, True, False, False]


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_an_infinite_score_is_not_the_best(one: str, lrstudy: Command, value: float) -> None:
    with writing(one) as connection:
        kind = "INF_POS" if value > 0 else "INF_NEG"
        changed = f"UPDATE trial_values SET value = NULL, value_type = '{kind}'"
        connection.execute(
            sa.text(f"{changed} WHERE trial_id = :trial"),
            {"trial": trial_id(connection, NAME, 1)},
        )
    assert optuna.load_study(study_name=NAME, storage=one).trials[1].value == value
    assert json.loads(lrstudy("best", NAME, "--json", "--storage", one).out)["trial"] != 1


def test_where_no_trial_is_usable_there_is_no_best(one: str, lrstudy: Command) -> None:
    for number in range(4):
        put(one, "seed", "3", number)
    left, message = lrstudy("best", NAME, "--storage", one).err.splitlines()
    assert left.startswith("lrstudy: not counted, 4 trials contradict what was recorded: trial 0: ")
    ended = "has ended, and none of its trials is complete: 4 unusable"
    assert message == f"lrstudy: study 'fixed_rate' {ended}"
    assert "none: no trial is complete" in lrstudy("status", NAME, "--storage", one).out


@pytest.mark.usefixtures("unrendered")
def test_texts_are_shown_as_texts(one: str, lrstudy: Command) -> None:
    for number in range(4):
        for key in ("device_name", "revision", "error"):
            put(one, key, VALUES["markup"], number)
    states(one, lrstudy)
    page = Page(Path("out", "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.text.count("<script>alert(1)</script><img src=x onerror=alert(2)>") == 2


@pytest.mark.parametrize("threads", ["null", "0", "-3", "1e300", '"4"', "100000"])
def test_an_export_needs_a_number_of_threads(
    one: str, lrstudy: Command, tmp_path: Path, threads: str
) -> None:
    number = json.loads(lrstudy("best", NAME, "--json", "--storage", one).out)["trial"]
    put(one, "threads", threads, number)
    message = said(lrstudy("best", NAME, "--export", "mine", "--storage", one))
    assert message == f"trial {number} does not say with how many threads it was trained"
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        (("momentum",), "7", "momentum must be below 1, not 7"),
        (("schedule", "family"), VALUES["terminal"], "schedule must be one of 'constant', "),
        (("__import__",), '"os"', "__import__ is not known here"),
    ],
)
def test_a_configuration_that_is_none_is_explained_in_one_line(
    one: str, lrstudy: Command, place: tuple[str, ...], text: str, message: str
) -> None:
    number = json.loads(lrstudy("best", NAME, "--json", "--storage", one).out)["trial"]
    with writing(one) as connection:
        set_inside(connection, NAME, number, "config", place, text)
    found = said(lrstudy("best", NAME, "--storage", one))
    assert found.startswith(f"trial {number} cannot be read: {message}")
    assert_plain(found)


# ---------------------------------------------------------------- parameters


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    "name", ["state", "trial", "value", "seconds", "val_accuracy", "epochs_trained", "study_id"]
)
def test_a_parameter_that_has_the_name_of_a_column_gets_another_one(
    one: str, lrstudy: Command, name: str
) -> None:
    study = optuna.load_study(study_name=NAME, storage=one)
    kind = CategoricalDistribution(["<script>", "b"])
    study.add_trial(create_trial(value=0.5, params={name: "<script>"}, distributions={name: kind}))
    assert states(one, lrstudy) == [*["complete"] * 4, UNUSABLE]
    found = load(one, NAME)[0].astype(str) == "<script>"
    assert found.columns[found.any()].tolist() == [f"params_{name}"]


@pytest.mark.usefixtures("unrendered")
def test_parameters_of_other_names_and_types_are_exported_as_they_are(
    one: str, lrstudy: Command
) -> None:
    study = optuna.load_study(study_name=NAME, storage=one)
    kinds: dict[str, Any] = {
        "<script>": CategoricalDistribution(["</table>", 1, None, True]),
        "wide": FloatDistribution(-1e308, 1e308),
    }
    for params in ({"<script>": "</table>", "wide": 1e308}, {"<script>": 1}):
        own = {name: kinds[name] for name in params}
        study.add_trial(create_trial(value=0.5, params=params, distributions=own))
    assert states(one, lrstudy) == [*["complete"] * 4, *[UNUSABLE] * 2]
    assert lrstudy("export", NAME, "--out", "x.parquet", "--storage", one).status == 0
    trials = pd.read_parquet("x.parquet")
    assert trials["params_<script>"].tolist()[4:] == ["</table>", "1"]
    assert trials["params_wide"].iloc[4] == 1e308
    assert trials["base_lr"].isna().tolist() == [*[False] * 4, True, True]
    page = Page(Path("out", "report.html").read_text(encoding="utf-8"))
    assert page.tags.count("table") > 1
    assert "script" not in page.tags


def distribution(text: str) -> str:
    return f"param_value = 0, distribution_json = '{text}'"


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    "change",
    [
        "param_value = NULL",
        "param_value = 1e300",
        "param_value = -1",
        "param_value = '<script>'",
        distribution("[]"),
        distribution('{"attributes": 3}'),
        distribution('{"attributes": {"choices": {}}}'),
        distribution('{"attributes": {"choices": [[1], [2]]}}'),
        distribution('{"attributes": {"choices": []}}'),
        distribution('{"attributes": {"choices": ["fast", 3]}}'),
    ],
)
def test_a_trial_whose_parameter_cannot_be_is_not_counted(
    one: str, lrstudy: Command, change: str
) -> None:
    with writing(one) as connection:
        connection.execute(
            sa.text(f"UPDATE trial_params SET {change} WHERE trial_id = :trial"),
            {"trial": trial_id(connection, NAME, 1)},
        )
        set_inside(connection, NAME, 1, "config", ("schedule", "base_lr"), "null")
    assert states(one, lrstudy) == ["complete", UNUSABLE, "complete", "complete"]
    assert lrstudy("status", NAME, "--storage", one).status == 0


def test_moments_that_no_calendar_has_are_missing(one: str, lrstudy: Command) -> None:
    with writing(one) as connection:
        connection.execute(
            sa.text("UPDATE trials SET datetime_start = '9999-12-31 23:59:59.999999'")
        )
    found = json.loads(lrstudy("status", NAME, "--json", "--storage", one).out)
    assert found["states"]["complete"] == 4


# ---------------------------------------------------------------- what is no data at all


READERS = (("status",), ("best",), ("report",), ("export", "--out", "x.csv"))
DAMAGED = {
    "torn": ('{"a": ', "Expecting value"),
    "deep": ("[" * 100_000, "maximum recursion depth exceeded"),
}


@pytest.mark.parametrize("command", READERS, ids=lambda words: words[0])
@pytest.mark.parametrize(("text", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_data_that_cannot_be_parsed_are_explained_in_one_line(
    one: str, lrstudy: Command, command: tuple[str, ...], text: str, reason: str
) -> None:
    put(one, "config", text)
    outcome = lrstudy(*command, NAME, "--storage", one)
    assert outcome.status == 1
    assert said(outcome).startswith(f"the data in {one} are damaged: {reason}")


def test_a_moment_that_is_no_moment_is_explained_in_one_line(one: str, lrstudy: Command) -> None:
    with writing(one) as connection:
        connection.execute(sa.text("UPDATE trials SET datetime_start = 'yesterday'"))
    for command in READERS:
        outcome = lrstudy(*command, NAME, "--storage", one)
        assert (outcome.status, said(outcome)) == (
            1,
            "the data in the storage are damaged: Invalid isoformat string: 'yesterday'",
        )


def test_the_hostile_values_really_stand_in_the_database(one: str) -> None:
    for text in VALUES.values():
        put(one, "error", text)
    with writing(one) as connection:
        assert attribute(connection, NAME, 1, "error") == "\ufffd"


# ---------------------------------------------------------------- errors that trials left


@pytest.fixture(scope="module")
def failed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose two trials failed for good."""
    file = tmp_path_factory.mktemp("failed") / "planted.db"
    plant_study(file, NAME, 2, everything="failed", max_retries=0)
    return file


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=label) for label, text in VALUES.items()],
)
def test_the_last_error_is_told_in_one_line_whatever_it_is(
    failed_once: Path, terminal: Terminal, tmp_path: Path, text: str
) -> None:
    url = url_of(shutil.copy(failed_once, tmp_path))
    for number in range(2):
        put(url, "error", text, number)
    start = f"lrstudy: study {NAME!r} has ended, but 2 of 2 trials failed for good; the last error:"
    failed = terminal("resume", NAME, "--storage", url, status=1)
    if "damaged" not in failed:
        assert failed.startswith(start)
        shown = terminal("worker", NAME, "--storage", url)
        assert shown == f"{failed}study {NAME!r} is complete\n"
        assert_plain(shown)
    assert_plain(failed)
    assert failed.count("\n") == 1
