"""What a run does not reach of its schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import Budget
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.given import TorchScheduler
from search_spaces.schedules.horizon import Cosine, Polynomial
from search_spaces.schedules.text import parse_schedule
from search_spaces.schedules.unfinished import unfinished
from search_spaces.spaces import SPACES
from study.spec import StudySpec

settings.register_profile(
    "lrstudy", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("lrstudy")

ONE_CYCLE = "torch:base=0.1,scheduler=OneCycleLR,max_lr=0.1,cycle_momentum=false"
FOUND = [
    ("cosine:base=0.3,final=0.01,horizon=30", "10 epochs of a horizon of 30, at a rate of 0.228 "),
    ("cosine:base=0.3,horizon=20,warmup=12", "after 10 epochs, before the warmup of 12"),
    ("constant:base=0.3,warmup=10", "after 10 epochs, before the warmup of 10"),
    ("polynomial:base=0.4,horizon=20", "of a horizon of 20, at a rate of 0.2 instead of 0"),
    ("warmup_stable_decay:base=1,horizon=30,cooldown=5", "a horizon of 30, at a rate of 1 "),
    ("one_cycle:base=0.3,horizon=20,peak=8", "a horizon of 20"),
    ("cosine_restarts:base=0.1,cycle=4", "50 % into a cycle, at a rate of 0.0504 instead of 0"),
    ("cosine_restarts:base=0.1,cycle=3.33", "into a cycle, at a rate of 0.1 instead of 0"),
    ("cosine_restarts:base=0.1,cycle=11", "91 % into a cycle"),
    ("multi_factor:base=1,alpha=0.5,milestones=5/15/30", "before the milestones 15 and 30"),
    ("table:rates=1/2/3/4/5/6,warmup=5", "a run takes 5 of the 6 rates of the table"),
    ("plateau:base=0.1,patience=8", "a patience of 8 epochs leaves no time to lower the rate"),
    (f"{ONE_CYCLE},steps_per_epoch=100,epochs=10,per=epoch", "10 of the 1,000 steps of OneCycleLR"),
    (f"{ONE_CYCLE},steps_per_epoch=100,epochs=30", "takes 1,000 of the 3,000 steps of OneCycleLR"),
    ("torch:base=1,scheduler=CosineAnnealingLR,T_max=1000", "one an epoch (per=update: 1,000)"),
    ("torch:base=1,scheduler=CosineAnnealingLR,T_max=8", "rises again after 8 steps"),
    ("torch:base=1,scheduler=CosineAnnealingLR,T_max=10,warmup=5", "a run takes 5 of the 10 steps"),
    ("torch:base=1,scheduler=LinearLR,total_iters=40", "takes 10 of the 40 steps of LinearLR"),
    ("torch:base=1,scheduler=StepLR,step_size=11", "takes 10 of the 11 steps of StepLR"),
    ("torch:base=1,scheduler=MultiStepLR,milestones=4/40", "10 of the 40 steps of MultiStepLR"),
    ("torch:base=1,scheduler=CosineAnnealingWarmRestarts,T_0=4", "50 % into a cycle"),
    ("torch:base=1,scheduler=CyclicLR,max_lr=2,step_size_up=1000", "50 % into a cycle"),
]


@pytest.mark.parametrize(("text", "phrase"), FOUND)
def test_what_ten_epochs_of_a_hundred_updates_do_not_reach(text: str, phrase: str) -> None:
    (found,) = unfinished(parse_schedule(text), 10, 100)
    assert phrase in found


@pytest.mark.parametrize(
    "text",
    [
        "constant:base=0.3",
        "factor:base=0.3,alpha=0.9",
        "inverse_power:base=0.3,warmup=9",
        "cosine:base=0.3,horizon=10",
        "cosine:base=0.3,horizon=6",
        "cosine_restarts:base=0.1,cycle=3.3333333333",
        "cosine_restarts:base=0.1,cycle=3,warmup=1",
        "multi_factor:base=1,alpha=0.5,milestones=5/10",
        "table:rates=1/2/3",
        "plateau:base=0.1,patience=7",
        f"{ONE_CYCLE},steps_per_epoch=100,epochs=10",
        f"{ONE_CYCLE},total_steps=10,per=epoch",
        "torch:base=1,scheduler=CosineAnnealingLR,T_max=10",
        "torch:base=1,scheduler=ExponentialLR,gamma=0.9",
        "torch:base=1,scheduler=ConstantLR",
        "torch:base=1,scheduler=CosineAnnealingWarmRestarts,T_0=5",
    ],
)
def test_a_schedule_that_ends_with_training_or_never(text: str) -> None:
    assert unfinished(parse_schedule(text), 10, 100) == []


@given(epochs=st.integers(1, 60), k=st.integers(1, 300), parts=st.integers(1, 5))
def test_what_is_made_for_the_length_of_training_is_finished(
    epochs: int, k: int, parts: int
) -> None:
    arguments = {"max_lr": 0.1, "epochs": epochs, "steps_per_epoch": k}
    made = [
        Cosine(base_lr=1.0, horizon=epochs),
        Polynomial(base_lr=1.0, horizon=epochs),
        OneCycle(base_lr=1.0, horizon=epochs, peak=epochs / 3),
        CosineRestarts(base_lr=1.0, cycle=epochs / parts),
        TorchScheduler(base_lr=1.0, scheduler="OneCycleLR", arguments=arguments),
    ]
    assert [unfinished(each, epochs, k) for each in made] == [[]] * 5


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("epochs", [3, 4, 7, 30])
def test_no_space_asks_for_what_its_own_budget_does_not_reach(space: str, epochs: int) -> None:
    """But the chapter's, whose schedules have 30 epochs whatever the budget is."""
    module, budget = SPACES[space], Budget(epochs=epochs)
    if space == "chapter" and epochs < 30:
        return
    spec = StudySpec(
        space=space,
        families=module.FAMILIES,
        trials=len(module.FAMILIES),
        budget=budget,
        ranges=module.ranges(budget),
    )
    for _, _, config in spec.extremes():
        assert unfinished(config.schedule, epochs, 157) == []
