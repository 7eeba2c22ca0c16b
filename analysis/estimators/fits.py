"""What is read off scores on a designed grid: the best rate, the rate that leaves half of the runs
untrained, the share that the mean rate explains. Frames and dependence as in
`estimators.responses`.

Four rates with four replicates each, the last rate too high:

>>> rates, n = np.repeat([0.1, 0.2, 0.4, 0.8], 4), np.tile([0, 1, 2, 3], 4)
>>> value = 0.85 - 0.03 * np.log10(rates / 0.2) ** 2 + 0.002 * n
>>> value += np.random.default_rng(0).normal(0, 0.0002, 16)
>>> runs = pd.DataFrame({"base_lr": rates, "warmup": 0.0, "replicate": n, "value": value})
>>> runs["state"] = ["complete"] * 12 + ["diverged"] * 4
>>> top = peak(runs, "base_lr")
>>> top.at, top.low, top.high
(0.2, 0.1, 0.4)
>>> half = half_untrained(runs)
>>> round(half.at, 3), half.low, half.high
(0.566, 0.4, 0.8)
>>> interval = jackknife(runs[:12], "replicate", lambda frame: float(frame["value"].mean()))
>>> f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f}), {interval.n} replicates"
'0.851 (0.847 to 0.855), 4 replicates'

How much of a polynomial's score the mean rate explains:

>>> grid = pd.concat([runs[:12].assign(exponent=p, mean_lr=rates[:12] / (1 + p)) for p in (1, 2)])
>>> noise = np.random.default_rng(0).normal(0, 0.001, len(grid))
>>> grid["value"] = 0.85 - 0.1 * grid["mean_lr"] + 0.005 * grid["exponent"] + noise
>>> round(mean_rate_share(grid).share, 2)
0.88
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special, stats

from analysis.estimators.best import best_set
from analysis.estimators.intervals import LEVEL, Interval, mean_interval
from analysis.estimators.seeds import by_seed
from analysis.estimators.skew import FEWEST
from analysis.reading.states import RESULTS

Array = npt.NDArray[np.float64]


def jackknife(
    frame: pd.DataFrame,
    cluster: str,
    statistic: Callable[[pd.DataFrame], float],
    level: float = LEVEL,
) -> Interval:
    """Delete-one-cluster jackknife interval of any smooth scalar statistic of a frame.

    With g clusters, S of the whole frame and S_i without cluster i, the pseudo-values are
    g S - (g - 1) S_i (Tukey 1958) and the interval is their `mean_interval`, moved to S; for a
    balanced mean it is that of the cluster means. n counts clusters. The bounds are NaN for fewer
    than FEWEST clusters and where a statistic is NaN. Rows without a cluster stay in S.
    """
    clusters = frame[cluster].dropna().unique()
    n, whole = len(clusters), statistic(frame)
    without = np.array([statistic(frame[frame[cluster] != each]) for each in clusters])
    pseudo = n * whole - (n - 1) * without
    if n < 2 or np.isnan(pseudo).any():
        return Interval(n, whole, np.nan, np.nan, np.nan)
    interval = mean_interval(pseudo, level)
    shift = whole - interval.mean
    return Interval(n, whole, interval.sd, interval.low + shift, interval.high + shift)


class Peak(NamedTuple):
    """Where the score is highest. n: replicates on which the best value trained; at, low, high: in
    units of x; open_low, open_high: whether it may lie beyond that bound, an end of the values
    tried."""

    n: int
    at: float
    low: float
    high: float
    open_low: bool
    open_high: bool


def peak(runs: pd.DataFrame, x: str, level: float = LEVEL) -> Peak:
    """The value of ``x`` (such as base_lr or exponent) with the highest mean score.

    at: the tried value that `study.choosing.choose` finds best. Were the score of the runs that
    train a curve with a single peak, this would lie between the neighbours of the best tried value,
    and one of those not told from the best (`best_set`) is that, at ``level``. So the interval
    reaches from the tried value below the lowest of them to the one above the highest. No shape but
    the single peak is assumed. Values more often untrained are among them unless their scores are
    worse: they cannot be chosen, but the score may still peak there. Where an end of what was tried
    is among them, the interval is open there. No interval (NaN) with fewer than FEWEST replicates;
    nothing at all where no run trained.
    """
    ended = runs[runs["state"].isin(RESULTS)]
    if not (ended["state"] == "complete").any():
        return Peak(0, np.nan, np.nan, np.nan, False, False)
    ranked = best_set(*by_seed(ended, x), level)
    n, at = int(ranked["n"].iloc[0]), float(ranked["name"].iloc[0])
    told = (ranked["standing"] == "untrained") | (ranked["p"] < 1 - level)
    told[0] = False  # the best itself
    tried = np.sort(ranked["name"].to_numpy(dtype=np.float64))
    possible = np.flatnonzero(np.isin(tried, ranked.loc[~told, "name"].to_numpy(dtype=np.float64)))
    first, last, end = int(possible[0]), int(possible[-1]), len(tried) - 1
    ends = first == 0, last == end
    if n < FEWEST:
        return Peak(n, at, np.nan, np.nan, *ends)
    return Peak(n, at, float(tried[max(first - 1, 0)]), float(tried[min(last + 1, end)]), *ends)


class HalfUntrained(NamedTuple):
    """The rate at which half of n runs are untrained, and its bounds; NaN where open or unknown.
    fitted: whether at, low and high are a fit with its interval, not a bracket."""

    n: int
    untrained: int
    at: float
    low: float
    high: float
    fitted: bool


def half_untrained(
    runs: pd.DataFrame,
    x: str = "base_lr",
    states: Sequence[str] = ("diverged",),
    above: float = 0.0,
    level: float = LEVEL,
) -> HalfUntrained:
    """The value of ``x`` (> 0) at which half of the runs end in one of ``states``.

    Such runs are called untrained here. Where at most one value of x has both them and others, low
    is the largest x with none below it, high the smallest with none but them above it, and at that
    one value or else their geometric mean: a bracket of what was seen, not a confidence interval.
    Elsewhere at is where logit P(untrained) = a + b log x, fitted by maximum likelihood, is 0,
    clipped to the range of x (NaN where b <= 0), with its `jackknife` interval over replicates.
    Only complete, diverged and stalled runs with x >= above count: for want of learning very low
    rates stall too.
    """
    used = runs[runs["state"].isin(RESULTS) & (runs[x] >= above)]
    used = used.assign(x=used[x], untrained=used["state"].isin(states))
    n, untrained = len(used), int(used["untrained"].sum())
    at, low, high, apart = _bracket(used)
    if apart:
        return HalfUntrained(n, untrained, at, low, high, fitted=False)
    fit = jackknife(used, "replicate", _log_half, level)
    at, low, high = (float(each) for each in np.exp([fit.mean, fit.low, fit.high]))
    return HalfUntrained(n, untrained, at, low, high, fitted=True)


def _bracket(used: pd.DataFrame) -> tuple[float, float, float, bool]:
    """Middle, low, high, and whether untrained and other runs have at most one common x."""
    x, untrained = used["x"].to_numpy(dtype=np.float64), used["untrained"].to_numpy(dtype=bool)
    first, last = x[untrained].min(initial=np.inf), x[~untrained].max(initial=-np.inf)
    low = x[~untrained & (x < first)].max(initial=-np.inf)
    high = x[untrained & (x > last)].min(initial=np.inf)
    low, high = (float(each) if np.isfinite(each) else np.nan for each in (low, high))
    at = float(first) if first == last else float(np.sqrt(low * high))
    return at, low, high, bool(last <= first)


def _log_half(used: pd.DataFrame) -> float:
    """Log of the x at which half are untrained: by the fit, or the bracket's middle (what the fit
    tends to) where a replicate's absence leaves the rest apart."""
    at, _, _, apart = _bracket(used)
    if apart:
        return float(np.log(at))
    z, untrained = np.log(used["x"].to_numpy()), used["untrained"].to_numpy(dtype=np.float64)
    u = (z - z.mean()) / z.std()

    def minus_log_likelihood(ab: Array) -> tuple[float, Array]:
        logit = ab[0] + ab[1] * u
        excess = special.expit(logit) - untrained
        loss = np.logaddexp(0, np.where(untrained, -logit, logit)).sum()
        return float(loss), np.array([excess.sum(), excess @ u])

    a, b = optimize.minimize(minus_log_likelihood, np.zeros(2), jac=True, method="BFGS").x
    if not b > 0:
        return np.nan
    return float(z.mean() + z.std() * np.clip(-a / b, u.min(), u.max()))


