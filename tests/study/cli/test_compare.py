"""`lrstudy compare`: what it makes, trains, says and refuses."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from analysis.answers import at_a_glance
from analysis.study import load_study
from study.cli.choices import Choices, make_spec
from study.spec import StudySpec
from study.stages import comparison_spec
from study.storage.slots import slots_left
from study.storage.studies import load_spec, open_storage
from study.study_command import kept_words, making_words
from study.study_file import to_toml
from study.workers import local
from tests.study.cli.test_choices import NOTHING
from tests.study.conftest import Command, assert_one_line, launch_here

URL = "sqlite:///lrstudy.db"
PAIR = ("cosine:base_lr=0.03,final_lr=0.001", "constant:base_lr=0.02")
THREE = (*PAIR, "plateau:base_lr=0.02,alpha=0.5")
SMALL = (
    *("--preset", "standard", "--recipe", "momentum", "--epochs", "2", "--train-size", "300"),
    *("--kernel", "torch", "--workers", "1"),
)


def made(*texts: str, seeds: int = 4, all_pairs: bool = False, **said: Any) -> StudySpec:
    asked: dict[str, Any] = {"space": "schedules", "preset": "quick", "schedules": texts or PAIR}
    given = make_spec(Choices(**NOTHING | asked | said))
    return comparison_spec(given, seeds, all_pairs=all_pairs)


# ---------------------------------------------------------------- the study that it makes


def test_each_schedule_has_the_same_seeds_and_is_judged_after_all_of_them() -> None:
    spec = made(*THREE)
    assert (spec.stage, spec.source, spec.compares) == ("test", None, True)
    assert (spec.looks, spec.seeds, spec.trials) == ((4,), 4, 12)
    assert (spec.validates, spec.reads_test, spec.ranges) == (True, True, {})
    assert [arm.family for arm in spec.arms] == list(spec.families)
    by_arm = [[spec.training_seed(3 * turn + arm) for turn in range(4)] for arm in range(3)]
    assert by_arm[0] == by_arm[1] == by_arm[2]
    assert len(set(by_arm[0])) == 4


def test_the_preset_and_the_recipe_are_those_of_a_study() -> None:
    spec = made()
    assert (spec.recipe, spec.budget.epochs, spec.budget.val_size) == ("momentum", 6, 5_000)
    assert made(recipe="chapter").optimizer == {}
    assert made(fixed=("momentum=0.5",)).optimizer == {"momentum": 0.5, "batch_size": 32}


def test_it_survives_json_and_more_seeds_keep_the_look_that_was_planned() -> None:
    spec = made(*THREE, all_pairs=True)
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec
    larger = spec.with_seeds(6)
    assert (larger.seeds, larger.trials, larger.looks) == (6, 18, (4,))
    for slot in range(spec.trials):
        assert larger.arm_place(slot) == spec.arm_place(slot)
        assert larger.training_seed(slot) == spec.training_seed(slot)


def test_its_command_makes_it_again() -> None:
    """The words lead back to the same spec through the command line's own options."""
    spec = made(*THREE, epochs=3, train_size=700, seed=5, all_pairs=True, fixed=("batch_size=8",))
    words = making_words(spec)
    assert words is not None
    assert words[: len(THREE) + 1] == ["compare", *THREE]
    assert {"--all-pairs", "batch_size=8"} <= {*words}
    for option, value in (
        *(("--seeds", "4"), ("--preset", "quick"), ("--recipe", "momentum"), ("--seed", "5")),
        *(("--epochs", "3"), ("--train-size", "700"), ("--kernel", "torch")),
    ):
        assert words[words.index(option) + 1] == value
    kept = kept_words(spec.with_seeds(6), words)
    assert kept == [*words[: words.index("4")], "6", *words[words.index("4") + 1 :]]


def test_it_has_no_file() -> None:
    with pytest.raises(ValueError, match="only a search can be saved"):
        to_toml("it", made(), "x.toml")


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            ("cosine", PAIR[1]),
            "cosine leaves out base_lr and final_lr, and nothing is searched here: give them, for "
            "example cosine:base_lr=0.03,final_lr=0.001",
        ),
        (
            (PAIR[0], "constant:base=?,warmup=1"),
            "constant:base=?,warmup=1 leaves out base_lr, and nothing is searched here: give it, "
            "for example constant:base_lr=0.03,warmup=1",
        ),
        (
            ("constant:until=2 then cosine:final=0", PAIR[1]),
            "give it, for example constant:until=2,base_lr=0.03 then cosine:final=0",
        ),
        (PAIR[:1], f"{PAIR[0]} is one schedule: a comparison needs two or more"),
        ((PAIR[1], PAIR[1]), "the schedule 'constant' is there twice"),
        ((*PAIR, "constant:base=0.020"), f"{PAIR[1]} and constant:base=0.020 are the same"),
        ((PAIR[0], f"{PAIR[0]},horizon=6"), f"{PAIR[0]} and {PAIR[0]},horizon=6 are the same"),
        (("cosin:base=0.1", PAIR[1]), "unknown schedule 'cosin'. Did you mean 'cosine'?"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    lrstudy: Command, texts: tuple[str, ...], message: str
) -> None:
    assert_one_line(lrstudy("compare", *texts), 2, message)
    assert not Path("lrstudy.db").exists()


def test_an_example_that_is_offered_is_taken(lrstudy: Command) -> None:
    for text in ("cosine", "one_cycle:warmup=1", "warmup_stable_decay", "factor:base=0.1"):
        refused = lrstudy("compare", text, PAIR[1])
        example = refused.err.strip().partition("for example ")[2]
        assert made(example, PAIR[1]).schedules == (example, PAIR[1])


