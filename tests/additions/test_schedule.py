"""A schedule family is one class: this file adds one, and all that has schedules takes it."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from analysis.figures.style import style
from search_spaces.config import TrialConfig
from search_spaces.schedules.base import FAMILIES, Array, Fraction, PositiveDuration, Schedule
from search_spaces.schedules.descriptions import describe
from search_spaces.schedules.durations import updates
from search_spaces.schedules.text import parse_schedule
from search_spaces.wording import in_words
from study.export.weights import lambda_code
from study.workers import local
from tests.study.conftest import Command, launch_here

TEXT = "stairs:base=0.4,every=2,alpha=0.5,warmup=1"


def add_stairs() -> type[Schedule]:
    """What a user writes; nothing else knows it."""

    class Stairs(Schedule):
        """Stairs: times alpha every few epochs.

        alpha: factor of each stair.
        every: length of a stair.
        """

        FORMULA = "base_lr alpha^floor(u / every)"
        REFERENCE = "this test"
        EXAMPLE = "stairs:base=0.3,every=5"
        PHRASE = "stairs from {base_lr}, times {alpha} every {every_epochs}"
        CODE = "return base_lr * alpha ** ((t - w) // updates(every))"

        family: Literal["stairs"] = "stairs"
        alpha: Fraction = 0.5
        every: PositiveDuration

        def after_warmup(self, t: Array, w: int, steps_per_epoch: int) -> Array:
            stair = np.floor((t - w) / updates(self.every, steps_per_epoch))
            return np.asarray(self.base_lr * self.alpha**stair)

    return Stairs


@pytest.fixture(scope="module", autouse=True)
def stairs() -> Iterator[type[Schedule]]:
    """The family, for the tests of this file."""
    before = {name: style(name) for name in FAMILIES}
    yield add_stairs()
    assert {name: style(name) for name in before} == before, "a new family moved a colour"
    del FAMILIES["stairs"]


def test_its_text_is_read_and_its_rates_are_its_own(stairs: type[Schedule]) -> None:
    schedule = parse_schedule(TEXT)
    assert schedule == stairs(base_lr=0.4, every=2, warmup=1)
    assert isinstance(schedule, stairs)
    rates = schedule(np.arange(6) * 3, steps_per_epoch=3)
    assert_allclose(rates, [0.0, 0.4, 0.4, 0.2, 0.2, 0.1], rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stairs:base=1,every=-1", "stairs:base=1,every=-1: every must be above 0, not -1"),
        ("stairs:base=1", "stairs:base=1: every is missing"),
        ("stairs:bse=1", "unknown parameter of stairs 'bse'. Did you mean 'base'?"),
        ("stars:base=1", "unknown schedule 'stars'. Did you mean 'stairs'?"),
    ],
)
def test_wrong_text_is_explained_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^(stairs:|unknown)") as caught:
        parse_schedule(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_holds_it_through_json(stairs: type[Schedule]) -> None:
    config = TrialConfig(schedule=parse_schedule(TEXT), epochs=5, seed=1)
    again = TrialConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert isinstance(again.schedule, stairs)


def test_it_is_said_in_words() -> None:
    words = "stairs from 0.4, times 0.5 every 2 epochs, after 1 epoch of warmup rising from 0"
    assert in_words(parse_schedule(TEXT)) == words
    family = describe("stairs")
    assert family.summary == "Stairs: times alpha every few epochs"
    assert {each.names: each.meaning for each in family.own}[("every",)] == "length of a stair."


@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_its_code_gives_the_same_rates(steps_per_epoch: int) -> None:
    schedule, names = parse_schedule(TEXT), dict[str, Any]()
    exec(lambda_code(schedule, 9, steps_per_epoch), names)
    steps = np.arange(9 * steps_per_epoch)
    assert isinstance(schedule, Schedule)
    assert_allclose([names["rate"](int(t)) for t in steps], schedule(steps, steps_per_epoch))


def test_it_has_a_colour_and_a_mark_of_its_own() -> None:
    assert len({style(name) for name in FAMILIES}) == len(FAMILIES)


def test_the_commands_know_it(lrstudy: Command, tmp_path: Path) -> None:
    assert "Stairs: times alpha every few epochs" in lrstudy("schedules", "stairs").out
    printed = lrstudy("plot", TEXT, "--epochs", "3", "--steps-per-epoch", "2", "--csv").out
    assert pd.read_csv(StringIO(printed))[TEXT].tolist() == [0.0, 0.2, 0.4, 0.4, 0.4, 0.4]
    assert lrstudy("plot", TEXT, "--out", "stairs.png").status == 0
    assert (tmp_path / "stairs.png").exists()


@pytest.mark.integration
@pytest.mark.usefixtures("tiny")
def test_it_is_trained_and_taken_away(
    lrstudy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base rate that a text leaves out is sampled; all else needs no word of the family."""
    monkeypatch.setattr(local, "launch", launch_here)
    asked = ("--schedule", "stairs:every=3", "--trials", "2", "--epochs", "4", "--device", "cpu")
    assert lrstudy("run", "schedules", *asked, "--set", "batch_size=32").status == 0
    done = lrstudy("best", "schedules", "--export", "out", "--device", "cpu")
    assert "accuracy with stairs from " in done.out
    config = TrialConfig.model_validate_json((tmp_path / "out" / "config.json").read_text())
    names: dict[str, Any] = {}
    exec((tmp_path / "out" / "schedule.py").read_text(), names)
    assert isinstance(config.schedule, Schedule)
    assert_allclose([names["rate"](t) for t in range(64)], config.schedule(np.arange(64), 16))


def test_a_class_that_lacks_something_is_refused_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="family 'bare' has no PHRASE and no CODE"):

        class Bare(Schedule):
            FORMULA = REFERENCE = EXAMPLE = "it"
            family: Literal["bare"] = "bare"

    assert "bare" not in FAMILIES


def test_a_name_is_taken_once_but_a_class_may_be_written_again(stairs: type[Schedule]) -> None:
    again = add_stairs()
    assert FAMILIES["stairs"] is again is not stairs
    with pytest.raises(TypeError, match="family 'cosine' is there already: search_spaces"):

        class Other(again):  # type: ignore[valid-type, misc]
            family: Literal["cosine"] = "cosine"

    FAMILIES["stairs"] = stairs
