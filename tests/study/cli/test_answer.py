"""`lrstudy answer` in this process: the plan is kept, and what stops it changes no run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from pydantic import ValidationError

from analysis.answers import answers_of, at_a_glance
from analysis.study import load_study
from study.cli import answer as command
from study.cli.answering import late
from study.cli.report import write_page
from study.plan import Plan
from study.storage import studies
from study.storage.studies import is_answered, load_spec
from study.tasks.task import TASKS
from tests.study.cli.launches import Launches
from tests.study.conftest import Command, Outcome, without_warnings

URL = "sqlite:///study.db"
PLAN = Plan(budget=600, trials=3, top=1, seeds=1, looks=(5, 7, 9))
SIZE = ("--preset", "standard", "--epochs", "1", "--train-size", "40", "--kernel", "torch")
FAMILIES = ("--set", "schedule=cosine,constant,factor")
BEST = {"cosine": 0.80, "constant": 0.60, "factor": 0.797}

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, launches: Launches) -> None:
    """Tiny data, planned scores, and no page, which takes longer than all the rest."""
    monkeypatch.setitem(TASKS, "fashion_mnist", TASKS["tiny"])
    monkeypatch.setattr(command, "write_page", lambda *_arguments: None)
    launches.score = score


def score(name: str, slot: int) -> float:
    """Scores with a little noise that depends on study, family and replicate alone."""
    spec = spec_of(name)
    family, replicate = spec.family(slot), spec.replicate(slot)
    seed = [replicate, len(name), sorted(BEST).index(family)]
    noise = np.random.default_rng(seed).normal(0, 0.01)
    return float(np.clip(BEST[family] + noise, 0, 1))


def spec_of(name: str) -> Any:
    return load_spec(studies.open_storage(URL), name)


def answer(lrstudy: Command, *arguments: str, plan: Plan | None = PLAN) -> Outcome:
    planned = [] if plan is None else ["--plan", plan.model_dump_json()]
    return lrstudy("answer", "cosine", *FAMILIES, *SIZE, *planned, *arguments, "--storage", URL)


def runs() -> dict[str, list[tuple[Any, ...]]]:
    """Of every study the trials that count: slot, parameters, seed and score."""
    stored = studies.open_storage(URL)
    found = {}
    for each in stored.get_all_studies():
        trials = optuna.load_study(study_name=each.study_name, storage=stored).trials
        found[each.study_name] = sorted(
            (t.user_attrs["slot"], sorted(t.params.items()), t.user_attrs["seed"], t.value)
            for t in trials
            if t.value is not None
        )
    return found


def verdict() -> str:
    study = load_study(URL, "cosine")
    section = answers_of(study)[0]
    return str(section.conclude(section.estimate(study)))


def test_one_command_searches_confirms_tests_and_reports(
    lrstudy: Command, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "write_page", write_page)
    done = answer(lrstudy)
    assert (done.status, without_warnings(done)) == (0, "")
    assert launches.names[:2] == ["cosine", "cosine-confirm"]
    assert set(launches.names[2:]) == {"cosine-test"}
    assert "cosine is better than constant" in verdict()
    headline, certainty, wrote = done.out.splitlines()[-3:]
    assert headline == at_a_glance(load_study(URL, "cosine")).headline
    assert certainty.startswith("  Judged on test images over up to 9 new seeds of each; ")
    assert wrote == "wrote reports/cosine/report.html"
    assert Path("reports/cosine/findings.json").exists()
    assert spec_of("cosine").plan == PLAN
    assert spec_of("cosine-confirm").seeds == PLAN.seeds
    assert is_answered(studies.open_storage(URL), "cosine")


def test_an_arm_whose_pair_is_resolved_is_trained_no_more(lrstudy: Command) -> None:
    assert answer(lrstudy).status == 0
    spec = spec_of("cosine-test")
    assert spec.looks == PLAN.looks
    arms = [arm.family for arm in spec.arms]
    seeds = dict.fromkeys(arms, 0)
    for slot in range(spec.trials):
        seeds[spec.family(slot)] += 1
    assert seeds["constant"] == 5  # 20 points behind
    assert seeds["cosine"] == seeds["factor"] == 9  # .3 points, which these seeds cannot tell


@pytest.mark.parametrize("most", [0, 2, 7, 13, 28])
def test_stopped_and_continued_it_has_the_same_runs_and_verdicts(
    lrstudy: Command, launches: Launches, most: int, tmp_path: Path
) -> None:
    assert answer(lrstudy).status == 0
    expected, decided = runs(), verdict()
    (tmp_path / "study.db").rename(tmp_path / "whole.db")
    studies.open_storage.cache_clear()  # type: ignore[attr-defined]
    launches.most = most
    stopped, going_on = answer(lrstudy), f"lrstudy answer cosine --storage {URL}"
    assert stopped.status == 130
    assert stopped.out.splitlines()[-1].endswith(f"to continue: {going_on}")
    launches.most = None
    again = lrstudy(*going_on.split()[1:])
    assert again.status == 0
    assert runs() == expected
    assert verdict() == decided


def test_a_finished_answer_starts_no_workers(lrstudy: Command, launches: Launches) -> None:
    assert answer(lrstudy).status == 0
    first = verdict()
    launches.names.clear()
    again = lrstudy("answer", "cosine", "--storage", URL)
    assert (again.status, launches.names) == (0, [])
    assert verdict() == first


def test_a_budget_makes_the_plan_and_a_dry_run_shows_it(
    lrstudy: Command, launches: Launches, tmp_path: Path
) -> None:
    told = answer(lrstudy, "--budget", "10m", "--dry-run", "--json", plan=None)
    plan = Plan.model_validate_json(told.out)
    assert plan.budget == 600
    assert set(plan.expected) == {"search", "confirm", "test"}
    assert not (tmp_path / "study.db").exists()
    (tmp_path / "plan.json").write_text(told.out)
    words = answer(lrstudy, "--plan", "plan.json", "--dry-run", plan=None).out
    assert words.startswith(f"plan for 10 min: search of {plan.trials} trials; the best 2 of each")
    assert words.endswith("Nothing was written.\n")
    assert launches.names == []


def test_the_plan_stays(lrstudy: Command, launches: Launches) -> None:
    launches.most = 1
    assert answer(lrstudy).status == 130
    for more, problem in (
        (["--budget", "20m"], "has a plan for 10 min, which stays"),
        (["--epochs", "2"], "exists already, with other options"),
    ):
        refused = lrstudy("answer", "cosine", *more, "--storage", URL)
        assert (refused.status, refused.out) == (2, "")
        assert problem in refused.err
    assert lrstudy("resume", "cosine", "--trials", "12", "--storage", URL).status == 2
    refused = lrstudy("confirm", "cosine", "--storage", URL)
    assert (refused.status, "follows a plan" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "an answer needs --budget TIME, such as 20m, or --plan JSON"),
        (["--budget", "20"], "--budget must be a time such as 20m or 1h30m, not '20'"),
        (["--budget", "soon"], "--budget must be a time such as 20m or 1h30m, not 'soon'"),
        (["--budget", "-5m"], "--budget must be a time such as 20m or 1h30m, not '-5m'"),
        (["--budget", "1s"], "are too few for 3 schedules of this size here"),
        (["--plan", '{"budget": 1}'], "--plan: trials is missing"),
        (["--plan", "none.json"], "cannot read none.json: there is no such file or directory"),
        (["--json"], "--json prints a dry run: give --dry-run too"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    lrstudy: Command, tmp_path: Path, words: list[str], problem: str
) -> None:
    refused = answer(lrstudy, *words, plan=None)
    assert (refused.status, refused.out) == (2, "")
    assert problem in refused.err.splitlines()[-1]
    assert not (tmp_path / "study.db").exists()


def test_a_search_without_a_plan_is_no_answer(lrstudy: Command) -> None:
    made = lrstudy("run", "cosine", *FAMILIES, *SIZE, "--trials", "3", "--storage", URL)
    assert made.status == 0
    refused = answer(lrstudy)
    assert refused.status == 2
    assert "study 'cosine' exists already, without a plan" in refused.err


def test_a_fixed_design_has_no_answer(lrstudy: Command) -> None:
    refused = lrstudy("answer", "chapter", "--budget", "9m", "--storage", URL)
    assert (refused.status, refused.out) == (2, "")
    assert "chapter is a fixed design: `lrstudy run chapter` trains all of it" in refused.err


def test_a_file_defines_what_is_asked(lrstudy: Command) -> None:
    saved = lrstudy("run", "cosine", *FAMILIES, *SIZE, "--save", "it.toml", "--dry-run")
    assert saved.status == 0
    planned = ("--plan", PLAN.model_dump_json(), "--dry-run", "--json")
    told = lrstudy("answer", "it.toml", *planned, "--storage", URL)
    assert Plan.model_validate_json(told.out) == PLAN


def test_given_schedules_go_on_by_the_command_that_it_names(
    lrstudy: Command, launches: Launches
) -> None:
    """Which schedules they are stands in the study."""
    launches.score, launches.most = (lambda _name, slot: 0.5 + slot % 2 / 10), 1
    given = ("--schedule", "cosine:final=0.001", "--schedule", "constant")
    plan = PLAN.model_copy(update={"trials": 2}).model_dump_json()
    asked = ("answer", "schedules", "--study", "mine", *given, *SIZE, "--plan", plan)
    stopped = lrstudy(*asked, "--storage", URL)
    going_on = f"lrstudy answer schedules --study mine --storage {URL}"
    assert stopped.out.splitlines()[-1].endswith(f"to continue: {going_on}")
    launches.most = None
    assert lrstudy(*going_on.split()[1:]).status == 0
    assert is_answered(studies.open_storage(URL), "mine")


def test_wrong_words_about_an_answer_that_is_there(lrstudy: Command, launches: Launches) -> None:
    launches.most = 0
    answer(lrstudy)
    for words, problem in (
        (("--budget", "soon"), "--budget must be a time"),
        (("--plan", "{"), "--plan: "),
    ):
        refused = lrstudy("answer", "cosine", *words, "--storage", URL)
        assert (refused.status, refused.out) == (2, "")
        assert problem in refused.err


def test_a_worker_follows_the_plan_and_waits_for_who_makes_its_stages(
    lrstudy: Command, launches: Launches
) -> None:
    launches.most = 4  # the search, and one run of confirm
    assert answer(lrstudy).status == 130
    launches.most = None
    joined = lrstudy("worker", "cosine", "--timeout", "2", "--storage", URL)
    assert joined.status == 3
    assert "study 'cosine-confirm' is complete" in joined.out
    assert "waiting for the next stage, which `lrstudy answer` makes" in joined.out
    assert "the time is up; to continue: lrstudy worker cosine" in joined.out
    assert lrstudy("answer", "cosine", "--storage", URL).status == 0
    assert lrstudy("worker", "cosine", "--storage", URL).status == 0


def test_only_a_stage_that_takes_much_longer_is_called_late() -> None:
    assert late("test", 110.0, 100.0) is None
    assert late("test", 59.0, 1.0) is None  # of so short a stage the start is the most
    assert (
        late("test", 300.0, 100.0) == "test took 5 min, and 1 min 40 s were planned; nothing is cut"
    )


@pytest.mark.parametrize("looks", [(), (4,), (3, 9)])
def test_a_plan_has_no_look_below_five_seeds(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="the first look is at 5 seeds or more"):
        Plan(budget=600, trials=3, top=1, seeds=4, looks=looks)


def test_status_shows_the_plan(lrstudy: Command) -> None:
    answer(lrstudy)
    shown = lrstudy("status", "cosine", "--storage", URL).out
    assert "a test with up to 9 seeds, judged after 5, 7 and 9" in " ".join(shown.split())
    facts = json.loads(lrstudy("status", "cosine", "--json", "--storage", URL).out)
    assert Plan.model_validate(facts["plan"]) == PLAN


def test_more_seeds_than_planned_change_no_verdict(lrstudy: Command) -> None:
    assert answer(lrstudy).status == 0
    first = verdict()
    more = lrstudy("confirm", "cosine", "--seeds", "11", "--storage", URL)
    assert more.status == 0
    assert "further ones are shown as exploratory and change no verdict" in more.err
    assert lrstudy("answer", "cosine", "--storage", URL).status == 0
    assert verdict().partition(";")[0] == first.partition(";")[0]