class Share(NamedTuple):
    """A share of the variation between ``cells`` cells, over n replicates; untrained: runs of the
    grid that are."""

    n: int
    cells: int
    untrained: int
    share: float
    low: float
    high: float


def mean_rate_share(runs: pd.DataFrame, level: float = LEVEL) -> Share:
    """How much of the score's variation over the grid exponent x base_lr the mean rate explains.

    The effects of the cells are the least-squares fit of score = replicate + cell to the runs that
    trained, as in `study.choosing`, so that a missing or untrained run leaves its cell in. Of these
    effects e, with covariance s^2 V, the share is the sum of squares that a parabola in log mean_lr
    explains, less s^2 tr(P V), over all of it, less s^2 tr(V); P projects on the parabola, s^2 is
    the mean square of what the fit leaves. So the expected part of noise is taken from both. In a
    balanced grid this is the two-way analysis of variance without interaction.

    Share and interval (`jackknife` over replicates, which also carries what a replicate does to
    neighbouring cells alike) are cut to [0, 1]. All NaN for fewer than FEWEST replicates or four
    cells, and unless the F test of the table tells the cells apart at ``level``. Cells that trained
    on fewer than two replicates, or whose mean_lr is not known, are left out.
    """
    ended = runs[runs["state"].isin(RESULTS)]
    untrained = int((ended["state"] != "complete").sum())
    table, log_rates = _grid(ended)
    n, cells = table.shape
    nothing = Share(n, cells, untrained, np.nan, np.nan, np.nan)
    if n < FEWEST or cells < 4:
        return nothing
    whole = _cells(table.to_numpy())
    if whole is None or not _p_flat(whole) < 1 - level:
        return nothing
    found = jackknife(
        table.reset_index(names="replicate"),
        "replicate",
        lambda frame: _explained(_cells(frame[table.columns].to_numpy()), log_rates),
        level,
    )
    share, low, high = (float(each) for each in np.clip(found[1:2] + found[3:], 0.0, 1.0))
    return Share(n, cells, untrained, share, low, high)


