"""A paired difference against the size of the problem: fewer images, or fewer epochs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.estimators.intervals import DIFFERENCE, mean_interval
from analysis.estimators.responses import slope
from analysis.figures.axes import percent_ticks
from analysis.figures.style import INK, Picture, panels, picture, spoken, style
from analysis.fresh_seeds.frames import confirm_runs, ids
from analysis.fresh_seeds.pair_words import signed_points
from analysis.section import Estimates
from analysis.study import Study
from analysis.table import POINTS, RUNS, SCHEDULE, Column, N, bounded, names_of
from analysis.wording import points
from search_spaces.words.phrases import count

ALL = "mean of the others"
_SIZE = ["images", "epochs"]
COLUMNS = (
    *(SCHEDULE, Column("images"), Column("epochs"), Column("size"), N),
    *(*bounded("difference_accuracy", POINTS), RUNS),
)
SLOPE_COLUMNS = (SCHEDULE, N, *bounded("per_doubling_accuracy", POINTS), RUNS)


def on_ladder(study: Study) -> pd.DataFrame:
    """The confirm runs of the configuration that each family climbs the ladder with, the full size
    included: those of `frames.confirm_runs`, with size (images x epochs).

    The ladder takes the search's best, so that its full size is that candidate's own runs,
    whichever one validation chose later.
    """
    runs = confirm_runs(study)
    arms = () if study.confirm is None else study.confirm.spec.arms
    climbing = {arm.family: arm.parameters for arm in arms if arm.budget is not None}
    used = [n for n, arm in enumerate(arms) if climbing.get(arm.family) == arm.parameters]
    ladder_runs = runs[runs["arm"].isin(used)]
    # Without a train_size the search has all images, as the runs of fewer epochs have.
    images = ladder_runs["images"].fillna(ladder_runs["images"].max())
    return ladder_runs.assign(images=images, size=images * ladder_runs["epochs"])


def climb(climbing: pd.DataFrame, first: str) -> Estimates:
    """``first`` minus each other family, from `on_ladder`, paired by replicate.

    differences: family, images, epochs, size, replicate, difference; NaN where either run is
    missing, diverged or stalled. ladder: their mean with its interval for each family and size.
    slopes: change per doubling of the size (`responses.slope`) of each family, and of ALL: the mean
    over the families without an untrained run. trend: family, size, fitted (the line of that
    slope).
    """
    differences = paired(climbing, first)
    rows, slopes, trend = [], [], []
    for family, group in differences.groupby("family", sort=False):
        both = climbing if family == ALL else climbing[climbing["family"].isin([first, family])]
        for key, cell in group.groupby(_SIZE):
            cell_runs = both[(both[_SIZE] == list(key)).all(axis=1)]
            n, mean, _, low, high = mean_interval(cell["difference"], within=DIFFERENCE)
            rows.append((family, *key, cell["size"].iloc[0], n, mean, low, high, ids(cell_runs)))
        n, mean, _, low, high = slope(group, "size")
        slopes.append((family, n, mean, low, high, ids(both)))
        trend.append(_line(group, mean))
    return {
        "differences": differences,
        "ladder": pd.DataFrame(rows, columns=names_of(COLUMNS)),
        "slopes": pd.DataFrame(slopes, columns=names_of(SLOPE_COLUMNS)),
        "trend": pd.concat(trend, ignore_index=True) if trend else pd.DataFrame(columns=_TREND),
    }


_TREND = ["family", "size", "fitted"]


def paired(climbing: pd.DataFrame, first: str) -> pd.DataFrame:
    """The differences of `climb`."""
    key = [*_SIZE, "size", "replicate"]
    values = climbing.assign(value=climbing["value"].where(climbing["state"] == "complete"))
    families = list(dict.fromkeys(climbing["family"]))
    others = [name for name in families if name != first]
    if first not in families or not others:
        return pd.DataFrame(columns=[*key, "family", "difference"])
    wide = values.pivot_table("value", key, "family").reindex(columns=families)
    differences = -wide[others].sub(wide[first], axis=0)
    untrained = set(climbing.loc[climbing["state"] != "complete", "family"])
    whole = [name for name in others if name not in untrained]
    if len(whole) > 1:
        differences[ALL] = differences[whole].mean(axis=1, skipna=False)
    return differences.reset_index().melt(key, var_name="family", value_name="difference")


def _line(group: pd.DataFrame, per_doubling: float) -> pd.DataFrame:
    """The line of that slope through the mean of a family's differences."""
    known = group.dropna(subset=["difference"])
    sizes = np.sort(known["size"].unique().astype(float))
    centre = np.log2(known["size"].astype(float)).mean()
    fitted = known["difference"].mean() + per_doubling * (np.log2(sizes) - centre)
    return pd.DataFrame({"family": group["family"].iloc[0], "size": sizes, "fitted": fitted})


