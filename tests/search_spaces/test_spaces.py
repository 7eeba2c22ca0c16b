"""Every search space keeps the contract, and the chapter's runs are the published ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from optuna.trial import FixedTrial

from search_spaces import chapter
from search_spaces.config import Budget, Parameters, TrialConfig
from search_spaces.schedules import FAMILIES, Schedule
from search_spaces.spaces import SPACES, find_space

EPOCHS = (1, 2, 6, 30)
CASES = [(name, family) for name, space in SPACES.items() for family in space.FAMILIES]


def schedule_of(name: str, family: str, values: Parameters, epochs: int) -> Schedule:
    """The schedule that a space builds from these values, in a valid TrialConfig."""
    space, budget = SPACES[name], Budget(epochs=epochs)
    trial = FixedTrial(values)
    built = space.suggest_schedule(trial, family, budget, space.ranges(budget))
    config = TrialConfig(schedule=built, epochs=epochs, seed=0)
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
        assert schedule.family == family
        assert schedule.base_lr == values["base_lr"]
        assert schedule.warmup == values.get("warmup", 0.0)
        assert np.all(rates >= 0)
        assert rates.max() <= values["base_lr"] * (1 + 1e-12)
        assert np.isfinite(rates).all()
        trial = FixedTrial(values)
        SPACES[name].suggest_schedule(trial, family, Budget(epochs=epochs), ranges)
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
            space.suggest_schedule(trial, family, Budget(), ranges)
            used |= set(trial.params)
        assert used == set(ranges), name


def test_the_families_of_the_comparison_have_one_parameter_beside_the_rate() -> None:
    space, budget = SPACES["cosine"], Budget()
    ranges = space.ranges(budget)
    for family in space.FAMILIES:
        trial = FixedTrial({name: each.high for name, each in ranges.items()})
        space.suggest_schedule(trial, family, budget, ranges)
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
        SPACES[name].suggest_schedule(trial, family, budget, ranges)
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
        "cosine, warmup, chapter."
    )


def test_the_spaces_use_the_words_of_the_schedules() -> None:
    for name, family in CASES:
        if name != "chapter":
            assert family in FAMILIES
