"""The chapter's five runs: what they train, beside the figures that were published."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from analysis.estimators.comparison import REVERSING
from analysis.estimators.intervals import (
    ANYWHERE,
    DIFFERENCE,
    SHARE,
    mean_by,
    paired_difference,
    prediction_interval,
    wilson,
)
from analysis.estimators.skew import FEWEST
from analysis.figures.axes import percent_ticks
from analysis.figures.marks import scatter_trials
from analysis.figures.style import INK, Picture, canvas, line_style, panels, picture, spoken, style
from analysis.fresh_seeds.untrained import untrained_of
from analysis.section import FEWEST_SEEDS, About, Estimates
from analysis.sections.schedules import draw_variants, rates_of
from analysis.study import Study
from analysis.table import (
    DIVERGED,
    NAME,
    PERCENT,
    PLAIN,
    POINTS,
    STALLED,
    YES_NO,
    Column,
    N,
    Table,
    Unit,
    interval,
)
from search_spaces import chapter as space
from search_spaces.words.phrases import count, percent

# Public PyTorch runs of the chapter's program, mean and SD over 4 or 5 of them: training loss
# (running mean of the last epoch, nats) and test accuracy. 4 is assumed, the cautious number.
PUBLISHED_N = 4
PUBLISHED = pd.DataFrame(
    [
        ("constant", 0.148, 0.013, 0.887, 0.009),
        ("square_root", 0.276, 0.003, 0.877, 0.004),
        ("multi_factor", 0.189, 0.008, 0.890, 0.010),
        ("cosine", 0.180, 0.015, 0.900, 0.005),
        ("warmup_cosine", 0.195, 0.018, 0.899, 0.005),
    ],
    columns=["run", "train_loss", "train_loss_sd", "test_accuracy", "test_accuracy_sd"],
)
METRICS = ("train_loss", "test_accuracy")
# Where a mean and a difference of means can lie.
_WITHIN = {"train_loss": (0.0, np.inf), "test_accuracy": SHARE}
_DIFFERENCE_WITHIN = {"train_loss": ANYWHERE, "test_accuracy": DIFFERENCE}


def _measured_columns(unit: Unit) -> tuple[Column, ...]:
    """Of `compare`, with a mean in that unit."""
    return (
        *(Column("run", NAME), Column("variant", NAME), N, *_mean_columns(unit)),
        *(Column("published", unit), Column("published_sd", unit), interval("predicted", unit)),
        *(Column("within", YES_NO), STALLED, DIVERGED, Column("untrained")),
        Column("runs", heading="of runs"),
        interval("untrained", PERCENT, "share untrained"),
    )


def _difference_columns(unit: Unit) -> tuple[Column, ...]:
    """Of `_differences`."""
    failed = ("untrained_intended", "untrained_published")
    return (Column("run", NAME), N, *_mean_columns(unit), *(Column(each) for each in failed))


def _mean_columns(unit: Unit) -> tuple[Column, ...]:
    bounds = Column("low", unit, "95 % interval", high="high")
    return Column("mean", unit), Column("sd", unit), bounds


ABOUT = About(
    "The chapter's runs",
    space.QUESTION,
    {
        "train_loss": Table(
            "Training loss of the last epoch (nats): mean over the n runs that trained, with 95 % "
            f"interval from {FEWEST} seeds on, beside the published mean and SD (n taken as "
            f"{PUBLISHED_N}) and the 95 % prediction interval for a mean of as many runs as were "
            "measured. Untrained runs (stalled or diverged) are in no mean; their share has "
            "Wilson's 95 % interval.",
            _measured_columns(PLAIN),
        ),
        "test_accuracy": Table(
            "Test accuracy after the last epoch, in the same way.", _measured_columns(PERCENT)
        ),
        "train_loss_differences": Table(
            "Training loss as intended minus as published over the n common seeds that trained "
            f"under both, with 95 % interval from {FEWEST} seeds on, and the untrained runs of "
            "each.",
            _difference_columns(PLAIN),
        ),
        "test_accuracy_differences": Table(
            "Test accuracy, in the same way (points).",
            _difference_columns(POINTS),
        ),
    },
    needs=FEWEST_SEEDS,
)


def estimate(study: Study) -> Estimates:
    """train_loss, test_accuracy: measured and published, a row for each run and variant;
    METRIC_differences: paired, a row for each run; seeds, curves, rates: what the figures draw."""
    trials = study.ended(ABOUT.uses)
    runs = [run for run in space.RUNS if f"{run}/as-published" in set(study.spec.families)]
    compared = {metric: compare(trials, metric) for metric in METRICS}
    first = trials.drop_duplicates("family").sort_values("family", key=_places)
    drawn = [rates_of(row, study.curves) for _, row in first.iterrows()]
    rates = pd.concat(drawn, ignore_index=True) if drawn else pd.DataFrame()
    return {
        **compared,
        **{f"{metric}_differences": _differences(trials, runs, metric) for metric in METRICS},
        "seeds": _trained(trials)[["family", "trial", "seed", *METRICS]].reset_index(drop=True),
        "curves": _curves(study.curves, _trained(trials)),
        "rates": rates,
    }


def _places(families: pd.Series) -> pd.Series:
    return families.map({family: place for place, family in enumerate(space.FAMILIES)})


def _trained(trials: pd.DataFrame) -> pd.DataFrame:
    """Runs that neither stalled nor diverged: an untrained one says nothing about how well the
    others learned, and would drown them in a mean."""
    return trials[trials["state"] == "complete"]


def _untrained(trials: pd.DataFrame) -> pd.Series:
    """How many runs of each family stalled or diverged."""
    return (trials["state"] != "complete").groupby(trials["family"]).sum()


def compare(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """run, variant, n, mean, sd, low, high (of the runs that trained), published, published_sd,
    predicted_low, predicted_high, whether the measured mean lies within, how many runs stalled and
    diverged, untrained (both) with untrained_low and untrained_high (Wilson), and runs (all); NaN
    and <NA> where nothing was measured."""
    ordered = trials.sort_values("family", key=_places)
    families = list(ordered["family"].unique())
    bounds = _WITHIN[metric]
    measured = mean_by(_trained(ordered), ["family"], metric, within=bounds).set_index("family")
    measured = measured.reindex(families)
    measured["n"] = measured["n"].fillna(0).astype(int)
    parts = pd.Series(families, families, dtype=object).str.split("/", expand=True)
    parts = parts.reindex(columns=[0, 1]).set_axis(["run", "variant"], axis=1)
    old = PUBLISHED.set_index("run")[[metric, f"{metric}_sd"]]
    old.columns = pd.Index(["published", "published_sd"])
    frame = parts.join(measured).join(old, on="run")
    predicted = [
        prediction_interval(row["published"], row["published_sd"], PUBLISHED_N, max(1, row["n"]))
        for row in frame.to_dict("records")
    ]
    frame[["predicted_low", "predicted_high"]] = np.clip(
        np.array(predicted).reshape(-1, 2), *bounds
    )
    within = frame["mean"].between(frame["predicted_low"], frame["predicted_high"])
    frame["within"] = within.astype("boolean").mask(frame["mean"].isna())
    for state in ("stalled", "diverged"):
        frame[state] = (ordered["state"] == state).groupby(ordered["family"]).sum()
    frame["untrained"], frame["runs"] = _untrained(ordered), ordered["family"].value_counts()
    shares = [wilson(*each) for each in zip(frame["untrained"], frame["runs"], strict=True)]
    frame[["untrained_low", "untrained_high"]] = np.array(shares).reshape(-1, 2)
    return frame.reset_index(drop=True)


def _differences(trials: pd.DataFrame, runs: list[str], metric: str) -> pd.DataFrame:
    """run, n, mean, sd, low, high (as intended minus as published), untrained_intended and
    untrained_published."""
    trained, bounds = _trained(trials), _DIFFERENCE_WITHIN[metric]
    failures = _untrained(trials).to_dict()
    rows = [
        (
            run,
            *paired_difference(trained, *_variants(run), metric, within=bounds),
            *(failures.get(variant, 0) for variant in _variants(run)),
        )
        for run in runs
    ]
    failed = ["untrained_intended", "untrained_published"]
    return pd.DataFrame(rows, columns=["run", "n", "mean", "sd", "low", "high", *failed])


def _variants(run: str) -> tuple[str, str]:
    return f"{run}/as-intended", f"{run}/as-published"


def _curves(curves: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Training loss of those trials by family and epoch over seeds: n, mean, lowest, highest."""
    used = curves[curves["trial"].isin(trials["trial"])]
    used = used.assign(epoch=used["epoch"] + 1)
    groups = used.groupby(["family", "epoch"], sort=False)["train_loss"]
    frame = groups.agg(["count", "mean", "min", "max"]).reset_index()
    return frame.set_axis(["family", "epoch", "n", "mean", "lowest", "highest"], axis=1)


