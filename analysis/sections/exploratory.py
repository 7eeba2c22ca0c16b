"""Section: seeds that were added to a later stage beyond those that it was planned with.

They were added by somebody who had seen the first ones, so that no verdict may rest on them: to add
seeds until a difference shows finds differences that are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.intervals import SHARE, mean_interval
from analysis.figures.style import Picture, spoken
from analysis.fresh_seeds.frames import as_planned
from analysis.reading.states import RESULTS
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import NAME, PERCENT, SCHEDULE, Column, Table, bounded
from search_spaces.words.phrases import count

ABOUT = About(
    "Seeds beyond the plan",
    "What do seeds say that were added after the first results?",
    {
        "added": Table(
            "Exploratory, without a verdict: mean accuracy of the runs that trained over the seeds "
            "that were planned (n), and over all seeds that there are (N), with the 95 % interval "
            "that would hold had their number been planned.",
            (
                *(Column("stage", NAME), SCHEDULE, Column("configuration", NAME), Column("n")),
                *(Column("planned_accuracy", PERCENT), Column("all", heading="N")),
                *bounded("accuracy", PERCENT),
            ),
        )
    },
    stage="confirm",
    needs=0,
)


def has_any(study: Study) -> bool:
    """Whether a later stage has seeds beyond its plan."""
    return any(
        stage.spec.looks and stage.spec.seeds > stage.spec.looks[-1] for stage in _stages(study)
    )


def _stages(study: Study) -> list[Study]:
    return [stage for stage in (study.confirm, study.test) if stage is not None]


def estimate(study: Study) -> Estimates:
    """added: see ABOUT, a row for each configuration that has runs beyond the plan."""
    rows = [row for stage in _stages(study) for row in _rows(stage)]
    return {"added": pd.DataFrame(rows, columns=ABOUT.tables["added"].names)}


def _rows(stage: Study) -> Iterator[dict[str, Any]]:
    every, planned = stage.ended(RESULTS), as_planned(stage)
    for place, arm in enumerate(stage.spec.arms):
        mine, before = every[every["arm"] == place], planned[planned["arm"] == place]
        if len(mine) == len(before):
            continue
        found = mean_interval(_scores(mine), within=SHARE)
        values = ", ".join(f"{name} {value:.3g}" for name, value in arm.parameters.items())
        yield {
            "stage": stage.spec.stage,
            "family": arm.family,
            "configuration": values,
            "n": len(_scores(before)),
            "planned_accuracy": _scores(before).mean() if len(before) else np.nan,
            "all": found.n,
            "accuracy": found.mean,
            "accuracy_low": found.low,
            "accuracy_high": found.high,
        }


def _scores(runs: pd.DataFrame) -> pd.Series:
    return runs.loc[runs["state"] == "complete", "value"]


def draw(estimates: Estimates) -> list[Picture]:
    """Nothing: a picture would read as a result."""
    return []


def conclude(estimates: Estimates) -> str:
    """That they decide nothing, and how many configurations have some."""
    added = estimates["added"]
    if added.empty:
        return "No run beyond the plan has a result yet."
    names = ", ".join(dict.fromkeys(map(spoken, added["family"])))
    return (
        f"{count(len(added), 'configuration')} ({names}) have seeds that were added after the "
        "first results: they are shown here and decide nothing; a new study with that many seeds, "
        "planned beforehand, would."
    )
