"""Section: which parameter mattered within a schedule family (PED-ANOVA, Watanabe et al. 2023)."""

from __future__ import annotations

from typing import Literal

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FixedTrial

from analysis.figures.axes import share_bars
from analysis.figures.style import Picture, picture, spoken, style
from analysis.reading.frames import column_of
from analysis.reading.states import RESULTS
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import NAME, PERCENT, SCHEDULE, Column, N, Table
from search_spaces.config import Ranges
from search_spaces.words.phrases import percent
from study.spec import StudySpec

EVALUATOR = "PED-ANOVA, best quarter of the trials"
QUANTILE = 0.25
# Five trials in the best quarter, which is what the evaluator's authors advise as the least.
NEEDS = 20


def _concerned(spec: StudySpec) -> list[str]:
    """The families with two sampled parameters, which can be compared."""
    return [family for family in spec.families if len(_sampled(spec, family)) > 1]


def _sampled(spec: StudySpec, family: str) -> list[str]:
    trial = FixedTrial({name: each.low for name, each in spec.ranges.items()})
    spec.suggest(trial, family, spec.budget)
    return [name for name in trial.params if name in spec.ranges and not spec.ranges[name].fixed]


ABOUT = About(
    "Parameter importance",
    "Within a schedule, which sampled parameter mattered most for a good result?",
    {
        "importance": Table(
            f"Share of each parameter within its schedule ({EVALUATOR}).",
            (SCHEDULE, N, Column("parameter", NAME), Column("importance", PERCENT)),
        )
    },
    needs=NEEDS,
    concerned=_concerned,
)


def estimate(study: Study) -> Estimates:
    """importance: see `importance`; without the families that have too few trials where a plan
    wanted no more."""
    ranges = {column_of(name): each for name, each in study.spec.ranges.items()}
    frame = importance(study.trials, ranges)
    return {"importance": frame if study.spec.plan is None else frame.dropna(ignore_index=True)}


def draw(estimates: Estimates) -> list[Picture]:
    """A bar for each parameter of the families that have enough trials."""
    frame = estimates["importance"].dropna().reset_index(drop=True)
    if frame.empty:
        return []
    names = [
        f"{spoken(row['family'])}: {_words(row['parameter'])}" for row in frame.to_dict("records")
    ]
    colours = [style(family)[0] for family in frame["family"]]
    with share_bars(names, frame["importance"], colours) as (figure, one):
        one.set_xlabel("share of importance within the schedule (%)")
        return [
            picture(
                figure,
                "importance",
                "Share of importance of each sampled parameter within its schedule. "
                + conclude(estimates),
                f"{EVALUATOR}: how strongly the best trials cluster in a parameter. Diverged "
                "trials count with the worst score, stalled ones with their own; pruned ones are "
                "left out.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """The leading parameter of each family."""
    frame = estimates["importance"]
    if frame.empty:
        return "No schedule has two sampled parameters and a result, so there is none to compare."
    known = frame.dropna()
    if known.empty:
        return f"No schedule has the {NEEDS} trials with a result that the evaluator needs."
    first = known.sort_values("importance", ascending=False).drop_duplicates("family")
    leading = "; ".join(
        f"{spoken(row['family'])}: {_words(row['parameter'])} {percent(row['importance'])} "
        f"(n = {row['n']})"
        for row in first.to_dict("records")
    )
    return f"Leading parameter of each schedule: {leading}."


def importance(trials: pd.DataFrame, ranges: Ranges) -> pd.DataFrame:
    """Share of each sampled parameter in reaching the best quarter: family, n, parameter,
    importance (they sum to 1 within a family; NaN where n < NEEDS).

    Families with fewer than two sampled parameters are left out: there is nothing to compare.
    Diverged trials count with the task's worst score and stalled ones with their own; pruned and
    failed ones are left out, because they have no value at the end of training.
    """
    used = trials[trials["state"].isin(RESULTS) & trials["value"].notna()]
    rows = []
    for family, group in used.groupby("family", sort=False):
        names = [
            name
            for name, chosen in ranges.items()
            if not chosen.fixed and name in group and group[name].notna().all()
        ]
        if len(names) < 2:
            continue
        shares = _shares(group, names, ranges) if len(group) >= NEEDS else {}
        rows += [(family, len(group), name, shares.get(name)) for name in names]
    frame = pd.DataFrame(rows, columns=ABOUT.tables["importance"].names)
    return frame.astype({"importance": float})


def _shares(group: pd.DataFrame, names: list[str], ranges: Ranges) -> dict[str, float]:
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(ranges[name].low, ranges[name].high, log=ranges[name].log)
        for name in names
    }
    return shares(group[names].astype(float), group["value"], distributions)


def shares(
    params: pd.DataFrame,
    values: pd.Series,
    distributions: dict[str, BaseDistribution],
    direction: Literal["minimize", "maximize"] = "maximize",
) -> dict[str, float]:
    """The share of each parameter in reaching the best quarter of the values; they sum to 1.

    params: a row a trial, a column a parameter, none missing. direction: minimize or maximize.
    """
    study = _silent_study(direction)
    for row, value in zip(params.to_dict("records"), values.tolist(), strict=True):
        trial = optuna.trial.create_trial(
            params={str(name): each for name, each in row.items()},
            distributions=distributions,
            value=value,
        )
        study.add_trial(trial)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _silent_study(direction: Literal["minimize", "maximize"]) -> optuna.Study:
    """A study in memory, whose creation Optuna would otherwise announce in the log."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction=direction)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _words(parameter: str) -> str:
    return parameter.replace("base_lr", "base rate").replace("_", " ")
