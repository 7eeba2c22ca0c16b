"""Answers question 4 on fresh seeds: how long should warmup last?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import compare_pairs, with_plan
from analysis.estimators.intervals import wilson
from analysis.estimators.responses import largest_usable, response, tuned
from analysis.estimators.seeds import by_seed
from analysis.estimators.warmups import Warmups, shortest_warmup
from analysis.figures.style import Picture
from analysis.fresh_seeds.frames import confirm_runs, ids
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.warmup import figures as warmup_figures
from analysis.questions.warmup import layers, words
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import BASE_LR, PERCENT, RUNS, YES_NO, Column, N, Table, bounded, interval
from analysis.wording import Sentence, sentence
from search_spaces import warmup as space

_WARMUP = Column("warmup")
ABOUT = on_fresh_seeds(
    "How long warmup should last",
    space.QUESTION,
    {
        "lengths": Table(
            "Each length of warmup (epochs) at the base rate that did best with it: runs (n), how "
            "many were untrained (stalled or diverged), and Wilson's 95 % interval of that share; "
            "mean validation accuracy of those that trained with 95 % interval, which is not "
            "comparable with another length's. Beside the length that did best, over the seeds "
            "on which both trained (common): mean difference and the interval that decides, 90 % "
            "for a one-sided 5 % test, wider where several rates of a length cannot be told "
            "apart. Against any: the lowest such bound against another length; not inferior where "
            "it lies within the margin and so it does for every longer one up to the best.",
            (
                *(_WARMUP, BASE_LR, N, Column("untrained")),
                interval("untrained", PERCENT, "share untrained"),
                *bounded("mean_accuracy", PERCENT),
                *(Column("common"), Column("behind_accuracy", PERCENT, "behind the best")),
                interval("behind_accuracy", PERCENT, "behind the best, interval"),
                Column("least_accuracy", PERCENT, "against any, at least"),
                *(Column("standing"), Column("not_inferior", YES_NO), Column("further_seeds")),
                *(interval("further", heading="further seeds may be"), RUNS),
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
)
_KEY = ["warmup", "base_lr"]


def grid_runs(study: Study) -> pd.DataFrame:
    """The confirm runs on the grid of warmup x base rate, which is of one family: grid runs, and
    candidates that have the parameters of a cell and therefore stand for it."""
    runs = confirm_runs(study)
    grid = runs[(runs["role"] == "grid") & ~runs["ladder"].astype(bool)]
    if grid.empty:
        return grid
    inside = runs["family"] == grid["family"].iloc[0]
    for name in _KEY:
        inside &= runs[name].isin(grid[name])
    return pd.DataFrame(runs[inside])


def estimate(study: Study) -> Estimates:
    """cells: `response` by warmup and base rate; usable: `largest_usable` from the smallest tuned
    rate on; lengths: see ABOUT; scores, seeds: see `_scores`; layers: `layers.moved`; facts: one
    row: family, seeds, delta, level (of the intervals that decide), shortest and best (NaN where
    none is); missing."""
    frames = on_grid(grid_runs(study), study.stage("confirm").curves, study.delta)
    return frames | {"missing": missing(study)}


def on_grid(grid: pd.DataFrame, curves: pd.DataFrame, delta: float) -> Estimates:
    """`estimate` from the runs on the grid, and their curves."""
    warmups = shortest_warmup(grid, delta)
    above = tuned(grid, "warmup", "base_lr")["base_lr"].min()
    facts = {
        "family": grid["family"].iloc[0] if len(grid) else "",
        "seeds": grid["replicate"].nunique(),
        "delta": delta,
        "level": warmups.level,
        "shortest": np.nan if warmups.shortest is None else warmups.shortest,
        "best": np.nan if warmups.best is None else warmups.best,
    }
    scores, seeds = _scores(grid)
    return {
        "cells": _with_trials(response(grid, _KEY), grid, _KEY),
        "usable": _with_trials(largest_usable(grid, np.nan_to_num(above)), grid, ["warmup"]),
        "lengths": _lengths(grid, warmups, delta),
        "scores": scores,
        "seeds": seeds,
        "layers": layers.moved(grid, curves),
        "facts": pd.DataFrame([facts]),
    }


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
    frame = warmups.lengths.rename(columns={"n": "common", "runs": "n", "mean": "mean_accuracy"})
    renamed = {"behind": "behind", "low": "behind_low", "high": "behind_high", "least": "least"}
    frame = frame.rename(columns={old: _named(new) for old, new in renamed.items()})
    means = tuned(grid, "warmup", "base_lr").set_index("warmup")
    for end, place in (("low", 0), ("high", 1)):
        pairs = zip(frame["untrained"], frame["n"], strict=True)
        frame[f"untrained_{end}"] = [wilson(failed, n)[place] for failed, n in pairs]
        frame[f"mean_accuracy_{end}"] = frame["warmup"].map(means[end])
    chosen = _at(grid, frame.set_index("warmup")["base_lr"])
    return _with_trials(_planned(frame, chosen, warmups.best, delta), chosen, ["warmup"])


def _named(name: str) -> str:
    """behind_accuracy, behind_accuracy_low."""
    head, _, end = name.partition("_")
    return f"{head}_accuracy_{end}" if end else f"{head}_accuracy"


def _planned(
    frame: pd.DataFrame, chosen: pd.DataFrame, best: float | None, delta: float
) -> pd.DataFrame:
    """The lengths with `with_plan`'s columns, from the best against each other one."""
    outcomes = by_seed(chosen, "warmup")
    names = ["further_seeds", "further_low", "further_high"]
    others: list[Any] = [each for each in outcomes.accuracy if each != best]
    if best is None or not others:
        return frame.assign(**dict.fromkeys(names, pd.array([pd.NA] * len(frame), dtype="Int64")))
    pairs = compare_pairs(
        outcomes.accuracy,
        best,  # type: ignore[arg-type]
        others,
        untrained=outcomes.untrained,
        delta=delta,
    )
    plan = with_plan(pairs, delta)[["second", *names]].rename(columns={"second": "warmup"})
    return frame.merge(plan, "left", "warmup")


