"""Section: learning curves by schedule."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis.figures import PALE, Picture, accuracy_axis, panels, picture, spoken, style
from analysis.findings import ENOUGH, Estimates, Study, percent
from study.spec import Stage

TITLE = "Learning curves"
QUESTION = "How does validation accuracy develop during training under each schedule?"
STAGE: Stage = "search"
USES: tuple[str, ...] = ("complete",)
NEEDS = ENOUGH
TABLES = {
    "milestones": "Median validation accuracy of complete trials after a quarter, a half and all "
    "of training, with the quartiles at the end."
}


def estimate(study: Study) -> Estimates:
    """curves: family, epoch (done, from 1), n, median_accuracy and quartiles over the complete
    trials; best: the curve of each family's best trial; milestones: some of these in a table."""
    complete = study.ended(USES)
    curves = study.curves[study.curves["trial"].isin(complete["trial"])]
    curves = curves.assign(epoch=curves["epoch"] + 1).dropna(subset=["val_accuracy"])
    groups = curves.groupby(["family", "epoch"], sort=False)["val_accuracy"]
    shares = {
        "lower_quartile_accuracy": 0.25,
        "median_accuracy": 0.5,
        "upper_quartile_accuracy": 0.75,
    }
    bands = pd.DataFrame(
        {"n": groups.size(), **{name: groups.quantile(q) for name, q in shares.items()}}
    )
    best = complete.sort_values("value").drop_duplicates("family", keep="last")["trial"]
    leading = curves.loc[curves["trial"].isin(best), ["family", "trial", "epoch", "val_accuracy"]]
    frame = bands.reset_index(names=["family", "epoch"])
    return {"curves": frame, "best": leading, "milestones": _milestones(frame)}


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
    columns = ["family", "n", "accuracy_after_quarter", "accuracy_after_half"]
    return pd.DataFrame(
        rows,
        columns=[*columns, "median_accuracy", "lower_quartile_accuracy", "upper_quartile_accuracy"],
    )


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
            own, lead = curves[curves["family"] == name], best[best["family"] == name]
            for other in medians.columns.drop(name):
                one.plot(medians.index, medians[other], color=PALE, linewidth=0.8)
            band = (own["lower_quartile_accuracy"], own["upper_quartile_accuracy"])
            one.fill_between(own["epoch"], *band, color=colour, alpha=0.22, linewidth=0)
            one.plot(own["epoch"], own["median_accuracy"], color=colour, linewidth=2)
            one.plot(lead["epoch"], lead["val_accuracy"], color=colour, linestyle=":")
            one.set_title(f"{spoken(name)} (n = {own['n'].max()})")
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
    found = "; ".join(
        f"{spoken(row['family'])} from {percent(row['accuracy_after_half'])} to "
        f"{percent(row['median_accuracy'])} (n = {row['n']})"
        for row in ordered.to_dict("records")
    )
    return f"Median accuracy of complete trials from half of training to its end: {found}."
