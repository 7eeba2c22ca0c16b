"""Section: which parameter of another program's study mattered (PED-ANOVA)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from analysis.figures.axes import share_bars
from analysis.figures.style import Picture, drawable, picture
from analysis.other_programs.study import OtherStudy, computable
from analysis.section import About, Estimates
from analysis.sections.importance import EVALUATOR, NEEDS, shares
from analysis.table import PERCENT, Column, N, Table
from analysis.wording import listed
from search_spaces.words.phrases import count, percent
from study.values import mapping, number

_LONGEST = 28  # characters of a name in the figure, which are one line
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
    sampled = [study.sampled(int(number)) for number in ranked["trial"]]
    columns, known = {}, {}
    for name in study.parameters:
        values = [own[name] for own in sampled if name in own]
        kind = distribution(values, study.kinds[name]) if len(values) == len(sampled) else None
        if kind is not None:
            columns[name], known[name] = _values(values, kind), kind
    parts: dict[str, float] = {}
    if len(ranked) >= NEEDS and len(known) > 1:
        parts = shares(pd.DataFrame(columns), ranked["value"], known, study.direction)
    rows = [(len(ranked), name, parts.get(name, math.nan)) for name in study.parameters]
    frame = pd.DataFrame(rows, columns=ABOUT.tables["importance"].names)
    return {"importance": frame.sort_values("importance", ascending=False, ignore_index=True)}


def distribution(values: Sequence[Any], kind: Mapping[str, Any]) -> BaseDistribution | None:
    """What a parameter was sampled from: numbers from the range that is stored, or where they leave
    it from that of the values; all else from the values that there are. None where all are the
    same, or numbers are too large to compute with."""
    if len(set(map(repr, values))) < 2:
        return None
    if "Categorical" in str(kind.get("name")) or not set(map(type, values)) <= {int, float}:
        return CategoricalDistribution(sorted(set(map(repr, values))))
    numbers = pd.Series(values, dtype=float)
    if not computable(numbers).all():
        return None
    stored = mapping(kind.get("attributes"))
    low, high = float(numbers.min()), float(numbers.max())
    ends = [number(stored.get(end)) for end in ("low", "high")]
    if ends[0] is not None and ends[1] is not None and ends[0] <= low <= high <= ends[1]:
        low, high = ends[0], ends[1]
    return FloatDistribution(low, high, log=stored.get("log") is True and low > 0)


def _values(values: Sequence[Any], kind: BaseDistribution) -> pd.Series:
    """Choices by what Python writes, in which None and "None" are two."""
    if isinstance(kind, CategoricalDistribution):
        return pd.Series(list(map(repr, values)), dtype=object)
    return pd.Series(values, dtype=float)


def draw(estimates: Estimates) -> list[Picture]:
    """A bar for each parameter."""
    frame = estimates["importance"].dropna().reset_index(drop=True)
    if frame.empty:
        return []
    names = [drawable(name, _LONGEST) for name in frame["parameter"]]
    with share_bars(names, frame["importance"], ["#0072b2"] * len(frame)) as (figure, one):
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
