"""StudySpec: what it refuses and how, its arithmetic of slots and its JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from search_spaces.config import Arm, Budget, Range
from search_spaces.schedules.problems import first_problem
from search_spaces.spaces import SPACES
from study.spec import Stage, StudySpec

ARMS = (
    Arm(family="cosine", parameters={"base_lr": 0.3, "final_fraction": 0.1}, role="candidate"),
    Arm(family="constant", parameters={"base_lr": 0.1}, budget=Budget(epochs=2, train_size=50)),
    Arm(family="cosine", parameters={"base_lr": 0.2, "final_fraction": 0.01}),
)
BANK: dict[str, Any] = {"bank": True, "sampler": "random", "pruner": "none", "replicates": None}


def spec(space: str = "cosine", epochs: int = 6, **changes: Any) -> StudySpec:
    """Two trials of each family of a space, with its own ranges, and what differs from that."""
    module, budget = SPACES.get(space, SPACES["cosine"]), Budget(epochs=epochs)
    families = changes.get("families", module.FAMILIES)
    values: dict[str, Any] = {
        "space": space,
        "families": families,
        "trials": 2 * len(families),
        "budget": budget,
        "ranges": module.ranges(budget),
    }
    return StudySpec(**values | changes)


def later(stage: Stage = "confirm", arms: tuple[Arm, ...] = ARMS, **changes: Any) -> StudySpec:
    """A later stage with two seeds of every arm, and what differs from that."""
    values: dict[str, Any] = {"stage": stage, "arms": arms, "source": "it", "replicates": None}
    return spec(**values | {"trials": 2 * len(arms)} | changes)


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        spec(**changes)
    line = first_problem(caught.value)
    assert "\n" not in line
    return line


def moved(space: str, epochs: int = 6, **bounds: tuple[float, float]) -> dict[str, Any]:
    """The ranges of a space with other bounds."""
    ranges = SPACES[space].ranges(Budget(epochs=epochs))
    for name, (low, high) in bounds.items():
        ranges[name] = Range(low=low, high=high, log=ranges[name].log)
    return {"space": space, "epochs": epochs, "ranges": ranges}


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"space": "cosin"},
        "unknown search space 'cosin'. Did you mean 'cosine'? There are: fixed_rate, polynomial, "
        "cosine, warmup, langevin, chapter, schedules.",
    ),
    (
        {"families": ("constant", "facto")},
        "unknown schedule of cosine 'facto'. Did you mean 'factor'? There are: constant, factor, "
        "multi_factor, inverse_power, polynomial, cosine.",
    ),
    ({"families": ("constant", "constant")}, "the schedule 'constant' is given twice"),
    (
        {"families": (), "trials": 3},
        "families must not be empty",
    ),
    (
        {"trials": 13},
        "13 trials cannot be shared equally by 6 schedule families; the next good number is 18",
    ),
    (
        {"trials": 5},
        "5 trials cannot be shared equally by 6 schedule families; the next good number is 6",
    ),
    ({"trials": 0}, "trials must be at least 1, not 0"),
    ({"seed": -1}, "seed must be at least 0, not -1"),
    ({"replicates": 0}, "replicates must be at least 1, not 0"),
    ({"max_retries": -1}, "max_retries must be at least 0, not -1"),
    ({"sampler": "../tpe"}, "sampler must be a plain name, not '../tpe'"),
    ({"pruner": ""}, "pruner must be a plain name, not ''"),
    ({"colour": 1}, "colour is not known here"),
    ({"stage": "test"}, "a search samples; a later stage has arms and a source"),
    ({"stage": "confirm", "arms": ARMS}, "a search samples; a later stage has arms and a source"),
    ({"stage": "test", "source": "it"}, "a search samples; a later stage has arms and a source"),
    ({"arms": ARMS}, "a search samples; a later stage has arms and a source"),
    ({"source": "it"}, "a search samples; a later stage has arms and a source"),
    (
        {"arms": ARMS, "source": "it"},
        "a search samples; a later stage has arms and a source",
    ),
    ({"stage": "final"}, "stage must be 'search', 'confirm' or 'test', not 'final'"),
    ({"train_on": "all"}, "only the test stage trains on all images"),
    (
        {"stage": "confirm", "arms": ARMS, "source": "it", "train_on": "all"},
        "only the test stage trains on all images",
    ),
    ({"train_on": "both"}, "train_on must be 'train' or 'all', not 'both'"),
    (
        {"stage": "confirm", "arms": ARMS, "source": "it", "families": ("cosine", "factor")},
        "unknown schedule of an arm 'constant'. Did you mean 'cosine'? There are: cosine, factor.",
    ),
    (
        {"stage": "confirm", "arms": ARMS, "source": "it", "trials": 8},
        "8 trials cannot be shared equally by 3 configurations; the next good number is 9",
    ),
    (
        {
            "stage": "confirm",
            "arms": (*ARMS[:2], Arm(family="factor", parameters={"base_lr": 0.1, "alpha": 2})),
            "source": "it",
        },
        "The value of the parameter 'final_fraction' is not found",
    ),
    *[
        (BANK | wrong, "a bank is random, without pruning, each trial with its own seed")
        for wrong in (
            {"sampler": "tpe"},
            {"sampler": "qmc"},
            {"pruner": "percentile"},
            {"replicates": 1},
            {"replicates": 2},
        )
    ],
    (
        {"ranges": {"base_lr": Range(low=0.1, high=1)}},
        "no range for alpha, exponent, final_fraction",
    ),
    (
        moved("warmup", warmup=(0, 7)),
        "a warmup of up to 7 epochs is longer than training (6 epochs)",
    ),
    (
        moved("warmup", warmup=(6, 6)),
        "polynomial with base_lr=0.1, warmup=6: warmup=6 must be shorter than the schedule, which "
        "ends at 6",
    ),
    (
        moved("warmup", warmup=(-1, 2)),
        "constant with base_lr=0.1, warmup=-1: warmup must be at least 0, not -1.0",
    ),
    (
        moved("cosine", alpha=(0.5, 2)),
        "multi_factor with base_lr=2, alpha=2: alpha must be below 1, not 2.0",
    ),
    ({"optimizer": {"momentum": 1}}, "constant with base_lr=0.03: momentum must be below 1"),
    (
        {"space": "chapter", "epochs": 4},
        "warmup_cosine/as-intended: a warmup of 5 epochs is longer than training (4)",
    ),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_what_cannot_be_studied_is_refused_in_one_line(
    changes: dict[str, Any], message: str
) -> None:
    assert refusal(**changes).startswith(message)


def test_an_unknown_range_is_answered_with_the_nearest_parameter() -> None:
    ranges = spec().ranges | {"bas_lr": Range(low=0.1, high=1)}
    assert refusal(ranges=ranges) == (
        "unknown parameter of cosine 'bas_lr'. Did you mean 'base_lr'? There are: base_lr, "
        "final_fraction, exponent, alpha."
    )


def test_an_arm_that_cannot_be_trained_is_refused() -> None:
    """By its own budget, where it has one."""
    ranges = SPACES["warmup"].ranges(Budget(epochs=9))
    long = {"base_lr": 0.5, "warmup": 3.0}
    values = {"space": "warmup", "epochs": 9, "ranges": ranges, "source": "it", "stage": "confirm"}
    for budget, message in [
        (Budget(epochs=2), "constant with base_lr=0.5, warmup=3: a warmup of 3 epochs is longer"),
        (Budget(epochs=1), "constant with base_lr=0.5, warmup=3: a warmup of 3 epochs is longer"),
    ]:
        arm = Arm(family="constant", parameters=long, budget=budget)
        assert refusal(**values, arms=(arm,), trials=3).startswith(message)
    arm = Arm(family="constant", parameters=long, budget=Budget(epochs=3))
    assert later(arms=(arm,), space="warmup", epochs=9, ranges=ranges).slot_budget(1).epochs == 3


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("epochs", [6, 30])
def test_every_space_can_be_studied_and_survives_json(space: str, epochs: int) -> None:
    made = spec(space, epochs, seed=3, replicates=None, optimizer={"init": "xavier_uniform"})
    again = StudySpec.model_validate_json(made.model_dump_json())
    assert again == made
    assert StudySpec.model_validate(made.model_dump(mode="json")) == made


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec().trials = 3  # type: ignore[misc]


def test_a_total_can_be_raised_but_not_lowered() -> None:
    made = spec(seed=5)
    larger = made.with_trials(18)
    assert (larger.trials, larger.seed) == (18, 5)
    assert made.with_trials(12) == made
    for total, message in [
        (6, "the study has 12 trials; a total of 6 is fewer"),
        (20, "20 trials cannot be shared equally by 6 schedule families; the next good number"),
    ]:
        with pytest.raises(ValueError, match=message):
            made.with_trials(total)


@pytest.mark.parametrize("replicates", [1, 2, 3, None])
def test_slots_share_families_and_replicates_equally(replicates: int | None) -> None:
    made = spec(trials=36, replicates=replicates)
    slots = range(made.trials)
    assert set(Counter(map(made.family, slots)).values()) == {6}
    pairs = Counter((made.family(slot), made.replicate(slot)) for slot in slots)
    assert len(pairs) == 6 * (replicates or 6)
    assert set(pairs.values()) == {6 // (replicates or 6)}
    for slot in slots:
        assert made.family(slot) == made.families[slot % 6]
        earlier = [other for other in range(slot) if made.family(other) == made.family(slot)]
        assert made.turn(slot) == len(earlier)


def test_a_larger_study_begins_with_the_slots_of_the_smaller_one() -> None:
    small, large = spec(trials=12, replicates=2), spec(trials=24, replicates=2)
    for slot in range(12):
        assert small.family(slot) == large.family(slot)
        assert small.training_seed(slot) == large.training_seed(slot)
        assert small.baseline(slot) == large.baseline(slot)


def test_replicates_share_the_training_seed_and_others_do_not() -> None:
    made = spec(trials=24, replicates=2)
    seeds: dict[int, set[int]] = {}
    for slot in range(24):
        seeds.setdefault(made.replicate(slot), set()).add(made.training_seed(slot))
    assert [len(each) for each in seeds.values()] == [1, 1]
    assert len(set.union(*seeds.values())) == 2
    own = spec(trials=24, replicates=None)
    assert len({own.training_seed(slot) for slot in range(24)}) == 4
    assert own.training_seed(0) != spec(trials=24, replicates=None, seed=1).training_seed(0)


def test_baselines_come_first_in_each_family_and_stay_in_the_ranges() -> None:
    made = spec("warmup", 30, trials=12)
    assert [made.baseline(slot) for slot in range(0, 12, 3)] == [
        {"base_lr": 0.3, "warmup": 0.0},
        {"base_lr": 0.3, "warmup": 5.0},
        None,
        None,
    ]
    clipped = spec(**moved("warmup", 30, base_lr=(0.5, 1.0), warmup=(1.0, 2.0)))
    assert clipped.baseline(0) == {"base_lr": 0.5, "warmup": 1.0}
    assert clipped.baseline(3) == {"base_lr": 0.5, "warmup": 2.0}
    assert clipped.longest_warmup == 2.0
    assert spec("cosine").longest_warmup == 0.0


# ---------------------------------------------------------------- later stages and banks


def test_a_stage_with_arms_survives_json() -> None:
    made = later("test", seed=3, train_on="all")
    again = StudySpec.model_validate_json(made.model_dump_json())
    assert again == made == StudySpec.model_validate(made.model_dump(mode="json"))
    assert again.arms == ARMS


@pytest.mark.parametrize("space", SPACES)
def test_a_spec_that_was_stored_before_there_were_stages_is_a_search(space: str) -> None:
    made = spec(space, seed=3)
    stored = made.model_dump(mode="json")
    for name in ("bank", "stage", "arms", "source", "train_on"):
        del stored[name]
    again = StudySpec.model_validate(stored)
    assert again == made
    assert (again.stage, again.bank) == ("search", False)
    slots = range(again.trials)
    assert [again.training_seed(slot) for slot in slots] == [
        int(np.random.SeedSequence([3, again.replicate(slot)]).generate_state(1)[0])
        for slot in slots
    ]


@pytest.mark.parametrize("stage", ["confirm", "test"])
def test_every_arm_gets_every_seed(stage: Stage) -> None:
    made = later(stage, trials=12)
    assert made.shares == 3
    seeds: list[set[int]] = [set(), set(), set()]
    for slot in range(12):
        arm = ARMS[slot % 3]
        assert made.arm(slot) == arm
        assert made.family(slot) == arm.family
        assert made.given(slot) == arm.parameters
        assert made.slot_budget(slot) == (arm.budget or made.budget)
        assert made.turn(slot) == made.replicate(slot) == slot // 3
        seeds[slot % 3].add(made.training_seed(slot))
    assert seeds[0] == seeds[1] == seeds[2]
    assert len(seeds[0]) == 4


def test_no_two_stages_share_a_seed() -> None:
    """What chose a configuration must not judge it."""
    found = [
        made.training_seed(slot)
        for seed in range(3)
        for made in (
            spec(families=("constant",), trials=40, replicates=None, seed=seed),
            *(later(stage, ARMS[:1], trials=40, seed=seed) for stage in ("confirm", "test")),
        )
        for slot in range(40)
    ]
    assert len(set(found)) == 3 * 3 * 40


def test_more_seeds_keep_the_slots_that_were_there() -> None:
    small, large = later(trials=6), later().with_trials(15)
    for slot in range(6):
        assert small.arm(slot) == large.arm(slot)
        assert small.training_seed(slot) == large.training_seed(slot)


def test_what_a_stage_may_read() -> None:
    """Only the test stage and a fixed design read the test images; `all` leaves no validation."""
    found = {
        (made.stage, made.train_on): (made.validates, made.reads_test)
        for made in (spec(), later(), later("test"), later("test", train_on="all"))
    }
    assert found == {
        ("search", "train"): (True, False),
        ("confirm", "train"): (True, False),
        ("test", "train"): (True, True),
        ("test", "all"): (False, True),
    }
    assert (spec("chapter").validates, spec("chapter").reads_test) == (False, True)


@pytest.mark.parametrize("space", [name for name in SPACES if name != "chapter"])
def test_a_bank_has_no_baselines_and_every_slot_its_own_seed(space: str) -> None:
    search, bank = spec(space, trials=60), spec(space, trials=60, **BANK)
    assert any(search.baseline(slot) for slot in range(60))
    assert [bank.baseline(slot) for slot in range(60)] == [None] * 60
    assert [bank.given(slot) for slot in range(60)] == [None] * 60
    assert len({bank.training_seed(slot) for slot in range(60)}) == 60
    assert [bank.replicate(slot) for slot in range(60)] == list(range(60))
    assert [bank.family(slot) for slot in range(60)] == [search.family(slot) for slot in range(60)]


def test_what_is_given_in_a_search_is_its_baselines() -> None:
    made = spec("warmup", 30, trials=12)
    assert [made.given(slot) for slot in range(12)] == [made.baseline(slot) for slot in range(12)]
    assert [made.arm(slot) for slot in range(12)] == [None] * 12
    assert {made.slot_budget(slot) for slot in range(12)} == {made.budget}
    assert [later().baseline(slot) for slot in range(6)] == [None] * 6
