"""The command that makes a study: stored with it, with the total that it has now, else derived."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from search_spaces.config import Arm
from study.storage.studies import set_spec
from study.study_command import COMMAND_ATTR, kept_words, making_words
from tests.study.conftest import Command, MakeSpec, MakeStudy

ARMS = (
    Arm(family="cosine", role="candidate", parameters={"base_lr": 0.1, "final_fraction": 0.01}),
    Arm(family="cosine", role="candidate", parameters={"base_lr": 0.2, "final_fraction": 0.01}),
    Arm(family="constant", role="candidate", parameters={"base_lr": 0.2, "final_fraction": 0.01}),
)


def stored_words(url: str, name: str) -> Any:
    return optuna.load_study(study_name=name, storage=url).user_attrs.get(COMMAND_ATTR)


def test_a_new_study_carries_the_command_that_makes_it(make_study: MakeStudy) -> None:
    stored = make_study("cosine", trials=6, replicates=2)
    words = stored_words(stored.url, "it")
    assert words == making_words(stored.spec)
    assert words[:6] == ["run", "cosine", "--preset", "standard", "--trials", "6"]


def test_a_study_that_no_command_makes_carries_none(make_study: MakeStudy) -> None:
    stored = make_study("fixed_rate", replicates=5)
    assert stored_words(stored.url, "it") is None


@pytest.mark.usefixtures("tiny")
def test_what_a_preset_stood_for_is_written_out_and_the_machine_is_not(lrstudy: Command) -> None:
    """The name, the storage, the directory and the workers are no part of what is asked."""
    machine = ("--workers", "0", "--device", "cpu", "--checkpoints", "kept")
    asked = ("--trials", "4", "--train-size", "100", "--study", "mine")
    assert lrstudy("run", "fixed_rate", *asked, *machine).status == 0
    words = stored_words("sqlite:///lrstudy.db", "mine")
    assert words[:6] == ["run", "fixed_rate", "--preset", "standard", "--trials", "4"]
    assert words[6:8] == ["--train-size", "100"]
    assert not {"mine", "kept", "cpu", "--storage", "--workers", "--checkpoints"} & {*words}


@pytest.mark.parametrize(
    ("stage", "train_on", "options"),
    [
        ("confirm", "train", ["--seeds", "2", "--top", "2"]),
        ("test", "train", ["--seeds", "2"]),
        ("test", "all", ["--seeds", "2", "--train-on", "all"]),
    ],
)
def test_a_later_stage_is_made_by_confirming_its_search(
    make_spec: MakeSpec, stage: str, train_on: str, options: list[str]
) -> None:
    later = {"stage": stage, "arms": ARMS, "source": "it", "train_on": train_on}
    spec = make_spec("cosine", trials=6, families=("cosine", "constant"), **later)
    assert making_words(spec) == ["confirm", "it", *options]
    larger = spec.with_trials(9)
    assert kept_words(larger, making_words(spec)) == ["confirm", "it", "--seeds", "3", *options[2:]]


def test_a_larger_study_is_made_by_the_stored_command_with_its_new_total(
    make_spec: MakeSpec,
) -> None:
    spec = make_spec("fixed_rate", trials=6, replicates=2)
    head = ["run", "fixed_rate", "--preset", "of its day"]
    tail = ["--recipe", "chapter", "--kernel", "torch"]
    stored = [*head, "--trials", "6", *tail]
    assert kept_words(spec, stored) == stored
    assert kept_words(spec.with_trials(60), stored) == [*head, "--trials", "60", *tail]


@pytest.mark.parametrize("known", [[], ["--kernel", "numba"]])
def test_a_command_from_before_there_was_a_choice_is_derived(
    make_spec: MakeSpec, known: list[str]
) -> None:
    """Today the same words would choose another recipe, and might choose another kernel."""
    size = {"epochs": 6, "train_size": 10_000, "val_size": 5_000}
    kept = {"replicates": 2, "kernel": known[-1] if known else "torch"}
    plain = {"budget": size, "optimizer": {"batch_size": 64}, **kept}
    spec = make_spec("fixed_rate", trials=6, **plain)
    words = kept_words(spec, ["run", "fixed_rate", "--preset", "quick", "--trials", "6", *known])
    assert words == making_words(spec)
    assert words is not None
    for option, value in (
        *(("--preset", "quick"), ("--recipe", "chapter")),
        *(("--kernel", kept["kernel"]), ("--set", "batch_size=64")),
    ):
        assert words[words.index(option) + 1] == value


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "run fixed_rate --trials 6",
        ["run", "fixed_rate", "--trials", 6],
        ["run", "cosine", "--trials", "6"],
        ["stop", "fixed_rate", "--trials", "6"],
        ["run", "fixed_rate", "--seed", "0"],
        ["run", "fixed_rate", "--trials"],
        [],
    ],
)
def test_a_command_that_is_not_there_or_not_ours_is_derived(
    make_spec: MakeSpec, stored: Any
) -> None:
    spec = make_spec("fixed_rate", trials=6, replicates=2)
    assert kept_words(spec, stored) == making_words(spec)


def test_what_makes_a_study_larger_leaves_the_stored_command(make_study: MakeStudy) -> None:
    """It is the one that made the study; the total that is shown is the spec's."""
    stored = make_study("fixed_rate", trials=6, replicates=2)
    set_spec(stored.storage, "it", stored.spec.with_trials(60))
    assert stored_words(stored.url, "it") == making_words(stored.spec)
