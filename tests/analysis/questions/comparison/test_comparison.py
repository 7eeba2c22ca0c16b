"""Given configurations on common seeds: verdicts, and what the page says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.answers import answers_of, sections_of
from analysis.estimators.comparison import DELTA
from analysis.fresh_seeds.frames import Scores
from analysis.fresh_seeds.pairs import compare_planned
from analysis.page.study_report import report_study
from analysis.questions.comparison import accuracy, training, verdicts
from analysis.section import find
from analysis.settled import settled
from analysis.study import Study, load_study
from study.cli.choices import Choices, make_spec
from study.spec import StudySpec
from study.stages import comparison_spec
from tests.analysis.conftest import plant_spec
from tests.study.cli.test_choices import NOTHING

TEXTS = ("cosine:base=0.03,final=0.001", "constant:base=0.02", "factor:base=0.03,alpha=0.6")


def made(seeds: int, *, all_pairs: bool = False) -> StudySpec:
    asked: dict[str, Any] = {"space": "schedules", "preset": "quick", "schedules": TEXTS}
    return comparison_spec(make_spec(Choices(**NOTHING | asked)), seeds, all_pairs=all_pairs)


def planted(path: Path, spec: StudySpec, **options: Any) -> Study:
    url = plant_spec(path / "planted.db", spec, "mine", np.random.default_rng(0), **options)
    return load_study(url, "mine")


def test_a_comparison_is_its_own_test(tmp_path: Path) -> None:
    study = planted(tmp_path, made(5))
    assert (study.confirm, study.test is not None, study.left) == (None, True, 0)
    assert study.stage("test").spec == study.spec
    assert list(answers_of(study)) == [verdicts, accuracy]
    assert list(sections_of(study)) == [training]


def test_the_first_schedule_is_compared_with_each_other_one(tmp_path: Path) -> None:
    study = planted(tmp_path, made(5), states={3: "stalled"})
    found = find(verdicts, study)
    pairs = found.estimates["pairs"]
    assert {*found.estimates["comparison"]["first"]} == {"cosine"}
    assert {*pairs["family"]} == {"constant", "factor"}
    assert str(found.verdict).startswith(
        "On the test images, at 5 fresh seeds as planned, cosine is "
    )
    assert found.caution is None
    shares = found.estimates["untrained"].set_index("family")["untrained"]
    assert shares.to_dict() == {"cosine": 1, "constant": 0, "factor": 0}
    # Trials 0, 1, 2 have the first seed of the three, and so on.
    of_the_pair = [trial for trial in range(15) if trial % 3 < 2]
    assert pairs.set_index("family").loc["constant", "test_trials"] == of_the_pair


def test_all_pairs_have_a_square_and_a_table(tmp_path: Path) -> None:
    study = planted(tmp_path, made(5, all_pairs=True))
    found = find(verdicts, study)
    table = found.estimates["comparison"].sort_values(["first", "family"], ascending=False)
    assert list(zip(table["first"], table["family"], strict=True)) == [
        ("cosine", "factor"),
        ("cosine", "constant"),
        ("constant", "factor"),
    ]
    assert [*found.printed] == ["pairs", "untrained"]
    assert "first" in found.estimates["pairs"]
    assert [each.name for each in found.pictures] == ["every-pair"]
    assert str(found.verdict).startswith("On the test images, at 5 fresh seeds as planned, ")
    assert "adjusted for 3 pairs" in str(found.verdict)


@pytest.mark.parametrize("all_pairs", [False, True])
def test_what_has_no_run_or_too_few_says_so(tmp_path: Path, all_pairs: bool) -> None:
    empty = planted(tmp_path, made(5, all_pairs=all_pairs), upto=0)
    found = find(verdicts, empty)
    words = "No two schedules have a run on a common seed yet; 15 of 15 test runs have no result."
    assert str(found.verdict) == words
    assert found.caution is not None
    assert "lrstudy resume mine" in found.caution.command
    assert settled(empty, "test") is None
    report_study(empty, "mine", "mine")
    (tmp_path / "few").mkdir()
    few = find(verdicts, planted(tmp_path / "few", made(2, all_pairs=all_pairs)))
    assert "too few" in str(few.verdict)
    assert few.caution is not None
    assert "lrstudy resume mine --seeds" in few.caution.command


@pytest.mark.parametrize("all_pairs", [False, True])
def test_the_page_speaks_of_no_search(tmp_path: Path, all_pairs: bool) -> None:
    study = planted(tmp_path, made(5, all_pairs=all_pairs))
    made_report = report_study(study, "mine", "mine")
    assert list(made_report.trials) == list(made_report.facts) == ["test"]
    assert made_report.unconfirmed is None
    assert made_report.concerns == (
        "A verdict concerns these configurations as they were given: no rate was tuned. Equivalent "
        "means within 0.3 points."
    )
    facts = made_report.facts["test"]
    assert facts["Configurations"] == "3 (given, not searched), each with 5 seeds"
    assert facts["To run it again"].startswith(f"lrstudy compare {TEXTS[0]} --study mine-again ")
    said = [*facts.values()]
    for each in made_report.findings:
        captions = [table.caption for table in each.tables.values()]
        drawn = [text for one in each.pictures for text in (one.alt, one.caption)]
        said += [each.title, each.question, str(each.verdict), each.basis, *captions, *drawn]
    for text in said:
        assert "confirm" not in text
        assert "the search" not in text.replace("given, not searched", "")
        assert "chosen" not in text


def test_the_best_is_chosen_on_validation_images(tmp_path: Path) -> None:
    study = planted(tmp_path, made(5))
    best = settled(study, "test")
    assert best is not None
    runs = study.trials.groupby("family")
    assert best.family == runs["val_accuracy"].mean().idxmax()
    assert best.accuracy == pytest.approx(runs["test_accuracy"].mean()[best.family])
    assert (best.stage, best.origin, best.seeds) == ("test", None, 5)


# ---------------------------------------------------------------- every pair


def scores_of(means: list[float], seeds: int, noise: float, rng: np.random.Generator) -> Scores:
    common = rng.normal(0.0, 0.01, (seeds, 1))
    values = common + rng.normal(means, noise, (seeds, len(means)))
    frame = pd.DataFrame(values, columns=list("abcdef"[: len(means)]))
    return Scores(frame, frame.isna(), {})


def every_pair(scores: Scores) -> pd.DataFrame:
    return compare_planned(scores, "a", DELTA, (), every=True)


def test_planted_differences_are_found_and_signs_are_right() -> None:
    frame = every_pair(scores_of([0.80, 0.84, 0.84], 12, 0.001, np.random.default_rng(0)))
    verdict = frame.set_index(["first", "family"])["verdict"].to_dict()
    assert verdict == {("a", "b"): "worse", ("a", "c"): "worse", ("b", "c"): "equivalent"}


def test_equal_configurations_are_seldom_called_different() -> None:
    """Six equal ones, fifteen pairs: any false verdict in at most about 5 % of studies."""
    rng = np.random.default_rng(7)
    wrong = [
        every_pair(scores_of([0.84] * 6, 6, 0.01, rng))["verdict"].isin(["better", "worse"]).any()
        for _ in range(60)
    ]
    assert np.mean(wrong) <= 0.12  # 0.05 + 2.5 standard errors


def test_a_configuration_that_seldom_trains_is_named_by_that() -> None:
    scores = scores_of([0.84, 0.84, 0.84], 16, 0.001, np.random.default_rng(2))
    untrained = scores.untrained.copy()
    untrained.loc[:13, "c"] = True
    frame = every_pair(Scores(scores.accuracy.where(~untrained), untrained, {}))
    verdict = frame.set_index(["first", "family"])["verdict"].to_dict()
    assert verdict[("a", "c")] == verdict[("b", "c")] == "less often untrained"
