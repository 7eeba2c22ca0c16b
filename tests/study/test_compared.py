"""The parameter that a test compares: each of its values once, at what was best with it."""

from __future__ import annotations

import pytest
from optuna.trial import FrozenTrial

from search_spaces.config import Parameters
from search_spaces.given_schedules import join
from search_spaces.spaces import SPACES
from study import stages
from study.spec import StudySpec
from study.stages import compared_places, confirm_spec, firsts, grid_places, likely_test_spec
from tests.study.test_stages import runs, search, searched

LONGEST = 4 / 3  # epochs, of the search's 4
LENGTHS = (0.0, LONGEST / 4, LONGEST / 2, LONGEST)


def confirmed(cosine: Parameters | None = None) -> StudySpec:
    """A confirm study of the space warmup, its grid under cosine."""
    trials = searched(
        ("constant", {"base_lr": 0.3, "warmup": 0.0}, 0.9),
        ("cosine", cosine or {"base_lr": 0.4, "warmup": 0.1}, 0.8),
    )
    spec = search("warmup", ("constant", "cosine"))
    return confirm_spec("it", spec, trials, top=1, seeds=3, train_images=80)


def judged(spec: StudySpec, trials: list[FrozenTrial]) -> StudySpec:
    return stages.test_spec("it", spec, trials, looks=(4,), train_on="train")


def cell(spec: StudySpec, warmup: float, base_lr: float) -> int:
    found = [arm.parameters for arm in spec.arms if arm.family == "cosine"]
    place = found.index({"base_lr": pytest.approx(base_lr), "warmup": pytest.approx(warmup)})
    return [n for n, arm in enumerate(spec.arms) if arm.family == "cosine"][place]


def test_each_value_is_tested_with_the_rest_at_what_validation_found_best() -> None:
    spec = confirmed()
    best = {0.0: 0.2, LONGEST / 4: 0.4, LONGEST / 2: 0.8, LONGEST: 1.6}
    scores = {cell(spec, *each): [0.6 + n / 100] * 3 for n, each in enumerate(best.items())}
    made = judged(spec, runs(spec, scores))
    places = compared_places(made, spec)
    assert list(places) == pytest.approx(LENGTHS)
    for (length, place), rate in zip(places.items(), best.values(), strict=True):
        assert made.arms[place].parameters == pytest.approx({"warmup": length, "base_lr": rate})
        assert made.arms[place].role == "grid"
    represent = firsts(made)
    assert {family: made.arms[n].origin for family, n in represent.items()} == {
        "constant": 0,
        "cosine": 1,
    }
    assert sorted([*represent.values(), *places.values()]) == list(range(6))
    assert made.trials == 6 * 4


def test_what_represents_a_family_stands_for_its_value_where_it_is_best_there() -> None:
    """A search's best on the grid is trained once, and judges both questions."""
    spec = confirmed({"base_lr": 0.4, "warmup": LONGEST / 2})
    candidate = cell(spec, LONGEST / 2, 0.4)
    assert spec.arms[candidate].role == "candidate"
    assert len(grid_places(spec)) == 16
    made = judged(spec, runs(spec, {candidate: [0.9] * 3}))
    places = compared_places(made, spec)
    assert len(made.arms) == 5
    assert places[LONGEST / 2] == firsts(made)["cosine"]
    other = judged(spec, runs(spec, {cell(spec, LONGEST / 2, 0.8): [0.9] * 3}))
    assert len(other.arms) == 6
    length = compared_places(other, spec)[LONGEST / 2]
    assert other.arms[length].parameters["base_lr"] == pytest.approx(0.8)


def test_a_value_that_never_trained_is_left_out() -> None:
    spec = confirmed()
    lost = {n: [None] * 3 for n in grid_places(spec) if spec.arms[n].parameters["warmup"] == 0}
    made = judged(spec, runs(spec, lost))
    assert list(compared_places(made, spec)) == pytest.approx(LENGTHS[1:])
    nothing = judged(spec, runs(spec, {n: [None] * 3 for n in grid_places(spec)}))
    assert len(nothing.arms) == 2
    assert compared_places(nothing, spec) == {}


def test_the_cost_counts_what_is_compared() -> None:
    spec = confirmed()
    expected = judged(spec, runs(spec, {}))
    assert likely_test_spec("it", spec, 4, "train") == expected
    assert likely_test_spec("it", spec, 4, "all").trials == expected.trials


def test_a_space_compares_a_parameter_of_its_grid_or_none() -> None:
    for name, space in SPACES.items():
        if space.DESIGNED:
            assert space.COMPARED is None
            continue
        spec = search(name, space.FAMILIES)
        best = {
            family: {each: bounds.low for each, bounds in spec.ranges.items()}
            for family in space.FAMILIES
        }
        grid = [arm for arm in space.grid(best, spec.budget) if arm.budget is None]
        if space.COMPARED is not None:
            assert len({arm.family for arm in grid}) == 1
            assert len({arm.parameters[space.COMPARED] for arm in grid}) > 1
    joined = join(SPACES["warmup"], ["cosine:base=0.3"])
    assert joined.COMPARED == SPACES["warmup"].COMPARED == "warmup"
