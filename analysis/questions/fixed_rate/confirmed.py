"""Answers question 1 from a confirmed search: the best model that a fixed rate can give.

Every number but the last rests on validation images, over seeds that all rates share. Only the
chosen configuration has met the test images.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import best_set
from analysis.estimators.fits import half_untrained, peak
from analysis.estimators.intervals import mean_by
from analysis.estimators.responses import response
from analysis.figures.style import Picture
from analysis.fresh_seeds.frames import by_seed, chosen, confirm_runs, ids
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.fixed_rate.figures import gap_figure, learning_figure, response_figure
from analysis.reading.states import RESULTS
from analysis.section import Estimates, on_fresh_seeds
from analysis.sections.test_accuracy import accuracies, with_interval
from analysis.study import Study
from analysis.table import (
    ACCURACY,
    BASE_LR,
    DIVERGED,
    ORIGIN,
    PERCENT,
    RUNS,
    SCHEDULE,
    STALLED,
    TEST_RUNS,
    YES_NO,
    Column,
    N,
    Table,
    bounded,
)
from analysis.wording import Sentence, Trials, listed, sentence, with_trial
from search_spaces import fixed_rate as space
from search_spaces.words.phrases import count

ABOUT = on_fresh_seeds(
    "The best fixed rate on fresh seeds",
    space.QUESTION,
    {
        "rates": Table(
            "Each rate over fresh seeds: mean accuracy on validation images and on the training "
            "images of the last epoch, of the runs that were not lost, with 95 % intervals; "
            "the best of several means flatters itself. In the best "
            "set: cannot be told from the best mean, lost runs counted with their own score or, if "
            "they diverged, as a guess (one-sided paired t tests at 5 %, Bonferroni).",
            (
                *(BASE_LR, N, Column("complete"), *(DIVERGED, STALLED), *ACCURACY),
                *bounded("train_accuracy", PERCENT),
                *(Column("in_best_set", YES_NO), Column("best", YES_NO), RUNS),
            ),
        ),
        "lost": Table(
            "The rate at which half of the runs are lost, at the best rate and above: a bracket "
            "where the rates keep lost and other runs apart, else a fit with its 95 % interval.",
            (
                *(Column("runs_that"), N, Column("lost"), *bounded("base_lr")),
                *(Column("fitted", YES_NO), RUNS),
            ),
        ),
        "tested": Table(
            "The chosen rate on the test images: mean over fresh seeds with a 95 % interval for "
            "new seeds and new test images.",
            (SCHEDULE, ORIGIN, N, BASE_LR, *ACCURACY, TEST_RUNS),
        ),
    },
)
_UNTRAINED = {"diverged": ("diverged",), "diverged or stalled": ("diverged", "stalled")}
_MEAN = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}


def estimate(study: Study) -> Estimates:
    """rates: a row for each rate, see ABOUT; peak: the fields of `fits.peak` as base_lr,
    base_lr_low and base_lr_high, and best_lr, the tested rate with the best mean; lost:
    `half_untrained` for each of _UNTRAINED; tested: the chosen rate; seeds: single runs; curves:
    `_curves`; missing: runs without a result."""
    runs = confirm_runs(study)
    rates = rates_of(runs)
    best = float(rates.loc[rates["best"], "base_lr"].min())
    top = peak(runs, "base_lr")
    where = (top.n, top.at, top.low, top.high, top.at_edge, best)
    columns = ["n", "base_lr", "base_lr_low", "base_lr_high", "at_edge", "best_lr"]
    seeds = runs[["family", "trial", "base_lr", "replicate", "state", "value"]]
    return {
        "rates": rates,
        "peak": pd.DataFrame([where], columns=columns),
        "lost": _half_untrained(runs, best),
        "tested": _tested(study),
        "seeds": seeds.assign(accuracy=seeds["value"].where(seeds["state"] == "complete")),
        "curves": _curves(runs, study.stage("confirm").curves, rates),
        "missing": missing(study),
    }


def rates_of(runs: pd.DataFrame) -> pd.DataFrame:
    """The `response` by rate, with the training accuracy beside it and whether a rate is in the
    best set, <NA> where no seed has all rates; best: the one row whose mean is the highest."""
    frame = response(runs, ["base_lr"]).rename(columns=_MEAN)
    complete = runs[runs["state"] == "complete"]
    train = mean_by(complete, ["base_lr"], "train_accuracy").set_index("base_lr")
    train = train[list(_MEAN)].rename(columns=_MEAN).add_prefix("train_")
    frame = frame.join(train, on="base_lr")
    tied, best = ties(by_seed(runs, "base_lr"))
    frame["in_best_set"] = frame["base_lr"].map(tied).astype("boolean")
    frame["best"] = frame["base_lr"] == best
    frame["confirm_trials"] = [ids(runs[runs["base_lr"] == rate]) for rate in frame["base_lr"]]
    columns = ["base_lr", "n", *RESULTS, *_MEAN.values(), *train, "in_best_set", "best"]
    return frame[[*columns, "confirm_trials"]]


def ties(scores: pd.DataFrame) -> tuple[pd.Series, float]:
    """Whether each rate is in the `best_set`, and the rate with the highest mean.

    scores: a row for each seed, a column for each rate, NaN where a run has no result. Only seeds
    that all rates have count; where there is none, nothing is known of the set and the best has the
    highest mean of what there is (NaN without any).
    """
    if scores.dropna().empty:
        best = float(str(scores.mean().idxmax())) if scores.size else np.nan
        return pd.Series(dtype=bool), best
    ranked = best_set(scores).set_index("name")
    return ranked["in_set"], float(ranked.index[0])


def _half_untrained(runs: pd.DataFrame, best: float) -> pd.DataFrame:
    """`half_untrained` at the best rate and above for each of _UNTRAINED; empty without any run."""
    if runs.empty:
        return pd.DataFrame(columns=["runs_that", "n", "lost"])
    rows = []
    for name, states in _UNTRAINED.items():
        half = half_untrained(runs, "base_lr", states, above=best)
        untrained = runs[runs["state"].isin(states) & (runs["base_lr"] >= best)]
        row = {"runs_that": name, "n": half.n, "lost": half.untrained, "base_lr": half.at}
        row |= {"base_lr_low": half.low, "base_lr_high": half.high, "fitted": half.fitted}
        rows.append(row | {"confirm_trials": ids(untrained)})
    return pd.DataFrame(rows)


def _tested(study: Study) -> pd.DataFrame:
    """family, origin_trial, base_lr, n, accuracy with its crossed interval, test_trials; empty
    before the first test run."""
    measured = accuracies(study)
    last = measured[measured["weights"] == "last"]
    arms = chosen(study).rename(columns={"origin": "origin_trial"})
    frame = arms.merge(last, on="family")
    columns = ["family", "origin_trial", "n", "base_lr", "accuracy"]
    frame = frame.reindex(columns=[*columns, "accuracy_low", "accuracy_high"])
    trials = ids(study.stage("test").ended(RESULTS))
    return frame.assign(test_trials=pd.Series([trials] * len(frame), frame.index, dtype=object))


def _curves(runs: pd.DataFrame, curves: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    """Validation accuracy by epoch at the lowest, the best and a too high rate: which, base_lr,
    epoch, n, mean, lowest and highest of the seeds; a run that diverged counts as a guess from
    there on."""
    rows = []
    for which, rate in _three(rates).items():
        rate_runs = runs[runs["base_lr"] == rate]
        rate_curves = curves[curves["trial"].isin(rate_runs["trial"])]
        table = rate_curves.pivot_table(index="trial", columns="epoch", values="val_accuracy")
        table = table.reindex(
            index=rate_runs["trial"], columns=range(int(rate_runs["epochs"].max()))
        )
        diverged = rate_runs[rate_runs["state"] == "diverged"].set_index("trial")["value"]
        table = table.apply(lambda epoch, guess=diverged: epoch.fillna(guess))
        for epoch, values in table.items():
            shown = (values.count(), values.mean(), values.min(), values.max())
            rows.append((which, rate, int(str(epoch)) + 1, *shown))
    columns = ["which", "base_lr", "epoch", "n", "mean", "lowest", "highest"]
    return pd.DataFrame(rows, columns=columns)


def _three(rates: pd.DataFrame) -> dict[str, float]:
    """The lowest rate, the best one and the first above it at which half of the runs are untrained,
    or else the highest; the same rate once, as the best."""
    if rates.empty:
        return {}
    best = float(rates.loc[rates["best"], "base_lr"].iloc[0])
    above = rates[rates["base_lr"] > best]
    lossy = above[above["complete"] <= above["n"] / 2]
    high = ("too high", lossy["base_lr"].min()) if len(lossy) else ("high", above["base_lr"].max())
    named = {"low": rates["base_lr"].min(), "best": best, high[0]: high[1]}
    return {
        name: float(rate)
        for name, rate in named.items()
        if not np.isnan(rate) and (name == "best" or rate != best)
    }


def draw(estimates: Estimates) -> list[Picture]:
    """Score against rate, learning curves at three rates, training beside validation accuracy."""
    rates = estimates["rates"]
    if rates.empty:
        return []
    verdict = str(conclude(estimates))
    pictures = [response_figure(estimates, verdict), learning_figure(estimates["curves"])]
    return [*pictures, gap_figure(rates)] if rates["accuracy"].notna().any() else pictures


def conclude(estimates: Estimates) -> Sentence | str:
    """The best rate with its interval and score, what cannot be told from it, where runs are
    untrained, and what the chosen rate reaches on the test images."""
    rates = estimates["rates"]
    left = missing_words(estimates["missing"])
    if rates.empty:
        return f"No run on fresh seeds has a result{left}."
    if not rates["complete"].any():
        return f"Every run was lost, at each of {count(len(rates), 'fixed rate')}{left}."
    best = _best(rates, estimates["peak"].iloc[0])
    edge = _edge(estimates["lost"].to_dict("records")[-1])
    return sentence(best, f"; {_ties(rates)}; ", edge, "; ", _test(estimates["tested"]), f"{left}.")


def _best(rates: pd.DataFrame, top: pd.Series) -> Sentence:
    best = rates[rates["best"]].to_dict("records")[0]
    tried = sentence(
        f"{_named(best)} is the best of {count(len(rates), 'tested rate')}, with a validation "
        f"accuracy of {with_interval(best, 'accuracy')} over {count(best['complete'], 'seed')} (",
        Trials(best["confirm_trials"], "confirm"),
        ")",
    )
    low, high = top["base_lr_low"], top["base_lr_high"]
    if not np.isnan(low):
        optimum = f"{top['base_lr']:.2g} (95 % interval {low:.2g} to {high:.2g})"
        return sentence(f"The best fixed rate is {optimum}: ", tried)
    if top["n"] < 2:
        why = "one seed gives the best rate no interval"
    elif top["at_edge"]:
        end = f"{top['base_lr']:.2g}"
        why = f"the rates that lost no run end at {end}, and the best may lie beyond"
    else:
        why = "scores around it are too flat, or too few, to give the best rate an interval"
    return sentence(tried, f"; {why}")


def _named(row: Mapping[Hashable, Any]) -> str:
    untrained = row["n"] - row["complete"]
    return f"{row['base_lr']:.2g}" + (
        f" ({untrained} of {count(row['n'], 'run')} lost)" if untrained else ""
    )


def _ties(rates: pd.DataFrame) -> str:
    others = rates[~rates["best"]]
    if others["in_best_set"].isna().any():
        return "no seed has a result at every rate yet, so that rates cannot be compared"
    tied = [_named(row) for row in others[others["in_best_set"]].to_dict("records")]
    if others.empty:
        return "no other rate was tested"
    if rates["n"].max() < 2:
        return "one seed cannot tell the other rates from it"
    return f"{listed(tied)} cannot be told from it" if tied else "every other rate is worse"


def _edge(half: Mapping[Any, Any]) -> Sentence | str:
    """Where half of the runs are untrained; low and high bound it, as far as they are known."""
    at, low, high = (half[name] for name in ("base_lr", "base_lr_low", "base_lr_high"))
    if not half["lost"]:
        return f"no run was lost from there up to {low:.2g}"
    if half["fitted"] and not np.isnan(low):
        return f"half of the runs are lost at {at:.2g} (95 % interval {low:.2g} to {high:.2g})"
    if not half["fitted"] and not np.isnan(low * high):
        return f"half of the runs are lost between {low:.2g} and {high:.2g}"
    were = "was" if half["lost"] == 1 else "were"
    words = f"{half['lost']} of {count(half['n'], 'run')} there and above {were} lost ("
    return sentence(words, Trials(half["confirm_trials"], "confirm"), ")")


def _test(tested: pd.DataFrame) -> Sentence | str:
    if tested.empty:
        return "no chosen rate has met the test images yet"
    row = tested.to_dict("records")[0]
    return sentence(
        with_trial(f"the chosen {row['base_lr']:.2g}", row["origin_trial"]),
        f" reaches {with_interval(row, 'accuracy')} on the test images (",
        Trials(row["test_trials"], "test"),
        ")",
    )
