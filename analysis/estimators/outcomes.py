"""What became of trials, counted: states, epochs, the edge of divergence. Frame in, frame out.

Four trials of one schedule, the highest rate too high:

>>> trials = pd.DataFrame({"family": "cosine", "trial": range(4), "slot": range(4)})
>>> trials["base_lr"] = [0.1, 0.2, 0.4, 1.6]
>>> trials["state"] = ["complete", "complete", "pruned", "diverged"]
>>> trials["value"] = [0.8, 0.85, 0.6, 0.1]
>>> scored(trials)["accuracy"].tolist()
[0.8, 0.85, nan, nan]
>>> edge = divergence_edge(trials)
>>> print(edge.largest_survived, edge.smallest_diverged)
0.2 1.6
>>> summary(trials)[["family", "n", "complete", "diverged", "best", "best_trial", "median"]]
   family  n  complete  diverged  best  best_trial  median
0  cosine  4         2         1  0.85           1   0.825
>>> binned(trials, "base_lr", [0.1, 0.3, 2.0])[["low_edge", "high_edge", "n", "best"]]
   low_edge  high_edge  n  best
0       0.1        0.3  2  0.85
1       0.3        2.0  2   NaN

What they cost: of 24 epochs that were asked for

>>> spent = budget(trials.assign(epochs=6, epochs_trained=[6, 6, 2, 1], epochs_restored=0))
>>> spent[["asked", "trained", "saved_by_pruning", "unspent_by_divergence", "lost"]]
   asked  trained  saved_by_pruning  unspent_by_divergence  lost
0     24       15               4.0                    5.0     0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.estimators.intervals import mean_by, wilson
from analysis.reading.states import RESULTS, STATES

COUNTED = (*STATES[:4], "failed")


def scored(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with a column ``accuracy``: the value of complete ones, NaN for all others, whose
    value belongs to another epoch (pruned) or to no model (diverged, stalled)."""
    return trials.assign(accuracy=trials["value"].where(trials["state"] == "complete"))


class Edge(NamedTuple):
    """Between which base rates training starts to diverge; NaN and <NA> where none is known.

    A bracket if largest_survived < smallest_diverged, else rates in between did both.
    """

    largest_survived: float
    survivor: int | None
    smallest_diverged: float
    diverger: int | None


def divergence_edge(trials: pd.DataFrame) -> Edge:
    """The largest base rate that did not diverge and the smallest that did, with trial numbers.

    Complete and stalled trials survived; a pruned one might have diverged later and says nothing.
    """
    known = trials.dropna(subset=["base_lr"])
    survived = known[known["state"].isin(["complete", "stalled"])].set_index("trial")["base_lr"]
    diverged = known[known["state"] == "diverged"].set_index("trial")["base_lr"]
    top, bottom = survived.sort_values().tail(1), diverged.sort_values().head(1)
    return Edge(survived.max(), _first(top.index), diverged.min(), _first(bottom.index))


def _first(index: pd.Index) -> int | None:
    return int(index[0]) if len(index) else None


def summary(trials: pd.DataFrame, by: str = "family") -> pd.DataFrame:
    """What became of the slots of each group: ``by``, n, a count for each outcome, the diverged
    share with Wilson's interval, best (value), best_trial (number, <NA> if none) and median value.

    trials: one row per slot. n counts those that ended; interrupted ones are not among them. The
    diverged share is one of all that ended but failed ones. Best and median are over complete
    trials alone, because a pruned value belongs to another epoch and a diverged one to no model.
    """
    rows = []
    for name, group in trials.groupby(by, sort=False, observed=True):
        counts = group["state"].value_counts().reindex(list(COUNTED), fill_value=0)
        trained = int(counts.sum() - counts["failed"])
        low, high = wilson(int(counts["diverged"]), trained)
        share = counts["diverged"] / trained if trained else np.nan
        values = group.loc[group["state"] == "complete"].set_index("trial")["value"].dropna()
        best = values.idxmax() if len(values) else pd.NA
        rows.append(
            {by: name, "n": counts.sum(), **counts}
            | {"diverged_share": share, "diverged_low": low, "diverged_high": high}
            | {"best": values.max(), "best_trial": best, "median": values.median()}
        )
    columns = [by, "n", *COUNTED, "diverged_share", "diverged_low", "diverged_high"]
    frame = pd.DataFrame(rows, columns=[*columns, "best", "best_trial", "median"])
    return frame.astype({"best_trial": "Int64", "best": float, "median": float})


def binned(trials: pd.DataFrame, column: str, edges: Sequence[float]) -> pd.DataFrame:
    """`summary` in bins of a parameter, with the mean value of complete trials and its t interval.

    edges: increasing bounds; a bin holds its lower bound, the last one both. Adds ``low_edge``,
    ``high_edge``, mean, mean_low, mean_high. Other parameters vary within a bin, so that the mean
    describes this search, not the effect of the parameter alone. Bins without trials are left out.
    """
    bounds = np.asarray(edges, dtype=np.float64)
    inside = trials[trials[column].between(bounds[0], bounds[-1])]
    index = np.searchsorted(bounds, inside[column], side="right") - 1
    inside = inside.assign(bin=np.minimum(index, len(bounds) - 2)).sort_values("bin")
    frame = summary(inside, "bin")
    complete = mean_by(inside[inside["state"] == "complete"], ["bin"], "value").set_index("bin")
    means = complete.rename(columns={"low": "mean_low", "high": "mean_high"})
    frame = frame.join(means[["mean", "mean_low", "mean_high"]], on="bin")
    at = frame.pop("bin").to_numpy(dtype=int)
    frame.insert(0, "low_edge", bounds[at])
    frame.insert(1, "high_edge", bounds[at + 1])
    return frame


def budget(trials: pd.DataFrame) -> pd.DataFrame:
    """Epochs of each family: family, asked, trained, saved_by_pruning, unspent_by_divergence, and
    lost (trained by attempts that failed or were interrupted and had to be repeated, that is not
    restored from a checkpoint; what an interrupted attempt trained is not lost before the next).

    trials: one row per attempt in their order, so that retries are paid for. ``asked`` counts the
    attempts that ended with a result or were pruned; asked = trained + saved + unspent. A stalled
    trial spends everything.
    """
    ended = trials["state"].isin([*RESULTS, "pruned"])
    left = (trials["epochs"] - trials["epochs_trained"]).clip(lower=0)
    goes_on = (trials["state"] == "interrupted") & ~trials.duplicated("slot", keep="last")
    repeated = trials["state"].isin(["failed", "interrupted"]) & ~goes_on
    parts = {
        "asked": trials["epochs"].where(ended),
        "trained": trials["epochs_trained"].where(ended),
        "saved_by_pruning": left.where(trials["state"] == "pruned"),
        "unspent_by_divergence": left.where(trials["state"] == "diverged"),
        # What a later attempt restored is in its own epochs.
        "lost": trials["epochs_trained"].where(repeated, 0) - trials["epochs_restored"],
    }
    frame = trials[["family"]].assign(**parts)
    return frame.groupby("family", sort=False).sum().reset_index()
