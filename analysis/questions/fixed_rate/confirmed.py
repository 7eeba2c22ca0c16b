"""Answers question 1 from a confirmed search: the best model that a fixed rate can give.

Every number but the last rests on validation images, over seeds that all rates share. Only the
chosen configuration has met the test images.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.best import best_set
from analysis.estimators.fits import half_untrained, peak
from analysis.estimators.intervals import SHARE, mean_by, wilson
from analysis.estimators.responses import response
from analysis.estimators.seeds import by_seed
from analysis.estimators.skew import FEWEST
from analysis.figures.style import Picture
from analysis.fresh_seeds.frames import chosen, confirm_runs, ids, tested_runs
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.fresh_seeds.untrained import untrained_of
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
from analysis.wording import Sentence, Trials, joined, listed, sentence, with_trial
from search_spaces import fixed_rate as space
from search_spaces.words.phrases import count

ABOUT = on_fresh_seeds(
    "The best fixed rate on fresh seeds",
    space.QUESTION,
    {
        "rates": Table(
            "Each rate over fresh seeds: runs that stalled or diverged, and their share with "
            "Wilson's 95 % interval; mean accuracy on validation images and on the training images "
            "of the last epoch, of the runs that trained, with 95 % intervals. Such a mean stands "
            "alone: rates are ranked by pairs within seeds. Standing: best; tied with it or worse, "
            "by one-sided paired tests at 5 % (Bonferroni) over the seeds on which both trained; "
            "or more often untrained than a best one may be.",
            (
                *(BASE_LR, N, Column("complete"), Column("untrained")),
                *bounded("untrained_share", PERCENT),
                *(DIVERGED, STALLED, *ACCURACY, *bounded("train_accuracy", PERCENT)),
                *(Column("standing"), RUNS),
            ),
        ),
        "half": Table(
            "The rate at which half of the runs are untrained, at the best rate and above: a "
            "bracket where the rates keep untrained and other runs apart, else a fit with its 95 % "
            "interval.",
            (
                *(Column("runs_that"), N, Column("untrained"), *bounded("base_lr")),
                *(Column("fitted", YES_NO), RUNS),
            ),
        ),
        "tested": Table(
            "The chosen rate on the test images: runs, those that stalled or diverged and their "
            "share with Wilson's 95 % interval; mean over the seeds that trained with a 95 % "
            "interval for new seeds and new test images.",
            (
                *(SCHEDULE, ORIGIN, N, Column("trained"), Column("untrained")),
                *bounded("untrained_share", PERCENT),
                *(BASE_LR, *ACCURACY, TEST_RUNS),
            ),
        ),
    },
)
_UNTRAINED = {"diverged": ("diverged",), "diverged or stalled": ("diverged", "stalled")}
_MEAN = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
_SHARE = {"untrained_low": "untrained_share_low", "untrained_high": "untrained_share_high"}


def estimate(study: Study) -> Estimates:
    """rates: a row for each rate, see ABOUT; peak: the fields of `fits.peak`; half:
    `half_untrained` for each of _UNTRAINED; tested: the chosen rate; absent: rates of the plan
    without any result; seeds: single runs; curves, untrained_curves: `_curves`; missing: runs
    without a result."""
    runs = confirm_runs(study)
    rates, top = rates_of(runs), peak(runs, "base_lr")
    seeds = runs[["family", "trial", "base_lr", "replicate", "state", "value"]]
    curves, untrained_curves = _curves(runs, study.stage("confirm").curves, rates)
    return {
        "rates": rates,
        "peak": pd.DataFrame([top]),
        "half": _half_untrained(runs, top.at),
        "tested": _tested(study),
        "absent": _absent(study, rates),
        "seeds": seeds.assign(accuracy=seeds["value"].where(seeds["state"] == "complete")),
        "curves": curves,
        "untrained_curves": untrained_curves,
        "missing": missing(study),
    }


def rates_of(runs: pd.DataFrame) -> pd.DataFrame:
    """The `response` by rate, with the training accuracy beside it and how the rate stands to the
    best (`best_set`)."""
    frame = response(runs, ["base_lr"]).rename(columns=_MEAN | _SHARE)
    complete = runs[runs["state"] == "complete"]
    train = mean_by(complete, ["base_lr"], "train_accuracy", within=SHARE).set_index("base_lr")
    train = train[list(_MEAN)].rename(columns=_MEAN).add_prefix("train_")
    frame = frame.join(train, on="base_lr")
    frame["standing"] = None
    if len(runs):
        ranked = best_set(*by_seed(runs, "base_lr")).set_index("name")
        frame["standing"] = frame["base_lr"].map(ranked["standing"])
    frame["confirm_trials"] = [ids(runs[runs["base_lr"] == rate]) for rate in frame["base_lr"]]
    columns = ["base_lr", "n", *RESULTS, "untrained", "untrained_share", *_SHARE.values()]
    return frame[[*columns, *_MEAN.values(), *train, "standing", "confirm_trials"]]


def _half_untrained(runs: pd.DataFrame, best: float) -> pd.DataFrame:
    """`half_untrained` at the best rate and above for each of _UNTRAINED; empty without any run."""
    if runs.empty:
        return pd.DataFrame(columns=["runs_that", "n", "untrained"])
    rows = []
    for name, states in _UNTRAINED.items():
        half = half_untrained(runs, "base_lr", states, above=best)
        untrained = runs[runs["state"].isin(states) & (runs["base_lr"] >= best)]
        row = {"runs_that": name, "n": half.n, "untrained": half.untrained, "base_lr": half.at}
        row |= {"base_lr_low": half.low, "base_lr_high": half.high, "fitted": half.fitted}
        rows.append(row | {"confirm_trials": ids(untrained)})
    return pd.DataFrame(rows)


def _tested(study: Study) -> pd.DataFrame:
    """family, origin_trial, base_lr, n (runs), untrained and its share, trained, accuracy with its
    crossed interval (NaN where none trained), test_trials; empty before the first test run."""
    runs = tested_runs(study)
    arms = chosen(study).rename(columns={"origin": "origin_trial"})
    if runs.empty or arms.empty:
        return pd.DataFrame(columns=ABOUT.tables["tested"].names)
    measured = accuracies(study)
    last = measured[measured["weights"] == "last"].rename(columns={"n": "trained"})
    n, untrained = len(runs), int((runs["state"] != "complete").sum())
    low, high = wilson(untrained, n)
    frame = arms.merge(last, on="family", how="left").assign(
        n=n,
        untrained=untrained,
        untrained_share=untrained / n,
        untrained_share_low=low,
        untrained_share_high=high,
        test_trials=pd.Series([ids(runs)] * len(arms), dtype=object),
    )
    return frame[ABOUT.tables["tested"].names]


def _absent(study: Study, rates: pd.DataFrame) -> pd.DataFrame:
    """base_lr: the rates that were to be run and have no result."""
    arms = () if study.confirm is None else study.confirm.spec.arms
    planned = np.unique([arm.parameters["base_lr"] for arm in arms])
    return pd.DataFrame({"base_lr": planned[~np.isin(planned, rates["base_lr"])]})


def _curves(
    runs: pd.DataFrame, curves: pd.DataFrame, rates: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Validation accuracy by epoch at the lowest, the best and a too high rate: which, base_lr,
    epoch, n, mean, lowest and highest of the runs that trained; and which, base_lr, trial, epoch,
    accuracy of each that did not, as far as it came."""
    named = {rate: which for which, rate in _three(rates).items()}
    shown = runs.loc[runs["base_lr"].isin(named), ["trial", "base_lr", "state"]]
    known = curves[["trial", "epoch", "val_accuracy"]].merge(shown, on="trial").dropna()
    known = known.assign(which=known["base_lr"].map(named), epoch=known["epoch"].astype(int) + 1)
    order = known["base_lr"].map({rate: place for place, rate in enumerate(named)})
    known = known.assign(order=order).sort_values(["order", "trial", "epoch"])
    trained = known[known["state"] == "complete"]
    by = ["order", "which", "base_lr", "epoch"]
    means = trained.groupby(by)["val_accuracy"].agg(["count", "mean", "min", "max"]).reset_index()
    means = means.drop(columns="order")
    means.columns = pd.Index(["which", "base_lr", "epoch", "n", "mean", "lowest", "highest"])
    others = known[known["state"] != "complete"].rename(columns={"val_accuracy": "accuracy"})
    return means, others[["which", "base_lr", "trial", "epoch", "accuracy"]]


