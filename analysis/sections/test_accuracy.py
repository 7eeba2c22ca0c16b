"""Section: the chosen configuration of each schedule on the test images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.intervals import crossed_interval
from analysis.figures.axes import percent_ticks
from analysis.figures.fitting import outside_legend
from analysis.figures.marks import scatter_trials
from analysis.figures.style import Picture, canvas, picture, spoken, style
from analysis.fresh_seeds.frames import chosen, ids, on_test, tested_runs
from analysis.reading.predictive import WEIGHTS
from analysis.section import FEWEST_SEEDS, About, Estimates
from analysis.study import Study
from analysis.table import ORIGIN, PERCENT, SCHEDULE, TEST_RUNS, Column, N, Table, bounded
from search_spaces.words.phrases import count, percent

ABOUT = About(
    "The chosen configurations on the test images",
    "How accurate is each schedule's configuration on images that chose nothing?",
    {
        "winners": Table(
            "Test accuracy of the configuration that validation chose for each schedule: mean "
            "over fresh seeds with a 95 % interval for new seeds and new test images; read once a "
            "run, after training. Best epoch: by validation accuracy, which flatters noisy rates. "
            "Averaged: the horizon-free average of the weights. Of the runs that trained.",
            (
                *(SCHEDULE, ORIGIN, N, Column("untrained")),
                *(column for each in WEIGHTS for column in bounded(f"{each}_accuracy", PERCENT)),
                TEST_RUNS,
            ),
        )
    },
    stage="test",
    needs=FEWEST_SEEDS,
)
_MARKS = {"last": "o", "averaged": "s", "best": "^"}


def estimate(study: Study) -> Estimates:
    """winners: a row for each family; accuracies: family, weights, n, untrained, accuracy,
    accuracy_low, accuracy_high, seed_se, image_se (what more seeds cannot remove); seeds: single
    runs."""
    frame = accuracies(study)
    numbers = tested_runs(study).set_index(["family", "replicate"])["trial"].to_dict()
    singles = [
        (str(family), weights, numbers[family, replicate], value)
        for weights in WEIGHTS
        for family, values in on_test(study, weights).accuracy.items()
        for replicate, value in values.dropna().items()
    ]
    seeds = pd.DataFrame(singles, columns=["family", "weights", "trial", "accuracy"])
    return {"winners": _wide(study, frame), "accuracies": frame, "seeds": seeds}


def accuracies(study: Study) -> pd.DataFrame:
    """Test accuracy of each family and set of weights over the runs that trained, with its
    `crossed_interval`."""
    rows = []
    for weights in WEIGHTS:
        scores = on_test(study, weights)
        for family, correct in scores.correct.items():
            known = correct[~np.isnan(correct).any(axis=1)]
            untrained = int(scores.untrained[family].sum())
            interval = crossed_interval(known)
            values = (interval.n, untrained, interval.mean, interval.low, interval.high)
            if len(known) or untrained:
                rows.append((family, weights, *values, interval.seed_se, interval.image_se))
    columns = ["family", "weights", "n", "untrained", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=[*columns, "seed_se", "image_se"])


def _wide(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """A row for each family, three columns with their intervals, the search's trial it came from,
    and the runs."""
    rows = []
    for arm in chosen(study).to_dict("records"):
        tested = tested_runs(study)
        row = {"family": arm["family"], "origin_trial": arm["origin"]}
        for score in frame[frame["family"] == arm["family"]].to_dict("records"):
            name = f"{score['weights']}_accuracy"
            row |= {"n": score["n"], "untrained": score["untrained"], name: score["accuracy"]}
            row |= {
                f"{name}_low": score["accuracy_low"],
                f"{name}_high": score["accuracy_high"],
            }
        rows.append(row | {"test_trials": ids(tested[tested["family"] == arm["family"]])})
    wide = pd.DataFrame(rows)
    return wide.sort_values("last_accuracy", ascending=False) if "last_accuracy" in wide else wide


def draw(estimates: Estimates) -> list[Picture]:
    """A row for each family: three intervals and the single runs."""
    frame, seeds = estimates["accuracies"].dropna(subset=["accuracy"]), estimates["seeds"]
    if frame.empty:
        return []
    names = list(estimates["winners"]["family"])
    with canvas(height=1.5 + 0.5 * len(names)) as (figure, axes):
        one = axes[0, 0]
        for shift, weights in zip((-0.22, 0.0, 0.22), WEIGHTS, strict=True):
            for row in frame[frame["weights"] == weights].to_dict("records"):
                height, colour = names.index(row["family"]) + shift, style(row["family"])[0]
                singles = seeds[(seeds["family"] == row["family"]) & (seeds["weights"] == weights)]
                one.plot([row["accuracy_low"], row["accuracy_high"]], [height] * 2, color=colour)
                points = (singles["accuracy"], [height] * len(singles), singles)
                scatter_trials(one, *points, "test", color=colour, s=4, alpha=0.5, zorder=2)
                one.plot(
                    *(row["accuracy"], height, _MARKS[weights]),
                    color=colour,
                    mfc=colour if weights == "last" else "white",
                )
        for weights, mark in _MARKS.items():
            fill = "#333333" if weights == "last" else "white"
            label = {"last": "last epoch", "best": "best epoch"}.get(weights, weights)
            one.plot([], [], mark, color="#333333", mfc=fill, label=label)
        shown = [*seeds["accuracy"], *frame["accuracy"]]
        margin = max(0.1 * (max(shown) - min(shown)), 0.005)
        one.set_xlim(min(shown) - margin, max(shown) + margin)
        one.set_yticks(range(len(names)), [spoken(name) for name in names])
        one.set_ylim(len(names) - 0.5, -0.5)
        one.grid(visible=False, axis="y")
        one.set_xlabel("test accuracy (%)")
        percent_ticks(one.xaxis)
        outside_legend(figure, ncols=3)
        return [
            picture(
                figure,
                "test-accuracy",
                "Test accuracy of each schedule's configuration, with three sets of "
                "weights. " + conclude(estimates),
                "Dots: single seeds. Lines: 95 % intervals for new seeds and new test images, cut "
                "off where they leave the picture.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """Each family's accuracy with its interval, best first."""
    frame = estimates["accuracies"]
    last = frame[frame["weights"] == "last"].sort_values("accuracy", ascending=False)
    if last.empty:
        return "No run has met the test images yet."
    means = "; ".join(_words(row) for row in last.to_dict("records"))
    return f"Test accuracy of the last epoch's weights: {means}."


def _words(row: Mapping[Hashable, Any]) -> str:
    name, runs = spoken(str(row["family"])), row["n"] + row["untrained"]
    if not row["n"]:
        return f"none of {count(runs, 'run')} of {name} trained"
    end = f", {row['untrained']} of {count(runs, 'run')} untrained" if row["untrained"] else ""
    return f"{name} {with_interval(row, 'accuracy')}{end}"


def with_interval(row: object, name: str) -> str:
    """A share with its 95 % interval, or a note that too few runs have none."""
    value, low, high = (row[each] for each in (name, f"{name}_low", f"{name}_high"))  # type: ignore[index]
    if np.isnan(low):
        return f"{percent(value)} (too few seeds for an interval)"
    return f"{percent(value)} ({percent(low)} to {percent(high)})"
