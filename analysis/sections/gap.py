"""Section: generalization gap at equal training loss, by schedule, and the norm of the weights.

The chapter leaves open why a decaying rate overfits less. Schedules end at different training
losses, and the gap grows as the loss falls, so that they are compared at one loss that all reach.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimators.intervals import DIFFERENCE, mean_interval
from analysis.estimators.learning_curves import gap_at_equal_loss
from analysis.figures.axes import percent_ticks
from analysis.figures.style import INK, Picture, canvas, picture, spoken, style
from analysis.fresh_seeds.frames import ids, represented_runs, tested_runs
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import (
    LOSS,
    POINTS,
    RUNS,
    SCHEDULE,
    TEST_RUNS,
    Column,
    N,
    Table,
    bounded,
)
from analysis.wording import points

ABOUT = on_fresh_seeds(
    "Generalization gap at equal training loss",
    "At the same training loss, does one schedule generalize better than another?",
    {
        "gaps": Table(
            "Validation minus training error of the chosen configurations where their training "
            "loss first reaches a loss that all of them reach: mean with 95 % interval over seeds; "
            "norm of all weights there; and test minus training error at the end, where losses "
            "differ. Diverged and stalled runs are left out.",
            (
                *(SCHEDULE, N, *bounded("gap_accuracy", POINTS)),
                *(Column("weight_norm"), Column("train_loss", LOSS)),
                *(*bounded("test_gap_accuracy", POINTS), RUNS, TEST_RUNS),
            ),
        )
    },
)


def estimate(study: Study) -> Estimates:
    """gaps: a row for each family; see ABOUT."""
    candidates = represented_runs(study)
    curves = study.stage("confirm").curves
    gaps = gap_at_equal_loss(curves, candidates).rename(
        columns={"gap": "gap_accuracy", "low": "gap_accuracy_low", "high": "gap_accuracy_high"}
    )
    at_end = pd.DataFrame([_at_end(study, family) for family in gaps["family"]], gaps.index)
    trials = [
        ids(candidates[(candidates["family"] == family) & (candidates["state"] == "complete")])
        for family in gaps["family"]
    ]
    frame = gaps.join(at_end).assign(confirm_trials=pd.Series(trials, gaps.index, dtype=object))
    return {"gaps": frame.reindex(columns=ABOUT.tables["gaps"].names).sort_values("gap_accuracy")}


def _at_end(study: Study, family: object) -> dict[str, object]:
    """Test minus training error after the last epoch of the family's complete test runs."""
    tested = tested_runs(study)
    family_runs = tested[(tested["family"] == family) & (tested["state"] == "complete")]
    gap = mean_interval(
        family_runs["train_accuracy"] - family_runs["test_accuracy"], within=DIFFERENCE
    )
    return {
        "test_gap_accuracy": gap.mean,
        "test_gap_accuracy_low": gap.low,
        "test_gap_accuracy_high": gap.high,
        "test_trials": ids(family_runs),
    }


def draw(estimates: Estimates) -> list[Picture]:
    """The gap and the norm of the weights, a row for each family, where there are two."""
    frame = estimates["gaps"]
    if len(frame) < 2:
        return []
    with canvas(1, 2, 1.2 + 0.36 * len(frame), sharey=True, width_ratios=[2, 1]) as (figure, axes):
        left, right = axes[0]
        for row, entry in enumerate(frame.to_dict("records")):
            colour, mark = style(entry["family"])
            left.plot(
                [entry["gap_accuracy_low"], entry["gap_accuracy_high"]], [row, row], color=colour
            )
            left.plot(entry["gap_accuracy"], row, mark, color=colour, ms=6)
            right.plot(entry["weight_norm"], row, mark, color=colour, ms=6)
        left.axvline(0, color=INK, linewidth=0.8)
        left.set_yticks(range(len(frame)), [spoken(name) for name in frame["family"]])
        left.invert_yaxis()
        left.set_xlabel("gap (points of error)")
        percent_ticks(left.xaxis)
        right.set_xlabel("weight norm")
        ends = np.unique(frame["weight_norm"].agg(["min", "max"]))  # few fit into the panel
        right.set_xticks(ends, [f"{each:.4g}" for each in ends])
        for one in (left, right):
            one.grid(visible=False, axis="y")
            one.margins(x=0.15)
        return [
            picture(
                figure,
                "gap-at-equal-loss",
                "Validation minus training error at equal training loss, and the norm of the "
                "weights, a row for each schedule. " + conclude(estimates),
                "Gap: validation minus training error. "
                f"At a training loss of {frame['train_loss'].iloc[0]:.3f} nats, which every run "
                "reaches. Marks: means over seeds; lines: 95 % intervals. The training error is "
                "a running mean over the epoch, measured while the weights still change, so that "
                "a gap below 0 is no error.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """The smallest and the largest gap, with their intervals, at the common loss."""
    frame = estimates["gaps"]
    if frame.empty:
        return "No chosen configuration has a complete run, so that there is no gap to compare."
    rows = frame.to_dict("records")
    at = f"At a training loss of {rows[0]['train_loss']:.3f} nats"
    if len(rows) == 1:
        return f"{at} the gap is {_gap(rows[0])}; there is no other schedule to compare."
    return (
        f"{at} the gap reaches from {_gap(rows[0])} to {_gap(rows[-1])}, at weight norms of "
        f"{rows[0]['weight_norm']:.3g} and {rows[-1]['weight_norm']:.3g}."
    )


def _gap(row: dict[object, object]) -> str:
    name = spoken(str(row["family"]))
    mean, low, high = (float(str(row[f"gap_accuracy{end}"])) for end in ("", "_low", "_high"))
    if np.isnan(low):
        return f"{points(mean)} ({name}, too few seeds for an interval)"
    return f"{points(mean)} ({name}, 95 % interval {100 * low:.1f} to {100 * high:.1f})"
