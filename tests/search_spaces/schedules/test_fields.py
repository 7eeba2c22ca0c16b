"""Fields of schedules: what they take, and what they refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from search_spaces.config import Arm, Budget, Range, TrialConfig
from search_spaces.schedules.base import Schedule
from search_spaces.schedules.decays import Constant, MultiFactor
from search_spaces.schedules.families import schedule_adapter
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine
from search_spaces.weight_sampling import WeightSampling
from study.spec import StudySpec


def test_steps_per_epoch_must_be_positive() -> None:
    with pytest.raises(ValueError, match="steps_per_epoch must be at least 1, not 0"):
        Constant(base_lr=0.1)(0, 0)


def test_a_schedule_without_a_formula_says_so() -> None:
    with pytest.raises(TypeError, match="Schedule has no closed form"):
        Schedule(family="none", base_lr=0.1)(0)


def test_a_table_without_base_rate_takes_its_highest() -> None:
    assert Table.model_validate({"rates": (0.1, 0.4, 0.2)}).base_lr == 0.4
    assert Table.model_validate({"rates": (0.1, 0.4), "base_lr": 0.2}).base_lr == 0.2


RATES = [0.1, 0.4, 0.2]
SEQUENCES: dict[str, Callable[[list[float]], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "array": np.array,
    "array of float32": lambda rates: np.array(rates, dtype=np.float32),
    "list of float32": lambda rates: [np.float32(rate) for rate in rates],
    "tuple of arrays": lambda rates: tuple(np.array(rate) for rate in rates),
    "column": pd.Series,
    "tensor": lambda rates: torch.tensor(rates, dtype=torch.float64),
    "fractions": lambda rates: [Fraction(rate) for rate in rates],
    "decimals": lambda rates: [Decimal(rate) for rate in rates],
    "texts": lambda rates: [str(rate) for rate in rates],
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_table_takes_any_sequence_of_numbers_and_its_highest(kind: str) -> None:
    table = Table(rates=SEQUENCES[kind](RATES))  # type: ignore[call-arg]
    np.testing.assert_allclose(table.rates, RATES, rtol=1e-7)
    assert all(type(rate) is float for rate in table.rates)
    assert table.base_lr == max(table.rates)
    given = Table(rates=SEQUENCES[kind](RATES), base_lr=np.float32(0.5))
    assert (given.base_lr, given.rates) == (0.5, table.rates)
    assert Table.model_validate_json(table.model_dump_json()) == table


@pytest.mark.parametrize("kind", SEQUENCES)
def test_milestones_are_any_sequence_of_numbers(kind: str) -> None:
    schedule = MultiFactor(base_lr=0.5, alpha=0.5, milestones=SEQUENCES[kind]([2.0, 4.5]))
    assert schedule.milestones == (2.0, 4.5)


def test_a_table_of_whole_numbers_or_of_linspace() -> None:
    assert Table(rates=range(4)).base_lr == 3.0  # type: ignore[call-arg]
    table = Table(rates=np.linspace(0.3, 0.0, 4))  # type: ignore[call-arg]
    assert (table.base_lr, len(table.rates)) == (0.3, 4)


@pytest.mark.parametrize("number", [np.float32, np.float64, np.array, Fraction, torch.tensor])
def test_every_number_of_a_configuration_may_be_of_another_library(number: Any) -> None:
    half, two = number(0.5), number(2.0)
    schedule = Cosine(base_lr=half, warmup=half, warmup_lr=half, horizon=two, final_lr=half)
    assert schedule == Cosine(base_lr=0.5, warmup=0.5, warmup_lr=0.5, horizon=2.0, final_lr=0.5)
    assert Range(low=half, high=two) == Range(low=0.5, high=2.0)
    assert Arm(family="a", parameters={"x": half}).parameters == {"x": 0.5}
    sampling = WeightSampling(temperature=half, cycle=two, thinning=half)
    assert sampling == WeightSampling(temperature=0.5, cycle=2.0, thinning=0.5)
    config = TrialConfig(schedule=schedule, epochs=4, seed=0, momentum=half, weight_decay=half)
    assert (config.momentum, config.weight_decay) == (0.5, 0.5)
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("number", [np.int64, np.uint8, np.int32])
def test_whole_numbers_may_be_of_numpy(number: Any) -> None:
    budget = Budget(epochs=number(3), train_size=number(100))
    assert budget == Budget(epochs=3, train_size=100)
    schedule = Constant(base_lr=number(1), warmup=number(2))
    config = TrialConfig(schedule=schedule, epochs=number(3), seed=number(4), batch_size=number(5))
    assert (config.epochs, config.seed, config.batch_size) == (3, 4, 5)
    assert json.loads(config.model_dump_json())["schedule"]["base_lr"] == 1.0


def test_arguments_of_torch_and_options_of_an_optimizer_may_be_of_numpy() -> None:
    arguments = {"milestones": np.array([2, 4]), "gamma": np.float64(0.5)}
    schedule = TorchScheduler(base_lr=0.1, scheduler="MultiStepLR", arguments=arguments)
    assert schedule.arguments == {"milestones": [2, 4], "gamma": 0.5}
    spec = StudySpec(
        space="fixed_rate",
        families=("constant",),
        trials=np.int64(2),
        budget=Budget(epochs=1),
        ranges={"base_lr": Range(low=np.float32(0.5), high=1)},
        optimizer={"momentum": np.float32(0.5), "batch_size": np.int64(8)},
    )
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_a_class_that_torch_steps_after_every_batch_is_stepped_so(name: str) -> None:
    assert TorchScheduler(base_lr=0.1, scheduler=name).per == "update"
    assert TorchScheduler(base_lr=0.1, scheduler=name, per="epoch").per == "epoch"
    recorded = {"family": "torch", "base_lr": 0.1, "scheduler": name, "per": "epoch"}
    assert schedule_adapter.validate_python(recorded).per == "epoch"
    assert TorchScheduler(base_lr=0.1, scheduler="StepLR").per == "epoch"


def test_schedules_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Constant(base_lr=0.1), "base_lr", 0.2)  # noqa: B010 (mypy knows it is frozen)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"family": "constant", "base_lr": 0.0}, "greater than 0"),
    ({"family": "constant", "base_lr": math.inf}, "finite"),
    ({"family": "constant", "base_lr": 0.1, "warmup": -1.0}, "greater than or equal to 0"),
    ({"family": "constant", "base_lr": 0.1, "warmup_lr": math.nan}, "finite"),
    ({"family": "constant", "base_lr": 0.1, "warmup_shape": "cubic"}, "'linear' or 'constant'"),
    ({"family": "constant", "base_lr": 0.1, "horizon": 3}, "not permitted"),
    ({"family": "none", "base_lr": 0.1}, "does not match any of the expected tags"),
    ({"base_lr": 0.1}, "Unable to extract tag"),
    ({"family": "factor", "base_lr": 0.1, "alpha": 0.0}, "greater than 0"),
    ({"family": "factor", "base_lr": 0.1, "alpha": math.nan}, "finite"),
    ({"family": "factor", "base_lr": 0.1, "alpha": 0.5, "floor": 0.2}, "floor=0.2 lies above"),
    ({"family": "plateau", "base_lr": 0.1, "floor": 0.2}, "floor=0.2 lies above base_lr=0.1"),
    ({"family": "plateau", "base_lr": 0.1, "patience": -1}, "greater than or equal to 0"),
    (
        {"family": "multi_factor", "base_lr": 0.1, "alpha": 0.5, "milestones": [3, 3]},
        r"milestones must increase, not \[3.0, 3.0\]",
    ),
    (
        {"family": "multi_factor", "base_lr": 0.1, "alpha": 0.5, "milestones": [3], "warmup": 4},
        "the first milestone, 3, lies inside the warmup of 4",
    ),
    ({"family": "cosine", "base_lr": 0.1, "horizon": 0}, "greater than 0"),
    (
        {"family": "cosine", "base_lr": 0.1, "horizon": 5, "warmup": 5},
        "warmup=5 must be shorter than the schedule, which ends at 5",
    ),
    ({"family": "cosine_restarts", "base_lr": 0.1, "cycle": 5, "multiplier": 0.5}, "or equal to 1"),
    (
        {
            "family": "warmup_stable_decay",
            "base_lr": 0.1,
            "horizon": 5,
            "warmup": 2,
            "cooldown": 4,
        },
        r"cooldown=4 does not fit between the end of the warmup \(2\) and the horizon \(5\)",
    ),
    (
        {"family": "one_cycle", "base_lr": 0.1, "horizon": 5, "peak": 6},
        r"peak=6 must lie between the end of the warmup \(0\) and the horizon \(5\)",
    ),
    (
        {"family": "one_cycle", "base_lr": 0.1, "horizon": 5, "warmup": 2, "peak": 1},
        r"peak=1 must lie between the end of the warmup \(2\) and the horizon \(5\)",
    ),
    ({"family": "table", "rates": []}, "at least 1 item"),
    ({"family": "table", "rates": ["a", 0.1]}, "valid number"),
    ({"family": "table", "rates": [0.1, -0.1]}, "greater than or equal to 0"),
    ({"family": "table", "rates": 0.1}, "valid tuple"),
    ({"family": "torch", "base_lr": 0.1, "scheduler": "LambdaLR", "arguments": {"f": len}}, "JSON"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_wrong_fields_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        schedule_adapter.validate_python(fields)


def test_a_schedule_that_follows_the_loss_or_torch_cannot_be_called() -> None:
    assert not isinstance(Plateau(base_lr=0.1), Schedule)
    assert not isinstance(TorchScheduler(base_lr=0.1, scheduler="StepLR"), Schedule)
