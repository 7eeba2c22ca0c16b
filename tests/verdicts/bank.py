"""A bank of real runs on fresh seeds, at rates that a search tuned: `python -m tests.verdicts.bank
URL NAME` keeps those of a study's test.

Each family has a run on every seed: which test images it got right, and whether it stalled or
diverged. Images on which all runs agree are counted only, which halves the file.
"""

from __future__ import annotations

import argparse
import io
import lzma
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.reading.states import RESULTS
from analysis.study import load_study

FILE = Path(__file__).with_name("bank.npz.xz")


class Bank(NamedTuple):
    """families: their names. untrained: (seeds, families). correct: (seeds, families, images),
    whether the image was right; always_right, always_wrong: how many further images every run got
    right, or wrong. What it was made of: config."""

    families: list[str]
    untrained: npt.NDArray[np.bool_]
    correct: npt.NDArray[np.bool_]
    always_right: int
    always_wrong: int
    config: list[str]

    @property
    def images(self) -> int:
        """Of the test."""
        return self.correct.shape[-1] + self.always_right + self.always_wrong

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """(seeds, families), NaN where a run is untrained."""
        right = self.correct.sum(axis=-1) + self.always_right
        return np.where(self.untrained, np.nan, right / self.images)


def read(url: str, name: str) -> Bank:
    """The runs of a study's test. Raises ValueError where a family lacks a seed."""
    stage = load_study(url, name).test
    if stage is None:
        raise ValueError(f"{name} has no test")
    families = [arm.family for arm in stage.spec.arms]
    shape = (stage.spec.seeds, len(families))
    bits = stage.correct["last"]
    correct = np.zeros((*shape, bits.shape[1]), dtype=bool)
    untrained, known = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for run in stage.ended(RESULTS).to_dict("records"):
        at = int(run["replicate"]), families.index(run["family"])
        known[at], untrained[at] = True, run["state"] != "complete"
        correct[at] = bits.loc[run["trial"]].to_numpy()
    if not known.all():
        raise ValueError(f"{int((~known).sum())} runs of {name} have no result")
    trained = correct[~untrained]
    right, wrong = trained.all(axis=0), ~trained.any(axis=0)
    config = [f"{arm.family} {arm.parameters}" for arm in stage.spec.arms]
    kept = correct[..., ~right & ~wrong]
    return Bank(families, untrained, kept, int(right.sum()), int(wrong.sum()), config)


def write(bank: Bank, path: Path = FILE) -> None:
    """Keep a bank in a file."""
    packed, text = np.packbits(bank.correct, axis=-1), io.BytesIO()
    always = [bank.correct.shape[-1], bank.always_right, bank.always_wrong]
    np.savez(
        text,
        families=bank.families,
        untrained=bank.untrained,
        packed=packed,
        always=always,
        config=bank.config,
    )
    path.write_bytes(lzma.compress(text.getvalue(), preset=9))


def load(path: Path = FILE) -> Bank:
    """The bank that was kept."""
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes()))) as kept:
        images, right, wrong = (int(each) for each in kept["always"])
        correct = np.unpackbits(kept["packed"], axis=-1, count=images).astype(bool)
        families, config = list(map(str, kept["families"])), list(map(str, kept["config"]))
        return Bank(families, kept["untrained"], correct, right, wrong, config)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.verdicts.bank", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("name")
    asked = parser.parse_args()
    write(read(asked.url, asked.name))
