"""Answers question 2 from a confirmed search: how convergence changes with the exponent.

A larger exponent also lowers the mean rate. Exponents are therefore compared at the base rate that
suits each best, and beside that at one fixed base rate, on validation images and common seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import compare_pairs
from analysis.estimators.fits import Peak, mean_rate_share, peak
from analysis.estimators.learning_curves import epochs_to_target
from analysis.estimators.responses import kept, response, tuned
from analysis.figures.style import Picture
from analysis.fresh_seeds.frames import by_seed, confirm_runs, ids
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.questions.polynomial.figures import loss_figure, map_figure, mean_rate_figure
from analysis.reading.states import RESULTS
from analysis.section import Estimates, on_fresh_seeds
from analysis.study import Study
from analysis.table import (
    ACCURACY,
    BASE_LR,
    DIVERGED,
    PERCENT,
    RUNS,
    STALLED,
    YES_NO,
    Column,
    N,
    Table,
    bounded,
)
from analysis.wording import Sentence, Trials, listed, sentence
from search_spaces import polynomial as space
from search_spaces.words.phrases import count, percent

_EXPONENT = Column("exponent")
ABOUT = on_fresh_seeds(
    "The exponent of the decay on fresh seeds",
    space.QUESTION,
    {
        "exponents": Table(
            "Each exponent of the polynomial at its tuned base rate, that is the one with the "
            "best mean among those that lost no run: validation accuracy over fresh seeds with "
            "95 % t interval, and the epochs until half of the seeds reach the target, which is "
            "the lowest of these mean accuracies (Kaplan-Meier; not reached counts as censored).",
            (
                *(_EXPONENT, BASE_LR, N, *ACCURACY, Column("reached")),
                *(*bounded("epochs_to_target"), Column("target_accuracy", PERCENT), RUNS),
            ),
        ),
        "pairs": Table(
            "The best exponent against each other one at tuned rates: paired difference in "
            "validation accuracy over common seeds with 95 % interval, P(best > other) with "
            "Wilson's, and the verdict of the one rule (Holm over these pairs).",
            (
                *(Column("first"), Column("second"), N, *bounded("difference_accuracy", PERCENT)),
                *bounded("superiority_share", PERCENT),
                *(Column("verdict"), Column("further_seeds"), RUNS),
            ),
        ),
        "cells": Table(
            "Validation accuracy of every exponent and base rate: mean over the seeds that were "
            "not lost, with 95 % interval, and the mean rate of the schedule.",
            (
                *(_EXPONENT, BASE_LR, N, Column("complete"), *(DIVERGED, STALLED), *ACCURACY),
                *(Column("mean_lr"), Column("in_grid", YES_NO), RUNS),
            ),
        ),
    },
)
_PAIR = {
    "mean": "difference_accuracy",
    "low": "difference_accuracy_low",
    "high": "difference_accuracy_high",
    "superiority": "superiority_share",
    "superiority_low": "superiority_share_low",
    "superiority_high": "superiority_share_high",
}
_MEAN = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}


def estimate(study: Study) -> Estimates:
    """exponents, pairs, cells: see ABOUT; a cell is in the grid if its exponent was tried at as
    many base rates as any. peaks: `peak` of the exponent at the tuned rates and at one fixed base
    rate (`_fixed`); share: `mean_rate_share` of the grid; losses: training loss by epoch at the
    tuned rates over seeds; missing: runs without a result."""
    runs = confirm_runs(study)
    runs = runs[runs["family"] == "polynomial"]
    exponents = runs.get("exponent", pd.Series(dtype=float))
    runs = runs.assign(exponent=exponents.astype(float)).dropna(subset=["exponent"])
    rates = tuned(runs, "exponent", "base_lr")
    rates = rates[rates["tried"] == rates["tried"].max()]
    grid = runs[runs["exponent"].isin(rates["exponent"])]
    best = grid[grid["base_lr"] == grid["exponent"].map(rates.set_index("exponent")["base_lr"])]
    best = best.sort_values(["exponent", "replicate"])
    curves = study.stage("confirm").curves
    return {
        "exponents": _exponents(rates, best, curves),
        "pairs": pairs(best, study.delta),
        "cells": _cells(runs, list(rates["exponent"])),
        "peaks": _peaks(grid, best),
        "share": pd.DataFrame([mean_rate_share(grid)]),
        "losses": _losses(best, curves),
        "missing": missing(study),
    }


def _exponents(rates: pd.DataFrame, best: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """A row for each exponent of the grid: its tuned rate, score, epochs to target, trials."""
    frame = rates.rename(columns=_MEAN).astype({"exponent": float}).reset_index(drop=True)
    target = frame["accuracy"].min()
    reached = epochs_to_target(curves, best.assign(family=best["exponent"]), target)
    names = {"median": "epochs_to_target", "low": "epochs_to_target_low"}
    reached = reached.rename(columns={**names, "high": "epochs_to_target_high"})
    reached = reached.astype({"family": float}).drop(columns="n")
    frame = frame.merge(reached, how="left", left_on="exponent", right_on="family")
    frame = frame.assign(target_accuracy=target).drop(columns=["family", "found", "tried"])
    frame["confirm_trials"] = [ids(best[best["exponent"] == each]) for each in frame["exponent"]]
    return frame


def pairs(best: pd.DataFrame, delta: float) -> pd.DataFrame:
    """`compare_pairs` of the exponent with the highest mean against each other one, the differences
    named for what they are; empty where there are fewer than two exponents.

    best: runs at the tuned rate of each exponent, none untrained. That the first was picked for its
    mean would find too much, were the rates not picked likewise, which shrinks the differences.
    """
    scores = by_seed(best, "exponent").rename(columns=_text)
    trials = {name: ids(group) for name, group in best.groupby(best["exponent"].map(_text))}
    order = list(scores.mean().sort_values(ascending=False, kind="stable").index)
    if len(order) < 2:
        return pd.DataFrame(columns=["first", "second", "verdict"])
    frame = compare_pairs(scores, order[0], order[1:], delta=delta)
    frame = frame[["first", "second", "n", *_PAIR, "verdict", "further_seeds"]]
    frame = frame.rename(columns=_PAIR)
    frame["confirm_trials"] = [sorted(trials[order[0]] + trials[each]) for each in order[1:]]
    return frame


def _text(exponent: float) -> str:
    return f"{exponent:.3g}"


def _cells(runs: pd.DataFrame, exponents: list[float]) -> pd.DataFrame:
    """The `response` by exponent and base rate, with mean_lr, whether it is in the grid, trials."""
    by = ["exponent", "base_lr"]
    frame = response(runs, by).rename(columns=_MEAN)
    groups = {key: group for key, group in runs.groupby(by)}  # noqa: C416 - of frames
    cell_runs = [groups[key] for key in zip(frame["exponent"], frame["base_lr"], strict=True)]
    # A diverged run's mean rate is that of the epochs before, so that complete runs tell it.
    rates = [each.loc[each["state"] == "complete", "mean_lr"].mean() for each in cell_runs]
    frame = frame[[*by, "n", *RESULTS, *_MEAN.values()]]
    frame = frame.assign(mean_lr=rates, in_grid=frame["exponent"].isin(exponents))
    frame["confirm_trials"] = [ids(each) for each in cell_runs]
    return frame


def _peaks(grid: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """rates (tuned or fixed), base_lr of the fixed one, exponents (how many have no untrained run
    there), and the fields of `peak` over them."""
    fixed = _fixed(grid)
    rows = []
    for name, rate, runs in (
        ("tuned", np.nan, best),
        ("fixed", fixed, grid[grid["base_lr"] == fixed]),
    ):
        exponents = kept(runs, ["exponent"])["exponent"].nunique()
        rows.append((name, rate, exponents, *peak(runs, "exponent")))
    return pd.DataFrame(rows, columns=["rates", "base_lr", "exponents", *Peak._fields])


def _fixed(grid: pd.DataFrame) -> float:
    """The base rate at which the most exponents have no untrained run, of equals the one nearest to
    the middle of the grid; NaN without any."""
    tried = np.sort(grid["base_lr"].unique())
    if not len(tried):
        return np.nan
    usable = kept(grid, ["exponent", "base_lr"]).groupby("base_lr")["exponent"].nunique()
    counts = usable.reindex(tried, fill_value=0).to_numpy()
    off = np.abs(np.arange(len(tried)) - (len(tried) - 1) / 2)
    return float(tried[np.lexsort((off, -counts))[0]])


def _losses(best: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Training loss (nats) by exponent, base_lr and epoch: n, mean, lowest, highest of seeds."""
    losses = curves.merge(best[["trial", "exponent", "base_lr"]], on="trial")
    losses["epoch"] += 1
    groups = losses.groupby(["exponent", "base_lr", "epoch"])["train_loss"]
    frame = groups.agg(["count", "mean", "min", "max"]).reset_index()
    return frame.set_axis([*frame.columns[:3], "n", "mean", "lowest", "highest"], axis=1)


