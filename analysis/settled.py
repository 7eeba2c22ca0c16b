"""The one configuration that a search's later stages settled on, with its mean and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.intervals import SHARE, Interval, mean_by
from analysis.estimators.responses import response
from analysis.estimators.seeds import by_seed
from analysis.fresh_seeds.frames import ids, represented_runs, tested_runs
from analysis.questions.langevin.confirmed import means
from analysis.reading.predictive import measured
from analysis.reading.states import RESULTS
from analysis.sections.test_accuracy import accuracies
from analysis.study import Study
from study.choosing import choose
from study.spec import Stage


@dataclass(frozen=True)
class Settled:
    """A configuration over seeds.

    stage: whose runs are counted. family; origin: the trial of the search, None of a grid's
    configuration and in a fixed design.
    seeds: runs behind accuracy, a share, with its 95 % interval (NaN for too few) as the report
    has them. untrained: how many runs stalled or diverged, which are not among them.
    trials: numbers of all its runs in that stage. run: the row of the first that trained, by slot:
    neither the luckiest nor the unluckiest.
    """

    stage: Stage
    family: str
    origin: int | None
    seeds: int
    accuracy: float
    low: float
    high: float
    untrained: int
    trials: list[int]
    run: pd.Series


def settled(study: Study, stage: Stage = "search") -> Settled | None:
    """What the stages after a search settled on; None where they do not say yet.

    Of what represents the families the best one on validation images over fresh seeds: test images
    choose nothing. stage: the one whose numbers are wanted, even if it
    is not finished; for ``search`` the last one that is. In a fixed design: the run with the
    highest mean, on the test images themselves. Of given configurations the best one on validation
    images, too.
    """
    if study.spec.designed:
        return _designed(study)
    if study.spec.compares:
        return _compared(study)
    confirm, test = study.confirm, study.test
    if confirm is None or (stage == "search" and confirm.left):
        return None
    runs = _chosen_runs(study)
    if runs.empty:
        return None
    if test is not None and stage != "confirm" and (stage == "test" or not test.left):
        tested = tested_runs(study)
        tested = tested[tested["family"] == runs["family"].iloc[0]]
        on_test = _summary(study, "test", tested, runs["origin"].iloc[0])
        if on_test is not None or stage == "test":
            return on_test
    return None if stage == "test" else _summary(study, "confirm", runs, runs["origin"].iloc[0])


def _compared(study: Study) -> Settled | None:
    """Of given configurations the one that does best in pairs on validation images, with its
    numbers on the test images."""
    best = best_given(study, study.spec.families)
    return None if best is None else given_over_seeds(study, best)


def best_given(study: Study, families: Sequence[str]) -> str | None:
    """Which of those of the given configurations does best on validation images; None where none
    trained."""
    runs = study.ended(RESULTS)
    runs = runs[runs["family"].isin(families)]
    outcomes = by_seed(runs.assign(value=runs["val_accuracy"]), "family")
    best = choose(outcomes.accuracy, outcomes.untrained).best
    return None if best is None else str(outcomes.accuracy.columns[best])


def given_over_seeds(study: Study, family: str) -> Settled | None:
    """One of the given configurations on the test images; None without a run."""
    runs = study.ended(RESULTS)
    return _summary(study, "test", runs[runs["family"] == family], None)


def _chosen_runs(study: Study) -> pd.DataFrame:
    """The confirm runs of the best configuration among those that represent their families, by
    `study.choosing`."""
    candidates = represented_runs(study)
    if candidates.empty:
        return candidates
    outcomes = by_seed(candidates, "arm")
    best = choose(outcomes.accuracy, outcomes.untrained).best
    arm = -1 if best is None else outcomes.accuracy.columns[best]
    return candidates[candidates["arm"] == arm]


def _summary(study: Study, stage: Stage, runs: pd.DataFrame, origin: Any) -> Settled | None:
    """The runs of one configuration in a stage; None where the report has no number for them."""
    if runs.empty:
        return None
    row = _numbers(study, stage, runs)
    return (
        None
        if row is None
        else over_seeds(stage, runs, None if pd.isna(origin) else int(origin), row)
    )


def _numbers(study: Study, stage: Stage, runs: pd.DataFrame) -> Interval | None:
    """Mean and interval over seeds, from the functions that the report's sections take."""
    family, predictive = runs["family"].iloc[0], study.stage(stage).predictive
    if not predictive.empty:  # sampled weights
        split = "test" if stage == "test" else "val"
        frame = pd.DataFrame([means(measured(runs, predictive, split))])
    elif stage == "test":
        frame = accuracies(study)
        frame = frame[(frame["family"] == family) & (frame["weights"] == "last")]
    else:
        names = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
        frame = response(runs, ["family"]).drop(columns="n")
        frame = frame.rename(columns=names | {"complete": "n"})
    if frame.empty:
        return None
    row = frame.iloc[0]
    low, high = row["accuracy_low"], row["accuracy_high"]
    return Interval(int(row["n"]), row["accuracy"], np.nan, low, high)


def _designed(study: Study) -> Settled | None:
    """Of a fixed design the run with the highest mean test accuracy."""
    ended = study.ended(RESULTS)
    frame = mean_by(ended[ended["state"] == "complete"], ["family"], "test_accuracy", within=SHARE)
    frame = frame.dropna(subset=["mean"])
    if frame.empty:
        return None
    row = frame.sort_values("mean").iloc[-1]
    runs = ended[ended["family"] == row["family"]]
    mean = Interval(int(row["n"]), row["mean"], row["sd"], row["low"], row["high"])
    return over_seeds("search", runs, None, mean)


def over_seeds(stage: Stage, runs: pd.DataFrame, origin: int | None, mean: Interval) -> Settled:
    """A configuration with its runs in that stage (a row each, at least one) and their mean."""
    trained = runs["state"] == "complete"
    first = (runs[trained] if trained.any() else runs).sort_values("slot").iloc[0]
    return Settled(
        stage=stage,
        family=str(first["family"]),
        origin=origin,
        seeds=mean.n,
        accuracy=float(mean.mean),
        low=float(mean.low),
        high=float(mean.high),
        untrained=int((~trained).sum()),
        trials=ids(runs),
        run=first,
    )
