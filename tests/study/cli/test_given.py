"""`lrstudy run` with schedules and trials of the user's own: stored, trained, confirmed."""

from __future__ import annotations

import json
from typing import Any

import optuna
import pytest
from pydantic import ValidationError

from search_spaces.schedules.problems import first_problem
from study.cli.choices import Choices, make_spec
from study.records import family_of
from study.spec import StudySpec
from study.storage.studies import load_spec, open_storage
from study.study_command import making_words
from study.study_file import from_toml, to_toml
from study.workers import local
from tests.study.cli.test_choices import NOTHING
from tests.study.conftest import Command, assert_one_line, launch_here

URL = "sqlite:///lrstudy.db"
GIVEN = ("cosine", "cosine:warmup=1", "torch:scheduler=StepLR,step_size=2", "plateau:base=0.3")
TRIES = ("base_lr=0.2,schedule=cosine", "schedule=cosine,base=0.1,final_fraction=0.5")
LABELS = ("cosine", "cosine: warmup=1", "torch", "plateau")


def made(**said: Any) -> StudySpec:
    return make_spec(Choices(**NOTHING | {"space": "schedules", "schedules": GIVEN} | said))


def test_given_schedules_are_families_and_the_spec_is_enough_to_go_on() -> None:
    spec = made(epochs=6, trials=16)
    assert spec.families == LABELS
    assert spec.ranges.keys() == {"base_lr", "final_fraction", "alpha"}
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec


def test_they_join_a_space_after_its_own_families() -> None:
    wsd = "warmup_stable_decay"
    plain, joined = (made(space="cosine", schedules=each, trials=42) for each in ((), (wsd,)))
    assert joined.families == (*plain.families, wsd)
    assert {name: joined.ranges[name] for name in plain.ranges} == plain.ranges
    assert joined.ranges.keys() - plain.ranges.keys() == {"cooldown_fraction"}
    for turn in range(6):
        assert plain.baseline(6 * turn + 5) == joined.baseline(7 * turn + 5)
        assert plain.training_seed(6 * turn) == joined.training_seed(7 * turn)
    chosen = made(space="cosine", schedules=(wsd,), fixed=("schedule=constant,cosine",))
    assert chosen.families == ("constant", "cosine", wsd)


def test_a_warmup_in_the_text_counts_for_the_pruner() -> None:
    assert made().longest_warmup == 1.0
    assert made(schedules=("cosine:warmup=?",), epochs=6).longest_warmup == 2.0
    assert made(schedules=("cosine:warmup=50%",), epochs=6).longest_warmup == 3.0
    sequence = "constant:warmup=2,until=3 then cosine"
    assert made(schedules=(sequence,), epochs=6).longest_warmup == 2.0


def test_trials_of_the_user_come_first_in_their_family_then_the_known_good_ones() -> None:
    spec = made(trials=16, tries=TRIES)
    assert [spec.given(slot) for slot in (0, 4, 8, 12)] == [
        {"base_lr": 0.2},
        {"base_lr": 0.1, "final_fraction": 0.5},
        {"base_lr": 0.3, "final_fraction": 1 / 30},
        None,
    ]
    assert spec.given(1) == {"base_lr": 0.3, "final_fraction": 1 / 30}
    everywhere = made(schedules=("cosine", "factor"), tries=("base_lr=0.2",))
    assert [everywhere.given(slot) for slot in (0, 1)] == [{"base_lr": 0.2}] * 2


@pytest.mark.parametrize("space", ["schedules", "cosine"])
def test_command_and_file_make_the_same_study(space: str) -> None:
    given = GIVEN[1:] if space == "cosine" else GIVEN
    families = 9 if space == "cosine" else 4
    spec = made(space=space, schedules=given, tries=TRIES, trials=3 * families)
    words = making_words(spec)
    assert words is not None
    assert [words[i + 1] for i, word in enumerate(words) if word == "--schedule"] == [*given]
    assert [words[i + 1] for i, word in enumerate(words) if word == "--try"] == [*TRIES]
    assert "--set" not in words
    assert from_toml(to_toml("it", spec, "it.toml")) == ("it", spec)


