"""Every search space keeps the contract, and the chapter's runs are the published ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from optuna.trial import FixedTrial

from search_spaces import chapter
from search_spaces.config import Arm, Budget, Parameters, Range, TrialConfig
from search_spaces.schedules.base import FAMILIES, Schedule
from search_spaces.spaces import SPACES, find_space
from search_spaces.weight_sampling import WeightSampling

EPOCHS = (1, 2, 6, 30)
# Schedules of the methods of question 5.
_SCHEDULES = {
    "sgd": "inverse_power",
    "sgld": "inverse_power",
    "swa": "constant",
    "snapshots": "cosine_restarts",
    "cyclical": "cosine_restarts",
}
CASES = [(name, family) for name, space in SPACES.items() for family in space.FAMILIES]


def schedule_of(name: str, family: str, values: Parameters, epochs: int) -> Schedule:
    """The schedule that a space builds from these values, in a valid TrialConfig."""
    space, budget = SPACES[name], Budget(epochs=epochs)
    trial = FixedTrial(values)
    built = SPACES[name].suggest(trial, family, budget, space.ranges(budget))
    config = TrialConfig(**built, epochs=epochs, seed=0)
    assert isinstance(config.schedule, Schedule)
    return config.schedule


@pytest.mark.parametrize("name", SPACES)
def test_a_space_keeps_the_contract(name: str) -> None:
    space = find_space(name)
    assert space.QUESTION.endswith("?")
    assert len(space.FAMILIES) == len(set(space.FAMILIES)) > 0
    assert set(space.PRESETS) == {"quick", "standard"}
    for preset in space.PRESETS.values():
        assert preset.trials_per_family >= 1
        assert preset.budget.epochs >= 1
    assert (not space.ranges(Budget())) == space.DESIGNED
    assert space.PRESETS["standard"].budget == Budget(epochs=30)


@pytest.mark.parametrize("epochs", EPOCHS)
@pytest.mark.parametrize(("name", "family"), [case for case in CASES if case[0] != "chapter"])
def test_every_corner_of_the_ranges_is_a_valid_trial(name: str, family: str, epochs: int) -> None:
    ranges = SPACES[name].ranges(Budget(epochs=epochs))
    used = set()
    for ends in itertools.product(*[(each.low, each.high) for each in ranges.values()]):
        values = dict(zip(ranges, ends, strict=True))
        schedule = schedule_of(name, family, values, epochs)
        rates = schedule(np.arange(epochs * 20), 20)
        assert schedule.family == _SCHEDULES.get(family, family)
        assert schedule.base_lr == values["base_lr"]
        assert schedule.warmup == values.get("warmup", 0.0)
        assert np.all(rates >= 0)
        assert rates.max() <= values["base_lr"] * (1 + 1e-12)
        assert np.isfinite(rates).all()
        trial = FixedTrial(values)
        SPACES[name].suggest(trial, family, Budget(epochs=epochs), ranges)
        used |= set(trial.params)
        for parameter, distribution in trial.distributions.items():
            bounds = ranges[parameter]
            assert (distribution.low, distribution.high) == (bounds.low, bounds.high)  # type: ignore[attr-defined]
            assert distribution.log == bounds.log  # type: ignore[attr-defined]
    assert used <= set(ranges)


def test_every_range_is_used_by_a_family() -> None:
    for name, space in SPACES.items():
        ranges, used = space.ranges(Budget()), set()
        for family in space.FAMILIES:
            trial = FixedTrial({parameter: each.high for parameter, each in ranges.items()})
            SPACES[name].suggest(trial, family, Budget(), ranges)
            used |= set(trial.params)
        assert used == set(ranges), name


def test_the_families_of_the_comparison_have_one_parameter_beside_the_rate() -> None:
    space, budget = SPACES["cosine"], Budget()
    ranges = space.ranges(budget)
    for family in space.FAMILIES:
        trial = FixedTrial({name: each.high for name, each in ranges.items()})
        space.suggest(trial, family, budget, ranges)
        assert len(trial.params) == (1 if family == "constant" else 2)


@pytest.mark.parametrize("epochs", EPOCHS)
@pytest.mark.parametrize(("name", "family"), CASES)
def test_baselines_lie_in_the_ranges_and_name_what_the_family_uses(
    name: str, family: str, epochs: int
) -> None:
    budget = Budget(epochs=epochs)
    ranges = SPACES[name].ranges(budget)
    for values in SPACES[name].baselines(family, budget):
        for parameter, value in values.items():
            assert ranges[parameter].low <= value <= ranges[parameter].high
        trial = FixedTrial(values)
        SPACES[name].suggest(trial, family, budget, ranges)
        assert set(trial.params) == set(values)


def test_the_spaces_build_the_schedules_of_their_questions() -> None:
    values = {"base_lr": 0.4, "final_fraction": 0.1, "exponent": 2.0, "alpha": 0.5, "warmup": 2.0}
    epochs = np.arange(9)
    expected = {
        ("fixed_rate", "constant"): np.full(9, 0.4),
        ("polynomial", "polynomial"): 0.4 * (1 - epochs / 8) ** 2,
        ("polynomial", "inverse_power"): 0.4 / (1 + epochs) ** 2,
        ("cosine", "factor"): 0.4 * 0.1 ** (epochs / 8),
        ("cosine", "multi_factor"): np.repeat([0.4, 0.2, 0.1], [4, 2, 3]),
        ("cosine", "polynomial"): 0.4 * (1 - epochs / 8) ** 2,
        ("cosine", "cosine"): 0.04 + 0.36 * (1 + np.cos(np.pi * epochs / 8)) / 2,
        ("warmup", "constant"): 0.4 * np.minimum(epochs / 2, 1),
        ("warmup", "polynomial"): 0.4 * np.minimum(epochs / 2, (8 - epochs) / 6),
    }
    for (name, family), rates in expected.items():
        schedule = schedule_of(name, family, values, 8)
        np.testing.assert_allclose(schedule(epochs), rates, rtol=1e-12, atol=1e-15)
    warm_cosine = schedule_of("warmup", "cosine", values, 8)(epochs)
    np.testing.assert_allclose(warm_cosine[[0, 1, 2, 8]], [0, 0.2, 0.4, 0.4 / 30], atol=1e-15)


def test_warmup_may_last_a_third_of_training() -> None:
    assert SPACES["warmup"].ranges(Budget(epochs=30))["warmup"].high == 10.0
    assert SPACES["warmup"].ranges(Budget(epochs=1))["warmup"].high == pytest.approx(1 / 3)


# ---------------------------------------------------------------- the chapter's design


def rates_of(run: str, variant: str) -> list[float]:
    """Rate of each of the 30 epochs, constant within an epoch."""
    rates = schedule_of("chapter", f"{run}/{variant}", {}, 30)(np.arange(30 * 7), 7).reshape(30, 7)
    assert np.all(rates == rates[:, :1])
    return [float(rate) for rate in rates[:, 0]]


def cosine_20(k: float, start: float = 0.0) -> float:
    return 0.01 + 0.29 * (1 + np.cos(np.pi * (k - start) / (20 - start))) / 2 if k < 20 else 0.01


INTENDED = {
    "constant": [0.3] * 30,
    "square_root": [0.1 / (k + 1) ** 0.5 for k in range(30)],
    "multi_factor": [0.5] * 15 + [0.25] * 15,
    "cosine": [cosine_20(k) for k in range(30)],
    "warmup_cosine": [0.0, 0.06, 0.12, 0.18, 0.24] + [cosine_20(k, 5) for k in range(5, 30)],
}


@pytest.mark.parametrize("run", chapter.RUNS)
def test_as_intended_is_the_texts_schedule(run: str) -> None:
    assert rates_of(run, "as-intended") == pytest.approx(INTENDED[run], rel=1e-12, abs=1e-15)


PUBLISHED = {
    # No scheduler.
    "constant": [0.3] * 30,
    # The scheduler is applied after each epoch, so epoch k trains at s(k - 1).
    "square_root": [0.1] + [0.1 / k**0.5 for k in range(1, 30)],
    # Stepped 30 times for a plot before training: past both milestones, 0.5 * 0.5^2.
    "multi_factor": [0.125] * 30,
    "cosine": [0.3] + [cosine_20(k) for k in range(29)],
    # Epoch 0 at the optimizer's 0.3, epoch 1 at 0, then the warmup one epoch late.
    "warmup_cosine": [0.3, 0.0, 0.06, 0.12, 0.18, 0.24, *(cosine_20(k, 5) for k in range(5, 29))],
}


@pytest.mark.parametrize("run", chapter.RUNS)
def test_as_published_is_what_the_program_trained(run: str) -> None:
    assert rates_of(run, "as-published") == pytest.approx(PUBLISHED[run], rel=1e-12, abs=1e-15)


def test_the_chapters_design_is_five_runs_twice_over_several_seeds() -> None:
    assert len(chapter.FAMILIES) == 10
    assert chapter.PRESETS["standard"].trials_per_family >= 3
    assert all(preset.replicates is None for preset in chapter.PRESETS.values())


def test_an_unknown_space_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^unknown search space 'cosin'") as caught:
        find_space("cosin")
    assert str(caught.value) == (
        "unknown search space 'cosin'. Did you mean 'cosine'? There are: fixed_rate, polynomial, "
        "cosine, warmup, langevin, chapter, schedules."
    )


def test_the_spaces_use_the_words_of_the_schedules() -> None:
    for name, family in CASES:
        if name != "chapter":
            assert _SCHEDULES.get(family, family) in FAMILIES


# ---------------------------------------------------------------- grids around the best


def best_of(name: str, epochs: int, share: float = 0.3) -> dict[str, Parameters]:
    """Some parameters of every family, this far into each range."""
    space, budget = SPACES[name], Budget(epochs=epochs)
    ranges = space.ranges(budget)
    found = {}
    for family in space.FAMILIES:
        inside = {key: each.low + share * (each.high - each.low) for key, each in ranges.items()}
        trial = FixedTrial(inside)
        SPACES[name].suggest(trial, family, budget, ranges)
        found[family] = dict(trial.params)
    return found


def grid_of(name: str, best: dict[str, Parameters], epochs: int = 8) -> list[Arm]:
    return SPACES[name].grid(best, Budget(epochs=epochs, train_size=1000, val_size=200))


def schedule_of_arm(name: str, arm: Arm, epochs: int) -> Schedule:
    """The schedule of an arm, which may lie outside the ranges of the search."""
    ranges = {key: Range(low=value, high=value) for key, value in arm.parameters.items()}
    built = SPACES[name].suggest(
        FixedTrial(arm.parameters), arm.family, Budget(epochs=epochs), ranges
    )
    schedule = TrialConfig(**built, epochs=epochs, seed=0).schedule
    assert isinstance(schedule, Schedule)
    return schedule


@pytest.mark.parametrize("epochs", range(1, 31))
@pytest.mark.parametrize("name", SPACES)
def test_every_arm_of_a_grid_is_a_valid_trial_and_none_comes_twice(name: str, epochs: int) -> None:
    for share in (0.0, 0.3, 1.0):
        best = best_of(name, epochs, share)
        arms = grid_of(name, best, epochs)
        assert bool(arms) != SPACES[name].DESIGNED
        for index, arm in enumerate(arms):
            length = (arm.budget or Budget(epochs=epochs)).epochs
            assert length <= epochs
            rates = schedule_of_arm(name, arm, length)(np.arange(length * 10), 10)
            assert np.isfinite(rates).all()
            assert np.all(rates <= arm.parameters["base_lr"] * (1 + 1e-12))
            assert arm.parameters.keys() == best[arm.family].keys()
            assert (arm.role, arm.origin) == ("grid", None)
            assert not any(arm.same_run(other) for other in arms[:index])


@pytest.mark.parametrize("name", SPACES)
def test_a_grid_needs_only_the_families_that_the_search_had(name: str) -> None:
    best = best_of(name, 8)
    assert grid_of(name, {}) == []
    for family, values in best.items():
        alone = grid_of(name, {family: values})
        assert {arm.family for arm in alone} <= {family}
        others = {key: each for key, each in best.items() if key != family}
        assert {arm.family for arm in grid_of(name, others)} <= set(others)


def test_rates_around_the_best_fixed_rate() -> None:
    arms = grid_of("fixed_rate", {"constant": {"base_lr": 0.2}})
    rates = np.array([arm.parameters["base_lr"] for arm in arms])
    assert 0.2 in rates
    assert (rates.min(), rates.max()) == (0.05, 0.8)
    assert np.all(np.diff(rates) > 0)
    near = np.diff(np.log2(rates[(rates >= 0.1) & (rates <= 0.4)]))
    np.testing.assert_allclose(near, 0.5, rtol=1e-12)
    assert {arm.budget for arm in arms} == {None}


def crossed(arms: list[Arm], *names: str) -> list[set[float]]:
    """The values of each parameter; the arms must be their full crossing."""
    pairs = [tuple(arm.parameters[name] for name in names) for arm in arms]
    values = [set(column) for column in zip(*pairs, strict=True)]
    assert set(pairs) == set(itertools.product(*values))
    assert len(pairs) == len(set(pairs))
    return values


def test_exponents_are_crossed_with_rates_around_the_best() -> None:
    arms = grid_of("polynomial", best_of("polynomial", 8))
    assert {arm.family for arm in arms} == {"polynomial"}
    rate = best_of("polynomial", 8)["polynomial"]["base_lr"]
    rates, exponents = crossed(arms, "base_lr", "exponent")
    assert {rate, rate / 2, rate * 2} < rates
    assert exponents == {0.5, 1.0, 2.0, 4.0}
    assert grid_of("polynomial", {"inverse_power": {"base_lr": 1.0, "exponent": 1.0}}) == []


@pytest.mark.parametrize("epochs", [1, 8, 30])
def test_warmups_up_to_the_longest_are_crossed_with_rates_up_to_four_times(epochs: int) -> None:
    best = best_of("warmup", epochs)
    arms = grid_of("warmup", best, epochs)
    rates, lengths = crossed(arms, "base_lr", "warmup")
    rate = best["cosine"]["base_lr"]
    assert rate in rates
    assert (min(rates), max(rates)) == (rate / 2, rate * 4)
    longest = SPACES["warmup"].ranges(Budget(epochs=epochs))["warmup"].high
    assert (min(lengths), max(lengths)) == (0.0, longest)


def test_warmup_is_measured_under_one_schedule_the_first_that_the_search_has() -> None:
    best = best_of("warmup", 8)
    for known, family in [
        (["constant", "polynomial", "cosine"], "cosine"),
        (["constant", "polynomial"], "polynomial"),
        (["constant"], "constant"),
    ]:
        arms = grid_of("warmup", {name: best[name] for name in known})
        assert {arm.family for arm in arms} == {family}
        assert best[family]["base_lr"] in {arm.parameters["base_lr"] for arm in arms}


def test_a_ladder_of_smaller_problems_for_every_family_of_the_comparison() -> None:
    best = best_of("cosine", 8)
    arms = grid_of("cosine", best)
    sizes = [(250, 8), (500, 8), (1000, 4)]
    for family, values in best.items():
        mine = [arm for arm in arms if arm.family == family]
        assert all(arm.parameters == values for arm in mine)
        budgets = [arm.budget for arm in mine]
        assert budgets == [Budget(epochs=e, train_size=n, val_size=200) for n, e in sizes]
    assert len(arms) == len(sizes) * len(best)


@pytest.mark.parametrize("epochs", range(1, 31))
@pytest.mark.parametrize("images", [1, 2, 3, 1000])
def test_every_rung_of_the_ladder_is_smaller_than_the_whole(epochs: int, images: int) -> None:
    """The whole problem is the candidate's own run."""
    budget = Budget(epochs=epochs, train_size=images)
    for arm in SPACES["cosine"].grid(best_of("cosine", epochs), budget):
        assert arm.budget is not None
        assert arm.budget.train_size is not None
        assert (arm.budget.epochs, arm.budget.train_size) != (epochs, images)
        assert 1 <= arm.budget.epochs <= epochs
        assert 1 <= arm.budget.train_size <= images


