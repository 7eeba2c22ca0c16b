"""Keeps from everybody who counts results what lrstudy would never have written into a study.

What a slot decides is known from the spec, and what a trial scored from its history. A trial that
says something else, or that has an impossible score or parameter, is nobody's result: it was
written by another program, or by hand. What a trial does not tell, it does not deny.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from optuna.trial import FixedTrial

from analysis.reading.frames import column_of
from analysis.reading.states import TERMINAL, has_slot
from search_spaces.words.phrases import count
from study.spec import StudySpec

UNUSABLE = "unusable"
_NAMED = 4  # left-out trials in a sentence
_ROUNDING = 1e-9  # relative
_DIGITS = 1e-9  # histories are written with 9 digits
_MEASURES = {
    "val_accuracy": "history's last validation accuracy",
    "averaged_val_accuracy": "history's last validation accuracy of averaged weights",
    "test_accuracy": "test accuracy",
    "sampled_val_accuracy": "validation accuracy of sampled weights",
    "sampled_test_accuracy": "test accuracy of sampled weights",
}


def plausible(
    trials: pd.DataFrame, curves: pd.DataFrame, spec: StudySpec
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames of `reading.frames.load` for a study of that spec, with the state ``unusable``
    where a trial that ended contradicts it or itself; no estimator counts those.

    Records of epochs that the study cannot have, and those of unusable trials, are left out of the
    curves.
    """
    kept = marked(trials, spec)
    excluded = kept.loc[(kept["state"] == UNUSABLE) | (kept["family"] == "?"), "trial"]
    possible = (curves["epoch"] < spec.budget.epochs) & ~curves["trial"].isin(excluded)
    return kept, curves[possible].reset_index(drop=True)


def marked(trials: pd.DataFrame, spec: StudySpec) -> pd.DataFrame:
    """The trials, with the state ``unusable`` where one that ended contradicts the spec or its own
    history, and the family "?" where the study does not have it.

    contradiction: why, None for all others. value: NaN where it is no share.
    """
    known = trials["family"].isin(spec.families)
    ended = trials["state"].isin(TERMINAL)
    why = _contradictions(trials, spec).where(ended, None)
    return trials.assign(
        state=trials["state"].mask(why.notna(), UNUSABLE),
        family=trials["family"].where(known, "?"),
        value=trials["value"].where(trials["value"].between(0, 1)),
        contradiction=why,
    )


def left_out(marked: pd.DataFrame) -> list[str]:
    """For each unusable trial of `marked`: its number and why it is not counted."""
    unusable = marked[marked["state"] == UNUSABLE]
    pairs = zip(unusable["trial"], unusable["contradiction"], strict=True)
    return [f"trial {trial}: {why}" for trial, why in pairs]


def not_counted(reasons: Sequence[str]) -> str | None:
    """What `left_out` found in one sentence, the first few by name; None where it is nothing."""
    if not reasons:
        return None
    trials = (
        f"{count(len(reasons), 'trial')} {'contradicts' if len(reasons) == 1 else 'contradict'}"
    )
    more = len(reasons) - _NAMED
    rest = f"; and {more} more" if more > 0 else ""
    return f"not counted, {trials} what was recorded: {'; '.join(reasons[:_NAMED])}{rest}"


def _contradictions(trials: pd.DataFrame, spec: StudySpec) -> pd.Series:
    """The first thing that each trial says and that cannot be, None where there is none."""
    reasons = pd.Series(None, index=trials.index, dtype=object)
    for denied, words in _checks(trials, spec):
        reasons = reasons.where(reasons.notna() | ~denied, words)
    return reasons.where(reasons.notna(), None)


