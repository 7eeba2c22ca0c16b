"""Schedules written as one line of text."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.cycles import OneCycle
from search_spaces.schedules.decays import Constant, MultiFactor
from search_spaces.schedules.given import Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine
from search_spaces.schedules.sequence import Then
from search_spaces.schedules.text import first_problem, parse_schedule
from search_spaces.words.unknown import unknown


def torch_arguments(text: str) -> dict[str, Any]:
    schedule = parse_schedule(f"torch:base=0.1,scheduler=StepLR,{text}")
    assert isinstance(schedule, TorchScheduler)
    return schedule.arguments


RIGHT: dict[str, ScheduleConfig] = {
    "cosine:base=0.3,final=0.01,horizon=20,warmup=5": Cosine(
        base_lr=0.3, final_lr=0.01, horizon=20, warmup=5
    ),
    " cosine : base_lr = 3e-1 , final_lr=.01,horizon=20,": Cosine(
        base_lr=0.3, final_lr=0.01, horizon=20
    ),
    "one_cycle:base=1,start=0.1,peak=2,horizon=5,shape=linear": OneCycle(
        base_lr=1, start_lr=0.1, peak=2, horizon=5, shape="linear"
    ),
    "multi_factor:base=0.5,alpha=0.5,milestones=15/30": MultiFactor(
        base_lr=0.5, alpha=0.5, milestones=(15, 30)
    ),
    "multi_factor:base=0.5,alpha=0.5,milestones=15": MultiFactor(
        base_lr=0.5, alpha=0.5, milestones=(15,)
    ),
    "table:rates=0.1/0.3/0.2,per=update": Table(base_lr=0.3, rates=(0.1, 0.3, 0.2), per="update"),
    "constant:base=0.1,hold_epochs=true": Constant(base_lr=0.1, hold_epochs=True),
    "constant:base=0.1,hold_epochs=False": Constant(base_lr=0.1),
    "torch:base=0.1,scheduler=MultiStepLR,milestones=3/6,gamma=0.5,per=update": TorchScheduler(
        base_lr=0.1,
        scheduler="MultiStepLR",
        arguments={"milestones": [3, 6], "gamma": 0.5},
        per="update",
    ),
}


@pytest.mark.parametrize("text", RIGHT)
def test_text_becomes_a_schedule(text: str) -> None:
    assert parse_schedule(text) == RIGHT[text]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=3", 3),
        ("a=3.0", 3.0),
        ("a=-1e-3", -0.001),
        ("a=.5", 0.5),
        ("a=True", True),
        ("a=false", False),
        ("a=None", None),
        ("a=cos", "cos"),
        ("a=1/4", 0.25),
        ("a=1/x", "1/x"),
        ("a=1/0", "1/0"),
    ],
)
def test_values_of_torch_arguments_keep_their_type(text: str, value: Any) -> None:
    got = torch_arguments(text)["a"]
    assert got == value
    assert type(got) is type(value)


WRONG = [
    ("cosin:base=1", "unknown schedule 'cosin'. Did you mean 'cosine'? There are: constant, "),
    ("zzz", "unknown schedule 'zzz'. There are: constant, factor, "),
    ("", "unknown schedule ''. There are: "),
    (
        "constant:bas=1",
        "unknown parameter of constant 'bas'. Did you mean 'base'? There are: base, warmup, "
        "warmup_lr, warmup_shape, hold_epochs.",
    ),
    ("cosine:family=constant,base=1", "unknown parameter of cosine 'family'. "),
    ("constant:base", "'base' in 'constant:base' is not of the form name=value"),
    ("constant:base=1,base_lr=2", "'base' is given twice in 'constant:base=1,base_lr=2'"),
    ("constant", "constant: base is missing"),
    ("cosine:base=1", "cosine:base=1: horizon is missing"),
    ("constant:base=-1", ": base must be above 0, not -1"),
    ("constant:base=nan", ": base must be a finite number, not nan"),
    ("constant:base=high", ": base must be a number, not 'high'"),
    ("constant:base=1,warmup_shape=cubic", "must be 'linear' or 'constant', not 'cubic'"),
    ("table:rates=0.1/foo", "number 2 of rates must be a number, not 'foo'"),
    ("table:rates=", "rates must not be empty"),
    ("torch:base=1,scheduler=3", "scheduler must be text, not 3"),
    ("cosine:base=1,horizon=5,warmup=6", ": warmup=6 must be shorter than the schedule, which"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_text_is_explained_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        parse_schedule(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, ValidationError)


def test_unknown_offers_only_a_near_name() -> None:
    assert unknown("colour", "rde", ["red", "blue"]) == (
        "unknown colour 'rde'. Did you mean 'red'? There are: red, blue."
    )
    assert unknown("colour", "x", iter(["red"])) == "unknown colour 'x'. There are: red."


def problem(kind: Any, data: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(data)
    return first_problem(caught.value)


def test_first_problem_names_the_place_without_the_family() -> None:
    config = {"schedule": {"family": "constant", "base_lr": 0}, "epochs": 3, "seed": 0}
    assert problem(TrialConfig, config) == ("schedule.base_lr must be above 0, not 0")
    config["schedule"] = {"family": "constant", "base_lr": 1, "warmup": 4}
    assert problem(TrialConfig, config) == "a warmup of 4 epochs is longer than training (3)"


def test_first_problem_leaves_out_values_that_are_long_or_allowed() -> None:
    config = {"schedule": {"family": "constant"}, "epochs": 3, "seed": 0}
    assert problem(TrialConfig, config) == "schedule.base_lr is missing"
    config["schedule"] = {"family": "constant", "base_lr": 1, "alpha": 0.5}
    assert problem(TrialConfig, config) == "schedule.alpha is not known here"
    assert problem(list[int], {"a": 1}) == "it must be a list"


def test_parts_of_a_sequence_share_a_base_rate_and_fill_their_own_time() -> None:
    found = parse_schedule("constant:base=0.3,until=5 then cosine:final=0.01 ", 20)
    parts = (Constant(base_lr=0.3), Cosine(base_lr=0.3, final_lr=0.01, horizon=15))
    assert found == Then(base_lr=0.3, parts=parts, boundaries=(5.0,))
    ends = parse_schedule("table:rates=0.1/0.4,until=2 then factor:alpha=0.5")
    assert isinstance(ends, Then)
    assert (ends.base_lr, ends.parts[1].base_lr) == (0.4, 0.4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "constant then cosine",
            "'constant then cosine': every schedule but the last needs",
        ),
        ("constant:until=1 then cosine:until=2", "every schedule but the last needs one until=EPO"),
        ("constant:base=1,until=0 then constant", "number 1 of until must be above 0, not 0"),
        ("constant:base=1,until=x then constant", "number 1 of until must be a number, not 'x'"),
        ("constant:base=1,until=3 then cosin", "unknown schedule 'cosin'. Did you mean 'cosine'?"),
        ("plateau:base=1,until=3 then constant", "a part cannot follow the validation loss"),
        ("constant:until=3 then constant", "base is missing"),
        ("then:parts=1", "'then' stands between two schedules: constant:base=0.3,until=10 then"),
    ],
)
def test_a_wrong_sequence_is_explained_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        parse_schedule(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("cosine:base=1,warmup=10%", "cosine:base=1,warmup=3"),
        ("cosine:base=1,warmup=1/3 of training,horizon=90 %", "cosine:base=1,warmup=10,horizon=27"),
        ("constant:base=1,until=10% then cosine", "constant:base=1,until=3 then cosine:horizon=27"),
        (
            "constant:base=1,until=50% then cosine:warmup=10%",
            "constant:base=1,until=15 then cosine:warmup=3,horizon=15",
        ),
        ("cosine_restarts:base=1,cycle=1/3 of training", "cosine_restarts:base=1,cycle=10"),
        ("cosine_restarts:base=1,cycles=3", "cosine_restarts:base=1,cycle=10"),
        ("cosine_restarts:base=1", "cosine_restarts:base=1,cycle=10"),
        (
            "cosine_restarts:base=1,cycles=2,warmup=10%",
            "cosine_restarts:base=1,cycle=13.5,warmup=3",
        ),
        (
            "cosine_restarts:base=1,cycles=4,multiplier=2",
            "cosine_restarts:base=1,cycle=2,multiplier=2",
        ),
    ],
)
def test_shares_and_cycles_are_of_training(text: str, same: str) -> None:
    assert parse_schedule(text, 30) == parse_schedule(same, 30)


@pytest.mark.parametrize(
    ("text", "epochs", "message"),
    [
        ("cosine:base=1,warmup=10%", None, "warmup is a share of training, whose epochs are not"),
        ("cosine_restarts:base=1,cycles=3", None, "cycles divides training, whose epochs are not"),
        ("cosine:base=1,final=10%", 30, "final is no duration, and cannot be a share of training"),
        ("cosine:base=1,warmup=x%", 30, "warmup must be a number, not 'x%'"),
        ("cosine:base=1,warmup=-5%", 30, "warmup must be at least 0, not -1.5"),
        ("cosine_restarts:base=1,cycles=0", 30, "cycles must be a whole number from 1"),
        ("cosine_restarts:base=1,cycles=1.5", 30, "cycles must be a whole number from 1"),
        (
            "cosine_restarts:base=1,cycles=2,cycle=3",
            30,
            "cycles must be a whole number from 1 to 1",
        ),
        ("cosine_restarts:base=1,multiplier=x", 30, "multiplier must be a number, not 'x'"),
    ],
)
def test_a_wrong_share_is_explained_in_one_line(
    text: str, epochs: int | None, message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        parse_schedule(text, epochs)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