def _three(rates: pd.DataFrame) -> dict[str, float]:
    """The lowest rate, the best one and the first above it at which half of the runs are untrained,
    or else the highest; the same rate once, as the best."""
    best = rates.loc[rates["standing"] == "best", "base_lr"]
    if best.empty:
        return {}
    at = float(best.iloc[0])
    above = rates[rates["base_lr"] > at]
    mostly = above[above["untrained"] >= above["n"] / 2]
    high = (
        ("too high", mostly["base_lr"].min()) if len(mostly) else ("high", above["base_lr"].max())
    )
    named = {"low": rates["base_lr"].min(), "best": at, high[0]: high[1]}
    return {
        name: float(rate)
        for name, rate in named.items()
        if not np.isnan(rate) and (name == "best" or rate != at)
    }


def draw(estimates: Estimates) -> list[Picture]:
    """Score against rate, learning curves at three rates, training beside validation accuracy."""
    rates = estimates["rates"]
    if rates.empty:
        return []
    pictures = [response_figure(estimates, str(conclude(estimates)))]
    if len(estimates["curves"]):
        pictures.append(learning_figure(estimates["curves"], estimates["untrained_curves"]))
    return [*pictures, gap_figure(rates)] if rates["accuracy"].notna().any() else pictures


def conclude(estimates: Estimates) -> Sentence | str:
    """The best rate with its score and where it may lie, how every other one stands to it, where
    runs are untrained, and what the best rate reaches on the test images."""
    rates = estimates["rates"]
    left = f"{_absent_words(estimates['absent'])}{missing_words(estimates['missing'])}."
    if rates.empty:
        return f"No run on fresh seeds has a result{left}"
    if not rates["complete"].any():
        return f"Every run was untrained, at each of {count(len(rates), 'fixed rate')}{left}"
    edge = _edge(estimates["half"].to_dict("records")[-1])
    parts = (_best(rates, estimates["peak"].iloc[0]), _others(rates), edge)
    test = _test(estimates["tested"], estimates["peak"]["at"].iloc[0])
    return sentence(joined("; ", parts), "; ", test, left)