def _checks(trials: pd.DataFrame, spec: StudySpec) -> Iterator[tuple[pd.Series, pd.Series | str]]:
    """Which trials contradict themselves, and in which words; one pair for each thing to ask."""
    slot = pd.Series(_as_its_slot(trials, spec), trials.index)
    yield ~slot, "schedule, seed, replicate, arm or epochs are not those of its slot"
    yield ~_parameters(trials, spec), "a parameter is missing or out of its range"
    pruned = trials["state"] == "pruned"
    value = trials["value"]
    yield ~value.between(0, 1) & ~pruned, "its score is no share from 0 to 1"
    outcome = trials["outcome"].fillna("missing")
    named = trials["state"].replace("complete", "finished")
    yield (outcome != named) & ~pruned, "its outcome is " + outcome
    yield from _lengths(trials)
    recorded, measure = _recorded(trials, spec)
    score = _words(value)
    words = "its score is " + score + ", its " + measure + " " + _words(recorded)
    yield ((value - recorded).abs() > _DIGITS).astype(bool), words
    classes = 1 / value.where(trials["state"] == "diverged")
    guess = ((classes - classes.round()).abs() <= _DIGITS) & (classes >= 2)
    yield classes.notna() & ~guess, "it diverged and its score is no guess: " + score


def _lengths(trials: pd.DataFrame) -> Iterator[tuple[pd.Series, pd.Series]]:
    """Whose history does not end where its outcome says."""
    last = trials["last_epoch"]
    expected = (trials["epochs"] - 1).where(trials["state"].isin(["complete", "stalled"]))
    expected = expected.fillna(trials["diverged_epoch"].where(trials["state"] == "diverged"))
    words = "its history ends with epoch " + _words(last + 1)
    yield last.notna() & expected.notna() & (last != expected), words
    gaps = last.notna() & (trials["epochs_trained"] != last + 1)
    yield gaps, "its history lacks epochs before epoch " + _words(last + 1)


def _recorded(trials: pd.DataFrame, spec: StudySpec) -> tuple[pd.Series, pd.Series]:
    """The accuracy that each trial must have as its score, NaN where nothing tells it, and its
    name. See `trials.scoring.score`, and `trials.objective` for what pruners are told."""
    split = "test" if spec.reads_test else "val"
    usual = "test_accuracy" if spec.reads_test else "val_accuracy"
    names = pd.Series(usual, trials.index)
    names = names.mask(trials["samples_weights"], f"sampled_{split}_accuracy")
    names = names.mask(trials["state"] == "pruned", "averaged_val_accuracy")
    recorded = pd.Series(np.nan, trials.index)
    for name in names.unique():
        recorded = recorded.mask(names == name, trials[name].astype(float))
    return recorded.where(trials["state"] != "diverged"), names.map(_MEASURES).astype(object)


def _words(numbers: pd.Series) -> pd.Series:
    return numbers.map("{:.6g}".format).astype(object)


def slot_exists(trials: pd.DataFrame, spec: StudySpec) -> pd.Series:
    """Whether each trial has a slot of the study."""
    return has_slot(trials, spec.trials)


def _as_its_slot(trials: pd.DataFrame, spec: StudySpec) -> npt.NDArray[np.bool_]:
    """Whether each trial is what its slot decides: family, replicate, seed, arm and length."""
    columns = ["family", "replicate", "seed", "arm", "epochs"]
    rows = trials[["slot", *columns]].astype(object).where(trials[["slot", *columns]].notna(), None)
    exists = slot_exists(trials, spec)
    return np.array(
        [
            there and tuple(recorded) == _decided(spec, int(slot))
            for there, (slot, *recorded) in zip(exists, rows.itertuples(index=False), strict=True)
        ],
        dtype=bool,
    )


def _decided(spec: StudySpec, slot: int) -> tuple[str | int | None, ...]:
    arm = spec.arm_place(slot)
    length = spec.slot_budget(slot).epochs
    return spec.family(slot), spec.replicate(slot), spec.training_seed(slot), arm, length


def _parameters(trials: pd.DataFrame, spec: StudySpec) -> pd.Series:
    """Whether each trial has the parameters of its family, within their ranges."""
    sampled = {family: _sampled(spec, family) for family in spec.families}
    fine = pd.Series(data=True, index=trials.index)
    for name, chosen in spec.ranges.items():
        margin = _ROUNDING * max(abs(chosen.low), abs(chosen.high))
        values = trials.get(column_of(name), pd.Series(np.nan, trials.index))
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
