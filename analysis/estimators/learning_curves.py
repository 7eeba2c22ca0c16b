"""Estimators that read learning curves at a common level: epochs to a target, gap at equal loss.

Frames are those of `reading.frames.load`: ``trials`` after `final_attempts`, a row a run, and
``curves``, a row an epoch of it. Accuracies are shares in [0, 1], losses are in nats.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimators.intervals import DIFFERENCE, LEVEL, mean_interval
from analysis.estimators.skew import FEWEST
from analysis.reading.states import TERMINAL


def epochs_to_target(
    curves: pd.DataFrame, trials: pd.DataFrame, target: float, level: float = LEVEL
) -> pd.DataFrame:
    """Epochs trained until validation accuracy first reaches ``target``: family, n, reached,
    median, low, high.

    Kaplan-Meier estimate with never reached as censored, not dropped: at the last epoch trained
    where a run was complete or pruned, at the full length where it is untrained (diverged or
    stalled), because it never will; one that reached the target before has reached it. Failed and
    running trials do not count. median: first epoch by which half have reached the target, NaN
    where fewer do. low, high: the epochs at which the band of the curve (log-log, Greenwood's
    variance) allows one half (Brookmeyer & Crowley 1982), high NaN where open, both NaN for fewer
    than FEWEST runs.
    A family's runs are taken as independent: give one run a replicate.

    >>> trials = pd.DataFrame({"trial": [0, 1, 2], "family": "cosine", "state": "complete"})
    >>> trials = trials.assign(epochs=3, epochs_trained=3)
    >>> curves = pd.DataFrame({"trial": np.repeat([0, 1, 2], 3), "epoch": [0, 1, 2] * 3})
    >>> curves["val_accuracy"] = [0.5, 0.7, 0.8, 0.6, 0.8, 0.9, 0.4, 0.6, 0.7]
    >>> epochs_to_target(curves, trials, 0.75)[["family", "n", "reached", "median"]]
       family  n  reached  median
    0  cosine  3        2     3.0
    """
    ended = trials[trials["state"].isin(TERMINAL)]
    hits = curves[curves["val_accuracy"] >= target].groupby("trial")["epoch"].min() + 1
    hit = ended["trial"].map(hits)
    never = ended["state"].isin(["diverged", "stalled"])
    frame = ended[["family"]].assign(
        hit=hit, last=ended["epochs"].where(never, ended["epochs_trained"])
    )
    rows = []
    for family, group in frame.groupby("family", sort=False):
        missed = group["hit"].isna()
        epochs = stats.CensoredData(
            uncensored=group["hit"][~missed].to_numpy(dtype=np.float64),
            right=group["last"][missed].to_numpy(dtype=np.float64),
        )
        median, low, high = _median(epochs, level)
        if len(group) < FEWEST:
            low = high = np.nan
        rows.append((family, len(group), int((~missed).sum()), median, low, high))
    return pd.DataFrame(rows, columns=["family", "n", "reached", "median", "low", "high"])


def _median(epochs: stats.CensoredData, level: float) -> tuple[float, float, float]:
    """Median of a survival function, and where its band crosses one half."""
    survival = stats.ecdf(epochs).sf
    with warnings.catch_warnings():
        # The band is undefined while all or none survive; the bounds there are filled in below.
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        band = survival.confidence_interval(level, method="log-log")
    surviving = survival.probabilities
    low = np.where(np.isnan(band.low.probabilities), np.round(surviving), band.low.probabilities)
    # Survival never rises, so that the last bound still holds after the last run has reached it.
    high = pd.Series(band.high.probabilities).ffill().fillna(1.0).to_numpy()
    median, first, last = (
        float(survival.quantiles[below.argmax()]) if below.any() else np.nan
        for below in (surviving <= 0.5, low <= 0.5, high < 0.5)
    )
    return median, first, last


def gap_at_equal_loss(
    curves: pd.DataFrame, trials: pd.DataFrame, level: float = LEVEL
) -> pd.DataFrame:
    """Generalization gap at one common training loss: family, n (replicates), gap, low, high,
    weight_norm, train_loss.

    train_loss: the highest of the runs' lowest losses, which all of them reach. Gap: validation
    minus training error (a share), and weight_norm: L2 norm over all layers, both interpolated
    linearly between the epochs around the first at which a run's training loss is that low (the
    first epoch itself where it starts there); mean with `mean_interval` over replicates. Runs that
    trained alone count, without epochs that have no validation accuracy: a family without such a
    run has no row. Training loss and accuracy are running means over the epoch, measured while the
    weights change.

    >>> trials = pd.DataFrame({"trial": [0, 1], "family": ["cosine", "factor"], "replicate": 0})
    >>> curves = pd.DataFrame({"trial": [0, 0, 1, 1], "epoch": [0, 1, 0, 1]})
    >>> curves["train_loss"] = [0.9, 0.5, 0.9, 0.3]
    >>> curves["train_accuracy"] = [0.70, 0.80, 0.70, 0.88]
    >>> curves["val_accuracy"] = [0.70, 0.79, 0.70, 0.82]
    >>> found = gap_at_equal_loss(curves, trials.assign(state="complete"))
    >>> found[["family", "gap", "train_loss"]].round(3)
       family   gap  train_loss
    0  cosine  0.01         0.5
    1  factor  0.04         0.5
    """
    complete = trials.loc[trials["state"] == "complete", ["trial", "family", "replicate"]]
    layers = [str(name) for name in curves if str(name).startswith("weight_norm_")]
    used = pd.DataFrame(
        {
            "trial": curves["trial"],
            "epoch": curves["epoch"],
            "loss": curves["train_loss"],
            "gap": curves["train_accuracy"] - curves["val_accuracy"],
            "weight_norm": np.sqrt((curves[layers] ** 2).sum(axis=1)),
        }
    )
    used = used.merge(complete, on="trial").dropna().sort_values(["trial", "epoch"])
    loss = used.groupby("trial")["loss"].min().max()
    rows = []
    for family, group in used.groupby("family", sort=False):
        replicates = group.groupby("trial")["replicate"].first()
        runs = pd.DataFrame([_at(run, loss) for _, run in group.groupby("trial")], replicates.index)
        runs["replicate"] = replicates
        means = runs.groupby("replicate")[["gap", "weight_norm"]].mean()
        n, gap, _, low, high = mean_interval(means["gap"], level, DIFFERENCE)
        rows.append((family, n, gap, low, high, means["weight_norm"].mean(), loss))
    columns = ["family", "n", "gap", "low", "high", "weight_norm", "train_loss"]
    return pd.DataFrame(rows, columns=columns)


def _at(run: pd.DataFrame, loss: float) -> dict[str, float]:
    """A run's gap and weight norm where its training loss first comes down to ``loss``."""
    losses = run["loss"].to_numpy()
    after = int((losses <= loss).argmax())
    rows = slice(max(0, after - 1), after + 1)
    # Reversed, because np.interp wants increasing x; past the ends it stays at the end.
    return {
        name: float(np.interp(loss, losses[rows][::-1], run[name].to_numpy()[rows][::-1]))
        for name in ("gap", "weight_norm")
    }
