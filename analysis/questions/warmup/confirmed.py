"""Answers question 4 on fresh seeds: how long should warmup last?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import compare_pairs, with_plan
from analysis.estimators.intervals import crossed_interval, wilson
from analysis.estimators.responses import largest_usable, response, tuned
from analysis.estimators.seeds import Outcomes, by_seed
from analysis.estimators.warmups import Warmups, shortest_at, shortest_warmup
from analysis.figures.style import Picture
from analysis.fresh_seeds.frames import (
    Scores,
    compared_on_test,
    compared_runs,
    confirm_runs,
    ids,
)
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.warmup import figures as warmup_figures
from analysis.questions.warmup import layers, words
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import (
    BASE_LR,
    PERCENT,
    POINTS,
    RUNS,
    TEST_RUNS,
    YES_NO,
    Column,
    N,
    Table,
    bounded,
    interval,
)
from analysis.wording import Sentence, sentence
from search_spaces import warmup as space
from study.spec import Stage
from study.stages import grid_places

_WARMUP = Column("warmup")


def _judge(study: Study) -> Stage:
    """The test, where lengths of warmup were tested, else the grid."""
    return "confirm" if compared_on_test(study).accuracy.empty else "test"


ABOUT = on_fresh_seeds(
    "How long warmup should last",
    space.QUESTION,
    {
        "lengths": Table(
            "Each length of warmup (epochs) at the base rate that did best with it on validation "
            "images, and the images that judge it there: those of the test, on other fresh seeds, "
            "where they were read, else the same validation images. Runs (n), how many were "
            "untrained (stalled or diverged), and Wilson's 95 % interval of that share; mean "
            "accuracy of those that trained with 95 % interval, which is not comparable with "
            "another length's. Beside the length that did best, over the seeds on which both "
            "trained (common): mean difference and the interval that decides, 90 % for a one-sided "
            "5 % test, on test images for new images, too; on validation images wider where "
            "several rates of a length cannot be told apart. Against any: the lowest such bound "
            "against another length; not inferior where it lies within the margin and so it does "
            "for every longer one up to the best.",
            (
                *(_WARMUP, BASE_LR, Column("images"), N, Column("untrained")),
                interval("untrained", PERCENT, "share untrained"),
                *bounded("mean_accuracy", PERCENT),
                *(Column("common"), Column("behind_accuracy", POINTS, "behind the best")),
                interval("behind_accuracy", POINTS, "behind the best, interval"),
                Column("least_accuracy", POINTS, "against any, at least"),
                *(Column("standing"), Column("not_inferior", YES_NO), Column("further_seeds")),
                *(interval("further", heading="further seeds may be"), RUNS, TEST_RUNS),
            ),
        ),
        "usable": Table(
            "Largest base rate of the grid at which every run trained, of how many (n) and up to "
            "which share untrained these leave possible (Wilson), and smallest at which a run "
            "diverged or stalled, by length of warmup (epochs).",
            (
                *(_WARMUP, Column("largest_usable"), N),
                Column("untrained_high", PERCENT, "untrained at most"),
                *(Column("smallest_untrained"), RUNS),
            ),
        ),
    },
    _judge,
)
_KEY = ["warmup", "base_lr"]


def grid_runs(study: Study) -> pd.DataFrame:
    """The confirm runs on the grid of warmup x base rate, which is of one family: grid runs, and
    candidates that have the parameters of a cell and therefore stand for it."""
    runs = confirm_runs(study)
    places = [] if study.confirm is None else grid_places(study.confirm.spec)
    return runs[runs["arm"].isin(places)]


def estimate(study: Study) -> Estimates:
    """cells: `response` by warmup and base rate; usable: `largest_usable` from the smallest tuned
    rate on; lengths: see ABOUT; scores, seeds: see `_scores`; layers: `layers.moved`; facts: one
    row: stage (that judges the lengths), family, seeds, delta, level (of the intervals that
    decide), shortest and best (NaN where none is); tested: warmup, replicate, trial, accuracy of
    single test runs that trained, if the test stage judges; missing. The others are of the confirm
    stage's grid."""
    grid = grid_runs(study)
    frames = on_grid(grid, study.stage("confirm").curves, study.delta)
    return frames | tested_lengths(study, grid) | {"missing": missing(study)}


