"""A search that a plan made small: it is not called too few, and shows only what it can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.page.study_report import StudyReport, report_study
from analysis.study import load_study
from search_spaces.spaces import SPACES
from study.plan import Plan
from tests.analysis.conftest import plant_stages, plant_study

PLAN = Plan(budget=1200.0, trials=8, top=1, seeds=3, looks=(5,))
SEARCHED = [name for name, space in SPACES.items() if not space.DESIGNED and space.FAMILIES]
GONE = {"Parameter importance", "Generalization gap", "Pruning audit"}


def planned(path: Path, space: str, each: int = 8, **options: object) -> StudyReport:
    """The report of a planned search with so many trials of each family."""
    trials = each * len(SPACES[space].FAMILIES)
    plan = PLAN.model_copy(update={"trials": trials})
    url = plant_study(path, space, trials, plan=plan, **options)  # type: ignore[arg-type]
    return report_study(load_study(url, space), "it", "it")


def words(report: StudyReport) -> str:
    findings = [report.answer, *report.sections]
    texts = [f"{each.verdict} {each.caution} {each.basis}" for each in findings]
    texts += [f"{one.alt} {one.caption}" for each in findings for one in each.pictures]
    return "\n".join(texts)


@pytest.mark.parametrize("space", SEARCHED)
@pytest.mark.usefixtures("unrendered")
def test_nothing_is_called_too_few_and_no_section_is_empty(tmp_path: Path, space: str) -> None:
    report = planned(tmp_path / "planned.db", space)
    text = words(report)
    assert "Too few to conclude" not in text
    assert "needs" not in text
    for finding in report.sections:
        assert finding.caution is None
        assert finding.pictures or finding.printed
        for name in finding.printed:
            values = finding.estimates[name].drop(columns="family", errors="ignore")
            assert values.notna().any(axis=1).all()
    assert not GONE & {each.title for each in report.sections}
    pictures = {one.name for each in [report.answer, *report.sections] for one in each.pictures}
    assert not pictures & {"tuning-curves", "importance", "accuracy-by-exponent"}
    assert "Bands: simultaneous" not in text


@pytest.mark.usefixtures("unrendered")
def test_a_planned_search_that_is_large_enough_shows_all(tmp_path: Path) -> None:
    report = planned(tmp_path / "planned.db", "polynomial", 24, everything="complete")
    assert {each.title for each in report.sections} & GONE == {
        "Parameter importance",
        "Generalization gap",
    }
    unplanned = report_study(
        load_study(plant_study(tmp_path / "usual.db", "polynomial", 16), "polynomial"), "it", "it"
    )
    assert "Too few to conclude" in words(unplanned)


@pytest.mark.usefixtures("unrendered")
def test_an_unfinished_stage_is_still_said(tmp_path: Path) -> None:
    report = planned(tmp_path / "planned.db", "cosine", upto=11)
    assert report.answer.caution is not None
    assert report.answer.caution.reason == "Not finished: 37 of 48 trials are left."
    assert "lrstudy answer cosine" in report.answer.caution.command


@pytest.mark.usefixtures("unrendered")
def test_later_stages_of_a_plan_have_as_many_seeds_as_they_should(tmp_path: Path) -> None:
    path = tmp_path / "planned.db"
    planned(path, "warmup")
    url = plant_stages(path, "warmup", seeds=3, top=1)
    report = report_study(load_study(url, "warmup"), "it", "it")
    for finding in [report.answer, *report.sections]:
        assert finding.caution is None
    assert len({each.title for each in report.sections}) == len(report.sections)
