"""What a section rests on, and when it says that this is too little."""

from __future__ import annotations

import re
from typing import Any

import pytest

from analysis.figures.style import spoken
from analysis.page.study_report import report_study
from analysis.progress import progress
from analysis.reading.states import TERMINAL
from analysis.reading.studies import studies
from analysis.section import ENOUGH, basis, caution, counted
from analysis.study import load_study
from analysis.wording import points
from search_spaces.words.phrases import count, percent
from tests.analysis.conftest import Plant


def test_enough_is_what_its_comment_says() -> None:
    assert pytest.approx(0.95, abs=0.005) == 1 - 0.86**ENOUGH


def test_the_basis_counts_what_is_used_and_names_what_is_not(plant: Plant) -> None:
    study = load_study(
        plant("fixed_rate", 6, everything="complete", states={1: "pruned", 2: "failed"}),
        "fixed_rate",
    )
    assert basis(study, ("complete",)) == (
        "Rests on 4 trials (4 complete) with 2 training seeds, 6 epochs each; left out: 1 pruned, "
        "1 failed."
    )
    assert basis(study, ("diverged",)) == (
        "Rests on 0 trials; left out: 4 complete, 1 pruned, 1 failed."
    )


@pytest.mark.parametrize(
    ("options", "attempts"),
    [
        ({"everything": "complete", "states": {1: "pruned"}}, 8),
        ({"states": {1: "stalled", 2: "diverged", 5: "failed", 6: "interrupted"}}, 8),
        ({"retries": {0: "failed", 3: "interrupted"}, "states": {3: "failed"}}, 10),
        ({"upto": 3, "retries": {1: "failed"}}, 4),
        ({"upto": 0}, 0),
    ],
)
def test_what_a_section_uses_and_leaves_out_adds_up_to_the_trials(
    plant: Plant, options: dict[str, Any], attempts: int
) -> None:
    url = plant("fixed_rate", 8, **options)
    study = load_study(url, "fixed_rate")
    facts = progress(study.attempts, study.spec)
    assert sum(facts["states"].values()) == facts["trials"] == 8
    assert counted(study) == [f"{n} {state}" for state, n in facts["states"].items() if n]
    for states in (TERMINAL, ("complete",), ("failed", "interrupted")):
        used, _, left = basis(study, states).partition("; left out: ")
        ((total,),) = [re.findall(r"Rests on (\d+) trial", used)]
        assert int(total) + sum(map(int, re.findall(r"\d+", left))) == 8
    report = report_study(study, "it", "it")
    assert report.attempts("search") == f"{count(attempts, 'attempt')} at 8 trials"
    row = studies(url).iloc[0]
    assert {state: row[state] for state in facts["states"]} == facts["states"]
    assert (row["attempts"], row["planned"]) == (attempts, 8)


def test_a_retried_slot_counts_once(plant: Plant) -> None:
    url = plant("fixed_rate", 2, everything="complete", retries={0: "failed"})
    assert basis(load_study(url, "fixed_rate"), TERMINAL) == (
        "Rests on 2 trials (2 complete) with 2 training seeds, 6 epochs each."
    )


def test_enough_trials_need_no_caution(plant: Plant) -> None:
    study = load_study(plant("fixed_rate", 3, everything="complete"), "fixed_rate")
    assert caution(study, TERMINAL, 3) is None


def test_too_few_trials_of_a_finished_study(plant: Plant) -> None:
    study = load_study(plant("fixed_rate", 3, everything="complete", name="my study"), "my study")
    assert str(caution(study, TERMINAL, 20)) == (
        "Too few to conclude: every schedule needs 20 trials here, and constant has 3. "
        f"To add trials: lrstudy resume 'my study' --trials 20 --storage {study.storage}"
    )


def test_too_few_trials_of_a_study_that_goes_on(plant: Plant) -> None:
    study = load_study(plant("polynomial", 40, everything="complete", upto=3), "polynomial")
    assert str(caution(study, TERMINAL, 20)) == (
        "Too few to conclude: every schedule needs 20 trials here, and 2 of 2 schedules have "
        "fewer, inverse-power has 1. "
        f"To add trials: lrstudy resume polynomial --storage {study.storage}"
    )


def test_the_total_asked_for_is_accepted_and_enough(plant: Plant) -> None:
    study = load_study(plant("cosine", 12, everything="complete"), "cosine")
    words = str(caution(study, TERMINAL, 20)).split()
    larger = study.spec.with_trials(int(words[words.index("--trials") + 1]))
    assert larger.turn(larger.trials) == 20


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (count(1, "trial"), "1 trial"),
        (count(2000, "trial"), "2,000 trials"),
        (percent(0.87654), "87.7 %"),
        (points(0.005), "0.5 points"),
        (spoken("multi_factor/as-published"), "multi-factor, as-published"),
    ],
)
def test_words(written: str, expected: str) -> None:
    assert written == expected
