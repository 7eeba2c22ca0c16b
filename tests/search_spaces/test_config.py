"""TrialConfig, Range and Budget: what they accept, and how they say no."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from search_spaces.config import Arm, Budget, Range, TrialConfig
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.given import Plateau
from search_spaces.schedules.horizon import Cosine
from search_spaces.schedules.problems import first_problem

SCHEDULE = {"family": "constant", "base_lr": 0.1, "warmup": 3}
TRIAL: dict[str, Any] = {"schedule": SCHEDULE, "epochs": 5, "seed": 0}

ARM: dict[str, Any] = {"family": "constant", "parameters": {"base_lr": 0.1}}


def test_defaults_are_the_chapters_optimizer() -> None:
    config = TrialConfig.model_validate(TRIAL)
    assert config.schedule == Constant(base_lr=0.1, warmup=3)
    assert (config.batch_size, config.momentum, config.nesterov) == (256, 0.0, False)
    assert (config.weight_decay, config.init) == (0.0, "default")


def test_json_round_trip() -> None:
    config = TrialConfig(
        schedule=Plateau(base_lr=0.1, patience=2),
        epochs=5,
        seed=7,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        init="xavier_uniform",
    )
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


def test_the_horizon_may_differ_from_the_training_length() -> None:
    for horizon in (2.0, 50.0):
        schedule = Cosine(base_lr=0.1, horizon=horizon)
        assert TrialConfig(schedule=schedule, epochs=5, seed=0).schedule == schedule


def test_a_warmup_may_last_as_long_as_training() -> None:
    assert TrialConfig.model_validate(TRIAL | {"epochs": 3}).epochs == 3


WRONG: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (TrialConfig, {"epochs": 2}, "a warmup of 3 epochs is longer than training (2)"),
    (TrialConfig, {"nesterov": True}, "nesterov needs a momentum above 0"),
    (TrialConfig, {"epochs": 0}, "epochs must be at least 1, not 0"),
    (TrialConfig, {"seed": -1}, "seed must be at least 0, not -1"),
    (TrialConfig, {"batch_size": 0}, "batch_size must be at least 1"),
    (TrialConfig, {"momentum": 1.0}, "momentum must be below 1, not 1.0"),
    (TrialConfig, {"momentum": -0.1}, "momentum must be at least 0"),
    (TrialConfig, {"weight_decay": -1e-4}, "weight_decay must be at least 0"),
    (TrialConfig, {"weight_decay": float("inf")}, "weight_decay must be a finite number"),
    (TrialConfig, {"init": "ones"}, "init must be 'default' or 'xavier_uniform'"),
    (TrialConfig, {"schedule": {"family": "x"}}, "schedule must be one of 'constant', 'factor', "),
    (TrialConfig, {"colour": 1}, "colour is not known here"),
    (Range, {"low": 2, "high": 1}, "the range 2:1 is inverted"),
    (Range, {"low": 0, "high": 1, "log": True}, "must start above 0, not at 0"),
    (Range, {"low": float("nan"), "high": 1}, "low must be a finite number, not nan"),
    (Range, {"low": 0, "high": float("inf")}, "high must be a finite number, not inf"),
    (Range, {"low": 0}, "high is missing"),
    (Budget, {"epochs": 0}, "epochs must be at least 1, not 0"),
    (Budget, {"train_size": 0}, "train_size must be at least 1, not 0"),
    (Budget, {"val_size": 0}, "val_size must be at least 1, not 0"),
    (Arm, {"family": "constant"}, "parameters is missing"),
    (Arm, ARM | {"role": "winner"}, "role must be 'candidate' or 'grid', not 'winner'"),
    (Arm, ARM | {"origin": -1}, "origin must be at least 0, not -1"),
    (Arm, ARM | {"parameters": {"base_lr": "big"}}, "base_lr must be a number"),
    (Arm, ARM | {"seed": 1}, "seed is not known here"),
]


@pytest.mark.parametrize(("model", "fields", "message"), WRONG)
def test_wrong_values_are_explained_in_one_line(
    model: type[BaseModel], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate((TRIAL if model is TrialConfig else {}) | fields)
    line = first_problem(caught.value)
    assert message in line
    assert "\n" not in line


def test_a_range_of_one_value_is_fixed() -> None:
    assert Range(low=0.1, high=0.1, log=True).fixed
    assert not Range(low=0.1, high=0.2).fixed


def test_a_logarithmic_range_may_start_at_any_positive_value() -> None:
    assert Range(low=1e-300, high=1, log=True).low == 1e-300


def test_budget_defaults_are_the_chapters() -> None:
    assert Budget().model_dump() == {"epochs": 30, "train_size": None, "val_size": None}


def test_configurations_are_frozen() -> None:
    frozen = (TrialConfig.model_validate(TRIAL), Range(low=0, high=1), Budget(), Arm(**ARM))
    for model in frozen:
        name = next(iter(type(model).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, name, None)


def test_an_arm_survives_json() -> None:
    for arm in (Arm(**ARM), Arm(**ARM, budget=Budget(epochs=2), role="candidate", origin=7)):
        assert Arm.model_validate_json(arm.model_dump_json()) == arm


def test_arms_are_the_same_run_whatever_they_are_there_for() -> None:
    arm = Arm(**ARM)
    assert arm.same_run(Arm(**ARM, role="candidate", origin=3))
    for change in (
        {"family": "cosine"},
        {"parameters": {"base_lr": 0.1 + 1e-12}},
        {"parameters": {"base_lr": 0.1, "warmup": 0.0}},
        {"budget": Budget(epochs=2)},
    ):
        assert not arm.same_run(Arm(**ARM | change))


MOVED = {"family": "one_cycle", "base_lr": 0.1, "peak": 1, "horizon": 3, "max_momentum": 0.9}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"momentum": 0.5}, "the schedule moves the momentum: leave momentum at 0"),
        (
            {"weight_sampling": {"temperature": 1.0, "thinning": 1.0}},
            "a temperature above 0 needs a momentum of 0",
        ),
        (
            {"schedule": MOVED | {"base_momentum": 0.95}},
            "schedule: base_momentum=0.95 lies above max_momentum=0.9",
        ),
    ],
)
def test_a_moved_momentum_has_the_limits_of_a_fixed_one(
    fields: dict[str, Any], message: str
) -> None:
    whole = {"schedule": MOVED, "epochs": 3, "seed": 0}
    config = TrialConfig.model_validate(whole | {"nesterov": True})
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError) as caught:
        TrialConfig.model_validate(whole | fields)
    assert first_problem(caught.value) == message