def tested_lengths(study: Study, grid: pd.DataFrame) -> Estimates:
    """lengths, facts and tested of `estimate` from the test stage; none where no length was
    tested."""
    runs = compared_runs(study).rename(columns={"value": "length"})
    scores = compared_on_test(study)
    if scores.accuracy.empty:
        return {}
    outcomes = Outcomes(scores.accuracy, scores.untrained)
    rates = runs.groupby("length")["base_lr"].first().to_dict()
    warmups = shortest_at(outcomes, rates, study.delta, correct=scores.correct)
    trained = {each: rows[~np.isnan(rows).any(axis=1)] for each, rows in scores.correct.items()}
    means = {each: crossed_interval(rows) for each, rows in trained.items()}
    frame = _named(warmups.lengths)
    for end in ("low", "high"):
        frame[f"mean_accuracy_{end}"] = [getattr(means[each], end) for each in frame["warmup"]]
    frame = _planned(_shares(frame), scores, warmups.best, study.delta)
    tried = grid[grid["base_lr"] == grid["warmup"].map(rates)]
    frame = _with_trials(frame, tried, ["warmup"])
    trials = [ids(runs[runs["length"] == each]) for each in frame["warmup"]]
    frame = frame.assign(images="test", test_trials=pd.Series(trials, frame.index, dtype=object))
    return {
        "lengths": frame,
        "facts": _facts(runs, warmups, study.delta, "test"),
        "tested": _singles(scores, runs),
    }


def _singles(scores: Scores, runs: pd.DataFrame) -> pd.DataFrame:
    """warmup, replicate, trial, accuracy of the runs that trained."""
    singles = scores.accuracy.reset_index().melt(
        "replicate", var_name="warmup", value_name="accuracy"
    )
    singles = singles.dropna().astype({"warmup": float})
    numbers = runs.set_index(["length", "replicate"])["trial"].to_dict()
    pairs = zip(singles["warmup"], singles["replicate"], strict=True)
    singles = singles.assign(trial=[numbers[pair] for pair in pairs])
    return singles[["warmup", "replicate", "trial", "accuracy"]]


def on_grid(grid: pd.DataFrame, curves: pd.DataFrame, delta: float) -> Estimates:
    """`estimate` from the runs on the grid, and their curves."""
    warmups = shortest_warmup(grid, delta)
    above = tuned(grid, "warmup", "base_lr")["base_lr"].min()
    scores, seeds = _scores(grid)
    return {
        "cells": _with_trials(response(grid, _KEY), grid, _KEY),
        "usable": _with_trials(largest_usable(grid, np.nan_to_num(above)), grid, ["warmup"]),
        "lengths": _lengths(grid, warmups, delta),
        "scores": scores,
        "seeds": seeds,
        "layers": layers.moved(grid, curves),
        "facts": _facts(grid, warmups, delta, "confirm"),
        "tested": pd.DataFrame(columns=["warmup", "replicate", "trial", "accuracy"]),
    }


def _facts(runs: pd.DataFrame, warmups: Warmups, delta: float, stage: Stage) -> pd.DataFrame:
    facts = {
        "stage": stage,
        "family": runs["family"].iloc[0] if len(runs) else "",
        "seeds": runs["replicate"].nunique(),
        "delta": delta,
        "level": warmups.level,
        "shortest": np.nan if warmups.shortest is None else warmups.shortest,
        "best": np.nan if warmups.best is None else warmups.best,
    }
    return pd.DataFrame([facts])