def draw(estimates: Estimates) -> list[Picture]:
    """The map of exponent and base rate, training loss at tuned rates, score against mean rate."""
    if estimates["cells"]["accuracy"].isna().all():
        return []
    pictures = [map_figure(estimates, str(conclude(estimates)))]
    if len(estimates["losses"]):
        pictures.append(loss_figure(estimates["losses"]))
    if _rates_unknown(estimates):
        return pictures
    return [*pictures, mean_rate_figure(estimates["cells"], _explained(estimates))]


def conclude(estimates: Estimates) -> Sentence | str:
    """Which exponents can be told apart at tuned rates, by how much, where the peak lies, and what
    the mean rate explains."""
    lacking = estimates["missing"]
    left = missing_words(lacking[lacking["stage"] == "confirm"])
    frame = estimates["exponents"]
    if frame.empty:
        return f"No polynomial run on fresh seeds has a result{left}."
    if not len(estimates["losses"]):
        return f"Every exponent lost a run at each base rate{left}."
    if len(estimates["pairs"]) == 0:
        row = frame.dropna(subset=["accuracy"]).to_dict("records")[0]
        return (
            f"Only exponent {_text(row['exponent'])} has a base rate that lost no run, so that "
            f"there is none to compare it with{left}."
        )
    end = f"; {_peaked(estimates)}; {_explained(estimates)}{left}."
    return sentence(_compared(estimates), end)


