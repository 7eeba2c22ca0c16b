"""Section: learning curves by schedule."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures.axes import accuracy_axis
from analysis.figures.marks import curve_of
from analysis.figures.style import (
    PALE,
    Picture,
    by_family,
    on,
    panels,
    picture,
    spoken,
    style,
    told_apart,
)
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import PERCENT, SCHEDULE, Column, N, Table
from search_spaces.words.phrases import percent

ABOUT = About(
    "Learning curves",
    "How does validation accuracy develop during training under each schedule?",
    {
        "milestones": Table(
            "Median validation accuracy of complete trials after a quarter, a half and all "
            "of training, with the quartiles at the end.",
            (
                *(SCHEDULE, N, Column("accuracy_after_quarter", PERCENT)),
                *(Column("accuracy_after_half", PERCENT), Column("median_accuracy", PERCENT)),
                Column("lower_quartile_accuracy", PERCENT),
                Column("upper_quartile_accuracy", PERCENT),
            ),
        )
    },
    uses=("complete",),
)


def estimate(study: Study) -> Estimates:
    """curves: family, epoch (done, from 1), n, median_accuracy and quartiles over the complete
    trials; best: the curve of each family's best trial; milestones: some of these in a table."""
    complete = study.ended(ABOUT.uses)
    curves = study.curves[study.curves["trial"].isin(complete["trial"])]
    best = complete.sort_values("value").drop_duplicates("family", keep="last")["trial"]
    leading = curves.loc[curves["trial"].isin(best), ["family", "trial", "epoch", "val_accuracy"]]
    leading = leading.assign(epoch=leading["epoch"] + 1).dropna(subset=["val_accuracy"])
    frame = bands(curves)
    return {"curves": frame, "best": leading, "milestones": _milestones(frame)}


def bands(curves: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles of validation accuracy, a row a family and epoch (done, from 1)."""
    curves = curves.assign(epoch=curves["epoch"] + 1).dropna(subset=["val_accuracy"])
    groups = curves.groupby(["family", "epoch"], sort=False)["val_accuracy"]
    quartiles = {
        "lower_quartile_accuracy": 0.25,
        "median_accuracy": 0.5,
        "upper_quartile_accuracy": 0.75,
    }
    columns = {"n": groups.size(), **{name: groups.quantile(q) for name, q in quartiles.items()}}
    return pd.DataFrame(columns).reset_index(names=["family", "epoch"])


def _milestones(curves: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for family, group in curves.groupby("family", sort=False):
        by_epoch = group.set_index("epoch")
        last = by_epoch.index.max()
        early = {
            f"accuracy_after_{name}": by_epoch["median_accuracy"].get(max(1, round(last * share)))
            for name, share in (("quarter", 0.25), ("half", 0.5))
        }
        end = by_epoch.loc[last]
        rows.append({"family": family, "n": int(end.pop("n")), **early, **end})
    return pd.DataFrame(rows, columns=ABOUT.tables["milestones"].names)


def learning_curves(curves: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw validation accuracy by epoch: the median of each schedule and its middle half.

    curves: a row an epoch of a trial, as `lrstudy.load` and ``Study.curves`` have it: schedule
        (or family), trial, epoch (from 0), state, val_accuracy (a share in [0, 1]). Trials that
        were not complete are left out at every epoch, so that the curves describe survivors.
    ax: where to draw; the current axes without it. Returns it: x in epochs trained, y in per cent,
    logarithmic in the error, a legend of the schedules.

    >>> from matplotlib.figure import Figure
    >>> curves = pd.DataFrame(
    ...     {
    ...         "family": "cosine",
    ...         "trial": [0, 0, 1, 1],
    ...         "epoch": [0, 1, 0, 1],
    ...         "state": "complete",
    ...         "val_accuracy": [0.61, 0.82, 0.65, 0.84],
    ...     }
    ... )
    >>> learning_curves(curves, Figure().subplots()).get_xlabel()
    'epochs trained'
    """
    ax, curves = on(ax), by_family(curves)
    medians = bands(curves[curves["state"].isin(ABOUT.uses)])
    with told_apart(curves["family"].unique()):
        for name, band in medians.groupby("family", sort=False):
            draw_band(ax, band, str(name))
    accuracy_axis(ax, medians[["lower_quartile_accuracy", "upper_quartile_accuracy"]])
    ax.set_xlabel("epochs trained")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if len(medians):
        ax.legend()
    return ax


def draw_band(ax: Axes, band: pd.DataFrame, family: str) -> None:
    """The rows of `bands` of one family: a line and a band."""
    colour, _ = style(family)
    quartiles = (band["lower_quartile_accuracy"], band["upper_quartile_accuracy"])
    ax.fill_between(band["epoch"], *quartiles, color=colour, alpha=0.22, linewidth=0)
    label = f"{spoken(family)} (n = {band['n'].max()})"
    ax.plot(band["epoch"], band["median_accuracy"], color=colour, linewidth=2, label=label)


def draw(estimates: Estimates) -> list[Picture]:
    """A panel for each family, the others' medians in grey."""
    curves, best = estimates["curves"], estimates["best"]
    names = list(curves["family"].unique())
    if not names:
        return []
    medians = curves.pivot_table(index="epoch", columns="family", values="median_accuracy")
    with panels(len(names)) as (figure, axes):
        for one, name in zip(axes, names, strict=True):
            colour, _ = style(name)
            band, lead = curves[curves["family"] == name], best[best["family"] == name]
            for other in medians.columns.drop(name):
                one.plot(medians.index, medians[other], color=PALE, linewidth=0.8)
            draw_band(one, band, name)
            (line,) = one.plot(lead["epoch"], lead["val_accuracy"], color=colour, linestyle=":")
            curve_of(line, lead)
            one.set_title(f"{spoken(name)} (n = {band['n'].max()})")
            one.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        accuracy_axis(axes[0], pd.concat([curves["lower_quartile_accuracy"], best["val_accuracy"]]))
        for one in axes:
            one.set_ylabel("")
        figure.supylabel("validation accuracy (%)", fontsize="medium")
        figure.supxlabel("epochs trained", fontsize="medium")
        return [
            picture(
                figure,
                "learning-curves",
                "Validation accuracy after each epoch: median, middle half and best trial of each "
                "schedule. " + conclude(estimates),
                "Line: median of the complete trials; band: their middle half, from quartile to "
                "quartile, which shows the spread over rates and other parameters and is no "
                "confidence interval; dots: the best trial; grey: the other schedules' medians. "
                "Pruned and diverged trials are left out at every epoch, not only from where they "
                "stop, so that the curves describe survivors and flatter schedules that lost many.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """The median at half-time and at the end of each schedule."""
    rows = estimates["milestones"]
    if rows.empty:
        return "No trial ran to its end, so that there is no curve to compare."
    ordered = rows.sort_values("median_accuracy", ascending=False)
    medians = "; ".join(
        f"{spoken(row['family'])} from {percent(row['accuracy_after_half'])} to "
        f"{percent(row['median_accuracy'])} (n = {row['n']})"
        for row in ordered.to_dict("records")
    )
    return f"Median accuracy of complete trials from half of training to its end: {medians}."