def _with_trials(frame: pd.DataFrame, grid: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The frame with the confirm trials of each row."""
    trials = [ids(grid[(grid[key] == row).all(axis=1)]) for row in frame[key].to_numpy().tolist()]
    return frame.assign(confirm_trials=pd.Series(trials, frame.index, dtype=object))


def _at(grid: pd.DataFrame, rates: pd.Series) -> pd.DataFrame:
    """The runs of each length at the rate that ``rates`` gives for it (by length)."""
    return grid[grid["base_lr"] == grid["warmup"].map(rates)]


def _lengths(grid: pd.DataFrame, warmups: Warmups, delta: float) -> pd.DataFrame:
    """`shortest_warmup`'s lengths under the names of tables, with the shares untrained, the mean's
    interval, the seeds that would resolve a length beside the best (further_seeds, further_low,
    further_high), and the trials."""
    frame = _named(warmups.lengths)
    means = tuned(grid, "warmup", "base_lr").set_index("warmup")
    for end in ("low", "high"):
        frame[f"mean_accuracy_{end}"] = frame["warmup"].map(means[end])
    chosen = _at(grid, frame.set_index("warmup")["base_lr"])
    scores = Scores(*by_seed(chosen, "warmup"), {})
    frame = _planned(_shares(frame), scores, warmups.best, delta)
    return _with_trials(frame, chosen, ["warmup"]).assign(images="validation")


def _named(lengths: pd.DataFrame) -> pd.DataFrame:
    """The lengths of `Warmups` under the names of tables."""
    names = {"n": "common", "runs": "n", "mean": "mean_accuracy", "behind": "behind_accuracy"}
    bounds = {"low": "behind_accuracy_low", "high": "behind_accuracy_high"}
    return lengths.rename(columns=names | bounds | {"least": "least_accuracy"})


def _shares(frame: pd.DataFrame) -> pd.DataFrame:
    """The lengths with Wilson's interval of the share untrained."""
    pairs = zip(frame["untrained"], frame["n"], strict=True)
    bounds = [wilson(failed, n) for failed, n in pairs]
    lows, highs = ([each[end] for each in bounds] for end in (0, 1))
    return frame.assign(untrained_low=lows, untrained_high=highs)


def _planned(frame: pd.DataFrame, scores: Scores, best: float | None, delta: float) -> pd.DataFrame:
    """The lengths with `with_plan`'s columns, from the best against each other one."""
    names = ["further_seeds", "further_low", "further_high"]
    others: list[Any] = [each for each in scores.accuracy if each != best]
    if best is None or not others:
        return frame.assign(**dict.fromkeys(names, pd.array([pd.NA] * len(frame), dtype="Int64")))
    pairs = compare_pairs(
        scores.accuracy,
        best,  # type: ignore[arg-type]
        others,
        untrained=scores.untrained,
        correct=scores.correct or None,
        delta=delta,
    )
    plan = with_plan(pairs, delta)[["second", *names]].rename(columns={"second": "warmup"})
    return frame.merge(plan, "left", "warmup")


def _scores(grid: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation accuracy by length at the tuned rate of each, and at one rate that is too high.

    Too high is the largest rate of the grid at which every run of some length trained, if it lies
    above all tuned ones, else the next rate above them. scores: at (tuned, too high), warmup,
    base_lr, n, untrained, accuracy, accuracy_low, accuracy_high (of the runs that trained). seeds:
    at, warmup, replicate, trial, accuracy of single runs that trained.
    """
    best = tuned(grid, "warmup", "base_lr").set_index("warmup")["base_lr"]
    above = sorted(rate for rate in grid["base_lr"].unique() if rate > best.max())
    safe = [rate for rate in largest_usable(grid)["largest_usable"] if rate in above]
    chosen = {"tuned": _at(grid, best)}
    if above:
        chosen["too high"] = grid[grid["base_lr"] == max(safe, default=above[0])]
    names = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
    scores, singles = [], []
    for at, runs in chosen.items():
        cells = response(runs, _KEY)[[*_KEY, "n", "untrained", *names]].rename(columns=names)
        scores.append(cells.assign(at=at))
        complete = runs[runs["state"] == "complete"].rename(columns={"value": "accuracy"})
        singles.append(complete[["warmup", "replicate", "trial", "accuracy"]].assign(at=at))
    return pd.concat(scores, ignore_index=True), pd.concat(singles, ignore_index=True)


def draw(estimates: Estimates) -> list[Picture]:
    """Score by length on the images of each stage, survival and score over the grid, the largest
    usable rate, the layers."""
    cells = estimates["cells"]
    if cells.empty:
        return []
    end = str(conclude(estimates))
    return [
        *warmup_figures.tested(estimates["lengths"], estimates["tested"], end),
        *warmup_figures.by_length(estimates["scores"], estimates["seeds"], end),
        warmup_figures.survival(cells, end),
        *warmup_figures.usable(
            estimates["usable"], cells["base_lr"], words.largest(estimates["usable"])
        ),
        *layers.draw(estimates["layers"]),
    ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The shortest length shown to be as good as every other, and how the usable rate moves."""
    if estimates["cells"].empty:
        return "No grid of warmup and base rate was trained on fresh seeds yet."
    end = missing_words(estimates["missing"])
    facts = estimates["facts"].to_dict("records")[0]
    where = "on the grid that chose the rates, " if facts["stage"] == "test" else ""
    return sentence(
        words.answer(facts, estimates["lengths"]),
        f"{words.never_trained(estimates['cells'])}; {where}"
        f"{words.largest(estimates['usable'])}{end}.",
    )
