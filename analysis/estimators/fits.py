"""What is fitted to scores on a designed grid: the best rate, the rate that leaves half of the
runs untrained, the share that the mean rate explains. Frames and dependence as in
`estimators.responses`.

Four rates with three replicates each, the last rate too high:

>>> rates, n = np.repeat([0.1, 0.2, 0.4, 0.8], 3), np.tile([0, 1, 2], 4)
>>> value = 0.85 - 0.03 * np.log10(rates / 0.3) ** 2 + 0.002 * n
>>> runs = pd.DataFrame({"base_lr": rates, "warmup": 0.0, "replicate": n, "value": value})
>>> runs["state"] = ["complete"] * 9 + ["diverged"] * 3
>>> round(peak(runs, "base_lr").at, 3)
0.3
>>> half = half_untrained(runs)
>>> round(half.at, 3), half.low, half.high
(0.566, 0.4, 0.8)
>>> interval = jackknife(runs[:9], "replicate", lambda frame: float(frame["value"].mean()))
>>> f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f}), {interval.n} replicates"
'0.849 (0.844 to 0.854), 3 replicates'

How much of a polynomial's score the mean rate explains:

>>> grid = pd.concat([runs[:9].assign(exponent=p, mean_lr=rates[:9] / (1 + p)) for p in (1, 2)])
>>> noise = np.random.default_rng(0).normal(0, 0.001, len(grid))
>>> grid["value"] = 0.85 - 0.1 * grid["mean_lr"] + 0.005 * grid["exponent"] + noise
>>> round(mean_rate_share(grid).share, 2)
0.9
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special, stats

from analysis.estimators.intervals import LEVEL, Interval, t_interval
from analysis.estimators.responses import kept
from analysis.reading.states import RESULTS

Array = npt.NDArray[np.float64]
# Cells this close to the highest mean make the parabola of `peak`. Further from the top a curve is
# no parabola (it falls off a cliff where training diverges); much closer, noise alone would choose
# the cells: seeds differ by 0.4 to 1.0 point.
NEAR = 0.01


def jackknife(
    frame: pd.DataFrame,
    cluster: str,
    statistic: Callable[[pd.DataFrame], float],
    level: float = LEVEL,
) -> Interval:
    """Delete-one-cluster jackknife interval of any smooth scalar statistic of a frame.

    With g clusters, S of the whole frame and S_i without cluster i, the pseudo-values are
    g S - (g - 1) S_i (Tukey 1958) and the interval is S +- t(g - 1) sd / sqrt(g), sd being theirs;
    for a balanced mean it is `t_interval` of the cluster means. n counts clusters. The bounds are
    NaN for fewer than two clusters and where a statistic is NaN. Rows without a cluster stay in S.
    """
    clusters = frame[cluster].dropna().unique()
    n, whole = len(clusters), statistic(frame)
    without = np.array([statistic(frame[frame[cluster] != each]) for each in clusters])
    pseudo = n * whole - (n - 1) * without
    if n < 2 or np.isnan(pseudo).any():
        return Interval(n, whole, np.nan, np.nan, np.nan)
    interval = t_interval(pseudo, level)
    shift = whole - interval.mean
    return Interval(n, whole, interval.sd, interval.low + shift, interval.high + shift)


class Peak(NamedTuple):
    """Where the mean score is highest. at, low, high: in units of x; n: replicates; best: the
    tested value with the highest mean, best_mean that mean (NaN where nothing was kept)."""

    n: int
    at: float
    low: float
    high: float
    at_edge: bool
    best: float
    best_mean: float


def peak(runs: pd.DataFrame, x: str, level: float = LEVEL) -> Peak:
    """The value of ``x`` (> 0, such as base_lr or exponent) with the highest mean score.

    Vertex of the least-squares parabola in log x, with an intercept for each replicate, through the
    runs from the first to the last cell whose mean is within NEAR of the highest (at least the best
    cell and its neighbours), clipped to the range kept. Interval: `jackknife` over replicates in
    log x with those cells held fixed, clipped likewise. There is none at an edge, since the peak
    may lie beyond, nor where the curvature is not below 0 by a one-sided test at ``level``: a flat
    curve has no peak. Without a vertex, ``at`` is the best tested value. Cells with an untrained
    run are left out.
    """
    runs = kept(runs, [x])
    means = runs.groupby(x)["value"].mean()
    n = runs["replicate"].nunique()
    if means.empty:
        return Peak(n, np.nan, np.nan, np.nan, False, np.nan, np.nan)
    rates = means.index.to_numpy(dtype=np.float64)
    best, edges = float(rates[means.argmax()]), np.log(rates[[0, -1]])
    near = runs[runs[x].isin(rates[_around_the_top(means.to_numpy())])]
    near = near[["replicate", "value"]].assign(log_x=np.log(near[x]) - np.log(best))

    def vertex(frame: pd.DataFrame) -> float:
        slope, curvature = _parabola(frame)
        if not curvature < 0:
            return np.nan
        return float(np.clip(np.log(best) - slope / (2 * curvature), *edges))

    log_interval = jackknife(near, "replicate", vertex, level)
    at = np.log(best) if np.isnan(log_interval.mean) else log_interval.mean
    at_edge = bool(at in edges)
    curvature = jackknife(near, "replicate", lambda frame: _parabola(frame)[1], 2 * level - 1)
    bounds = np.clip([log_interval.low, log_interval.high], *edges)
    if at_edge or not curvature.high < 0:
        bounds = np.array([np.nan, np.nan])
    where, low, high = (float(each) for each in np.exp([at, *bounds]))
    return Peak(n, where, low, high, at_edge, best, float(means.max()))


def _around_the_top(means: Array) -> slice:
    """From the first to the last mean near the highest, at least it and its neighbours, or the
    three next to an edge."""
    near, top, last = np.flatnonzero(means >= means.max() - NEAR), means.argmax(), len(means) - 1
    first = max(0, min(near[0], top - 1, last - 2))
    return slice(int(first), int(max(near[-1], top + 1, 2)) + 1)


def _parabola(frame: pd.DataFrame) -> tuple[float, float]:
    """Slope at 0 and second coefficient of value against log_x; NaN for fewer than three x."""
    z, replicate = frame["log_x"].to_numpy(), frame["replicate"].to_numpy()
    if len(np.unique(z)) < 3:
        return np.nan, np.nan
    intercepts = replicate[:, None] == np.unique(replicate)
    design = np.column_stack([z, z**2, intercepts])
    coefficients = np.linalg.lstsq(design, frame["value"].to_numpy())[0]
    return float(coefficients[0]), float(coefficients[1])


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
    """A share of the variation between ``cells`` cell means, over n replicates; lost: untrained
    runs of the grid."""

    n: int
    cells: int
    lost: int
    share: float
    low: float
    high: float


def mean_rate_share(runs: pd.DataFrame, level: float = LEVEL) -> Share:
    """How much of the score's variation over the grid exponent x base_lr the mean rate explains.

    For C cells and N replicates: the sum of squares that a parabola in log mean_lr explains, less
    2 s^2/N, over the total sum of squares of the cell means, less (C - 1) s^2/N, where s^2 is the
    mean square of what cell and replicate leave (two-way analysis of variance without interaction):
    the expected part of noise is taken from both. Clipped to [0, 1]; interval by `jackknife` over
    replicates. NaN unless the F test of that table tells the cells apart at ``level``. Cells with
    an untrained or missing run are left out, so that the grid is balanced; untrained runs are
    counted.
    """
    by = ["exponent", "base_lr"]
    untrained = int(runs["state"].isin(["diverged", "stalled"]).sum())
    complete = kept(runs, by)
    complete = complete[complete["mean_lr"] > 0]  # not so where the history is missing
    replicates = complete["replicate"].nunique()
    size = complete.groupby(by)["replicate"].transform("size")
    grid = complete[size == replicates].sort_values(["replicate", *by])
    cells = len(grid) // replicates if replicates else 0
    if replicates < 2 or cells < 4:
        return Share(replicates, cells, untrained, np.nan, np.nan, np.nan)
    between, _, noise = _squares(grid)
    p = stats.f.sf(replicates * between / noise, cells - 1, (cells - 1) * (replicates - 1))
    if not p < 1 - level:
        return Share(replicates, cells, untrained, np.nan, np.nan, np.nan)
    interval = jackknife(grid, "replicate", _explained, level)
    share, low, high = (float(each) for each in np.clip(interval[1:2] + interval[3:], 0.0, 1.0))
    return Share(replicates, cells, untrained, share, low, high)


def _squares(grid: pd.DataFrame) -> tuple[float, float, float]:
    """Mean squares of a balanced grid sorted by replicate, then cell: between cell means (C - 1
    degrees of freedom), of them explained by log mean_lr (2), and within a cell."""
    n = grid["replicate"].nunique()
    values = grid["value"].to_numpy().reshape(n, -1)
    means = values.mean(axis=0)
    centred = means - means.mean()
    z = np.log(grid["mean_lr"].to_numpy().reshape(n, -1).mean(axis=0))
    design = np.vander(z - z.mean(), 3)
    left = means - design @ np.linalg.lstsq(design, means)[0]
    rest = values - means - (values.mean(axis=1, keepdims=True) - means.mean())
    degrees = len(means) - 1
    within = (rest**2).sum() / (degrees * (n - 1)) if n > 1 else np.nan
    total = centred @ centred
    return float(total / degrees), float((total - left @ left) / 2), float(within)


def _explained(grid: pd.DataFrame) -> float:
    n = grid["replicate"].nunique()
    between, explained, noise = _squares(grid)
    total = (len(grid) // n - 1) * (between - noise / n)
    return 2 * (explained - noise / n) / total if total > 0 else np.nan
