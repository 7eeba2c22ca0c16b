"""Which batch, epochs and images tell schedules apart in the same time: the design of a preset.

    lrstudy answer cosine --study 32x6x10k --epochs 6 --train-size 10000 --set batch_size=32 \\
      --plan '{"budget": 240, "trials": 36, "top": 1, "seeds": 1, "looks": [8]}' --storage URL
    ...
    python -m tests.verdicts.presets URL 32x6x10k ...

Each study tunes the rates of every schedule for its own design and tests them on 8 fresh seeds.
From these seeds, drawn with replacement, a test of MINUTES is replayed with as many seeds as the
design can train in that time, in the looks of a plan. Eight seeds tell designs apart that differ by
much; they say little of two that are close.
"""

from __future__ import annotations

import argparse

import numpy as np

from analysis.study import load_study
from search_spaces.cosine import REFERENCE
from study.plan import FEWEST_AT_A_LOOK
from tests.verdicts.bank import Bank, read
from tests.verdicts.replay import RESOLVED, judge

MINUTES, WORKERS, REPLAYS = 8, 2, 300
"""Of a plan of 20 minutes the test gets about eight."""


def row(url: str, name: str) -> str:
    """A line of the table: what a run costs and reaches, and what the test resolves."""
    bank, study = read(url, name), load_study(url, name)
    assert study.test is not None
    spec, seconds = study.spec, float(study.test.trials["seconds"].median())
    seeds = max(int(60 * MINUTES * WORKERS / (seconds * len(bank.families))), FEWEST_AT_A_LOOK)
    reached = np.nanmean(bank.accuracy[:, bank.families.index(str(REFERENCE))])
    cells = (
        *(str(spec.optimizer.get("batch_size", "?")), str(spec.budget.epochs)),
        *(f"{spec.budget.train_size:,}", f"{seconds:.1f}", str(seeds), f"{100 * reached:.1f} %"),
        *(str(int(bank.untrained.sum())), f"{resolved(bank, seeds):.1f}"),
    )
    return f"| {' | '.join(cells)} |"


def resolved(bank: Bank, seeds: int) -> float:
    """How many of cosine's pairs a replayed test resolves, on average."""
    wanted = sorted({seeds // 4, seeds // 2, seeds})
    looks = tuple(each for each in wanted if each >= FEWEST_AT_A_LOOK)
    rng = np.random.default_rng(0)
    frames = [judge(bank, looks, rng, null=False) for _ in range(REPLAYS)]
    return float(np.mean([frame["verdict"].isin(RESOLVED).sum() for frame in frames]))


HEADINGS = (
    *("batch", "epochs", "images", "seconds a run", f"seeds in {MINUTES} min"),
    *("cosine's test accuracy", "untrained of the runs", "pairs of 5 resolved"),
)


def main() -> None:
    """Print the table of the studies that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("names", nargs="+")
    given = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}")
    for name in given.names:
        print(row(given.url, name), flush=True)


if __name__ == "__main__":
    main()
