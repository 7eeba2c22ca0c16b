"""Seeds beyond the plan change no number that decides, and are shown apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from analysis.answers import answers_of
from analysis.section import find
from analysis.sections import exploratory
from analysis.study import Study, load_study
from tests.analysis.conftest import plant_stages, plant_study

PLANNED, SEEDS = 5, 7


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A confirmed search of fixed rates with seven seeds."""
    path = tmp_path_factory.mktemp("added") / "planted.db"
    plant_study(path, "fixed_rate", 8, everything="complete")
    return load_study(plant_stages(path, "fixed_rate", seeds=SEEDS, top=1), "fixed_rate")


def with_plan(study: Study, seeds: int) -> Study:
    """The study as if its confirm stage had been planned with so many seeds."""
    assert study.confirm is not None
    spec = study.confirm.spec.model_copy(update={"looks": (seeds,)})
    return replace(study, confirm=replace(study.confirm, spec=spec))


def without_added(study: Study, seeds: int) -> Study:
    """The study without the runs of later seeds."""
    assert study.confirm is not None
    confirm, places = study.confirm, len(study.confirm.spec.arms)
    spec = confirm.spec.model_copy(update={"looks": (seeds,), "trials": places * seeds})
    kept = confirm.trials[confirm.trials["replicate"] < seeds]
    return replace(study, confirm=replace(confirm, spec=spec, trials=kept))


def test_what_was_planned_has_no_such_section(whole: Study) -> None:
    assert not exploratory.has_any(whole)
    assert exploratory not in answers_of(whole)


def test_added_seeds_change_no_verdict(whole: Study) -> None:
    grown, before = with_plan(whole, PLANNED), without_added(whole, PLANNED)
    section = answers_of(grown)[0]
    found, expected = section.estimate(grown), section.estimate(before)
    for name in ("rates", "best"):
        if name in found:
            assert_frame_equal(found[name], expected[name])
    assert str(section.conclude(found)) == str(section.conclude(expected))
    assert str(section.conclude(found)) != str(section.conclude(section.estimate(whole)))


def test_they_are_shown_apart_without_a_verdict(whole: Study, tmp_path: Path) -> None:
    grown = with_plan(whole, PLANNED)
    assert exploratory in answers_of(grown)
    found = find(exploratory, grown)
    added = found.estimates["added"]
    assert grown.confirm is not None
    assert len(added) == len(grown.confirm.spec.arms)
    assert (added["all"] <= SEEDS).all()
    assert (added["n"] <= PLANNED).all()
    assert "decide nothing" in str(found.verdict)
    assert found.caution is None
    assert not found.pictures