def steps(estimates: Estimates, first: str, delta: float) -> list[Picture]:
    """A panel for each other family: difference against size."""
    by_size, slopes = estimates["ladder"], estimates["slopes"].set_index("family")
    by_size = by_size[by_size["family"] != ALL].dropna(subset=["difference_accuracy"])
    if by_size["size"].nunique() < 2:
        return []
    names, longest = list(by_size["family"].unique()), by_size["epochs"].max()
    with panels(len(names), 1.75) as (figure, axes):
        for one, name in zip(axes, names, strict=True):
            colour, mark = style(name)
            one.axhspan(-delta, delta, color="#e8e8e8", linewidth=0)
            one.axhline(0, color=INK, linewidth=0.8)
            line = estimates["trend"][estimates["trend"]["family"] == name]
            one.plot(line["size"], line["fitted"], color=colour, linewidth=1, linestyle="--")
            for row in by_size[by_size["family"] == name].to_dict("records"):
                whole = row["epochs"] == longest
                at = row["size"] * (1.0 if whole else 1.1)  # beside the problem of the same size
                ends = [row["difference_accuracy_low"], row["difference_accuracy_high"]]
                one.plot([at, at], ends, color=colour, linewidth=1.5)
                fill = colour if whole else "white"
                one.plot(at, row["difference_accuracy"], mark, color=colour, mfc=fill, ms=6)
            change = slopes.loc[name, "per_doubling_accuracy"]
            slope_text = "" if np.isnan(change) else f": {signed_points(change)} a doubling"
            one.set_title(f"{spoken(name)}{slope_text}", fontsize=9)
        _size_axis(axes, sorted(by_size["size"].unique()))
        figure.supylabel(f"{spoken(first)} minus the other (points)", fontsize="medium")
        figure.supxlabel("images x epochs", fontsize="medium")
        return [
            picture(
                figure,
                "ladder",
                f"Validation accuracy of {spoken(first)} minus that of each other schedule against "
                "the size of the problem, a panel for each. " + _capital(trend(estimates)) + ".",
                "Filled: all epochs, on fewer images or all of them; open: fewer epochs, all "
                "images (drawn a little to the right). Lines: 95 % intervals over seeds; dashed: "
                f"the slope; shaded: differences of at most {points(delta)}. The rates were tuned "
                "at the full size.",
            )
        ]


def _size_axis(axes: list[Axes], sizes: list[float]) -> None:
    for one in axes:
        one.set_xscale("log", base=2)
        one.set_xticks(sizes, [f"{size / 1000:g}k" for size in sizes])
        percent_ticks(one.yaxis)


def trend(estimates: Estimates) -> str:
    """How the difference changes with the size, in words: over the mean of the others, or the one
    other family there is."""
    slopes = estimates["slopes"].dropna(subset=["per_doubling_accuracy"])
    if slopes.empty:
        return "how the difference changes with the size of the problem is not known"
    row = slopes.to_dict("records")[-1]  # ALL, where there is one, comes last
    n, mean, low, high = (row[name] for name in _SLOPE)
    name = f"the {ALL}" if row["family"] == ALL else spoken(str(row["family"]))
    between = f"95 % interval {signed_points(low)} to {signed_points(high)}, {count(n, 'seed')}"
    if np.isnan(low):
        between = f"{count(n, 'seed')}, too few for an interval"
    return (
        f"with each doubling of the problem (images x epochs) its difference to {name} changes by "
        f"{signed_points(mean)} points ({between})"
    )


_SLOPE = (
    *("n", "per_doubling_accuracy"),
    *("per_doubling_accuracy_low", "per_doubling_accuracy_high"),
)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
