"""Two posteriors that are known exactly, against what Langevin dynamics sampled of them.

`lrstudy sample` samples and keeps the numbers in a study; here they are read, judged and drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis.estimators.intervals import LEVEL, t_quantile
from analysis.figures.fitting import outside_legend
from analysis.figures.style import INK, Picture, canvas, picture
from analysis.section import Estimates
from analysis.table import PERCENT, Column
from study.values import LARGEST, floats, integer, mapping, number, text

VARIANCES = [
    *("batches", "temperature", "step", "predicted"),
    *("measured", "measured_low", "measured_high", "ratio", "chains"),
]
COLUMNS = (
    *(Column("theta1_distance"), Column("theta2_distance")),
    *(Column("second_share", PERCENT), Column("exact_second_share", PERCENT)),
    *(Column("second_share_se", PERCENT), Column("chains"), Column("outside")),
)
"""Of `distances`."""
_COLOURS = ("#0072b2", "#e69f00", "#d55e00")
_TITLES = {
    "full": "all data",
    "with replacement": "minibatches, with replacement",
    "shuffled": "minibatches of shuffled epochs",
}


def variances(sampled: Mapping[str, Any]) -> pd.DataFrame:
    """Stationary variance by batches, temperature and step (eps A): predicted, measured with its
    95 % t interval over independent chains, their ratio (NaN where 0 is predicted).

    sampled: what `training.exact.gaussian_variances` gave; rows that are damaged, or that say what
    cannot be, are left out.
    """
    listed = sampled.get("rows")
    rows = [mapping(each) for each in (listed if isinstance(listed, list) else [])]
    names = ("temperature", "step", "predicted", "measured", "sd", "chains")
    frame = pd.DataFrame({name: floats([row.get(name) for row in rows]) for name in names})
    frame["batches"] = [text(row.get("batches")) for row in rows]
    possible = (frame[["temperature", "predicted", "measured", "sd"]] >= 0).all(axis=1)
    possible &= (frame["step"] > 0) & (frame["chains"] >= 2) & frame["batches"].isin(list(_TITLES))
    frame = frame[possible]
    half = t_quantile(LEVEL, frame["chains"] - 1) * frame["sd"] / np.sqrt(frame["chains"])
    frame["measured_low"] = (frame["measured"] - half).clip(lower=0)
    frame["measured_high"] = frame["measured"] + half
    ratio = frame["measured"] / frame["predicted"].where(frame["predicted"] > 0)
    ratio = ratio.where(ratio <= LARGEST)
    return frame.assign(ratio=ratio)[VARIANCES].reset_index(drop=True)


def bins(sampled: Mapping[str, Any]) -> pd.DataFrame:
    """The mixture's bins: theta1, theta2 (middles), posterior and samples (shares of each bin).

    sampled: what `training.exact.mixture_posterior` gave; empty where that is missing or damaged.
    """
    sides = [_edges(sampled.get(side)) for side in ("theta1", "theta2")]
    shape = (len(sides[0]) - 1, len(sides[1]) - 1)
    posterior, samples = (_matrix(sampled.get(name), shape) for name in ("posterior", "samples"))
    if min(shape) < 1 or posterior is None or samples is None:
        return pd.DataFrame(columns=["theta1", "theta2", "posterior", "samples"], dtype=float)
    middles = np.meshgrid(*[(each[1:] + each[:-1]) / 2 for each in sides], indexing="ij")
    flat = {side: each.ravel() for side, each in zip(("theta1", "theta2"), middles, strict=True)}
    return pd.DataFrame(flat | {"posterior": posterior.ravel(), "samples": samples.ravel()})


def _edges(value: Any) -> npt.NDArray[np.float64]:
    """Edges of two or more bins, equally wide; a single one, of no bin, where they are not."""
    edges = floats(value) if isinstance(value, list) else np.empty(0)
    widths = np.diff(edges)
    least = 1e-9 * float(np.abs(edges).max(initial=0.0))  # NaN where an edge is missing
    good = len(widths) > 1 and (widths > least).all()
    return edges if good and np.allclose(widths, widths[0], rtol=1e-6, atol=0) else np.empty(1)


def _matrix(value: Any, shape: tuple[int, int]) -> npt.NDArray[np.float64] | None:
    """Shares of that shape which add up to 1, None where they are something else."""
    listed = value if isinstance(value, list) else []
    rows = [floats(row) for row in listed if isinstance(row, list)]
    if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        return None
    matrix = np.array(rows)
    return matrix if (matrix >= 0).all() and abs(matrix.sum() - 1) < 1e-3 else None


def distances(frame: pd.DataFrame, sampled: Mapping[str, Any]) -> pd.DataFrame:
    """How far the samples are from the posterior, a row: theta1_distance and theta2_distance, total
    variation of the marginals (0 to 1; bins of `bins`, joined in fours); second_share and
    exact_second_share, of theta2 < 0, sampled and exact; second_share_se, over chains; chains;
    outside."""
    if frame.empty:
        return pd.DataFrame()
    row: dict[str, Any] = {}
    for side in ("theta1", "theta2"):
        marginal = frame.groupby(side)[["posterior", "samples"]].sum()
        joined = marginal.groupby(np.arange(len(marginal)) // 4).sum()
        row[f"{side}_distance"] = (joined["posterior"] - joined["samples"]).abs().sum() / 2
    negative = frame["theta2"] < 0
    row["second_share"] = frame.loc[negative, "samples"].sum()
    row["exact_second_share"] = frame.loc[negative, "posterior"].sum()
    chains, sd = integer(sampled.get("chains")), number(sampled.get("negative_sd"))
    known = chains is not None and sd is not None and chains > 0 and sd >= 0
    row["second_share_se"] = float(sd) / np.sqrt(chains) if known else np.nan  # type: ignore[arg-type]
    row["chains"] = chains
    row["outside"] = number(sampled.get("outside"))
    return pd.DataFrame([row])


def estimates(sampled: Mapping[str, Mapping[str, Any]]) -> Estimates:
    """variances, bins and distances of what was sampled, by the name of the problem;
    empty frames where it was not."""
    mixture = sampled.get("mixture", {})
    frame = bins(mixture)
    return {
        "variances": variances(sampled.get("gaussian", {})),
        "bins": frame,
        "distances": distances(frame, mixture),
    }


def draw(frames: Estimates) -> list[Picture]:
    """The variance against the step size, and the mixture beside its samples."""
    return [*_variances(frames["variances"]), *_mixture(frames)]


def _variances(frame: pd.DataFrame) -> list[Picture]:
    frame = frame[frame["predicted"] > 0]
    if frame.empty:
        return []
    kinds = [kind for kind in _TITLES if (frame["batches"] == kind).any()]
    temperatures = sorted(frame["temperature"].unique())
    conclusion = f"{conclude_variances(frame)} ".lstrip()
    with canvas(len(kinds), 1, 0.7 + 1.75 * len(kinds), sharex=True, sharey=True) as (
        figure,
        axes,
    ):
        for one, kind in zip(axes[:, 0], kinds, strict=True):
            for colour, temperature in zip(_COLOURS, temperatures, strict=False):
                group = frame[(frame["batches"] == kind) & (frame["temperature"] == temperature)]
                group = group.sort_values("step")
                lower = group["measured"] - group["measured_low"]
                upper = group["measured_high"] - group["measured"]
                one.plot(group["step"], group["predicted"], color=colour, linewidth=1.2)
                one.errorbar(
                    group["step"], group["measured"], [lower, upper], fmt="o", color=colour, ms=4
                )
            one.set_title(_TITLES[kind])
            one.set_xscale("log")
            one.set_yscale("log")
            one.yaxis.set_major_locator(LogLocator(numticks=5))
            one.yaxis.set_minor_locator(NullLocator())
        last = axes[-1, 0]
        last.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        last.xaxis.set_minor_locator(NullLocator())
        last.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        last.set_xlabel("step size times the posterior's precision")
        figure.supylabel("stationary variance", fontsize="medium")
        for colour, temperature in zip(_COLOURS, temperatures, strict=False):
            last.plot([], [], "o-", color=colour, ms=4, label=f"T = {temperature:g}")
        outside_legend(figure, ncols=3)
        return [
            picture(
                figure,
                "stationary-variance",
                "Variance of the samples of a normal posterior against the step size, a panel for "
                "each kind of batches, a colour for each temperature.",
                f"{conclusion}Marks: measured over independent chains, with 95 % intervals. Lines: "
                "(T + eps V / 4) / (A (1 - eps A / 4)), with V = 0 where every step uses all data. "
                "For shuffled epochs the line is what independent minibatches would give. A "
                "temperature of 0 with all data comes to rest, and has no mark.",
            )
        ]


def _mixture(frames: Estimates) -> list[Picture]:
    frame = frames["bins"]
    if frame.empty:
        return []
    highest = float(frame[["posterior", "samples"]].to_numpy().max())
    with canvas(2, 2, 4.6, height_ratios=[1.5, 1]) as (figure, axes):
        for one, name in zip(axes[0], ("posterior", "samples"), strict=True):
            table = frame.pivot_table(name, "theta2", "theta1")
            look = {"cmap": "Blues", "vmin": 0.0, "vmax": highest, "rasterized": True}
            one.pcolormesh(table.columns, table.index, table, **look)
            one.set_title({"posterior": "exact posterior", "samples": "samples"}[name])
            one.set_xlabel("theta1")
            one.grid(visible=False)
        axes[0, 0].set_ylabel("theta2")
        for one, side in zip(axes[1], ("theta1", "theta2"), strict=True):
            marginal = frame.groupby(side)[["posterior", "samples"]].sum()
            width = float(np.diff(marginal.index[:2])[0])
            one.fill_between(
                marginal.index, marginal["samples"] / width, color="#0072b2", alpha=0.3, linewidth=0
            )
            one.plot(marginal.index, marginal["posterior"] / width, color=INK, linewidth=1.2)
            one.set_xlabel(side)
            one.set_ylim(0)
        axes[1, 0].set_ylabel("density")
        return [
            picture(
                figure,
                "mixture",
                "The posterior of the mixture of Welling and Teh and what Langevin dynamics "
                "sampled of it.",
                f"{conclude_mixture(frames['distances'])} Above: the exact density on a grid and "
                "the samples, weighted by their step sizes, in the same colours. Below: marginals; "
                "lines exact, areas samples.",
            )
        ]


def conclude(frames: Estimates) -> str:
    """What both problems show; empty where neither was sampled."""
    sentences = []
    if not frames["variances"].empty:
        sentences.append(conclude_variances(frames["variances"]))
    if not frames["bins"].empty:
        sentences.append(conclude_mixture(frames["distances"]))
    return " ".join(sentences)


def conclude_variances(frame: pd.DataFrame) -> str:
    """How far measured variances are from predicted ones, by kind of batches."""
    known = frame.dropna(subset=["ratio"])
    fits = known[known["batches"] != "shuffled"]
    parts = []
    if len(fits):
        worst = float((fits["ratio"] - 1).abs().max())
        parts.append(
            f"the variance of a normal posterior's samples follows its formula within "
            f"{100 * worst:.1f} % for all {len(fits)} step sizes, temperatures and kinds of "
            "independent batches"
        )
    cold = known[(known["batches"] == "shuffled") & (known["temperature"] == 0)]
    if len(cold):
        low, high = (cold.sort_values("step").iloc[place] for place in (0, -1))
        parts.append(
            f"shuffled epochs without noise keep {100 * low['ratio']:.0f} % of it at the smallest "
            f"step and {100 * high['ratio']:.0f} % at the largest"
        )
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "." if text else ""


def conclude_mixture(frame: pd.DataFrame) -> str:
    """Both modes' shares, and the marginals' distances."""
    row = frame.iloc[0]
    return (
        f"Of the mixture's two modes the second has {100 * row['second_share']:.0f} % of the "
        f"samples and {100 * row['exact_second_share']:.0f} % of the posterior; the marginals are "
        f"{row['theta1_distance']:.3f} and {row['theta2_distance']:.3f} away (total variation)."
    )
