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
>>> largest_usable(runs)
   warmup  largest_usable  smallest_lossy
0     0.0             0.4             0.8
>>> tuned(runs, "warmup", "base_lr")[["warmup", "base_lr", "tried", "mean"]].round(3)
   warmup  base_lr  tried   mean
0     0.0      0.4      4  0.852

With a warmup of two epochs every run is one point better:

>>> longer = runs.assign(warmup=2.0, value=value + 0.01)
>>> shortest_warmup(pd.concat([runs, longer])).shortest
2.0

And how a lead changes with the size of the problem:

>>> ladder = pd.DataFrame({"replicate": [0, 0, 1, 1], "images": [500, 1_000] * 2})
>>> ladder["difference"] = [0.05, 0.03, 0.04, 0.03]
>>> round(slope(ladder, "images").mean, 3)  # for each doubling
-0.015
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.estimators.intervals import LEVEL, Interval, mean_interval, wilson
from analysis.reading.states import RESULTS


def kept(runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The complete runs of those cells of ``by`` in which none is untrained: the survivors of a
    cell are chosen by their luck, so that their mean is not the cell's."""
    ended = runs[runs["state"].isin(RESULTS)]
    with_untrained = (
        (ended["state"] != "complete").groupby([ended[name] for name in by]).transform("any")
    )
    return ended[~with_untrained]


def response(runs: pd.DataFrame, by: list[str], level: float = LEVEL) -> pd.DataFrame:
    """A row a cell of ``by``, sorted: ``by``, n, complete, diverged, stalled, survival_share with
    survival_low and survival_high (Wilson), mean, low, high and best.

    mean: of complete runs, with `mean_interval` over replicates. In a cell with untrained runs it
    is the mean of the survivors alone, which are not a fair sample of the cell.
    """
    ended = runs[runs["state"].isin(RESULTS)]
    rows = []
    for key, cell in ended.groupby(by, observed=True):
        counts = {state: int((cell["state"] == state).sum()) for state in RESULTS}
        values = cell[cell["state"] == "complete"].groupby("replicate")["value"].mean()
        _, mean, _, low, high = mean_interval(values, level)
        bounds = wilson(counts["complete"], len(cell), level)
        survival = (counts["complete"] / len(cell), *bounds)
        rows.append((*key, len(cell), *counts.values(), *survival, mean, low, high, values.max()))
    survived = ["survival_share", "survival_low", "survival_high"]
    return pd.DataFrame(
        rows, columns=[*by, "n", *RESULTS, *survived, "mean", "low", "high", "best"]
    )


def tuned(runs: pd.DataFrame, by: str, over: str, level: float = LEVEL) -> pd.DataFrame:
    """For each value of ``by`` the value of ``over`` with the highest mean score among the cells in
    which no run is untrained: by, over, tried (values of ``over``), found, n, mean, low, high.

    found is False, and the rest NaN, where every cell has an untrained run. The best of k cells
    flatters its own mean (winner's curse), as much for each value of ``by`` as long as ``tried`` is
    the same; the interval (`mean_interval` over replicates) does not allow for it.
    """
    tried = runs[runs["state"].isin(RESULTS)].groupby(by)[over].nunique()
    usable = kept(runs, [by, over])
    means = usable.groupby([by, over])["value"].mean()
    best = dict(means.groupby(level=0).idxmax())
    rows = []
    for value, count in tried.items():
        _, rate = best.get(value, (value, np.nan))
        cell = usable[(usable[by] == value) & (usable[over] == rate)]
        n, mean, _, low, high = mean_interval(cell.groupby("replicate")["value"].mean(), level)
        rows.append((value, rate, count, value in best, n, mean, low, high))
    columns = [by, over, "tried", "found", "n", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns).astype({"found": bool})


def largest_usable(runs: pd.DataFrame, above: float = 0.0) -> pd.DataFrame:
    """For each warmup: warmup, largest_usable (base_lr at which every replicate was complete) and
    smallest_lossy (at which some run diverged or stalled); NaN where there is none.

    Only rates of at least ``above`` count, since very low ones stall for want of learning. Where
    untrained runs do not grow in number with the rate, smallest_lossy may be the lower of the two.
    """
    ended = runs[runs["state"].isin(RESULTS) & (runs["base_lr"] >= above)]
    usable = kept(ended, ["warmup", "base_lr"])
    untrained = ended[ended["state"] != "complete"]
    edges = pd.DataFrame(
        {
            "largest_usable": usable.groupby("warmup")["base_lr"].max(),
            "smallest_lossy": untrained.groupby("warmup")["base_lr"].min(),
        }
    )
    return edges.sort_index().reset_index(names="warmup")


class Warmups(NamedTuple):
    """The shortest warmup shown to be as good as the best (None where nothing can be said), the
    best, and a row for each length."""

    shortest: float | None
    best: float | None
    lengths: pd.DataFrame


def shortest_warmup(runs: pd.DataFrame, delta: float = 0.003, level: float = LEVEL) -> Warmups:
    """The shortest warmup not inferior to the best one within ``delta`` (a share), both tuned.

    Each length is taken at its `tuned` base rate. lengths: warmup, base_lr, n (replicates common
    with the best length), mean, behind (mean difference to the best, <= 0 as a rule), low90, high90
    (paired t interval, two-sided at 2 level - 1, 90 % by default) and not_inferior: low90 lies
    above -delta, a one-sided test at ``level`` for each length, without correction for their
    number. That the best was picked makes the others look worse, so that the error is on the safe
    side; a shorter length that is not shown to be as good may still be so. Lengths with an
    untrained run at every rate are inferior. Nothing can be said of a single length, or of a single
    replicate.
    """
    lengths = tuned(runs, "warmup", "base_lr", level)
    rates = lengths.set_index("warmup")["base_lr"]
    chosen = runs[runs["base_lr"] == runs["warmup"].map(rates)]
    chosen = chosen[chosen["state"] == "complete"]
    table = chosen.pivot_table(index="replicate", columns="warmup", values="value")
    usable = lengths[lengths["found"]].set_index("warmup")
    best = float(usable["mean"].sort_values().index[-1]) if len(usable) else None
    differences = table.sub(table[best], axis=0) if best is not None else table
    compared = [
        mean_interval(differences.get(length, ()), 2 * level - 1) for length in lengths["warmup"]
    ]
    frame = lengths[["warmup", "base_lr", "mean"]].assign(
        behind=[each.mean for each in compared],
        low90=[each.low for each in compared],
        high90=[each.high for each in compared],
    )
    frame.insert(2, "n", [each.n for each in compared])
    frame["not_inferior"] = frame["low90"] > -delta
    good = frame.loc[frame["not_inferior"], "warmup"]
    known = len(lengths) > 1 and len(good) > 0
    return Warmups(float(good.min()) if known else None, best, frame)


def slope(ladder: pd.DataFrame, x: str, level: float = LEVEL) -> Interval:
    """How a paired difference changes for each doubling of the problem: mean with `mean_interval`
    over replicates of the least-squares slope of ``difference`` against log2 of ``x`` (> 0).

    ladder: replicate, x, difference (a share; say cosine minus another family, same replicate and
    size), NaN where either run was pruned, failed or untrained. n counts the replicates with at
    least two sizes; the others have no slope and are left out.
    """
    used = ladder[["replicate", "difference"]].assign(z=np.log2(ladder[x])).dropna()
    centred = used.groupby("replicate")[["z", "difference"]].transform("mean")
    z = used["z"] - centred["z"]
    sums = pd.DataFrame({"zy": z * used["difference"], "zz": z**2}).groupby(used["replicate"]).sum()
    sums = sums[sums["zz"] > 0]
    return mean_interval(sums["zy"] / sums["zz"], level)
