"""Which length of warmup to use, and at which rate: what the answer to question 4 leads to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.intervals import Interval
from analysis.fresh_seeds.advice import Advice
from analysis.fresh_seeds.pair_words import IMAGES
from analysis.questions.warmup.confirmed import grid_runs, on_grid, tested_lengths
from analysis.study import Study
from search_spaces.words.phrases import count
from study.spec import Stage


def advice(study: Study) -> Advice | None:
    """The shortest length shown to be not inferior, which is a verdict on fixed configurations;
    where none is shown the one that did best on validation images, since test images choose
    nothing. None where no run trained."""
    grid = grid_runs(study)
    validated = on_grid(grid, study.stage("confirm").curves, study.delta)
    judged = validated | tested_lengths(study, grid)
    facts, tried = judged["facts"].iloc[0], count(len(validated["lengths"]), "length")
    if not np.isnan(facts["shortest"]):
        how = (
            f"the shortest of {tried} of warmup shown to be not inferior to any other on "
            f"{IMAGES[facts['stage']]} images over {count(facts['seeds'], 'seed')}"
        )
        return _at(study, judged["lengths"], facts["shortest"], how)
    best = validated["facts"].iloc[0]
    if np.isnan(best["best"]):
        return None
    seeds = count(best["seeds"], "seed")
    how = f"best of {tried} of warmup, each at its best rate, on validation images over {seeds}"
    tested = best["best"] in set(judged["lengths"]["warmup"])
    return _at(study, (judged if tested else validated)["lengths"], best["best"], how)


def _at(study: Study, lengths: pd.DataFrame, length: float, how: str) -> Advice:
    row: Mapping[Hashable, Any] = lengths[lengths["warmup"] == length].to_dict("records")[0]
    stage: Stage = "test" if row["images"] == "test" else "confirm"
    trials = study.stage(stage).trials
    low, high = row["mean_accuracy_low"], row["mean_accuracy_high"]
    trained = int(row["n"] - row["untrained"])
    mean = Interval(trained, float(row["mean_accuracy"]), np.nan, float(low), float(high))
    return Advice(stage, trials[trials["trial"].isin(row[f"{stage}_trials"])], mean, how)