def test_a_ladder_needs_the_number_of_images() -> None:
    assert SPACES["cosine"].grid(best_of("cosine", 8), Budget(epochs=8)) == []


def test_sgld_is_trained_at_temperatures_from_zero_to_one_and_nothing_else_differs() -> None:
    best = best_of("langevin", 8)
    arms = grid_of("langevin", best)
    assert {arm.family for arm in arms} == {"sgld"}
    temperatures = [arm.parameters["temperature"] for arm in arms]
    assert temperatures == sorted(temperatures)
    assert (temperatures[0], temperatures[-1]) == (0.0, 1.0)
    for arm in arms:
        assert arm.parameters | {"temperature": 0.0} == best["sgld"] | {"temperature": 0.0}


def sampling_of(family: str, epochs: int, share: float = 0.5) -> WeightSampling:
    values = best_of("langevin", epochs, share)[family]
    budget = Budget(epochs=epochs)
    ranges = SPACES["langevin"].ranges(budget)
    built = SPACES["langevin"].suggest(FixedTrial(values), family, budget, ranges)
    sampling = built["weight_sampling"]
    assert isinstance(sampling, WeightSampling)
    return sampling


@pytest.mark.parametrize("epochs", [3, 12, 30])
def test_each_method_samples_where_it_should(epochs: int) -> None:
    steps, n = epochs * 60, 60
    taken = {
        family: np.flatnonzero(sampling_of(family, epochs).is_sample(steps, n)) + 1
        for family in SPACES["langevin"].FAMILIES
    }
    assert list(taken["sgd"]) == [steps]
    assert list(taken["snapshots"]) == [steps // 3, 2 * steps // 3, steps]
    for family in ("sgld", "swa"):
        assert taken[family].min() > steps // 2
        assert taken[family].max() == pytest.approx(steps, abs=n)
        assert len(taken[family]) >= 4
    for start in (0, steps // 3, 2 * steps // 3):
        cycle = taken["cyclical"][
            (taken["cyclical"] > start) & (taken["cyclical"] <= start + steps // 3)
        ]
        assert len(cycle) >= 2
        assert cycle.min() > start + steps // 6 - 1


def test_only_sgld_and_cyclical_have_noise_and_the_latter_only_where_it_samples() -> None:
    values = {family: sampling_of(family, 12) for family in SPACES["langevin"].FAMILIES}
    hot = {family: each.temperatures(1200, 100) for family, each in values.items()}
    for family in ("sgd", "swa", "snapshots"):
        assert not hot[family].any()
    assert (hot["sgld"] == values["sgld"].temperature).all()
    cyclical = values["cyclical"]
    assert 0 < (hot["cyclical"] > 0).mean() < 1
    assert (hot["cyclical"][cyclical.is_sample(1200, 100)] == cyclical.temperature).all()
    assert not hot["cyclical"][[0, 400, 800]].any()