def _compared(estimates: Estimates) -> Sentence:
    """The pairs by verdict, and the widest difference with its interval."""
    pairs, frame = estimates["pairs"], estimates["exponents"]
    names = frame["exponent"].map(_text)
    best = frame[names == pairs["first"].iloc[0]].to_dict("records")[0]
    worst = pairs.to_dict("records")[-1]
    verdicts = [
        f"{words} {listed(list(group['second']))}"
        for verdict, words in _WORDS.items()
        if len(group := pairs[pairs["verdict"] == verdict])
    ]
    return sentence(
        f"At tuned rates exponent {_text(best['exponent'])} has the best validation accuracy, "
        f"{percent(best['accuracy'])} at base rate {best['base_lr']:.2g}{_end(best, estimates)} (",
        Trials(best["confirm_trials"], "confirm"),
        f"): it is {'; it is '.join(verdicts)}; its lead over the worst, {worst['second']}, "
        f"is {_difference(worst)}{_seeds(pairs)}",
    )


def _end(best: dict[Any, Any], estimates: Estimates) -> str:
    """That the tuned rate is an end of the grid, beyond which a better one may lie."""
    cells = estimates["cells"]
    tried = cells.loc[cells["exponent"] == best["exponent"], "base_lr"]
    if tried.min() < tried.max() and best["base_lr"] in (tried.min(), tried.max()):
        return f", the {'lowest' if best['base_lr'] == tried.min() else 'highest'} tried"
    return ""


_WORDS = {
    "better": "better than",
    "equivalent": "equivalent to",
    "unresolved": "not told apart from",
    "worse": "worse than",
}


def _difference(row: dict[Any, Any]) -> str:
    low, high = row["difference_accuracy_low"], row["difference_accuracy_high"]
    lead = f"{100 * row['difference_accuracy']:.2f} points"
    if np.isnan(low):
        return f"{lead} ({count(row['n'], 'seed')}, no interval)"
    # Two decimals, so that a bound close to 0 shows its side.
    return f"{lead} (95 % interval {100 * low:.2f} to {100 * high:.2f}, {count(row['n'], 'seed')})"


def _seeds(pairs: pd.DataFrame) -> str:
    """How many more seeds the unresolved pairs need."""
    open_pairs = pairs[pairs["verdict"] == "unresolved"]
    if open_pairs.empty:
        return ""
    more = open_pairs["further_seeds"].dropna()
    if more.empty:
        return ", and how many more seeds it takes is not known"
    least, most = int(more.min()), int(more.max())
    needed = count(most, "more seed") if least == most else f"{least} to {count(most, 'more seed')}"
    return f", and to tell the rest takes about {needed}"


def _peaked(estimates: Estimates) -> str:
    """Where the best exponent lies at one fixed base rate and at tuned rates."""
    tuned, fixed = estimates["peaks"].to_dict("records")
    return (
        f"at the fixed base rate {fixed['base_lr']:.2g} the best exponent is {_at(fixed)}, at "
        f"tuned rates {_at(tuned)}"
    )


def _at(row: dict[Any, Any]) -> str:
    if row["exponents"] < 3:
        known = count(row["exponents"], "exponent")
        return f"not known, since no more than {known} kept all runs there"
    if not np.isnan(row["low"]):
        return f"{_text(row['at'])} (95 % interval {_text(row['low'])} to {_text(row['high'])})"
    if row["at_edge"]:
        return f"{_text(row['at'])} or beyond, at the end of those that lost no run"
    return f"about {_text(row['at'])}, with too flat a response or too few runs for an interval"


def _rates_unknown(estimates: Estimates) -> bool:
    """Whether runs were complete, but recorded before the mean rate was."""
    cells = estimates["cells"]
    return bool(cells["complete"].sum() > 0 and cells["mean_lr"].isna().all())


def _explained(estimates: Estimates) -> str:
    """What the mean rate explains of the variation over the grid."""
    row = estimates["share"].to_dict("records")[0]
    if row["cells"] < 4 or row["n"] < 2:
        if _rates_unknown(estimates):
            return "what the mean rate explains is not known: these runs did not record it"
        known = f"{count(row['cells'], 'whole cell')} and {count(row['n'], 'seed')}"
        return f"{known} are too few to say what the mean rate explains"
    if np.isnan(row["share"]):
        return "the scores do not vary enough over the grid to say what the mean rate explains"
    explained = f"the mean rate alone explains {percent(row['share'])}"
    if np.isnan(row["low"]):
        return f"{explained} of the variation over {count(row['cells'], 'cell')} (no interval)"
    interval = f"95 % interval {percent(row['low'])} to {percent(row['high'])}"
    return f"{explained} ({interval}) of the variation over {count(row['cells'], 'cell')}"