def test_no_other_parameter_can_be_set(lrstudy: Command) -> None:
    refused = lrstudy("compare", *PAIR, "--set", "base_lr=0.3")
    assert_one_line(refused, 2, "unknown parameter of schedules 'base_lr'. There are: schedule, ")


# ---------------------------------------------------------------- from the command to the report


@pytest.fixture
def trains(monkeypatch: pytest.MonkeyPatch, tiny: None, unrendered: None) -> None:
    """On tiny images, by one worker in this process; figures are not rendered."""
    monkeypatch.setattr(local, "launch", launch_here)


def stored(name: str = "compare") -> StudySpec:
    return load_spec(open_storage(URL), name)


@pytest.mark.integration
@pytest.mark.usefixtures("trains")
def test_it_trains_and_answers_and_all_commands_know_it(lrstudy: Command) -> None:
    learns = (*SMALL, "--set", "batch_size=8")
    done = lrstudy("compare", *PAIR, *learns, "--seeds", "4")
    assert done.status == 0, done.err
    headline, certainty, wrote = done.out.splitlines()[-3:]
    assert headline == at_a_glance(load_study(URL, "compare")).headline
    assert certainty.startswith("  Judged on test images over up to 4 new seeds of each")
    assert wrote == "wrote reports/compare/report.html"
    assert Path("reports/compare/report.html").is_file()
    text = Path("reports/compare/report.html").read_text()
    for words in ("Recipe momentum: SGD with momentum 0.9", "no rate was tuned", PAIR[0], headline):
        assert words in text
    again = lrstudy("compare", *PAIR, *learns, "--seeds", "4")
    assert (again.status, headline in again.out) == (0, True)
    assert "replaced reports/compare/report.html" in again.out

    best = lrstudy("best", "compare")
    assert "Of the given schedules it does best in pairs on validation images" in best.out
    facts = json.loads(lrstudy("best", "compare", "--json").out)
    assert (facts["stage"], facts["measured_on"], facts["search_trial"]) == ("test", "test", None)
    shown = lrstudy("status", "compare")
    assert "By how much do the given schedules differ?" in shown.out
    assert "8 of 8 have a result" in shown.out
    for words in ("stop", "worker", "resume"):
        known = lrstudy(words, "compare")
        assert known.status == 0
        assert "is finished" in known.out or "is complete" in known.out
    assert lrstudy("export", "compare", "--out", "runs.csv").out == (
        "wrote 8 rows to runs.csv: one for each trial\n"
    )
    for said in (best, shown, done):
        assert "confirm" not in said.out
        assert "One run of a search" not in said.out

    refused = lrstudy("confirm", "compare")
    assert_one_line(refused, 2, "compares given schedules: there is no search to confirm")
    refused = lrstudy("best", "compare", "--search")
    assert_one_line(refused, 2, "compares given schedules: it has no search")
    other = lrstudy("compare", PAIR[0], "constant:base_lr=0.3", *SMALL)
    assert (other.status, "exists already and is not this comparison" in other.err) == (2, True)


@pytest.mark.integration
@pytest.mark.usefixtures("trains")
def test_more_seeds_are_added_by_either_command(lrstudy: Command) -> None:
    assert lrstudy("compare", *PAIR, *SMALL, "--seeds", "4").status == 0
    assert lrstudy("resume", "compare", "--seeds", "5").status == 0
    assert (stored().seeds, stored().looks) == (5, (4,))
    assert lrstudy("compare", *PAIR, *SMALL, "--seeds", "6").status == 0
    assert (stored().seeds, stored().looks) == (6, (4,))
    assert lrstudy("compare", *PAIR, *SMALL).status == 0  # as many as there are
    assert stored().seeds == 6
    fewer = lrstudy("compare", *PAIR, *SMALL, "--seeds", "3")
    assert (fewer.status, "the study has 6 seeds; a total of 3 is fewer" in fewer.err) == (2, True)
    fewer = lrstudy("resume", "compare", "--seeds", "3")
    assert_one_line(fewer, 2, "the study has 6 seeds; a total of 3 is fewer")
    both = lrstudy("resume", "compare", "--seeds", "9", "--trials", "18")
    assert_one_line(both, 2, "--trials and --seeds both say how large the study is: give one")


@pytest.mark.integration
@pytest.mark.usefixtures("trains")
def test_one_that_stopped_goes_on(lrstudy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "launch", lambda *_words, **_options: "timeout")
    begun = lrstudy("compare", *PAIR, *SMALL, "--seeds", "4")
    assert begun.status == 3
    resume = shlex.split(begun.out.splitlines()[-1].partition("to continue: ")[2])
    assert resume[:3] == ["lrstudy", "resume", "compare"]
    monkeypatch.setattr(local, "launch", launch_here)
    done = lrstudy(*resume[1:])
    assert (done.status, "lrstudy report compare" in done.out) == (0, True)
    assert "confirm" not in done.out
    assert slots_left(stored(), []) == 8
    assert lrstudy("report", "compare").status == 0


@pytest.mark.usefixtures("tiny")
def test_a_dry_run_says_what_it_costs_and_writes_nothing(lrstudy: Command) -> None:
    planned = lrstudy("compare", *THREE, *SMALL, "--dry-run", "--json")
    assert json.loads(planned.out)["trials"] == 30
    assert list(Path().iterdir()) == []


def test_a_search_has_trials_not_seeds(lrstudy: Command, tiny: None) -> None:
    asked = ("--trials", "2", "--train-size", "300", "--workers", "0")
    assert lrstudy("run", "fixed_rate", *asked).status == 0
    refused = lrstudy("resume", "fixed_rate", "--seeds", "5")
    assert_one_line(refused, 2, "no comparison: `lrstudy resume NAME --trials` makes it larger")