def _grid(ended: pd.DataFrame) -> tuple[pd.DataFrame, Array]:
    """Scores of the runs that trained, a row a replicate and a column a cell, and the log of each
    cell's mean rate; cells and replicates that say nothing are left out."""
    trained = ended[ended["state"] == "complete"]
    key = pd.Series(list(zip(trained["exponent"], trained["base_lr"], strict=True)), trained.index)
    cell = key.map({each: place for place, each in enumerate(sorted(set(key)))})
    known = trained["mean_lr"].where(trained["mean_lr"] > 0)  # not so where the history is missing
    rates = known.groupby(cell).mean()
    table = trained.assign(cell=cell).pivot_table(
        index="replicate", columns="cell", values="value", aggfunc="mean"
    )
    rates = rates[(table.notna().sum() >= 2) & rates.notna()]
    return table[rates.index].dropna(how="all"), np.log(rates.to_numpy(dtype=np.float64))


class _Cells(NamedTuple):
    """Effects of the cells, mean 0, their covariance over s^2, and sums of squares: between cells
    and left, with their degrees of freedom."""

    effects: Array
    covariance: Array
    between: float
    left: float
    between_df: int
    left_df: int


def _cells(scores: Array) -> _Cells | None:
    """Least-squares fit of score = replicate + cell to (replicates, cells), NaN where missing; None
    where common replicates do not connect all cells, or nothing is left to tell noise from."""
    scores = scores[~np.isnan(scores).all(axis=1)]
    trained = ~np.isnan(scores)
    weights = trained.astype(np.float64)
    count = weights.sum(axis=1, keepdims=True)
    within = np.where(trained, scores - np.nansum(scores, axis=1, keepdims=True) / count, 0.0)
    # Normal equations of the cells after the replicates are eliminated: the Laplacian of the graph
    # that joins cells by common replicates. If it is connected, its null space is the mean alone.
    laplacian = np.diag(weights.sum(axis=0)) - (weights / count).T @ weights
    cells, replicates = scores.shape[1], len(scores)
    left_df = int(weights.sum()) - replicates - cells + 1
    mean = np.full((cells, cells), 1 / cells)
    if left_df < 1 or np.linalg.eigvalsh(laplacian + mean)[0] < _CONNECTED:
        return None
    covariance = np.linalg.inv(laplacian + mean) - mean
    effects = covariance @ within.sum(axis=0)
    between = float(effects @ within.sum(axis=0))
    left = max(float((within**2).sum()) - between, 0.0)
    return _Cells(effects, covariance, between, left, cells - 1, left_df)


_CONNECTED = 1e-9  # the least eigenvalue; rounding alone gives about 1e-15


def _p_flat(cells: _Cells) -> float:
    """p-value of the F test that all cells have the same effect."""
    noise = cells.left / cells.left_df
    statistic = cells.between / cells.between_df / noise if noise > 0 else np.inf
    return float(stats.f.sf(statistic, cells.between_df, cells.left_df))


def _explained(cells: _Cells | None, log_rates: Array) -> float:
    """The share that a parabola in log_rates explains of the effects, without the part of noise."""
    if cells is None:
        return np.nan
    noise = cells.left / cells.left_df
    design = np.vander(log_rates - log_rates.mean(), 3)[:, :2]
    basis = np.linalg.qr(design - design.mean(axis=0))[0]
    fitted = basis.T @ cells.effects
    explained = fitted @ fitted - noise * np.trace(basis.T @ cells.covariance @ basis)
    total = cells.effects @ cells.effects - noise * np.trace(cells.covariance)
    return float(explained / total) if total > 0 else np.nan