def _best(rates: pd.DataFrame, top: pd.Series) -> Sentence:
    best = rates[rates["standing"] == "best"].to_dict("records")[0]
    head = f"Of {count(len(rates), 'fixed rate')} tried, {best['base_lr']:.2g} is best, "
    if len(rates) == 1:
        head = f"One fixed rate was tried, {best['base_lr']:.2g}, "
    if best["complete"] < FEWEST:
        head = head.replace("is best", "came out best")
    return sentence(
        head,
        f"with a validation accuracy of {with_interval(best, 'accuracy')} over "
        f"{count(best['complete'], 'seed')} ({_share(best)}; ",
        Trials(best["confirm_trials"], "confirm"),
        f"){_where(top) if len(rates) > 1 else ''}",
    )


def _share(row: Mapping[Hashable, Any]) -> str:
    return untrained_of({**row, **{old: row[new] for old, new in _SHARE.items()}})


def _where(top: pd.Series) -> str:
    """Where the best rate may lie, between the tried ones too."""
    if top["n"] < FEWEST:
        return (
            f"; {count(top['n'], 'seed')} {_are(top['n'])} too few to say where the best rate lies"
        )
    lies = f"; the best rate lies between {top['low']:.2g} and {top['high']:.2g} (95 %)"
    if top["open_low"] and top["open_high"]:
        return f"{lies}, or beyond either end of what was tried"
    end = {"open_low": "below the lowest", "open_high": "above the highest"}
    return lies + "".join(f", or {words} rate tried" for side, words in end.items() if top[side])


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _others(rates: pd.DataFrame) -> str:
    """Every other rate once, by how it stands to the best."""
    parts = []
    for standing, words in _STANDINGS.items():
        rows = rates[rates["standing"] == standing].to_dict("records")
        if rows:
            names = listed([_named(row) for row in rows])
            parts.append(words.format(names=names, are=_are(len(rows))))
    return "; ".join(parts) or "no other rate was tried"


_STANDINGS = {
    "tied": "{names} cannot be told from it",
    "too few": "too few seeds to tell {names} from it",
    "worse": "{names} {are} worse",
    "more often untrained": "{names} {are} more often untrained",
    "untrained": "{names} never trained",
}


def _named(row: Mapping[Hashable, Any]) -> str:
    rate = f"{row['base_lr']:.2g}"
    return f"{rate} ({_share(row)})" if row["untrained"] else rate


def _absent_words(absent: pd.DataFrame) -> str:
    names = [f"{rate:.2g}" for rate in absent["base_lr"]]
    return f"; {listed(names)} {'has' if len(names) == 1 else 'have'} no result" if names else ""


def _edge(half: Mapping[Any, Any]) -> Sentence | str:
    """Where half of the runs are untrained; low and high bound it, as far as they are known."""
    at, low, high = (half[name] for name in ("base_lr", "base_lr_low", "base_lr_high"))
    if not half["untrained"]:
        return f"no run was untrained from the best rate up to {low:.2g} (0 of {half['n']})"
    if half["fitted"] and not np.isnan(low):
        return f"half of the runs are untrained at {at:.2g} (95 % interval {low:.2g} to {high:.2g})"
    if not half["fitted"] and not np.isnan(low * high):
        return f"half of the runs are untrained between {low:.2g} and {high:.2g}"
    were = "was" if half["untrained"] == 1 else "were"
    runs = f"{half['untrained']} of {count(half['n'], 'run')}"
    words = f"{runs} at the best rate and above {were} untrained ("
    return sentence(words, Trials(half["confirm_trials"], "confirm"), ")")


def _test(tested: pd.DataFrame, best: float) -> Sentence | str:
    """What the tested rate reaches; where it is not the best one, that it was chosen before."""
    if tested.empty:
        return "no rate has met the test images yet"
    row = tested.to_dict("records")[0]
    rate = f"{row['base_lr']:.2g}"
    searched = not pd.isna(row["origin_trial"])
    name = with_trial(rate, int(row["origin_trial"])) if searched else sentence(rate)
    if not np.isclose(row["base_lr"], best):
        before = "the search had chosen before" if searched else "had been chosen before"
        name = sentence("another rate was judged, ", name, f", which {before}: it")
    reached = f" reaches {with_interval(row, 'accuracy')[:-1]}; {_share(row)}; "
    if np.isnan(row["accuracy"]):
        reached = f" has no score, since none of {count(row['n'], 'run')} trained ("
    runs = Trials(row["test_trials"], "test")
    return sentence("on the test images ", name, reached, runs, ")")
