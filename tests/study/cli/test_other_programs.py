"""`status`, `best`, `report` and `export` on a study that another program made; what runs trials
refuses it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

from study.values import finite
from tests.analysis.other_programs import odd
from tests.study.conftest import Command, Outcome, assert_one_line

pytestmark = pytest.mark.integration

URL = "sqlite:///theirs.db"


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -1, 1)
    kind = trial.suggest_categorical("kind", ["a", "<b>"])
    for step in range(3):
        trial.report(x**2 + 1 / (step + 1), step)
    return x**2 + (0.5 if kind == "a" else 0.0)


@pytest.fixture
def theirs(lrstudy: Command) -> Command:
    """Commands on a storage with a study of one and one of two objectives."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    one = optuna.create_study(storage=URL, study_name="one", sampler=sampler)
    one.optimize(objective, n_trials=24)
    two = optuna.create_study(storage=URL, study_name="two", directions=["minimize", "maximize"])
    two.add_trial(optuna.trial.create_trial(values=[1.0, 2.0]))

    return lambda *words: lrstudy(*words, "--storage", URL)


def test_it_is_shown_as_far_as_its_data_allow(theirs: Command) -> None:
    best = optuna.load_study(study_name="one", storage=URL).best_trial
    shown = theirs("status", "one").out
    assert "another program's study" in shown
    assert "24: 24 complete" in shown
    assert f"(trial {best.number})" in shown
    facts = json.loads(theirs("best", "one", "--json").out)
    assert facts == {
        "study": "one",
        "direction": "minimize",
        "trial": best.number,
        "value": best.value,
        "params": best.params,
    }
    assert theirs("best", "one").out.startswith(f"trial {best.number}: ")
    assert theirs("export", "one", "--out", "x.csv", "--curves").status == 0
    assert len(pd.read_csv("x.csv")) == 24 * 3


@pytest.mark.usefixtures("unrendered")
def test_its_report_has_the_same_shape(theirs: Command) -> None:
    assert theirs("report", "one", "--out", "out").status == 0
    page = Path("out/report.html").read_text(encoding="utf-8")
    for title in ("The best trials", "Learning curves", "Parameter importance", "Pruning audit"):
        assert title.lower() in page.lower()
    assert page.count('id="one-search-') == 24
    assert "<b>" not in page
    assert "Learning-rate schedules" not in page
    (study,) = json.loads(Path("out/findings.json").read_text(encoding="utf-8")).values()
    assert study["verdict"].startswith("Lowest value of 24 complete trials: ")
    assert all((Path("out") / each).exists() for f in study["findings"] for each in f["figures"])
    assert len(pd.read_parquet("out/trials.parquet")) == 24
    assert len(pd.read_parquet("out/curves.parquet")) == 24 * 3


def test_several_objectives_have_no_best(theirs: Command) -> None:
    assert "minimize, maximize" in theirs("status", "two").out
    for words in (("best", "two"), ("report", "two")):
        assert_one_line(theirs(*words), 1, "study 'two' has 2 objectives, and no trial of it is")
    assert theirs("export", "two", "--out", "x.csv").status == 0


@pytest.mark.parametrize(
    "words",
    [("resume",), ("worker",), ("confirm",), ("status", "--watch"), ("best", "--export", "x")],
)
def test_what_runs_trials_refuses_it(theirs: Command, words: tuple[str, ...]) -> None:
    assert_one_line(theirs(words[0], "one", *words[1:]), 1, "study 'one' was not made by lrstudy")


def not_json(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("label", odd.STUDIES)
def test_odd_studies_are_shown_and_written(lrstudy: Command, tmp_path: Path, label: str) -> None:
    """In one line where there is nothing to show, without a warning, and as JSON that any program
    reads: a number that is not finite is null there."""
    one = odd.STUDIES[label]
    url = odd.plant(one, tmp_path / "theirs.db")
    ended = [each for each in one.trials if each.state == optuna.trial.TrialState.COMPLETE]
    has_best = len(one.directions) == 1 and any(math.isfinite(each.value) for each in ended)

    def shown(*words: str) -> Outcome:
        return lrstudy(words[0], one.name, *words[1:], "--storage", url)

    for words in (("status",), ("status", "--json")):
        outcome = shown(*words)
        assert (outcome.status, outcome.err) == (0, "")
    facts = json.loads(outcome.out, parse_constant=not_json)
    assert facts["trials"] == len(one.trials)
    for words in (("best",), ("best", "--json")):
        outcome = shown(*words)
        if not has_best:
            assert_one_line(outcome, 1, f"study {one.name!r} has ")
            continue
        assert (outcome.status, outcome.err) == (0, "")
    if has_best:
        best = json.loads(outcome.out, parse_constant=not_json)
        assert best["params"] == facts["best"]["params"] == finite(one.trials[best["trial"]].params)
    for words in (("x.csv",), ("x.parquet",), ("curves.parquet", "--curves")):
        assert shown("export", "--out", *words).status == 0
    assert len(pd.read_parquet("x.parquet")) == len(pd.read_csv("x.csv")) == len(one.trials)