def draw(estimates: Estimates) -> list[Picture]:
    """Measured beside published; training loss by epoch; the rates."""
    if estimates["train_loss"].empty:
        return []
    return [
        *(_beside(estimates[metric], estimates["seeds"], metric) for metric in METRICS),
        _losses(estimates["curves"]),
        draw_variants(
            estimates["rates"],
            "Learning rate against epoch of each of the chapter's runs, as intended and as "
            "published.",
            "Solid: the schedule that the text describes. Dashed: what the published program "
            "trained with. Where only one line shows, both agree.",
        ),
    ]


_WORDS = {"train_loss": "training loss (nats)", "test_accuracy": "test accuracy (%)"}


def _beside(frame: pd.DataFrame, seeds: pd.DataFrame, metric: str) -> Picture:
    runs = list(frame["run"].unique())
    with canvas(height=1.3 + 0.55 * len(runs)) as (figure, axes):
        one = axes[0, 0]
        for row, run in enumerate(runs):
            group = frame[frame["run"] == run].set_index("variant")
            old = group.iloc[0]
            half = (old["predicted_high"] - old["predicted_low"]) / 2
            one.barh(row, 2 * half, left=old["published"] - half, height=0.72, color="#e3e3e3")
            one.plot([old["published"]] * 2, [row - 0.36, row + 0.36], color=INK)
            for shift, variant in ((-0.15, "as-published"), (0.15, "as-intended")):
                if variant in group.index:
                    singles = seeds[seeds["family"] == f"{run}/{variant}"].dropna(subset=[metric])
                    _measured(one, row + shift, group.loc[variant], singles, metric)
        # A wide interval of few seeds may leave the picture; what was measured stays in it.
        shown = pd.concat([seeds[metric], frame["predicted_low"], frame["predicted_high"]]).dropna()
        if not shown.empty:
            margin = 0.06 * (shown.max() - shown.min())
            one.set_xlim(shown.min() - margin, shown.max() + margin)
        one.set_yticks(range(len(runs)), [_row_label(frame, run) for run in runs])
        one.invert_yaxis()
        one.grid(visible=False, axis="y")
        one.set_xlabel(_WORDS[metric])
        if metric == "test_accuracy":
            percent_ticks(one.xaxis)
        return picture(
            figure,
            f"published-{metric.replace('_', '-')}",
            f"{_WORDS[metric].capitalize()} measured as published and as intended, beside the "
            "published mean and its prediction interval, a row for each run.",
            "Grey: 95 % prediction interval of the published runs, with their mean as a line. Open "
            "circles: measured, as published; filled: as intended; small dots: single seeds; "
            f"lines: 95 % intervals from {FEWEST} seeds on, cut off where they leave the picture. "
            "Only runs that trained; how many stalled or diverged stands below the name.",
        )


