"""Section: which parameter of another program's study mattered (PED-ANOVA)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from analysis.figures.axes import share_bars
from analysis.figures.style import Picture, picture
from analysis.other_programs.study import OtherStudy, is_missing
from analysis.reading.foreign import PARAM
from analysis.section import About, Estimates
from analysis.sections.importance import EVALUATOR, NEEDS, shares
from analysis.table import PERCENT, Column, N, Table
from analysis.wording import listed
from search_spaces.words.phrases import count, percent
from study.terminal import printable
from study.values import mapping, number

ABOUT = About(
    "Parameter importance",
    "Which sampled parameter mattered most for a good result?",
    {
        "importance": Table(
            f"Share of each parameter ({EVALUATOR}). Parameters that some complete trial lacks "
            "have none.",
            (N, Column("parameter"), Column("importance", PERCENT)),
        )
    },
    uses=("complete",),
)


def estimate(study: OtherStudy) -> Estimates:
    """importance: n (complete trials with a finite value), parameter, importance, a row a
    parameter; NaN where n < NEEDS, fewer than two parameters can be compared, or some complete
    trial lacks the parameter. Shares sum to 1."""
    ranked = study.ranked
    kinds = {name: distribution(ranked[PARAM + name], study.kinds) for name in study.parameters}
    known = {name: each for name, each in kinds.items() if each is not None}
    parts: dict[str, float] = {}
    if len(ranked) >= NEEDS and len(known) > 1:
        columns = {name: _values(ranked[PARAM + name], each) for name, each in known.items()}
        parts = shares(pd.DataFrame(columns), ranked["value"], known, study.direction)
    rows = [(len(ranked), name, parts.get(name, math.nan)) for name in study.parameters]
    frame = pd.DataFrame(rows, columns=ABOUT.tables["importance"].names)
    return {"importance": frame.sort_values("importance", ascending=False, ignore_index=True)}


def distribution(
    values: pd.Series, kinds: Mapping[str, Mapping[str, Any]]
) -> BaseDistribution | None:
    """What a parameter was sampled from: numbers from the range that is stored, or where they leave
    it from that of the values; all else from the values that there are. None where a trial lacks
    it, all have the same value, or their range is no number."""
    if values.map(is_missing).any() or values.map(str).nunique() < 2:
        return None
    kind = kinds[str(values.name).removeprefix(PARAM)]
    if "Categorical" in str(kind.get("name")) or not pd.api.types.is_numeric_dtype(values):
        return CategoricalDistribution(sorted(set(values.map(str))))
    numbers, stored = values.astype(float), mapping(kind.get("attributes"))
    low, high = float(numbers.min()), float(numbers.max())
    ends = [number(stored.get(end)) for end in ("low", "high")]
    if ends[0] is not None and ends[1] is not None and ends[0] <= low <= high <= ends[1]:
        low, high = ends[0], ends[1]
    if not math.isfinite(high - low):
        return None
    return FloatDistribution(low, high, log=stored.get("log") is True and low > 0)


def _values(values: pd.Series, kind: BaseDistribution) -> pd.Series:
    if isinstance(kind, CategoricalDistribution):
        return values.map(str).astype(object)
    return values.astype(float)


def draw(estimates: Estimates) -> list[Picture]:
    """A bar for each parameter."""
    frame = estimates["importance"].dropna().reset_index(drop=True)
    if frame.empty:
        return []
    with share_bars(
        list(frame["parameter"].map(_label)), frame["importance"], ["#0072b2"] * len(frame)
    ) as (figure, one):
        one.set_xlabel("share of importance (%)")
        return [
            picture(
                figure,
                "importance",
                f"Share of importance of each parameter. {conclude(estimates)}",
                f"{EVALUATOR}: how strongly the best trials cluster in a parameter. Complete "
                "trials alone count.",
            )
        ]


def _label(name: str) -> str:
    """A parameter's name in a figure, which takes dollar signs for formulas."""
    return printable(name)[:30].replace("$", r"\$")


def conclude(estimates: Estimates) -> str:
    """The leading parameter, and which could not be compared."""
    frame = estimates["importance"]
    known = frame.dropna()
    if known.empty:
        return (
            f"Importance needs {NEEDS} complete trials and two parameters that all of them have "
            "and vary."
        )
    first = known.iloc[0]
    text = (
        f"Leading parameter: {first['parameter']} with {percent(first['importance'])} of the "
        f"importance (n = {first['n']})"
    )
    left = [str(name) for name in frame.loc[frame["importance"].isna(), "parameter"]]
    if left:
        which = count(len(left), "parameter")
        text += f"; {which} not compared, as some trials lack it or all have one value: "
        text += listed(left)
    return f"{text}."
