"""Every schedule family says of itself all that a reader needs, and it is true."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from pydantic import ValidationError

from search_spaces.schedules.base import FAMILIES, Schedule, ScheduleConfig
from search_spaces.schedules.descriptions import Family, describe
from search_spaces.schedules.given import Plateau
from search_spaces.schedules.text import parse_schedule
from study.training.torch_schedules import closed_form

EPOCHS = 30


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return describe(request.param)


def without(text: str, names: tuple[str, ...]) -> str:
    """The text of a schedule without a parameter."""
    family, _, rest = text.partition(":")
    kept = [pair for pair in rest.split(",") if pair.partition("=")[0] not in names]
    return f"{family}:{','.join(kept)}"


def test_nothing_is_missing(family: Family) -> None:
    cls = FAMILIES[family.name]
    for text in (family.summary, family.formula, family.reference, family.example, cls.PHRASE):
        assert text
        assert "\n" not in text
    own = {"FORMULA", "REFERENCE", "EXAMPLE", "PHRASE", "__doc__"}
    assert own <= vars(cls).keys()  # its own, not another family's
    listed = [each.names[0] for each in (*family.own, *family.common)]
    assert sorted(listed) == sorted(cls.model_fields.keys() - {"family"})
    assert all(each.meaning and each.allowed for each in (*family.own, *family.common))


def test_a_line_of_the_list_fits_80_columns(family: Family) -> None:
    assert len(family.summary) <= 58


def test_the_example_is_of_the_family_and_uses_only_its_parameters(family: Family) -> None:
    schedule = parse_schedule(family.example, EPOCHS)
    assert schedule.family == family.name
    if not isinstance(schedule, Plateau):
        rates = closed_form(schedule, EPOCHS, 4)(np.arange(EPOCHS * 4), 4)
        assert rates.max() > rates.min() or family.name == "constant"


def test_short_names_are_names(family: Family) -> None:
    names = {each.names[0]: each.names for each in family.own}
    assert names["base_lr"] == ("base_lr", "base")
    for long, short in (("final_lr", "final"), ("start_lr", "start")):
        assert names.get(long, (long, short)) == (long, short)


def test_what_must_be_given_must_be_given(family: Family) -> None:
    if family.name == "then":  # its text has no parameters of its own
        return
    for each in (*family.own, *family.common):
        text = without(family.example, each.names)
        if each.default is None:
            # A table without rates has no highest one either.
            with pytest.raises(ValueError, match=f"{each.names[0]}|base"):
                parse_schedule(text, EPOCHS)
        else:
            parse_schedule(text, EPOCHS)


def test_defaults_are_the_model_s(family: Family) -> None:
    if family.name == "then":  # its text has no parameters of its own
        return
    schedule = parse_schedule(f"{family.name}:{needed(family)}", EPOCHS)
    for each in (*family.own, *family.common):
        value = getattr(schedule, each.names[0])
        if each.default is not None and each.names[0] not in FAMILIES[family.name].LEFT_OUT:
            spoken = f"{value:g}" if isinstance(value, float) else str(value).lower()
            assert each.default == ("none" if each.names[0] == "arguments" else spoken)


def needed(family: Family) -> str:
    """The pairs of the example without which there is no schedule."""
    names = {name for each in family.own if each.default is None for name in each.names}
    pairs = family.example.partition(":")[2].split(",")
    return ",".join(pair for pair in pairs if pair.partition("=")[0] in names)


def test_bounds_are_the_model_s(family: Family) -> None:
    cls, checked = FAMILIES[family.name], 0
    good = parse_schedule(family.example, EPOCHS).model_dump()
    for each in family.own:
        found = re.fullmatch(r"(?:a whole number )?(>=?) 0(?: and <=? \S+)?", each.allowed)
        if found is None:
            continue
        checked += 1
        with pytest.raises(ValidationError, match="greater than"):
            cls.model_validate(good | {each.names[0]: -1})
        if found[1] == ">":
            with pytest.raises(ValidationError, match="greater than 0"):
                cls.model_validate(good | {each.names[0]: 0})
    assert checked >= 1


def test_units() -> None:
    units = {each.names[0]: each.unit for each in describe("warmup_stable_decay").own}
    assert units == {
        "base_lr": "learning rate",
        "horizon": "epochs",
        "final_lr": "learning rate",
        "cooldown": "epochs",
        "cooldown_shape": "",
    }
    own = {each.names[0]: each for each in describe("multi_factor").own}
    assert (own["milestones"].unit, own["milestones"].allowed) == (
        "epochs",
        "> 0 each, written 1/2/3",
    )
    assert own["alpha"].allowed == "> 0 and < 1"


def test_an_unknown_family_has_a_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"^unknown schedule 'cosin'\. Did you mean 'cosine'\?"):
        describe("cosin")


# ---------------------------------------------------------------- what the length of training gives

FILLED = [
    ("cosine:base=0.3", "cosine:base=0.3,horizon=30"),
    ("polynomial:base=0.3,warmup=3", "polynomial:base=0.3,warmup=3,horizon=30"),
    (
        "warmup_stable_decay:base=1,warmup=5",
        "warmup_stable_decay:base=1,warmup=5,cooldown=5,horizon=30",
    ),
    (
        "warmup_stable_decay:base=1,horizon=20",
        "warmup_stable_decay:base=1,cooldown=4,horizon=20",
    ),
    ("one_cycle:base=1", "one_cycle:base=1,peak=9,horizon=30"),
    ("one_cycle:base=1,warmup=10", "one_cycle:base=1,warmup=10,peak=16,horizon=30"),
    ("one_cycle:base=1,peak=2,horizon=8", "one_cycle:base=1,peak=2,horizon=8"),
]


@pytest.mark.parametrize(("short", "full"), FILLED)
def test_what_is_left_out_follows_from_the_epochs(short: str, full: str) -> None:
    assert parse_schedule(short, EPOCHS) == parse_schedule(full)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosine:base=1,warmup=31", "warmup=31 must be shorter than the schedule"),
        ("warmup_stable_decay:base=1,warmup=31", "warmup=31 must be shorter than the schedule"),
        ("warmup_stable_decay:base=1,warmup=x", "warmup must be a number, not 'x'"),
        ("one_cycle:base=1,warmup=40", "warmup=40 must be shorter than the schedule"),
        ("one_cycle:base=1,horizon=x", "horizon must be a number, not 'x'"),
    ],
)
def test_what_does_not_fit_is_said_of_what_was_written(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_schedule(text, EPOCHS)


def test_without_epochs_nothing_is_filled_in() -> None:
    for cls in FAMILIES.values():
        if issubclass(cls, Schedule) and "horizon" in cls.LEFT_OUT:
            with pytest.raises(ValueError, match="horizon"):
                parse_schedule(without(cls.EXAMPLE, ("horizon",)))
    assert ScheduleConfig.fill_in({"warmup": 1}, 30) == {"warmup": 1}
    assert inspect.getdoc(ScheduleConfig.fill_in)
