"""Schedules in plain words."""

from __future__ import annotations

import pytest

from search_spaces.schedules.base import FAMILIES
from search_spaces.schedules.text import parse_schedule
from search_spaces.weight_sampling import WeightSampling
from search_spaces.wording import in_words, sampling_in_words

PHRASES = {
    "constant:base=0.3": "a constant rate of 0.3",
    "factor:base=0.3,alpha=0.9": "exponential decay from 0.3, times 0.9 every epoch",
    "multi_factor:base=0.5,alpha=0.5,milestones=15/30": "0.5, times 0.5 at epoch 15 and 30",
    "inverse_power:base=0.1,per=update": ("inverse power decay 0.1 (1 + 1 t)^-0.5, t in updates"),
    "polynomial:base=0.3,horizon=30,exponent=1.23456": (
        "polynomial decay from 0.3 to 0 at epoch 30, exponent 1.235"
    ),
    "constant:base=0.3,warmup=0.2,hold_epochs=true": (
        "a constant rate of 0.3, after 0.2 epochs of warmup rising from 0, changed once an epoch "
        "and while warmup ends"
    ),
    "cosine:base=0.3,final=0.01,horizon=20,warmup=5,hold_epochs=true": (
        "a cosine from 0.3 to 0.01 at epoch 20, after 5 epochs of warmup rising from 0, "
        "changed once an epoch"
    ),
    "cosine_restarts:base=1,cycle=3,multiplier=2": (
        "cosines from 1 to 0, the first 3 epochs long, each next one 2 times as long"
    ),
    "warmup_stable_decay:base=1,horizon=30,cooldown=6": (
        "1, then a linear cooldown to 0 over the last 6 of 30 epochs"
    ),
    "one_cycle:base=1,peak=3,horizon=9": (
        "one cycle from 0 up to 1 at epoch 3, down to 0 at epoch 9"
    ),
    "power:base=1,start=3": "1, falling as time to the power -0.51 after 3 epochs",
    "constant:base=1,until=3 then cosine:horizon=4": (
        "a constant rate of 1, then, counted from epoch 3, a cosine from 1 to 0 at epoch 4"
    ),
    "rex:base=1,horizon=9": "a reflected exponential from 1 to 0 at epoch 9",
    "plateau:base=0.1,mode=max,patience=1": (
        "0.1, times 0.1 when the validation accuracy has not improved for more than 1 epoch"
    ),
    "one_cycle:base=1,peak=3,horizon=9,max_momentum=0.95,base_momentum=0.85": (
        "one cycle from 0 up to 1 at epoch 3, down to 0 at epoch 9, momentum from 0.95 to 0.85 and "
        "back"
    ),
    "table:rates=0.1/0.2": "a table of 2 rates, one for each epoch",
    "torch:base=0.1,scheduler=StepLR,step_size=3": "torch's StepLR from 0.1, stepped every epoch",
    "plateau:base=0.1": (
        "0.1, times 0.1 when the validation loss has not improved for more than 3 epochs"
    ),
    "constant:base=0.3,warmup=2,warmup_lr=0.05,warmup_shape=constant": (
        "a constant rate of 0.3, after 2 epochs of warmup at 0.05"
    ),
}


@pytest.mark.parametrize("text", PHRASES)
def test_phrase(text: str) -> None:
    assert in_words(parse_schedule(text)) == PHRASES[text]


def test_every_family_has_words() -> None:
    assert {parse_schedule(text).family for text in PHRASES} == set(FAMILIES)


@pytest.mark.parametrize(
    ("sampling", "text"),
    [
        (WeightSampling(thinning=12.0), "predictions averaged over samples every 12 epochs"),
        (
            WeightSampling(temperature=1e-4, prior_precision=2.5, burn_in=6.0),
            "noise of temperature 0.0001, a prior of precision 2.5, predictions averaged over "
            "samples every epoch after the first 6",
        ),
        (
            WeightSampling(temperature=1.0, burn_in=2.0, cycle=4.0, explore=True),
            "noise of temperature 1 outside of the burn-in, predictions averaged over samples "
            "every epoch after the first 2 of each 4",
        ),
        (
            WeightSampling(burn_in=9.0, average="weights", thinning=0.75),
            "weights averaged over samples every 0.75 epochs after the first 9",
        ),
    ],
)
def test_sampling_in_words(sampling: WeightSampling, text: str) -> None:
    assert sampling_in_words(sampling) == text
