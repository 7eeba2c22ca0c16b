"""Every column of every printed estimate is declared, and every declared one is estimated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.answers import ANSWERS, answers_of, sections_of
from analysis.questions.any_space import confirmed as any_space
from analysis.questions.langevin import confirmed as langevin
from analysis.questions.langevin import known_posteriors
from analysis.study import Study, load_study
from analysis.table import Table, bounded, interval, names_of
from tests.analysis.questions.comparison.test_comparison import made, planted
from tests.analysis.questions.warmup.test_tested import plant
from tests.golden import golden

# Estimates of what `lrstudy sample` leaves in a study, which no planted one has.
SAMPLED = {"distances"}
ANSWERING = [
    section
    for answer in ANSWERS.values()
    for section in (answer.searched, answer.fresh)
    if section is not any_space  # no planted study without a section of its own was confirmed
]


Estimated = list[tuple[str, str, Table, list[str]]]


@pytest.fixture(scope="module")
def estimated(tmp_path_factory: pytest.TempPathFactory) -> Estimated:
    """Section, name, table and the frame's columns of what reports print: of studies of every kind
    with all of their stages, and of two that are still without a test."""
    url = golden.restore(golden.PLANTED, tmp_path_factory.mktemp("golden") / "planted.db")
    studies = {name: load_study(url, name) for name in golden.REPORTED}
    asked = [
        (study, section)
        for study in studies.values()
        for section in (*answers_of(study), *sections_of(study))
    ]
    untested = [replace(studies[name], test=None) for name in ("cosine", "langevin")]
    asked += [(study, answers_of(study)[0]) for study in untested]
    grown = [_grown(studies[name]) for name in ("fixed_rate", "cosine", "langevin")]
    given = [_compared(tmp_path_factory.mktemp("given"), all_pairs=each) for each in (False, True)]
    lengths = plant(tmp_path_factory.mktemp("lengths") / "planted.db", lambda length: 0.0)
    asked.append((lengths, answers_of(lengths)[0]))
    asked += [(study, each) for study in [*grown, *given] for each in answers_of(study)]
    found = []
    for study, section in asked:
        frames = section.estimate(study)
        for name, table in section.ABOUT.tables.items():
            if not frames[name].empty:
                columns = [str(each) for each in frames[name].columns]
                found.append((section.ABOUT.title, name, table, columns))
    return found


def _grown(study: Study) -> Study:
    """The study as if its later stages had been planned with one seed less than they have."""

    def planned(stage: Study | None) -> Study | None:
        if stage is None:
            return None
        looks = (stage.spec.seeds - 1,)
        return replace(stage, spec=stage.spec.model_copy(update={"looks": looks}))

    return replace(study, confirm=planned(study.confirm), test=planned(study.test))


def _compared(folder: Path, *, all_pairs: bool) -> Study:
    """A comparison of given schedules, with a seed beyond its plan."""
    study = planted(folder, made(6, all_pairs=all_pairs))
    spec = study.spec.model_copy(update={"looks": (5,)})
    return replace(study, spec=spec, test=replace(study, spec=spec))


@pytest.mark.integration
def test_no_column_is_printed_by_accident_or_left_out(
    estimated: Estimated,
) -> None:
    for title, name, table, columns in estimated:
        assert (title, name, set(columns) - set(table.names)) == (title, name, set())


@pytest.mark.integration
def test_every_declared_column_is_one_of_the_estimate(
    estimated: Estimated,
) -> None:
    known: dict[tuple[str, str], set[str]] = {}
    tables = {}
    for title, name, table, columns in estimated:
        known.setdefault((title, name), set()).update(columns)
        tables[title, name] = table
    for place, table in tables.items():
        assert (place, set(table.names) - known[place]) == (place, set())
    declared = {(each.ABOUT.title, name) for each in ANSWERING for name in each.ABOUT.tables}
    assert {name for _, name in declared - tables.keys()} <= SAMPLED


def test_the_distances_of_a_mixture_are_declared() -> None:
    sides = {"theta1": [-1.0, 0.0, 1.0], "theta2": [-1.0, 0.0, 1.0]}
    even = [[0.25, 0.25], [0.25, 0.25]]
    found = {**sides, "posterior": even, "samples": even, "chains": 2, "negative_sd": 0.1}
    frame = known_posteriors.distances(known_posteriors.bins(found), found)
    assert frame.columns.tolist() == langevin.ABOUT.tables["distances"].names


def test_no_table_prints_a_column_twice_or_two_under_one_heading() -> None:
    for section in ANSWERING:
        for table in section.ABOUT.tables.values():
            assert len(table.names) == len(set(table.names))
            titles = [column.title for column in table.columns]
            assert len(titles) == len(set(titles))
            assert table.caption.endswith(".")


def test_a_value_and_its_interval() -> None:
    assert names_of(bounded("accuracy")) == ["accuracy", "accuracy_low", "accuracy_high"]
    assert [each.title for each in bounded("accuracy")] == ["accuracy", "accuracy, 95 % interval"]
    assert interval("exponent", heading="exponent").title == "exponent"