def _scores(grid: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation accuracy by length at the tuned rate of each, and at one rate that is too high.

    Too high is the largest rate of the grid at which every run of some length trained, if it lies
    above all tuned ones, else the next rate above them. scores: at (tuned, too high), warmup,
    base_lr, n, untrained, accuracy, accuracy_low, accuracy_high (of the runs that trained). seeds:
    at, warmup, replicate, accuracy of single runs that trained.
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
        singles.append(complete[["warmup", "replicate", "accuracy"]].assign(at=at))
    return pd.concat(scores, ignore_index=True), pd.concat(singles, ignore_index=True)


def draw(estimates: Estimates) -> list[Picture]:
    """Survival and score over the grid, the largest usable rate, score by length, the layers."""
    cells = estimates["cells"]
    if cells.empty:
        return []
    end = str(conclude(estimates))
    return [
        warmup_figures.survival(cells, end),
        *warmup_figures.usable(
            estimates["usable"], cells["base_lr"], words.largest(estimates["usable"])
        ),
        *warmup_figures.by_length(estimates["scores"], estimates["seeds"], end),
        *layers.draw(estimates["layers"]),
    ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The shortest length shown to be as good as every other, and how the usable rate moves."""
    if estimates["cells"].empty:
        return "No grid of warmup and base rate was trained on fresh seeds yet."
    end = missing_words(estimates["missing"])
    facts = estimates["facts"].to_dict("records")[0]
    return sentence(
        words.answer(facts, estimates["lengths"]),
        f"{words.never_trained(estimates['cells'])}; {words.largest(estimates['usable'])}{end}.",
    )