def _measured(axes: Axes, height: float, row: pd.Series, seeds: pd.DataFrame, metric: str) -> None:
    """A variant's seeds, mean and interval."""
    colour = style(row["run"])[0]
    fill = colour if row.name == "as-intended" else "white"
    axes.plot([row["low"], row["high"]], [height] * 2, color=colour)
    points = (seeds[metric], [height] * len(seeds), seeds)
    scatter_trials(axes, *points, color=colour, s=4, alpha=0.7, zorder=2)
    axes.plot(row["mean"], height, "o", color=colour, markerfacecolor=fill, zorder=3)


def _row_label(frame: pd.DataFrame, run: str) -> str:
    """The run's name, and how many of its runs are untrained."""
    counts = frame.loc[frame["run"] == run, ["stalled", "diverged"]].sum()
    untrained = [f"{count} {state}" for state, count in counts.items() if count]
    return "\n".join([spoken(run), *untrained])


def _losses(curves: pd.DataFrame) -> Picture:
    runs = curves["family"].str.partition("/")[0]
    with panels(runs.nunique(), 1.7) as (figure, axes):
        for one, (run, group) in zip(axes, curves.groupby(runs, sort=False), strict=True):
            for family, curve in group.groupby("family", sort=False):
                colour = style(str(run))[0]
                one.plot(
                    curve["epoch"], curve["mean"], color=colour, linestyle=line_style(str(family))
                )
                one.fill_between(
                    curve["epoch"], curve["lowest"], curve["highest"], color=colour, alpha=0.15
                )
            one.set_title(spoken(str(run)))
        axes[0].set_yscale("log")
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes[0].yaxis.set_minor_locator(NullLocator())
        axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        figure.supxlabel("epochs trained", fontsize="medium")
        figure.supylabel("training loss (nats)", fontsize="medium")
        return picture(
            figure,
            "training-loss",
            "Training loss by epoch of each of the chapter's runs, as intended and as published.",
            "Mean over the seeds that trained; bands from the lowest to the highest seed. Solid: "
            "as intended. Dashed: as published.",
        )


