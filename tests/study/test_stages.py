"""From the trials of a search to the arms of its later stages, without any training."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.config import Arm, Budget, Parameters, Range
from search_spaces.spaces import SPACES
from study import stages
from study.spec import StudySpec
from study.stages import candidates, chosen, confirm_spec, likely_test_spec, results, sibling

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

Row = tuple[str, Parameters, float]
COSINE = {"base_lr": 0.2, "final_fraction": 0.05}


def search(space: str = "cosine", families: tuple[str, ...] = ("cosine", "constant")) -> StudySpec:
    budget = Budget(epochs=4, train_size=80, val_size=20)
    return StudySpec(
        space=space,
        families=families,
        trials=4 * len(families),
        budget=budget,
        ranges=SPACES[space].ranges(budget),
        optimizer={"batch_size": 16},
        seed=3,
        pruner="median",
        replicates=2,
    )


def trial(
    number: int, family: str, params: Parameters, value: float | None, **changes: Any
) -> FrozenTrial:
    """A trial as a search leaves it; ``changes``: its state, outcome and other attributes."""
    state = changes.pop("state", TrialState.COMPLETE)
    made = create_trial(
        state=state,
        value=value,
        params=params | {"schedule": family},
        distributions={name: FloatDistribution(0.0, 10.0) for name in params}
        | {"schedule": CategoricalDistribution(sorted(SPACES["cosine"].FAMILIES))},
        user_attrs={"family": family, "outcome": "finished"} | changes,
    )
    made.number = number
    return made


def searched(*rows: Row) -> list[FrozenTrial]:
    return [trial(number, *row) for number, row in enumerate(rows)]


def found(spec: StudySpec, trials: list[FrozenTrial], top: int) -> list[tuple[str, int | None]]:
    return [(arm.family, arm.origin) for arm in candidates(spec, trials, top)]


TRIALS = searched(
    ("cosine", COSINE, 0.7),
    ("constant", {"base_lr": 0.1}, 0.5),
    ("cosine", COSINE | {"base_lr": 0.3}, 0.9),
    ("constant", {"base_lr": 0.4}, 0.6),
    ("cosine", COSINE | {"base_lr": 0.5}, 0.8),
)


# ---------------------------------------------------------------- candidates


def test_candidates_are_the_best_of_each_family_best_first() -> None:
    spec = search()
    assert found(spec, TRIALS, 1) == [("cosine", 2), ("constant", 3)]
    assert found(spec, TRIALS, 2) == [
        ("cosine", 2),
        ("cosine", 4),
        ("constant", 3),
        ("constant", 1),
    ]
    assert found(spec, TRIALS, 9) == [
        *[("cosine", number) for number in (2, 4, 0)],
        *[("constant", number) for number in (3, 1)],
    ]
    assert candidates(spec, TRIALS, 1)[0] == Arm(
        family="cosine", parameters=COSINE | {"base_lr": 0.3}, role="candidate", origin=2
    )


def test_a_candidate_too_far_behind_its_familys_best_is_left_out() -> None:
    """By the margin, within each family; the best of a family always stays."""
    spec = search()
    near = [arm.origin for arm in candidates(spec, TRIALS, 2, margin=0.1)]
    assert near == [2, 4, 3, 1]
    closer = [arm.origin for arm in candidates(spec, TRIALS, 2, margin=0.05)]
    assert closer == [2, 3]


rows = st.lists(
    st.tuples(
        st.sampled_from(["cosine", "constant"]),
        st.sampled_from([0.1, 0.2, 0.3]),
        st.sampled_from([0.5, 0.6, 0.7]),
        st.sampled_from(["finished", "finished", "diverged", "stalled", None]),
        st.sampled_from([TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED]),
    ),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw waits for other processes
@given(rows, st.integers(1, 3))
def test_candidates_against_a_sort_by_hand(rows: list[Any], top: int) -> None:
    trials = [
        trial(number, family, {"base_lr": rate}, value, state=state, outcome=outcome)
        for number, (family, rate, value, outcome, state) in enumerate(rows)
    ]
    expected: list[tuple[str, int | None]] = []
    for family in ("cosine", "constant"):
        good = [
            (-value, number, rate)
            for number, (name, rate, value, outcome, state) in enumerate(rows)
            if (name, outcome, state) == (family, "finished", TrialState.COMPLETE)
        ]
        first_of_a_rate = [min(each for each in good if each[2] == r) for r in {g[2] for g in good}]
        expected += [(family, number) for _, number, _ in sorted(first_of_a_rate)[:top]]
    assert found(search(), trials, top) == expected
    assert found(search(), trials[::-1], top) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"state": TrialState.PRUNED},
        {"state": TrialState.FAIL, "value": None},
        {"state": TrialState.RUNNING, "value": None},
        {"outcome": "diverged"},
        {"outcome": "stalled"},
        {"outcome": None},
        {"family": "factor"},
    ],
)
def test_what_did_not_end_well_is_no_candidate(changes: dict[str, Any]) -> None:
    best = COSINE | {"base_lr": 9.0}
    assert found(search(), [*TRIALS, trial(9, "cosine", best, 0.99)], 1)[0] == ("cosine", 9)
    values: dict[str, Any] = {"value": 0.99, "params": best} | changes
    family = values.pop("family", "cosine")
    other = trial(9, family, **values)
    assert found(search(), [*TRIALS, other], 1) == [("cosine", 2), ("constant", 3)]


def test_a_configuration_is_taken_once_and_of_equals_the_first() -> None:
    again = [
        trial(5, "cosine", COSINE | {"base_lr": 0.3}, 0.95),
        trial(6, "cosine", COSINE | {"base_lr": 0.7}, 0.95),
    ]
    assert found(search(), [*TRIALS, *again], 3)[:3] == [
        ("cosine", 5),
        ("cosine", 6),
        ("cosine", 4),
    ]


# ---------------------------------------------------------------- the confirm study


def confirmed(top: int = 2, seeds: int = 3, trials: list[FrozenTrial] = TRIALS) -> StudySpec:
    return confirm_spec("it", search(), trials, top=top, seeds=seeds, train_images=80)


def test_the_confirm_study_trains_candidates_and_grid_on_fresh_seeds() -> None:
    spec, made = search(), confirmed()
    best = {arm.family: arm.parameters for arm in candidates(spec, TRIALS, 1)}
    assert made.arms == (*candidates(spec, TRIALS, 2), *SPACES["cosine"].grid(best, spec.budget))
    assert (made.stage, made.source, made.trials) == ("confirm", "it", 3 * len(made.arms))
    assert (made.sampler, made.pruner, made.replicates) == ("random", "none", None)
    kept = {"space", "task", "families", "budget", "optimizer", "seed", "max_retries"}
    assert made.model_dump(include=kept) == spec.model_dump(include=kept)
    fresh = {made.training_seed(slot) for slot in range(made.trials)}
    assert len(fresh) == 3
    assert not fresh & {spec.training_seed(slot) for slot in range(spec.trials)}


def test_a_search_without_a_size_is_confirmed_on_as_many_images_as_there_are() -> None:
    spec = search().model_copy(update={"budget": Budget(epochs=4)})
    made = confirm_spec("it", spec, TRIALS, top=1, seeds=1, train_images=500)
    sizes = {arm.budget.train_size for arm in made.arms if arm.budget is not None}
    assert sizes == {125, 250, 500}
    assert made.budget == Budget(epochs=4)


def test_a_bank_can_be_confirmed() -> None:
    drawn = {"bank": True, "sampler": "random", "pruner": "none", "replicates": None}
    bank = StudySpec.model_validate(search().model_dump() | drawn)
    made = confirm_spec("it", bank, TRIALS, top=2, seeds=3, train_images=80)
    assert made == confirmed()


def test_a_grid_run_that_is_a_candidate_already_is_not_done_twice() -> None:
    spec = search("fixed_rate", ("constant",))
    trials = searched(("constant", {"base_lr": 0.2}, 0.9), ("constant", {"base_lr": 0.4}, 0.8))
    made = confirm_spec("it", spec, trials, top=2, seeds=1, train_images=80)
    rates = [(arm.parameters["base_lr"], arm.role) for arm in made.arms]
    assert rates[:2] == [(0.2, "candidate"), (0.4, "candidate")]
    assert {role for _, role in rates[2:]} == {"grid"}
    assert len({rate for rate, _ in rates}) == len(rates) == 7


def test_families_without_a_result_are_left_out() -> None:
    made = confirmed(trials=TRIALS[1:2])
    assert made.families == ("constant",)
    assert {arm.family for arm in made.arms} == {"constant"}


def test_the_ranges_are_the_smallest_that_hold_the_arms() -> None:
    spec = search("warmup", ("constant", "cosine"))
    trials = searched(
        ("constant", {"base_lr": 1.0, "warmup": 0.5}, 0.9),
        ("cosine", {"base_lr": 2.0, "warmup": 0.25}, 0.8),
    )
    made = confirm_spec("it", spec, trials, top=1, seeds=1, train_images=80)
    for name, each in made.ranges.items():
        values = [arm.parameters[name] for arm in made.arms]
        assert (each.low, each.high) == (min(values), max(values))
        assert (each.log, each.unit) == (spec.ranges[name].log, spec.ranges[name].unit)
    assert made.ranges["base_lr"] == Range(low=1.0, high=8.0, log=True)  # the search: up to 5
    usual = confirmed(trials=TRIALS[1:2])
    for name in ("final_fraction", "exponent", "alpha"):  # of other families
        assert usual.ranges[name] == search().ranges[name]


NOT_A_SEARCH = "'it' is no search: only the result of a search can be confirmed"


def test_what_cannot_be_confirmed() -> None:
    design = search("chapter", ("constant/as-published",)).model_copy(
        update={"sampler": "random", "pruner": "none"}
    )
    nothing = "study 'it' has no complete trial, so that nothing can be confirmed"
    diverged = [trial(0, "cosine", COSINE, 0.1, outcome="diverged")]
    for spec, trials, message in [
        (confirmed(), TRIALS, NOT_A_SEARCH),
        (design, TRIALS, NOT_A_SEARCH),
        (search(), [], nothing),
        (search(), diverged, nothing),
    ]:
        with pytest.raises(ValueError, match="confirmed") as caught:
            confirm_spec("it", spec, trials, top=1, seeds=1, train_images=80)
        assert str(caught.value) == message


def test_the_stages_of_a_search_are_named_after_it() -> None:
    assert [sibling("my study", stage) for stage in ("confirm", "test")] == [
        "my study-confirm",
        "my study-test",
    ]


# ---------------------------------------------------------------- the choice


def run(spec: StudySpec, slot: int, value: float | None, **changes: Any) -> FrozenTrial:
    """A trial of a confirm study."""
    arm = spec.arms[slot % len(spec.arms)]
    return trial(slot, arm.family, dict(arm.parameters), value, slot=slot, **changes)


def runs(spec: StudySpec, scores: dict[int, list[float | None]]) -> list[FrozenTrial]:
    """The trials with the scores of each arm by seed, None for what failed; others score 0.2."""
    made = []
    for seed, index in itertools.product(range(3), range(len(spec.arms))):
        value = scores.get(index, [0.2] * 3)[seed]
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        made.append(run(spec, seed * len(spec.arms) + index, value, state=state))
    return made


def origins(spec: StudySpec, trials: list[FrozenTrial]) -> list[int | None]:
    return [arm.origin for arm in chosen(spec, trials)]


def test_the_highest_mean_over_the_seeds_is_chosen() -> None:
    """Not the highest run, nor the first by the search. Arms 0 to 3 come from trials 2 4 3 1."""
    spec = confirmed()
    scores: dict[int, list[float | None]] = {
        0: [0.9, 0.5, 0.5],
        1: [0.7, 0.7, 0.7],
        2: [0.6, 0.6, 0.61],
        3: [0.6, 0.6, 0.6],
    }
    assert origins(spec, runs(spec, scores)) == [4, 3]
    assert origins(spec, runs(spec, scores)[::-1]) == [4, 3]
    found = results(spec, runs(spec, scores))
    assert {run.arm for run in found} == set(range(len(spec.arms)))
    for run in found:
        assert run.score == scores.get(run.arm, [0.2] * 3)[run.replicate]


def test_of_equal_means_the_searchs_favourite_is_chosen() -> None:
    spec = confirmed()
    equal: dict[int, list[float | None]] = {index: [0.7] * 3 for index in range(4)}
    assert origins(spec, runs(spec, equal)) == [2, 3]
    assert origins(spec, runs(spec, equal)[::-1]) == [2, 3]


@pytest.mark.parametrize("outcome", ["diverged", "stalled"])
def test_one_untrained_run_more_is_borne_and_two_are_not(outcome: str) -> None:
    """Arm 0 comes from trial 2, arm 1 from trial 4."""
    spec = confirmed()
    for failures, origin in ((1, 2), (2, 4)):
        trials = runs(spec, {0: [0.9, 0.9, 0.9], 1: [0.7, 0.7, 0.7]})
        for seed in range(failures):
            trials[seed * len(spec.arms)].set_user_attr("outcome", outcome)
        assert origins(spec, trials)[0] == origin


def test_of_a_single_family_the_grid_competes_and_the_ladder_does_not() -> None:
    """So that question 1 tests the rate that it calls best."""
    spec = search("fixed_rate", ("constant",))
    trials = [trial(n, "constant", {"base_lr": 0.1 + n / 10}, 0.5 + n / 100) for n in range(8)]
    found = confirm_spec("it", spec, trials, top=1, seeds=3, train_images=1000)
    for index, arm in enumerate(found.arms):
        [best] = chosen(found, runs(found, {index: [0.9] * 3}))
        assert best == arm
    ladder = found.arms[-1].model_copy(update={"budget": found.budget})
    climbing = found.model_copy(update={"arms": (*found.arms[:-1], ladder)})
    [best] = chosen(climbing, runs(climbing, {len(found.arms) - 1: [0.9] * 3}))
    assert best.budget is None


def test_grid_runs_are_not_chosen_however_good() -> None:
    spec = confirmed()
    grid = [index for index, arm in enumerate(spec.arms) if arm.role == "grid"]
    assert grid
    assert origins(spec, runs(spec, {index: [0.99] * 3 for index in grid})) == [2, 3]


def test_seeds_and_arms_that_failed_for_good_are_missing_and_common_seeds_decide() -> None:
    """Arm 0 has the higher mean, from the seed on which arm 1 is better."""
    spec = confirmed()
    trials = runs(spec, {0: [None, None, 0.8], 1: [0.7, 0.7, 0.9], 2: [None] * 3})
    assert origins(spec, trials) == [4, 1]
    found = results(spec, trials)
    assert [(run.replicate, run.score) for run in found if run.arm == 0] == [(2, 0.8)]
    assert 2 not in {run.arm for run in found}
    constant: dict[int, list[float | None]] = {
        index: [None] * 3 for index, arm in enumerate(spec.arms) if arm.family == "constant"
    }
    assert origins(spec, runs(spec, constant)) == [2]  # its family alone is left


def test_trials_that_were_added_by_other_means_count_for_nothing() -> None:
    spec = confirmed()
    trials = runs(spec, {0: [0.7] * 3, 1: [0.6] * 3})
    stranger = trial(99, "cosine", dict(spec.arms[1].parameters), 1.0)
    assert origins(spec, [*trials, stranger]) == origins(spec, trials) == [2, 3]


# ---------------------------------------------------------------- the test study


def test_the_test_study_trains_the_chosen_on_the_searchs_images() -> None:
    spec = confirmed()
    trials = runs(spec, {1: [0.9] * 3})
    made = stages.test_spec("it", spec, trials, looks=(4,), train_on="train")
    assert made.arms == tuple(chosen(spec, trials)) == (spec.arms[1], spec.arms[2])
    assert (made.stage, made.source, made.trials) == ("test", "it", 8)
    assert (made.budget, made.validates, made.reads_test) == (spec.budget, True, True)
    seeds = {made.training_seed(slot) for slot in range(8)}
    assert len(seeds) == 4
    assert not seeds & {spec.training_seed(slot) for slot in range(spec.trials)}
    assert not seeds & {search().training_seed(slot) for slot in range(8)}


def test_the_test_study_on_all_images_keeps_none_for_validation() -> None:
    spec = confirmed()
    made = stages.test_spec("it", spec, runs(spec, {}), looks=(2,), train_on="all")
    assert made.budget == Budget(epochs=4)
    assert (made.train_on, made.validates, made.reads_test) == ("all", False, True)
    assert {made.slot_budget(slot) for slot in range(made.trials)} == {made.budget}


def test_a_test_without_a_result_to_choose_from() -> None:
    spec = confirmed()
    grid = [index for index, arm in enumerate(spec.arms) if arm.role == "grid"]
    failed: dict[int, list[float | None]] = {
        index: [0.9 if index in grid else None] * 3 for index in range(len(spec.arms))
    }
    for trials in ([], runs(spec, failed)):
        with pytest.raises(
            ValueError, match=r"^no run of 'it-confirm' trained: there is nothing to test$"
        ):
            stages.test_spec("it", spec, trials, looks=(2,), train_on="train")


@pytest.mark.parametrize("train_on", ["train", "all"])
def test_the_cost_is_that_of_the_searchs_favourites(train_on: Any) -> None:
    spec = confirmed()
    favourites = runs(spec, {0: [0.9] * 3, 2: [0.9] * 3})
    assert likely_test_spec("it", spec, 5, train_on) == stages.test_spec(
        "it", spec, favourites, looks=(5,), train_on=train_on
    )
