"""Whatever is wrong with a configuration, its message is one plain sentence."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from search_spaces.config import Arm, Budget, Range, TrialConfig
from search_spaces.schedules.base import FAMILIES
from search_spaces.schedules.problems import first_problem
from search_spaces.schedules.text import parse_schedule
from search_spaces.weight_sampling import WeightSampling

RIGHT = {
    "constant": "base=1",
    "factor": "base=1,alpha=0.5",
    "multi_factor": "base=1,alpha=0.5,milestones=3/6",
    "inverse_power": "base=1",
    "power": "base=1,start=2",
    "rex": "base=1,horizon=9",
    "polynomial": "base=1,horizon=9",
    "cosine": "base=1,horizon=9",
    "cosine_restarts": "base=1,cycle=3",
    "warmup_stable_decay": "base=1,horizon=9,cooldown=3",
    "one_cycle": "base=1,horizon=9,peak=3",
    "table": "rates=0.1/0.2",
    "torch": "base=1,scheduler=StepLR,step_size=3",
    "plateau": "base=1",
}
BAD = ["x", "", "none", "nan", "inf", "-inf", "-1", "0", "2", "1e400", "1/0", "a/b", "9" * 5_000]
SHORT = {"base_lr": "base", "final_lr": "final", "start_lr": "start"}
MACHINE = re.compile(r"Input|valid |pydantic|<class|\[type=|errors\.|tuple|\bdict\b|None|\\n|\n")


def assert_plain(message: str) -> None:
    assert not MACHINE.search(message), message
    assert "cannot be used" not in message, "pydantic has a complaint without a sentence"


def refusal(text: str) -> str | None:
    try:
        parse_schedule(text)
    except ValueError as error:
        return str(error).removeprefix(f"{text}: ")
    return None


FIELDS = [
    (family, field)
    for family, cls in FAMILIES.items()
    if family in RIGHT
    for field in cls.model_fields
]


@pytest.mark.parametrize(("family", "field"), [pair for pair in FIELDS if pair[1] != "arguments"])
def test_every_field_of_every_schedule_is_refused_in_the_words_of_the_user(
    family: str, field: str
) -> None:
    """Bad values of many kinds, the field by its short and its long name, and the field left out;
    the message says what the user wrote."""
    right = dict(pair.split("=") for pair in RIGHT[family].split(","))
    others = {name: value for name, value in right.items() if name != SHORT.get(field, field)}
    refused = 0
    for name in {field, SHORT.get(field, field)} - {"family"}:
        for value in BAD:
            written = ",".join(f"{key}={each}" for key, each in {**others, name: value}.items())
            message = refusal(f"{family}:{written}")
            if message is not None:
                refused += 1
                assert_plain(message)
                assert re.search(rf"\b{name}\b", message), message
                assert len(message) < 300
    assert refused or field in ("family", "scheduler")
    left_out = refusal(f"{family}:{','.join(f'{key}={each}' for key, each in others.items())}")
    if left_out is not None:
        assert left_out == f"{SHORT.get(field, field)} is missing"


MODELS = [TrialConfig, Budget, Range, Arm, WeightSampling]
KINDS: list[Any] = [
    "x",
    None,
    [],
    ["x"],
    {},
    {"a": 1},
    -1,
    1.5,
    10**400,
    float("nan"),
    b"\xff",
    object(),
]
GOOD: dict[type[BaseModel], dict[str, Any]] = {
    TrialConfig: {"schedule": {"family": "constant", "base_lr": 1}, "epochs": 3, "seed": 0},
    Budget: {},
    Range: {"low": 0.1, "high": 1},
    Arm: {"family": "constant", "parameters": {"base_lr": 1}},
    WeightSampling: {},
}
PLACES = [(model, field) for model in MODELS for field in model.model_fields]


@pytest.mark.parametrize(("model", "field"), PLACES)
def test_every_field_of_every_configuration_is_refused_in_a_sentence(
    model: type[BaseModel], field: str
) -> None:
    refused = 0
    for value in KINDS:
        try:
            model.model_validate(GOOD[model] | {field: value})
        except ValidationError as error:
            refused += 1
            message = first_problem(error)
            assert_plain(message)
            assert field in message or "range" in message, message
    assert refused


def test_an_unknown_family_of_schedules_and_none_at_all() -> None:
    for schedule in ({"family": "cosin"}, {}, [], "cosine"):
        with pytest.raises(ValidationError) as caught:
            TrialConfig.model_validate({"schedule": schedule, "epochs": 1, "seed": 0})
        assert_plain(first_problem(caught.value))
        assert first_problem(caught.value).startswith("schedule must ")


def test_a_field_that_has_the_name_of_a_schedule_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, int]).validate_python({"factor": "x"})
    assert first_problem(caught.value) == "factor must be a whole number, not 'x'"
