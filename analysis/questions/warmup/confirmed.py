"""Answers question 4 on fresh seeds: how long should warmup last?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import compare_pairs
from analysis.estimators.responses import kept, largest_usable, response, shortest_warmup, tuned
from analysis.figures.style import Picture, spoken
from analysis.fresh_seeds.frames import by_seed, confirm_runs, ids
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.fresh_seeds.pairs import signed_points
from analysis.questions.warmup import figures as warmup_figures
from analysis.questions.warmup import layers
from analysis.questions.warmup.layers import length
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import BASE_LR, PERCENT, RUNS, YES_NO, Column, N, Table, bounded, interval
from analysis.wording import Sentence, Trials, points, sentence
from search_spaces import warmup as space
from search_spaces.words.phrases import count, percent

_WARMUP = Column("warmup")
ABOUT = on_fresh_seeds(
    "How long warmup should last",
    space.QUESTION,
    {
        "lengths": Table(
            "Each length of warmup (epochs) at its own best base rate among those at which no "
            "run was lost: mean validation accuracy with 95 % interval over seeds; how far it lies "
            "behind the best length on the same seeds, and the most that may be (one-sided 95 % "
            "bound): not inferior where that is within the margin; how many more seeds would "
            "resolve the pair.",
            (
                *(_WARMUP, BASE_LR, N, *bounded("mean_accuracy", PERCENT)),
                Column("behind_accuracy", PERCENT, "behind the best"),
                interval("behind_accuracy_90", PERCENT, "behind the best, 90 % interval"),
                *(Column("not_inferior", YES_NO), Column("further_seeds"), RUNS),
            ),
        ),
        "usable": Table(
            "Largest base rate of the grid at which no run was lost, and smallest at which one "
            "diverged or stalled, by length of warmup (epochs).",
            (_WARMUP, Column("largest_usable"), Column("smallest_lossy"), RUNS),
        ),
    },
)
_KEY = ["warmup", "base_lr"]
Row = Mapping[Hashable, Any]


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
    row: family, seeds, delta, shortest and best (NaN where nothing can be said); missing."""
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
        "shortest": np.nan if warmups.shortest is None else warmups.shortest,
        "best": np.nan if warmups.best is None else warmups.best,
    }
    scores, seeds = _scores(grid)
    return {
        "cells": _with_trials(response(grid, _KEY), grid, _KEY),
        "usable": _with_trials(largest_usable(grid, np.nan_to_num(above)), grid, ["warmup"]),
        "lengths": _lengths(grid, warmups.lengths, warmups.best, delta),
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


def _lengths(
    grid: pd.DataFrame, lengths: pd.DataFrame, best: float | None, delta: float
) -> pd.DataFrame:
    """`shortest_warmup`'s lengths under the names of tables, with the mean's interval, the verdict
    of the one rule on each against the best, the seeds it needs, and the trials."""
    means = tuned(grid, "warmup", "base_lr").set_index("warmup")
    names = {"mean": "mean_accuracy", "behind": "behind_accuracy"}
    bounds = {f"{side}90": f"behind_accuracy_90_{side}" for side in ("low", "high")}
    frame = lengths.rename(columns=names | bounds)
    frame.insert(4, "mean_accuracy_low", frame["warmup"].map(means["low"]))
    frame.insert(5, "mean_accuracy_high", frame["warmup"].map(means["high"]))
    chosen = _at(grid, lengths.set_index("warmup")["base_lr"])
    scores = by_seed(chosen, "warmup")
    others = [each for each in scores if each != best]
    more = pd.Series(dtype="Int64")
    if best is not None and others:
        pairs = compare_pairs(scores, best, others, delta=delta)  # type: ignore[arg-type]
        more = pairs.set_index("second")["further_seeds"]
    frame["further_seeds"] = frame["warmup"].map(more).astype("Int64")
    return _with_trials(frame, chosen, ["warmup"])


def _scores(grid: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation accuracy by length at the tuned rate of each, and at one rate that is too high.

    Too high is the largest rate of the grid at which some length has no untrained run, if it lies
    above all tuned ones, else the next rate above them. scores: at (tuned, too high), warmup,
    base_lr, n, lost, accuracy, accuracy_low, accuracy_high (NaN where a run is untrained). seeds:
    at, warmup, replicate, accuracy of single complete runs.
    """
    best = tuned(grid, "warmup", "base_lr").set_index("warmup")["base_lr"]
    above = sorted(rate for rate in grid["base_lr"].unique() if rate > best.max())
    safe = [rate for rate in kept(grid, _KEY)["base_lr"].unique() if rate in above]
    chosen = {"tuned": _at(grid, best)}
    if above:
        chosen["too high"] = grid[grid["base_lr"] == max(safe, default=above[0])]
    scores, singles = [], []
    for at, runs in chosen.items():
        cell = response(runs, _KEY)
        untrained = cell["n"] - cell["complete"]
        whole = cell[["mean", "low", "high"]].where(untrained == 0)
        whole.columns = pd.Index(["accuracy", "accuracy_low", "accuracy_high"])
        scores.append(cell[[*_KEY, "n"]].assign(at=at, lost=untrained).join(whole))
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
            estimates["usable"], cells["base_lr"], _largest(estimates["usable"])
        ),
        *warmup_figures.by_length(estimates["scores"], estimates["seeds"], end),
        *layers.draw(estimates["layers"]),
    ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The shortest length shown to be as good as the best, and how the usable rate moves."""
    facts, usable = estimates["facts"].to_dict("records")[0], estimates["usable"]
    if estimates["cells"].empty:
        return "No grid of warmup and base rate was trained on fresh seeds yet."
    end = f"; {_largest(usable)}{missing_words(estimates['missing'])}."
    return sentence(_shortest(facts, estimates["lengths"]), end)


def _shortest(facts: Row, lengths: pd.DataFrame) -> Sentence | str:
    if np.isnan(facts["best"]):
        return "Every length of warmup lost a run at every base rate"
    rows = {float(row["warmup"]): row for row in lengths.to_dict("records")}
    best = rows[facts["best"]]
    if len(rows) == 1:
        return sentence(f"Only {length(facts['best'])} was tried, ", _reached(best))
    if facts["seeds"] < 2:
        head = f"The best is {length(facts['best'])}, "
        return sentence(head, _reached(best), ", but one seed decides nothing")
    if np.isnan(facts["shortest"]) or facts["shortest"] == facts["best"]:
        return _none_shorter(facts, rows)
    shortest = rows[facts["shortest"]]
    return sentence(
        f"Shortest warmup shown to be not inferior within {points(facts['delta'])}, each length at "
        f"its best base rate under {_decay(facts)}: ",
        _tuned(shortest),
        f", {_difference(shortest)} to {length(best['warmup'])}, ",
        _reached(best),
    )


def _none_shorter(facts: Row, rows: Mapping[float, Row]) -> Sentence:
    """That no length below the best is shown to be as good, and what the shortest would take."""
    best, first = rows[facts["best"]], rows[min(rows)]
    if first is best:
        head = (
            f"The shortest of {len(rows)} lengths, each at its best base rate under "
            f"{_decay(facts)}, is the best: {length(best['warmup'])}, "
        )
        return sentence(head, _reached(best), _next(rows))
    return sentence(
        f"No warmup shorter than the best, {length(best['warmup'])}, ",
        _reached(best),
        f", is shown to be not inferior within {points(facts['delta'])} under {_decay(facts)}: ",
        _behind(first, facts["delta"]),
    )


def _behind(row: Row, delta: float) -> Sentence | str:
    """What is known of a length that is not shown to be as good as the best."""
    if np.isnan(row["behind_accuracy"]):
        return f"{length(row['warmup'])} lost a run at every base rate"
    end = ""
    if row["behind_accuracy_90_high"] < -delta:
        end = ", which is inferior"
    elif not pd.isna(row["further_seeds"]) and row["further_seeds"] > 0:
        more = int(row["further_seeds"])
        end = f", and it takes about {count(more, 'more seed')} to tell"
    return sentence(_tuned(row), f" has {_difference(row)}{end}")


def _next(rows: Mapping[float, Row]) -> Sentence | str:
    """How far the next best length lies behind the best, which is the shortest."""
    others = [rows[each] for each in sorted(rows)[1:]]
    known = [row for row in others if not np.isnan(row["behind_accuracy"])]
    if not known:
        return "; every longer one lost a run at every base rate"
    row = max(known, key=lambda each: float(each["behind_accuracy"]))
    return sentence("; next is ", _tuned(row), f" with {_difference(row)} to it")


def _tuned(row: Row) -> Sentence:
    return sentence(f"{length(row['warmup'])} at {row['base_lr']:.2g}", _runs(row))


def _decay(facts: Row) -> str:
    family = spoken(str(facts["family"]))
    return "a constant rate" if family == "constant" else f"{family} decay"


def _reached(row: Row) -> Sentence:
    value, low, high = (row[f"mean_accuracy{end}"] for end in ("", "_low", "_high"))
    text = f"{percent(value)} validation accuracy at {row['base_lr']:.2g}"
    if not np.isnan(low):
        text += f" (95 % interval {percent(low)} to {percent(high)})"
    return sentence(text, _runs(row))


def _runs(row: Row) -> Sentence:
    """A row's runs, in brackets."""
    return sentence(" (", Trials(row["confirm_trials"], "confirm"), ")")


def _difference(row: Row) -> str:
    low, high = row["behind_accuracy_90_low"], row["behind_accuracy_90_high"]
    if np.isnan(low):
        return f"a paired difference of {signed_points(row['behind_accuracy'])} points (one seed)"
    bounds = f"90 % interval {signed_points(low)} to {signed_points(high)}"
    return f"a paired difference of {signed_points(row['behind_accuracy'])} points ({bounds})"


def _largest(usable: pd.DataFrame) -> str:
    """How the largest usable rate moves from the shortest to the longest warmup."""
    rows = usable.to_dict("records")
    if not rows:
        return "no usable base rate is known"
    ends = rows if len(rows) == 1 else [rows[0], rows[-1]]
    return "the largest usable base rate is " + " and ".join(_usable(row) for row in ends)


def _usable(row: Row) -> str:
    with_ = f"with {length(row['warmup'])}"
    if np.isnan(row["largest_usable"]):
        return f"below the grid {with_}"
    if np.isnan(row["smallest_lossy"]):
        return f"at least {row['largest_usable']:.2g}, the largest tried, {with_}"
    return f"{row['largest_usable']:.2g} {with_}"
