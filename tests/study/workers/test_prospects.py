"""What is said of a study before it trains: nothing of presets, and what to change of the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import Arm, Budget
from search_spaces.spaces import SPACES
from study.cli.choices import Choices, make_spec
from study.spec import StudySpec
from study.tasks.task import TASKS, Task
from study.workers.prospects import LARGEST_RATE, LEAVES_CHANCE, updates, warnings
from tests.analysis.conftest import plant_study
from tests.study.cli.test_choices import NOTHING
from tests.study.conftest import Command

IMAGES, CLASSES = 50_000, 10
QUICK = " or --preset quick alone"


def spec(**said: Any) -> StudySpec:
    return make_spec(Choices(**NOTHING | {"space": "fixed_rate"} | said))


def told(**said: Any) -> list[str]:
    return warnings(spec(**said), IMAGES, CLASSES)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("preset", ["quick", "standard"])
def test_presets_are_not_warned_of(space: str, preset: str) -> None:
    assert told(space=space, preset=preset) == []


def test_the_stage_that_confirms_a_preset_is_not_warned_of() -> None:
    search = spec(space="cosine", preset="quick")
    best = {"constant": {"base_lr": 0.01}, "cosine": {"base_lr": 0.03, "final_fraction": 0.03}}
    arms = [Arm(family=family, parameters=values) for family, values in best.items()]
    arms += SPACES["cosine"].grid(best, search.budget)
    changes = {"stage": "confirm", "arms": arms, "source": "it", "trials": len(arms)}
    later = StudySpec.model_validate(
        search.model_dump() | changes | {"families": tuple(best), "replicates": None}
    )
    assert len(arms) == 8
    assert warnings(later, IMAGES, CLASSES) == []


def test_too_few_updates_say_how_many_there_are_and_what_to_change() -> None:
    few = "a run has 24 updates (8 an epoch, in batches of 256): at its learning rates about 52 %"
    (line,) = told(train_size=2_000, epochs=3)
    assert line.startswith(f"{few} of the trials are likely to stall. About 386 would do: ")
    assert line.endswith(f"--set batch_size=8, --epochs 49{QUICK}")


@settings(deadline=None, derandomize=True, database=None)
@given(
    train_size=st.integers(10, 20_000),
    epochs=st.integers(1, 40),
    batch_size=st.sampled_from([1, 64, 256, 1_000]),
)
def test_every_way_that_is_proposed_gives_enough_updates(
    train_size: int, epochs: int, batch_size: int
) -> None:
    said = {"train_size": train_size, "epochs": epochs, "fixed": [f"batch_size={batch_size}"]}
    lines = [line for line in told(**said) if "likely to stall" in line]
    for option in re.findall(r"--set (\S+?)[, ]|--epochs (\d+)", " ".join(lines)):
        changed = {"fixed": [option[0]]} if option[0] else {"epochs": int(option[1])}
        assert not any("likely to stall" in line for line in told(**said | changed))


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(1, 3_000), st.sampled_from([0.001, 0.02, 0.1, 0.5]))
def test_a_fixed_rate_needs_the_measured_product(epochs: int, base_lr: float) -> None:
    lines = told(epochs=epochs, train_size=200, fixed=[f"base_lr={base_lr}", "batch_size=200"])
    assert ("likely to stall" in " ".join(lines)) == (epochs * base_lr < LEAVES_CHANCE)


def test_momentum_counts_as_a_larger_rate() -> None:
    said: dict[str, Any] = {"epochs": 10, "train_size": 1_000}
    fixed = ["base_lr=0.02", "batch_size=100"]
    assert "all trials are likely to stall" in told(**said, fixed=fixed)[0]
    assert told(**said, fixed=[*fixed, "momentum=0.9"]) == []


def test_two_updates_are_too_few_at_any_rate() -> None:
    (line,) = told(epochs=1, train_size=100, fixed=["batch_size=64"])
    assert "a run has 2 updates (2 an epoch, in batches of 64)" in line
    assert "all trials are likely to stall" in line


def test_a_decay_that_is_over_early_needs_more() -> None:
    said: dict[str, Any] = {"space": "cosine", "epochs": 2, "train_size": 900}
    fixed = ["base_lr=0.2", "batch_size=60"]
    assert told(**said, fixed=[*fixed, "schedule=constant"]) == []
    assert told(**said, fixed=[*fixed, "schedule=polynomial", "exponent=4"]) != []


@pytest.mark.parametrize("rate", ["1e-9", "1e-30"])
def test_a_rate_that_moves_nothing_is_not_mended_by_updates(rate: str) -> None:
    (line,) = told(fixed=[f"base_lr={rate}"])
    assert "all trials are likely to stall" in line
    assert line.endswith("Learning rates that can work: --range base_lr=0.003:3")


def test_rates_that_diverge() -> None:
    (line,) = told(fixed=["base_lr=1e9"])
    assert line.startswith(f"all trials have a learning rate above {LARGEST_RATE:g}, at which none")
    (line,) = told(bounds=["base_lr=1:1000"])
    assert line.startswith("about 67 % of the trials have a learning rate above 10")
    assert told(fixed=["base_lr=10"]) == []


def test_a_batch_larger_than_the_training_images() -> None:
    line, few = told(fixed=["batch_size=100000"])
    assert line == (
        "a batch of 100,000 is larger than the 50,000 training images: an epoch is a single "
        "update. Smaller: --set batch_size=64"
    )
    assert few.startswith("a run has 30 updates (1 an epoch, in batches of 100,000)")


def test_three_images() -> None:
    first, second, third = told(train_size=3)
    assert first == (
        "3 training images for 10 classes: some are never seen. More: --train-size 10000"
    )
    assert second.startswith("a batch of 256 is larger than the 3 training images")
    assert third.startswith("a run has 30 updates (1 an epoch, in batches of 256)")
    assert "batch_size" not in third  # no batch makes enough of three images


def test_a_design_too_short_for_its_rates() -> None:
    (line,) = told(space="chapter", train_size=300, epochs=10)
    assert "about 30 % of the trials are likely to stall" in line


def test_updates_are_counted_as_training_counts_them() -> None:
    has = updates(spec(train_size=1_000, epochs=3), IMAGES)
    assert (has.per_epoch, has.total, has.batch_size) == (4, 12, 256)
    assert updates(spec(), IMAGES).total == 30 * 196
    assert updates(spec(), IMAGES, Budget(epochs=1, train_size=256)).in_words() == (
        "1 update (1 an epoch, in batches of 256)"
    )


# ---------------------------------------------------------------- what the commands say

FEW = ("--trials", "2", "--epochs", "1", "--train-size", "300")
LINE = "lrstudy: warning: a run has 2 updates (2 an epoch, in batches of 256): at its learning"


@pytest.mark.usefixtures("tiny")
def test_run_warns_and_goes_on(lrstudy: Command) -> None:
    made = lrstudy("run", "fixed_rate", *FEW, "--workers", "0")
    assert made.status == 0
    assert made.err.startswith(LINE)
    assert made.err.count("\n") == 1
    assert made.out == "made study 'fixed_rate'; join it: lrstudy worker fixed_rate\n"


@pytest.mark.usefixtures("tiny")
def test_a_dry_run_says_how_many_updates_a_run_has(lrstudy: Command) -> None:
    done = lrstudy("run", "fixed_rate", *FEW, "--dry-run")
    assert "A run has 2 updates (2 an epoch, in batches of 256).\n" in done.out
    assert LINE in done.err
    enough = lrstudy("run", "fixed_rate", "--set", "batch_size=1", "--trials", "2", "--dry-run")
    assert "A run has 15,000 updates (500 an epoch, in batches of 1).\n" in enough.out
    assert "warning" not in enough.err
    facts = json.loads(lrstudy("run", "fixed_rate", *FEW, "--dry-run", "--json").out)
    assert facts["updates"] == {"per_epoch": 2, "total": 2, "batch_size": 256}
    assert facts["warnings"][0] in done.err


def test_confirm_warns_of_the_search_s_budget(
    lrstudy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_task: Task
) -> None:
    monkeypatch.setitem(TASKS, "fashion_mnist", tiny_task)
    budget = Budget(epochs=1, train_size=300)
    plant_study(tmp_path / "lrstudy.db", "fixed_rate", 2, everything="complete", budget=budget)
    planned = lrstudy("confirm", "fixed_rate", "--dry-run", "--top", "1", "--seeds", "1")
    assert (planned.status, "A run has 2 updates" in planned.out) == (0, True)
    assert LINE in planned.err
    assert planned.err.endswith(" (options of a new `lrstudy run`).\n")
    assert "warning" not in lrstudy("confirm", "fixed_rate", "--dry-run", "--json").err
    facts = json.loads(lrstudy("confirm", "fixed_rate", "--dry-run", "--json").out)
    assert facts["confirm"]["updates"]["total"] == facts["test"]["updates"]["total"] == 2