def test_a_study_without_them_has_no_word_of_them_in_its_file() -> None:
    text = to_toml("it", made(space="cosine", schedules=()), "it.toml")
    assert "\nschedules" not in text
    assert "\ntries" not in text


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"tries": ["base_lr"]}, "--try base_lr is not of the form NAME=VALUE,..."),
        ({"tries": ["base_lr=x"]}, "--try base_lr=x: 'x' is not a number"),
        ({"tries": ["base_lr=1,base=2"]}, "--try base_lr=1,base=2: base is given twice"),
        ({"tries": ["schedule=cosine"]}, "--try schedule=cosine gives no parameter a value"),
        ({"tries": ["base_lr=9"]}, "--try base_lr=9: base_lr must lie in its range, 0.03 to 2, wh"),
        ({"tries": ["base_lr=nan"]}, "--try base_lr=nan: base_lr must lie in its range"),
        ({"tries": ["bse=1"]}, "unknown parameter of --try 'bse'. Did you mean 'base_lr'?"),
        (
            {"tries": ["schedule=cos,base=1"]},
            "unknown schedule of --try 'cos'. Did you mean 'cos",
        ),
        ({"tries": ["schedule=torch,alpha=0.5"]}, "unknown parameter of torch 'alpha'. There are:"),
        ({"tries": TRIES, "trials": 4}, "cosine has 1 trial, and 2 are to be tried first"),
        ({"tries": TRIES[:1], "bank": True}, "a bank, a fixed design or a later stage has no"),
        ({"schedules": ()}, "schedules needs --schedule SPEC, once for each"),
        ({"schedules": ("cosine:final=x",)}, "cosine:final=x: final must be a number, not 'x'"),
        ({"schedules": ("factor:per=update",)}, "factor:per=update: alpha must be given where it"),
        ({"schedules": ("table",)}, "table: rates is missing"),
        ({"schedules": ("cosine:warmup=99",)}, "a warmup of up to 99 epochs is longer than train"),
        ({"space": "langevin"}, "this space compares no schedules: none can be given to it"),
    ],
)
def test_what_cannot_be_is_explained_in_one_line(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        made(**said)
    error = caught.value
    line = first_problem(error) if isinstance(error, ValidationError) else str(error)
    assert "\n" not in line
    assert line.startswith(message)


@pytest.mark.integration
@pytest.mark.usefixtures("tiny")
def test_given_schedules_are_trained_confirmed_and_taken_away(
    lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "launch", launch_here)
    asked = [word for text in GIVEN for word in ("--schedule", text)]
    size = ("--trials", "12", "--epochs", "3", "--set", "batch_size=32", "--pruner", "none")
    options = (*asked, "--try", TRIES[0], *size, "--device", "cpu")
    done = lrstudy("run", "schedules", *options)
    assert done.status == 0, done.err
    trials = optuna.load_study(study_name="schedules", storage=URL).trials
    assert [family_of(trial.user_attrs) for trial in trials] == [*LABELS] * 3
    assert trials[0].params["base_lr"] == 0.2
    assert trials[0].user_attrs["baseline"]
    warm = [trial.user_attrs["config"]["schedule"]["warmup"] for trial in trials[:4]]
    assert warm == [0.0, 1.0, 0.0, 0.0]
    assert lrstudy("resume", "schedules").out == "study 'schedules' is finished: 12 of 12 trials\n"
    assert "12 of 12" in lrstudy("status", "schedules").out
    confirmed = lrstudy("confirm", "schedules", "--top", "1", "--seeds", "2", "--device", "cpu")
    assert confirmed.status == 0, confirmed.err
    facts = json.loads(lrstudy("best", "schedules", "--json").out)
    assert facts["family"] in LABELS
    assert facts["stage"] == "test"
    storage = open_storage(URL)
    later = load_spec(storage, "schedules-test")
    storage.engine.dispose()
    assert later.schedules == GIVEN
    assert later.tries == ()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch:scheduler=StepLR,step=2", "torch: unknown argument of StepLR 'step'. Did you mean"),
        (
            "torch:scheduler=StepLR,step_size=0",
            "torch: StepLR has no rates with 0 as step_size",
        ),
    ],
)
def test_a_scheduler_of_torch_is_built_before_anything_is_trained(
    lrstudy: Command, text: str, message: str
) -> None:
    outcome = lrstudy("run", "schedules", "--schedule", text, "--device", "cpu")
    assert_one_line(outcome._replace(err=outcome.err.splitlines()[-1] + "\n"), 2, message)
