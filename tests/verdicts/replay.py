"""The rule of verdicts replayed on the bank: what it resolves, and how often it is wrong where
nothing differs. `python -m tests.verdicts.replay --replays 1000`

A replay draws seeds of the bank with replacement, as many as the plan has, and judges cosine
against each other schedule in the plan's looks, test images included. Under the null the names of
the schedules are permuted within every seed, so that none is better than another.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.random import Generator

from analysis.estimators.looks import compare_in_looks
from search_spaces.cosine import REFERENCE
from tests.verdicts.bank import Bank, load

RESOLVED = (
    *("better", "worse", "equivalent"),
    *("more often untrained", "less often untrained"),
)
FALSE = ("better", "worse", "more often untrained", "less often untrained")
"""Verdicts that are wrong where nothing differs."""


class Replayed(NamedTuple):
    """resolved: pairs that a replay resolves, on average; seeds: that each pair took, on average;
    wrong: the share of null replays with any false verdict."""

    resolved: float
    seeds: float
    wrong: float


def judge(bank: Bank, looks: tuple[int, ...], rng: Generator, *, null: bool) -> pd.DataFrame:
    """The verdicts on cosine against each other family, from seeds drawn from the bank."""
    seeds, families = bank.untrained.shape
    rows = rng.integers(seeds, size=looks[-1])[:, None]
    order = np.arange(families)
    columns = rng.permuted(np.tile(order, (looks[-1], 1)), axis=1) if null else order[None]
    untrained = bank.untrained[rows, columns]
    accuracy = pd.DataFrame(bank.accuracy[rows, columns], columns=bank.families)
    correct = _whole(bank, bank.correct[rows, columns])
    first = str(REFERENCE)
    pairs = [(first, each) for each in bank.families if each != first]
    return compare_in_looks(
        accuracy,
        pairs,
        looks,
        untrained=pd.DataFrame(untrained, columns=bank.families),
        correct={name: correct[:, place] for place, name in enumerate(bank.families)},
    )


def _whole(bank: Bank, correct: np.ndarray) -> np.ndarray:
    """The images with those on which all runs agree."""
    right = np.ones((*correct.shape[:-1], bank.always_right), dtype=bool)
    wrong = np.zeros((*correct.shape[:-1], bank.always_wrong), dtype=bool)
    return np.concatenate([correct, right, wrong], axis=-1).astype(np.float32)


def replayed(looks: tuple[int, ...], replays: int, seed: int) -> Replayed:
    """So many replays of a plan, and as many under the null."""
    bank, rng = load(), np.random.default_rng(seed)
    resolved, used, wrong = [], [], []
    for _ in range(replays):
        found = judge(bank, looks, rng, null=False)
        resolved.append(found["verdict"].isin(RESOLVED).sum())
        used.append(np.array(looks)[found["look"] - 1].mean())
        wrong.append(judge(bank, looks, rng, null=True)["verdict"].isin(FALSE).any())
    return Replayed(float(np.mean(resolved)), float(np.mean(used)), float(np.mean(wrong)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.verdicts.replay", description=__doc__)
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--looks", type=int, nargs="+", default=[6, 12, 25])
    asked = parser.parse_args()
    looks, half = tuple(asked.looks), asked.replays // 2
    with ProcessPoolExecutor(2) as pool:
        parts = [pool.submit(replayed, looks, half, 2 * asked.seed + k) for k in (0, 1)]
        resolved, seeds, wrong = np.mean([part.result() for part in parts], axis=0)
    print(
        f"looks at {', '.join(map(str, looks))} seeds, {2 * half} replays: {resolved:.2f} of 5 "
        f"pairs resolved, {seeds:.1f} seeds a pair; any false verdict under the permuted null: "
        f"{wrong:.1%}"
    )


if __name__ == "__main__":
    main()
