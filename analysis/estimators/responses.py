"""Estimators of a designed grid, cell by cell: score against rate, exponent and warmup.

Frames are those of `reading.frames.load` after `final_attempts`, a row a run, with the columns
base_lr, exponent or warmup, replicate, state and value (accuracy, a share in [0, 1]). Runs of one
replicate share a seed and are dependent, so that every interval treats replicates, not runs, as the
sample. Runs that were pruned or failed have no comparable value and never count; a run is
untrained if it diverged or stalled.

Four rates with three replicates each, the last rate too high:

>>> rates, n = np.repeat([0.1, 0.2, 0.4, 0.8], 3), np.tile([0, 1, 2], 4)
>>> value = 0.85 - 0.03 * np.log10(rates / 0.3) ** 2 + 0.002 * n
>>> runs = pd.DataFrame({"base_lr": rates, "warmup": 0.0, "replicate": n, "value": value})
>>> runs["state"] = ["complete"] * 9 + ["diverged"] * 3
>>> response(runs, ["base_lr"])[["base_lr", "n", "complete", "diverged", "mean"]].round(3)
   base_lr  n  complete  diverged   mean
0      0.1  3         3         0  0.845
1      0.2  3         3         0  0.851
2      0.4  3         3         0  0.852
3      0.8  3         0         3    NaN
>>> kept(runs, ["base_lr"])["base_lr"].unique()
array([0.1, 0.2, 0.4])
>>> largest_usable(runs).round(3)
   warmup  largest_usable  n  untrained_high  smallest_untrained
0     0.0             0.4  3           0.561                 0.8
>>> tuned(runs, "warmup", "base_lr")[["warmup", "base_lr", "tried", "mean"]].round(3)
   warmup  base_lr  tried   mean
0     0.0      0.4      4  0.852

And how a lead changes with the size of the problem:

>>> ladder = pd.DataFrame({"replicate": [0, 0, 1, 1], "images": [500, 1_000] * 2})
>>> ladder["difference"] = [0.05, 0.03, 0.04, 0.03]
>>> round(slope(ladder, "images").mean, 3)  # for each doubling
-0.015
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimators.intervals import LEVEL, SHARE, Interval, mean_interval, wilson
from analysis.estimators.seeds import by_seed
from analysis.reading.states import RESULTS
from study.choosing import choose


def kept(runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The complete runs of those cells of ``by`` in which none is untrained: where that, and not
    how good a cell is, is the question."""
    ended = runs[runs["state"].isin(RESULTS)]
    with_untrained = (
        (ended["state"] != "complete").groupby([ended[name] for name in by]).transform("any")
    )
    return ended[~with_untrained]


def response(runs: pd.DataFrame, by: list[str], level: float = LEVEL) -> pd.DataFrame:
    """A row a cell of ``by``, sorted: ``by``, n, complete, diverged, stalled, untrained (runs that
    did either), untrained_share with untrained_low and untrained_high (Wilson), mean, low, high and
    best.

    mean: of the runs that trained, with `mean_interval` over replicates. It describes its cell and
    is not comparable with another's, where other seeds may have trained.
    """
    ended = runs[runs["state"].isin(RESULTS)]
    rows = []
    for key, cell in ended.groupby(by, observed=True):
        n, counts = len(cell), {state: int((cell["state"] == state).sum()) for state in RESULTS}
        untrained = n - counts["complete"]
        values = cell[cell["state"] == "complete"].groupby("replicate")["value"].mean()
        _, mean, _, low, high = mean_interval(values, level, SHARE)
        share = (untrained, untrained / n, *wilson(untrained, n, level))
        rows.append((*key, n, *counts.values(), *share, mean, low, high, values.max()))
    shares = ("untrained", "untrained_share", "untrained_low", "untrained_high")
    return pd.DataFrame(rows, columns=[*by, "n", *RESULTS, *shares, "mean", "low", "high", "best"])


def tuned(runs: pd.DataFrame, by: str, over: str, level: float = LEVEL) -> pd.DataFrame:
    """For each value of ``by`` the value of ``over`` that `study.choosing.choose` finds best over
    common replicates: by, over, tried (values of ``over``), found, untrained (runs there), n
    (replicates that trained), mean, low, high.

    found is False, and the rest NaN, where no run trained. The best of k cells flatters its own
    mean (winner's curse), as much for each value of ``by`` as long as ``tried`` is the same; the
    interval (`mean_interval` over replicates that trained) does not allow for it.
    """
    rows = []
    for value, cell in runs[runs["state"].isin(RESULTS)].groupby(by):
        outcomes = by_seed(cell, over)
        at = choose(outcomes.accuracy, outcomes.untrained).best
        rate = np.nan if at is None else outcomes.accuracy.columns[at]
        scores = pd.Series(dtype=float) if at is None else outcomes.accuracy.iloc[:, at]
        untrained = 0 if at is None else int(outcomes.untrained.iloc[:, at].sum())
        n, mean, _, low, high = mean_interval(scores, level, SHARE)
        tried = outcomes.accuracy.shape[1]
        rows.append((value, rate, tried, at is not None, untrained, n, mean, low, high))
    columns = [by, over, "tried", "found", "untrained", "n", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns).astype({"found": bool})


def largest_usable(runs: pd.DataFrame, above: float = 0.0) -> pd.DataFrame:
    """For each warmup: warmup, largest_usable (base_lr at which every run trained), n (runs there),
    untrained_high (the share untrained that so many runs without one leave possible: Wilson's upper
    bound) and smallest_untrained (base_lr at which some run did not train); NaN where there is
    none.

    Only rates of at least ``above`` count, since very low ones stall for want of learning. Where
    untrained runs do not grow in number with the rate, smallest_untrained may be the lower of the
    two. More seeds find more untrained runs: compare lengths with as many.
    """
    ended = runs[runs["state"].isin(RESULTS) & (runs["base_lr"] >= above)]
    usable = kept(ended, ["warmup", "base_lr"]).groupby("warmup")["base_lr"]
    untrained = ended[ended["state"] != "complete"].groupby("warmup")["base_lr"]
    lengths = sorted(ended["warmup"].unique())
    edges = pd.DataFrame({"largest_usable": usable.max()}, index=pd.Index(lengths, dtype=float))
    at = ended[ended["base_lr"] == ended["warmup"].map(edges["largest_usable"])]
    edges["n"] = at.groupby("warmup").size()
    edges["n"] = edges["n"].fillna(0).astype(int)
    edges["untrained_high"] = [wilson(0, n)[1] if n else np.nan for n in edges["n"]]
    edges["smallest_untrained"] = untrained.min()
    return edges.reset_index(names="warmup")


def slope(ladder: pd.DataFrame, x: str, level: float = LEVEL) -> Interval:
    """How a paired difference changes for each doubling of the problem: mean with `mean_interval`
    over replicates of the least-squares slope of ``difference`` against log2 of ``x`` (> 0).

    ladder: replicate, x, difference (a share; say cosine minus another family, same replicate and
    size), NaN where either run was pruned, failed or untrained. n counts the replicates with at
    least two sizes; the others have no slope and are left out. Of fewer than FEWEST replicates the
    slope has no interval.
    """
    used = ladder[["replicate", "difference"]].assign(z=np.log2(ladder[x])).dropna()
    centred = used.groupby("replicate")[["z", "difference"]].transform("mean")
    z = used["z"] - centred["z"]
    sums = pd.DataFrame({"zy": z * used["difference"], "zz": z**2}).groupby(used["replicate"]).sum()
    sums = sums[sums["zz"] > 0]
    return mean_interval(sums["zy"] / sums["zz"], level)
