"""What a search of any space found: the best run of each schedule, and where it was sampled."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.outcomes import binned, scored
from analysis.figures.axes import accuracy_axis, rate_axis, scatter_families
from analysis.figures.style import (
    Picture,
    canvas,
    family_legend,
    picture,
    spoken,
)
from analysis.questions import tuning
from analysis.reading.frames import column_of
from analysis.reading.states import TERMINAL
from analysis.section import About, Estimates, allows
from analysis.sections.by_rate import SUMMARY, close_call, families
from analysis.study import Study
from analysis.table import (
    BEST_TRIAL,
    DIVERGED,
    NAME,
    PERCENT,
    SCHEDULE,
    Column,
    N,
    Table,
    bounded,
    interval,
)
from analysis.wording import Sentence, points, sentence, with_trial
from search_spaces.config import Range
from search_spaces.words.phrases import percent
from study.spec import StudySpec

QUESTION = "Which configuration, and which schedule, does best?"
BINS = 4
_WIDE = 2  # panels in a row
ABOUT = About(
    "The best configurations",
    QUESTION,
    {
        "best": Table(
            "The best single run of each schedule, each with the same number of trials. Accuracy "
            "of complete trials on validation images, in a fixed design on test images; diverged "
            "share with its 95 % interval (Wilson).",
            (SCHEDULE, Column("configuration"), *SUMMARY),
        ),
        "responses": Table(
            "Accuracy of complete trials by sampled parameter, in ranges of equal width; the mean "
            "with its 95 % t interval. The other parameters vary within a range, so that a mean "
            "describes this search.",
            (
                *(SCHEDULE, Column("parameter", NAME), interval("value", heading="range"), N),
                *(Column("complete"), DIVERGED, Column("best_accuracy", PERCENT), BEST_TRIAL),
                *bounded("mean_accuracy", PERCENT),
            ),
        ),
    },
    uses=TERMINAL,
)


def sampled(spec: StudySpec, trials: pd.DataFrame) -> dict[str, Range]:
    """The parameters that some trial sampled, by their column, with their ranges."""
    intervals = {column_of(name): each for name, each in spec.ranges.items() if not each.fixed}
    return {
        name: each
        for name, each in intervals.items()
        if name in trials and trials[name].notna().any()
    }


def configuration(values: Mapping[Any, Any]) -> str:
    """Parameters in a few words: ``base_lr=0.31, final_fraction=0.02``; those it lacks left out."""
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    return ", ".join(f"{name}={value:.3g}" for name, value in known.items())


def estimate(study: Study) -> Estimates:
    """trials: family, trial, state, accuracy and the sampled parameters; best: `summary` of each
    family with its best run's configuration, best first; responses: `binned` by each parameter in
    BINS ranges, even on the parameter's scale; scales: parameter, log, unit of each that was
    sampled; curves: `tuning.curves`, none of a fixed design. A small planned search has too few
    trials for responses and curves."""
    trials = scored(study.ended(ABOUT.uses))
    ranges = sampled(study.spec, trials)
    best = families(study).sort_values("best_accuracy", ascending=False, ignore_index=True)
    known = trials.set_index("trial")[[*ranges]]
    words = [
        "" if pd.isna(each) else configuration(known.loc[each].to_dict())
        for each in best["best_trial"]
    ]
    best.insert(1, "configuration", words)
    curves, responses = tuning.curves(study), _responses(trials, ranges)
    enough = allows(study.spec)
    return {
        "trials": trials[["family", "trial", "state", "accuracy", *ranges]].reset_index(drop=True),
        "best": best,
        "responses": responses if enough else responses.iloc[:0],
        "scales": pd.DataFrame(
            [(name, each.log, each.unit) for name, each in ranges.items()],
            columns=["parameter", "log", "unit"],
        ),
        "curves": curves if enough and not study.spec.designed else curves.iloc[:0],
    }


def _responses(trials: pd.DataFrame, ranges: Mapping[str, Range]) -> pd.DataFrame:
    columns = ABOUT.tables["responses"].names
    responses = [
        _bins(group.dropna(subset=[name]), name, each.log).assign(family=family, parameter=name)
        for name, each in ranges.items()
        for family, group in trials.groupby("family", sort=False)
        if group[name].notna().any()
    ]
    return (
        pd.concat(responses, ignore_index=True)[columns]
        if responses
        else pd.DataFrame(columns=columns)
    )


def _bins(trials: pd.DataFrame, name: str, log: bool) -> pd.DataFrame:
    low, high = trials[name].min(), trials[name].max()
    spaced = np.geomspace if log else np.linspace
    edges = spaced(low, high, BINS + 1) if low < high else np.array([low, low])
    edges[0], edges[-1] = low, high  # not off by a rounding error
    return binned(trials, name, edges.tolist()).rename(
        columns={
            "low_edge": "value_low",
            "high_edge": "value_high",
            "best": "best_accuracy",
            "mean": "mean_accuracy",
            "mean_low": "mean_accuracy_low",
            "mean_high": "mean_accuracy_high",
        }
    )


def draw(estimates: Estimates) -> list[Picture]:
    """Accuracy against each parameter but the base rate, which has a section; tuning curves."""
    return [*_by_parameter(estimates), *tuning.draw(estimates["curves"])]


def _by_parameter(estimates: Estimates) -> list[Picture]:
    trials, scales = estimates["trials"], estimates["scales"]
    rows = scales[scales["parameter"] != "base_lr"].to_dict("records")
    if not rows:
        return []
    names, wide = [str(row["parameter"]) for row in rows], min(len(rows), _WIDE)
    complete = trials.dropna(subset=["accuracy"]).dropna(subset=names, how="all")
    if complete.empty:
        return []
    tall = -(-len(rows) // wide)
    with canvas(tall, wide, 0.6 + 2.4 * tall, sharey=True) as (figure, axes):
        for one, row in zip(axes.flat, rows, strict=False):
            scatter_families(one, complete, str(row["parameter"]), "accuracy")
            if row["log"]:
                rate_axis(one)
            unit = f" ({row['unit']})" if row["unit"] else ""
            one.set_xlabel(f"{spoken(str(row['parameter']))}{unit}")
        for spare in axes.flat[len(rows) :]:
            spare.set_visible(False)
        accuracy_axis(axes[0, 0], complete["accuracy"])
        for one in axes.flat:
            one.set_ylabel("")
        figure.supylabel("accuracy (%)", fontsize="medium")
        family_legend(figure, list(complete["family"].unique()))
        return [
            picture(
                figure,
                "accuracy-by-parameter",
                "Accuracy of each complete trial against each parameter that was sampled, a panel "
                f"a parameter. {conclude(estimates)}",
                "Each mark is one training run; the other parameters vary from mark to mark. The "
                "accuracy axis is logarithmic in the error.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The best run, its configuration, and the best run of the next schedule."""
    known = estimates["best"].dropna(subset=["best_accuracy"])
    if known.empty:
        return "No trial ran to its end, so that no configuration can be judged."
    first, *others = known.to_dict("records")
    head = sentence("Best single run: ", _run(first))
    if not others:
        middle = percent(first["median_accuracy"])
        return sentence(head, f"; the median of the complete trials is {middle}.")
    gap = float(first["best_accuracy"] - others[0]["best_accuracy"])
    end = f", {points(gap)} behind, {close_call(gap)}."
    return sentence(head, "; the next schedule is ", _run(others[0]), end)


def _run(row: Mapping[Hashable, Any]) -> Sentence:
    at = f" at {row['configuration']}" if row["configuration"] else ""
    text = f"{spoken(str(row['family']))}{at} with {percent(row['best_accuracy'])}"
    return with_trial(text, row["best_trial"], f", best of {row['n']}")