def conclude(estimates: Estimates) -> str:
    """Whether the published means are met, and what the off-by-one changes."""
    constant_cosine = [_met(estimates, run) for run in ("constant", "cosine")]
    met = [text for text in constant_cosine if text]
    if not met:
        return "Neither constant nor cosine was run as published, so that nothing can be compared."
    return "As published, " + "; ".join(met) + f"; {off_by_one(estimates)}."


def _met(estimates: Estimates, run: str) -> str:
    texts = []
    for metric in METRICS:
        frame = estimates[metric]
        rows = frame[(frame["run"] == run) & (frame["variant"] == "as-published")]
        if rows.empty or rows["mean"].isna().any():
            return ""
        row = rows.iloc[0].to_dict()
        shown = percent if metric == "test_accuracy" else "{:.3f}".format
        where = "within" if row["within"] else "outside"
        interval = f"{shown(row['predicted_low'])} to {shown(row['predicted_high'])}"
        texts.append(f"{shown(row['mean'])} ({where} the predicted {interval})")
    shares = {**row, "n": row["runs"]}
    return (
        f"{spoken(run)} ends at a training loss of {texts[0]} and a test accuracy of {texts[1]}, "
        f"n = {int(row['n'])} ({untrained_of(shares)})"
    )


def off_by_one(estimates: Estimates) -> str:
    """What applying the schedule one epoch late changes for cosine, in words."""
    about = "what the schedule's being one epoch late changes"
    rows = [
        frame[frame["run"] == "cosine"]
        for frame in (estimates["test_accuracy_differences"], estimates["train_loss_differences"])
    ]
    if any(each.empty for each in rows):
        return f"{about} was not measured"
    accuracy, loss = (each.iloc[0] for each in rows)
    failed = int(accuracy["untrained_intended"]), int(accuracy["untrained_published"])
    shares = f"{failed[0]} untrained without the delay, {failed[1]} with it"
    if min(accuracy["n"], loss["n"]) < FEWEST:
        n = count(int(min(accuracy["n"], loss["n"])), "common seed")
        return f"too few seeds to say {about}: {n} that trained, and it takes {FEWEST}; {shares}"
    if abs(failed[0] - failed[1]) >= REVERSING:
        return f"{about} of the accuracy is left open, for the runs that did not train: {shares}"
    clear = accuracy["low"] > 0 or accuracy["high"] < 0
    return (
        "without the delay of one epoch cosine's test accuracy changes by "
        f"{100 * accuracy['mean']:+.2f} points (95 % interval {100 * accuracy['low']:+.2f} to "
        f"{100 * accuracy['high']:+.2f}, {'which excludes' if clear else 'which includes'} 0, over "
        f"{count(int(accuracy['n']), 'common seed')}) and its training loss by "
        f"{loss['mean']:+.3f}; {shares}"
    )
