"""Keeps from the estimators what lrstudy would never have written into a study.

What a slot decides is known from the spec. A trial that says something else, or that has an
impossible score or parameter, is nobody's result: it was written by another program, or by hand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from optuna.trial import FixedTrial

from analysis.frames import TERMINAL
from study.spec import StudySpec

UNUSABLE = "unusable"
_ROUNDING = 1e-9  # relative


def plausible(
    trials: pd.DataFrame, curves: pd.DataFrame, spec: StudySpec
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames of `analysis.frames.load` for a study of that spec, with the state ``unusable``
    where a trial that ended contradicts it; no estimator counts those.

    Records of epochs that the study cannot have, and those of unusable trials, are left out of the
    curves.
    """
    kept = marked(trials, spec)
    lost = kept.loc[(kept["state"] == UNUSABLE) | (kept["family"] == "?"), "trial"]
    possible = (curves["epoch"] < spec.budget.epochs) & ~curves["trial"].isin(lost)
    return kept, curves[possible].reset_index(drop=True)


def marked(trials: pd.DataFrame, spec: StudySpec) -> pd.DataFrame:
    """The trials, with the state ``unusable`` where one that ended contradicts the spec, and the
    family "?" where the study does not have it."""
    own = trials["family"].isin(spec.families)
    usable = own & _as_its_slot(trials, spec) & _score(trials) & _parameters(trials, spec)
    state = trials["state"].mask(trials["state"].isin(TERMINAL) & ~usable, UNUSABLE)
    return trials.assign(state=state, family=trials["family"].where(own, "?"))


def slot_exists(trials: pd.DataFrame, spec: StudySpec) -> pd.Series:
    """Whether each trial has a slot of the study."""
    slots = trials["slot"]
    return slots.between(0, spec.trials - 1) & (slots % 1 == 0)


def _as_its_slot(trials: pd.DataFrame, spec: StudySpec) -> npt.NDArray[np.bool_]:
    """Whether each trial is what its slot decides: family, replicate, seed, arm and length."""
    columns = ["family", "replicate", "seed", "arm", "epochs"]
    found = (
        trials[["slot", *columns]].astype(object).where(trials[["slot", *columns]].notna(), None)
    )
    exists = slot_exists(trials, spec)
    return np.array(
        [
            there and tuple(said) == _decided(spec, int(slot))
            for there, (slot, *said) in zip(exists, found.itertuples(index=False), strict=True)
        ],
        dtype=bool,
    )


def _decided(spec: StudySpec, slot: int) -> tuple[str | int | None, ...]:
    arm = slot % len(spec.arms) if spec.arms else None
    length = spec.slot_budget(slot).epochs
    return spec.family(slot), spec.replicate(slot), spec.training_seed(slot), arm, length


def _score(trials: pd.DataFrame) -> pd.Series:
    """Whether each trial has an accuracy as its value, or was pruned, which needs none."""
    return trials["value"].between(0, 1) | (trials["state"] == "pruned")


def _parameters(trials: pd.DataFrame, spec: StudySpec) -> pd.Series:
    """Whether each trial has the parameters of its family, within their ranges."""
    sampled = {family: _sampled(spec, family) for family in spec.families}
    fine = pd.Series(data=True, index=trials.index)
    for name, chosen in spec.ranges.items():
        margin = _ROUNDING * max(abs(chosen.low), abs(chosen.high))
        values = trials.get(name, pd.Series(np.nan, trials.index))
        within = pd.to_numeric(values, errors="coerce").between(
            chosen.low - margin, chosen.high + margin
        )
        needs = [family for family, names in sampled.items() if name in names]
        fine &= within | ~trials["family"].isin(needs)
    return fine


def _sampled(spec: StudySpec, family: str) -> set[str]:
    """The names of a family's parameters."""
    lows = FixedTrial({name: each.low for name, each in spec.ranges.items()})
    spec.suggest(lows, family, spec.budget)
    return set(lows.params)
