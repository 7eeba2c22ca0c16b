"""From the options of `lrstudy run` to a StudySpec."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.config import Budget, Range
from search_spaces.recipes import RECIPES
from search_spaces.schedules.problems import first_problem
from search_spaces.spaces import SPACES, in_recipe
from study.cli.choices import OPTIMIZER, Choices, make_spec
from study.spec import StudySpec

NOTHING: dict[str, Any] = {
    "space": "cosine",
    "preset": "standard",
    "trials": None,
    "epochs": None,
    "train_size": None,
    "sampler": None,
    "pruner": None,
    "seed": 0,
    "bank": False,
    "fixed": (),
    "bounds": (),
}


def made(**said: Any) -> StudySpec:
    return make_spec(Choices(**NOTHING | said))


def refusal(**said: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        made(**said)
    error = caught.value
    line = first_problem(error) if isinstance(error, ValidationError) else str(error)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("preset", ["quick", "standard"])
def test_what_is_not_said_comes_from_the_space_and_its_preset(name: str, preset: str) -> None:
    space = SPACES[name]
    spec, chosen = made(space=name, preset=preset), space.PRESETS[preset]
    assert spec.families == space.FAMILIES
    assert spec.trials == chosen.trials_per_family * len(space.FAMILIES)
    assert spec.budget == chosen.budget
    assert spec.ranges == in_recipe(name, space, chosen.recipe).ranges(chosen.budget)
    assert spec.replicates == chosen.replicates
    sampled = ("random", "none") if space.DESIGNED else ("tpe", "percentile")
    assert (spec.sampler, spec.pruner) == sampled
    assert (spec.seed, spec.recipe, spec.bank) == (0, chosen.recipe, False)
    assert spec.optimizer == {**RECIPES[chosen.recipe].optimizer, **chosen.optimizer}
    assert (spec.stage, spec.arms, spec.source, spec.train_on) == ("search", (), None, "train")


def test_every_option_lands_in_the_spec() -> None:
    spec = made(
        trials=12, epochs=5, train_size=700, sampler="qmc", pruner="asha", seed=9, preset="quick"
    )
    assert (spec.trials, spec.sampler, spec.pruner, spec.seed) == (12, "qmc", "asha", 9)
    assert spec.budget == Budget(epochs=5, train_size=700, val_size=5_000)


@pytest.mark.parametrize(
    "said", [{}, {"sampler": "random"}, {"pruner": "none"}, {"sampler": "random", "pruner": "none"}]
)
@pytest.mark.parametrize("name", [name for name, space in SPACES.items() if not space.DESIGNED])
def test_a_bank_is_the_search_without_what_makes_trials_depend(
    name: str, said: dict[str, Any]
) -> None:
    bank = made(space=name, bank=True, preset="quick", **said)
    search = made(space=name, preset="quick")
    drawn = {"bank": True, "sampler": "random", "pruner": "none", "replicates": None}
    assert bank.model_dump() == search.model_dump() | drawn


def test_epochs_move_the_ranges_that_are_in_epochs() -> None:
    assert made(space="warmup", epochs=12).ranges["warmup"].high == 4.0


def test_set_fixes_a_parameter_and_range_moves_it() -> None:
    spec = made(fixed=["base_lr=0.3", " alpha = 5e-1 "], bounds=["exponent=0.5:2"])
    assert spec.ranges["base_lr"] == Range(low=0.3, high=0.3, log=True)
    assert spec.ranges["alpha"] == Range(low=0.5, high=0.5, log=True)
    assert spec.ranges["exponent"] == Range(low=0.5, high=2, log=True)
    assert spec.ranges["final_fraction"] == SPACES["cosine"].ranges(Budget())["final_fraction"]


def test_set_schedule_chooses_families() -> None:
    assert made(fixed=["schedule=cosine"]).families == ("cosine",)
    spec = made(fixed=["schedule=factor,constant"])
    assert spec.families == ("factor", "constant")
    assert spec.trials == 60


def test_set_reaches_the_optimizer() -> None:
    said = ["momentum=0.9", "nesterov=true", "weight_decay=5e-4", "init=xavier_uniform"]
    spec = made(fixed=[*said, "batch_size=128"])
    assert spec.optimizer == {
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "init": "xavier_uniform",
        "batch_size": 128,
    }
    assert set(spec.optimizer) == set(OPTIMIZER)
    assert type(spec.optimizer["batch_size"]) is int


@pytest.mark.parametrize("preset", ["quick", "standard"])
def test_a_recipe_that_is_asked_for_replaces_the_presets(preset: str) -> None:
    plain = made(preset=preset, recipe="chapter")
    fast = made(preset=preset, recipe="momentum")
    assert (plain.recipe, plain.optimizer) == ("chapter", {})
    assert (fast.recipe, fast.optimizer) == ("momentum", {"momentum": 0.9, "batch_size": 32})
    same = {"recipe", "optimizer", "ranges"}
    assert plain.model_dump(exclude=same) == fast.model_dump(exclude=same)


def test_set_changes_a_recipe() -> None:
    spec = made(recipe="momentum", fixed=["nesterov=true"])
    assert spec.optimizer == {"momentum": 0.9, "batch_size": 32, "nesterov": True}
    spec = made(recipe="momentum", fixed=["batch_size=64", "momentum=0"])
    assert (spec.recipe, spec.optimizer) == ("momentum", {"batch_size": 64})


def test_a_recipe_moves_the_rates_of_given_schedules() -> None:
    spec = made(space="schedules", recipe="momentum", schedules=("cosine", "constant"))
    plain = made(space="schedules", recipe="chapter", schedules=("cosine", "constant"))
    assert spec.ranges["base_lr"].low == pytest.approx(plain.ranges["base_lr"].low / 10)
    assert spec.ranges["base_lr"].high == pytest.approx(plain.ranges["base_lr"].high / 10)
    assert spec.ranges["final_fraction"] == plain.ranges["final_fraction"]


def test_langevins_quick_preset_is_plain_sgd_in_small_batches() -> None:
    spec = made(space="langevin", preset="quick")
    assert (spec.recipe, spec.optimizer) == ("chapter", {"batch_size": 64})


def test_a_design_takes_part_of_its_runs() -> None:
    spec = made(space="chapter", fixed=["schedule=cosine/as-published"], pruner="none")
    assert (spec.families, spec.trials) == (("cosine/as-published",), 3)


BOTH = "base_lr is given to both --set and --range"
FIXED = "chapter is a fixed design: nothing is sampled or pruned"
UNKNOWN = "unknown parameter of cosine"
KNOWN = "base_lr, final_fraction, exponent, alpha, schedule, "
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"space": "cosin"}, "unknown search space 'cosin'. Did you mean 'cosine'? There are: fixed"),
    ({"fixed": ["bas_lr=1"]}, f"{UNKNOWN} 'bas_lr'. Did you mean 'base_lr'? There are: {KNOWN}"),
    ({"bounds": ["warmup=1:2"]}, f"{UNKNOWN} 'warmup'. There are: base_lr, final_fraction, exp"),
    ({"fixed": ["base_lr"]}, "--set base_lr is not of the form NAME=VALUE"),
    ({"fixed": ["base_lr="]}, "--set base_lr= is not of the form NAME=VALUE"),
    ({"fixed": ["base_lr=big"]}, "--set base_lr=big: 'big' is not a number"),
    ({"fixed": ["base_lr=0"]}, "base_lr: a logarithmic range must start above 0, not at 0"),
    ({"fixed": ["base_lr=nan"]}, "base_lr must be a finite number, not nan"),
    ({"bounds": ["base_lr"]}, "--range base_lr is not of the form NAME=LOW:HIGH"),
    ({"bounds": ["base_lr=1"]}, "--range base_lr=1 is not of the form NAME=LOW:HIGH"),
    ({"bounds": ["base_lr=1:"]}, "--range base_lr=1: is not of the form NAME=LOW:HIGH"),
    ({"bounds": ["base_lr=1:x"]}, "--range base_lr=1:x: 'x' is not a number"),
    ({"bounds": ["base_lr=1:0.1"]}, "base_lr: the range 1:0.1 is inverted"),
    ({"bounds": ["base_lr=1:1"]}, "--range base_lr=1:1 is empty; fix a parameter with --set"),
    ({"bounds": ["base_lr=-1:1"]}, "base_lr: a logarithmic range must start above 0, not at -1"),
    ({"fixed": ["base_lr=1", "base_lr=2"]}, "--set base_lr is given twice"),
    ({"fixed": ["base_lr=1"], "bounds": ["base_lr=1:2"]}, BOTH),
    ({"bounds": ["base_lr=1:2", "base_lr=1:3"]}, "--range base_lr is given twice"),
    (
        {"fixed": ["schedule=cosin"]},
        "unknown schedule of cosine 'cosin'. Did you mean 'cosine'? There are: constant, factor",
    ),
    ({"fixed": ["schedule=cosine,cosine"]}, "the schedule 'cosine' is given twice"),
    ({"fixed": ["momentum=2"]}, "momentum must be below 1, not 2"),
    ({"fixed": ["momentum=high"]}, "momentum must be a number"),
    ({"fixed": ["nesterov=true"]}, "nesterov needs a momentum above 0"),
    ({"fixed": ["init=ones"]}, "init must be 'default' or 'xavier_uniform', not 'ones'"),
    ({"trials": 100}, "100 trials cannot be shared equally by 6 schedule families; the next good"),
    (
        {"space": "warmup", "epochs": 3, "bounds": ["warmup=0:5"]},
        "a warmup of up to 5 epochs is longer than training (3 epochs)",
    ),
    (
        {"space": "chapter", "epochs": 3},
        "warmup_cosine/as-intended: a warmup of 5 epochs is longer than training (3)",
    ),
    (
        {"space": "chapter", "recipe": "momentum"},
        "chapter is the chapter's own design, which needs plain SGD: --recipe chapter",
    ),
    (
        {"space": "langevin", "recipe": "momentum"},
        "langevin samples weights by noise, which needs plain SGD: --recipe chapter",
    ),
    ({"space": "chapter", "sampler": "tpe"}, FIXED),
    ({"space": "chapter", "pruner": "median"}, FIXED),
    ({"bank": True, "space": "chapter"}, "chapter is a fixed design: it cannot be a bank"),
    ({"bank": True, "sampler": "tpe"}, "--bank samples at random and prunes nothing"),
    ({"bank": True, "sampler": "qmc"}, "--bank samples at random and prunes nothing"),
    ({"bank": True, "pruner": "percentile"}, "--bank samples at random and prunes nothing"),
    ({"bank": True, "trials": 7}, "7 trials cannot be shared equally by 6 schedule families; the"),
]


@pytest.mark.parametrize(("said", "message"), WRONG)
def test_what_cannot_be_is_explained_in_one_line(said: dict[str, Any], message: str) -> None:
    assert refusal(**said).startswith(message)
