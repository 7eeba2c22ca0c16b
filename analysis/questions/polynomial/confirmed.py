"""Answers question 2 from a confirmed search: how convergence changes with the exponent.

A larger exponent also lowers the mean rate. Exponents are therefore compared at the base rate that
suits each best, and beside that at one fixed base rate, on validation images and common seeds.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.fits import Peak, mean_rate_share, peak
from analysis.estimators.intervals import wilson
from analysis.estimators.learning_curves import epochs_to_target
from analysis.estimators.responses import response, tuned
from analysis.estimators.seeds import Outcomes, by_seed
from analysis.estimators.skew import FEWEST
from analysis.figures.style import Picture
from analysis.fresh_seeds import pair_words, pairs
from analysis.fresh_seeds.frames import Scores, confirm_runs, ids
from analysis.fresh_seeds.missing import missing, missing_words
from analysis.fresh_seeds.untrained import untrained_of
from analysis.questions.polynomial.figures import loss_figure, map_figure, mean_rate_figure
from analysis.reading.states import RESULTS
from analysis.section import Estimates, on_fresh_seeds
from analysis.sections.test_accuracy import with_interval
from analysis.study import Study
from analysis.table import (
    ACCURACY,
    BASE_LR,
    DIVERGED,
    PERCENT,
    POINTS,
    RUNS,
    STALLED,
    YES_NO,
    Column,
    N,
    Table,
    bounded,
    interval,
)
from analysis.wording import Sentence, Trials, listed, sentence
from search_spaces import polynomial as space
from search_spaces.words.phrases import count, percent
from study.choosing import choose

_EXPONENT = Column("exponent")
_UNTRAINED = (Column("untrained"), *bounded("untrained_share", PERCENT))
ABOUT = on_fresh_seeds(
    "The exponent of the decay on fresh seeds",
    space.QUESTION,
    {
        "exponents": Table(
            "Each exponent of the polynomial at its tuned base rate, the best by pairs within "
            "seeds among those that trained as often: runs that stalled or diverged, and their "
            "share with Wilson's 95 % interval; validation accuracy of the runs that trained with "
            "its 95 % interval; and the epochs until half of the runs reach the target, which is "
            "the lowest of these mean accuracies (Kaplan-Meier; not reached counts as censored).",
            (
                *(_EXPONENT, BASE_LR, Column("tried", heading="rates tried")),
                *(Column("found", YES_NO, "trained at some rate"), N, Column("trained")),
                *(*_UNTRAINED, *ACCURACY, Column("reached")),
                *(*bounded("epochs_to_target"), Column("target_accuracy", PERCENT), RUNS),
            ),
        ),
        "pairs": Table(
            "The best exponent against each other one at tuned rates: runs untrained on common "
            "seeds; over the n seeds on which both trained the difference in validation accuracy "
            "with its 95 % interval; the interval after Holm's correction over these pairs, which "
            "decides better and worse; share of seeds on which it wins (Wilson), and of all seeds "
            "with untrained runs ranked last; the verdict; the order of size of the seeds that "
            "would resolve it.",
            (
                *(Column("first"), Column("second"), Column("seeds"), Column("untrained_first")),
                *(Column("untrained_second"), N, *bounded("difference_accuracy", POINTS)),
                *(interval("adjusted_accuracy", POINTS), *bounded("wins_share", PERCENT)),
                *bounded("worst_rank", PERCENT, "wins with untrained runs last"),
                *(Column("verdict"), Column("further_seeds")),
                *(interval("further", heading="further seeds may be"), RUNS),
            ),
        ),
        "cells": Table(
            "Every exponent and base rate: runs that stalled or diverged, and their share with "
            "Wilson's 95 % interval; validation accuracy of the runs that trained with its 95 % "
            "interval; the accuracy that pairs within seeds give the cell, which the map has; and "
            "the mean rate of the schedule.",
            (
                *(_EXPONENT, BASE_LR, N, Column("complete"), *_UNTRAINED, DIVERGED, STALLED),
                *(*ACCURACY, Column("fitted", PERCENT, "accuracy by pairs"), Column("mean_lr")),
                *(Column("in_grid", YES_NO), RUNS),
            ),
        ),
    },
)
_MEAN = {"mean": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
_SHARE = {"untrained_low": "untrained_share_low", "untrained_high": "untrained_share_high"}


def estimate(study: Study) -> Estimates:
    """exponents, pairs, cells: see ABOUT; a cell is in the grid if its exponent is one of the
    plan's. compared: `fresh_seeds.pairs.compare` behind pairs. peaks: `peak` of the exponent at the
    tuned rates and at one fixed base rate (`_fixed`); share: `mean_rate_share` of the grid; losses:
    training loss by epoch at the tuned rates; absent: exponents of the plan without any result;
    missing: runs without a result."""
    planned, runs = _planned(study), confirm_runs(study)
    runs = runs[runs["family"] == "polynomial"]
    exponents = runs.get("exponent", pd.Series(dtype=float))
    runs = runs.assign(exponent=exponents.astype(float)).dropna(subset=["exponent"])
    grid = runs[runs["exponent"].isin(planned)]
    rates = tuned(grid, "exponent", "base_lr")
    best = grid[grid["base_lr"] == grid["exponent"].map(rates.set_index("exponent")["base_lr"])]
    best = best.sort_values(["exponent", "replicate"])
    curves = study.stage("confirm").curves
    compared = compare(best, study.delta)
    return {
        "exponents": _exponents(rates, grid, best, curves),
        "pairs": _pairs(compared, best),
        "compared": compared,
        "cells": _cells(runs, planned),
        "peaks": _peaks(grid, best),
        "share": pd.DataFrame([mean_rate_share(grid)]),
        "losses": _losses(best, curves),
        "absent": pd.DataFrame({"exponent": sorted(set(planned) - set(grid["exponent"]))}),
        "missing": missing(study),
    }


def _planned(study: Study) -> list[float]:
    """The exponents of the plan's grid. Candidates have others, at a rate or two."""
    arms = () if study.confirm is None else study.confirm.spec.arms
    grid = [arm.parameters for arm in arms if arm.role == "grid" and arm.family == "polynomial"]
    return sorted({float(each["exponent"]) for each in grid if "exponent" in each})


def _exponents(
    rates: pd.DataFrame, grid: pd.DataFrame, best: pd.DataFrame, curves: pd.DataFrame
) -> pd.DataFrame:
    """A row for each exponent of the grid: its tuned rate, what became of the runs there (of all
    its runs where none trained), tried (rates), trained (runs), epochs to target, trials."""
    frame = rates.rename(columns=_MEAN | {"n": "trained"}).astype({"exponent": float})
    frame = frame.drop(columns=["untrained"]).reset_index(drop=True)
    mine = [
        (best if found else grid).query("exponent == @exponent")
        for exponent, found in zip(frame["exponent"], frame["found"], strict=True)
    ]
    counts = [(len(each), int((each["state"] != "complete").sum())) for each in mine]
    shares = [(n, failed, failed / n, *wilson(failed, n)) for n, failed in counts]
    columns = ["n", "untrained", "untrained_share", *_SHARE.values()]
    frame = frame.join(pd.DataFrame(shares, columns=columns, index=frame.index))
    target = frame["accuracy"].min()
    reached = epochs_to_target(curves, best.assign(family=best["exponent"]), target)
    names = {"median": "epochs_to_target", "low": "epochs_to_target_low", "family": "exponent"}
    reached = reached.rename(columns={**names, "high": "epochs_to_target_high"}).drop(columns="n")
    frame = frame.merge(reached.astype({"exponent": float}), how="left", on="exponent")
    trials = pd.Series([ids(each) for each in mine], frame.index, dtype=object)
    return frame.assign(target_accuracy=target, confirm_trials=trials)


def compare(best: pd.DataFrame, delta: float) -> pd.DataFrame:
    """`fresh_seeds.pairs.compare` of the exponent that `choose` finds best against each other one;
    empty where fewer than two trained.

    best: runs at the tuned rate of each exponent. That the first was picked for its scores would
    find too much, were the rates not picked likewise, which shrinks the differences.
    """
    accuracy, untrained = by_seed(best, "exponent")
    names = [_name(each) for each in accuracy]
    outcomes = Outcomes(accuracy.set_axis(names, axis=1), untrained.set_axis(names, axis=1))
    at = choose(*outcomes).best
    first = "" if at is None else names[at]
    return pairs.compare(Scores(*outcomes, {}), first, delta).assign(delta=delta, stage="confirm")


def _pairs(compared: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """What of `compare` is printed, with both exponents' trials."""
    trials = {_name(exponent): ids(group) for exponent, group in best.groupby("exponent")}
    frame = compared.rename(columns={"family": "second"})
    both = zip(frame["first"], frame["second"], strict=True) if len(frame) else ()
    runs = [sorted(trials[first] + trials[second]) for first, second in both]
    frame = frame.assign(confirm_trials=pd.Series(runs, frame.index, dtype=object))
    return frame.reindex(columns=ABOUT.tables["pairs"].names)


def _text(exponent: float) -> str:
    return f"{exponent:.3g}"


def _name(exponent: Any) -> str:
    return f"exponent {_text(exponent)}"


def _cells(runs: pd.DataFrame, planned: list[float]) -> pd.DataFrame:
    """The `response` by exponent and base rate, with mean_lr, whether it is in the grid, fitted
    (`_fitted`) and trials."""
    by = ["exponent", "base_lr"]
    frame = response(runs, by).rename(columns=_MEAN | _SHARE)
    groups = {key: group for key, group in runs.groupby(by)}  # noqa: C416 - of frames
    cell_runs = [groups[key] for key in zip(frame["exponent"], frame["base_lr"], strict=True)]
    # A diverged run's mean rate is that of the epochs before, so that complete runs tell it.
    rates = [each.loc[each["state"] == "complete", "mean_lr"].mean() for each in cell_runs]
    shares = ["untrained", "untrained_share", *_SHARE.values()]
    frame = frame[[*by, "n", *RESULTS, *shares, *_MEAN.values()]]
    frame = frame.assign(mean_lr=rates, in_grid=frame["exponent"].isin(planned))
    frame["fitted"] = _fitted(runs, frame)
    frame["confirm_trials"] = [ids(each) for each in cell_runs]
    return frame


def _fitted(runs: pd.DataFrame, cells: pd.DataFrame) -> list[float]:
    """Each cell's accuracy had all trained on the same seeds: its effect beside the others
    (`study.choosing`), moved to the mean of their accuracies; NaN where no run trained."""
    places = {key: place for place, key in enumerate(zip(*_keys(cells), strict=True))}
    cell = [places[key] for key in zip(*_keys(runs), strict=True)]
    outcomes = by_seed(runs.assign(cell=cell), "cell")
    effects = dict(zip(outcomes.accuracy, choose(*outcomes).effect, strict=True))
    mean = cells["accuracy"].mean()
    return [mean + effects[place] for place in places.values()]


def _keys(frame: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return frame["exponent"], frame["base_lr"]


def _peaks(grid: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """rates (tuned or fixed), base_lr of the fixed one, exponents (how many trained there), and the
    fields of `peak` over them."""
    fixed = _fixed(grid)
    rows = []
    for name, rate, runs in (
        ("tuned", np.nan, best),
        ("fixed", fixed, grid[grid["base_lr"] == fixed]),
    ):
        exponents = runs.loc[runs["state"] == "complete", "exponent"].nunique()
        rows.append((name, rate, exponents, *peak(runs, "exponent")))
    return pd.DataFrame(rows, columns=["rates", "base_lr", "exponents", *Peak._fields])


def _fixed(grid: pd.DataFrame) -> float:
    """The base rate that the most exponents have, of equals the one with the fewest runs untrained,
    then the one nearest to the middle of the grid; NaN without any."""
    groups = grid.assign(untrained=grid["state"] != "complete").groupby("base_lr")
    tried = groups.agg(exponents=("exponent", "nunique"), untrained=("untrained", "sum"))
    if tried.empty:
        return np.nan
    off = np.abs(np.arange(len(tried)) - (len(tried) - 1) / 2)
    return float(tried.index[np.lexsort((off, tried["untrained"], -tried["exponents"]))[0]])


def _losses(best: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Training loss (nats) by exponent, base_lr and epoch of the runs that trained: n, mean,
    lowest, highest."""
    trained = best.loc[best["state"] == "complete", ["trial", "exponent", "base_lr"]]
    losses = curves.merge(trained, on="trial")
    losses["epoch"] += 1
    groups = losses.groupby(["exponent", "base_lr", "epoch"])["train_loss"]
    frame = groups.agg(["count", "mean", "min", "max"]).reset_index()
    return frame.set_axis([*frame.columns[:3], "n", "mean", "lowest", "highest"], axis=1)


def draw(estimates: Estimates) -> list[Picture]:
    """The map of exponent and base rate, training loss at tuned rates, score against mean rate."""
    cells = estimates["cells"]
    if cells.loc[cells["in_grid"], "accuracy"].isna().all():
        return []
    pictures = [map_figure(estimates, str(conclude(estimates)))]
    if len(estimates["losses"]):
        pictures.append(loss_figure(estimates["losses"]))
    if _rates_unknown(estimates):
        return pictures
    return [*pictures, mean_rate_figure(cells, _explained(estimates))]


def conclude(estimates: Estimates) -> Sentence | str:
    """Which exponents can be told apart at tuned rates, by how much, where the best one lies, and
    what the mean rate explains."""
    lacking, frame = estimates["missing"], estimates["exponents"]
    left = _absent_words(estimates["absent"])
    left += f"{missing_words(lacking[lacking['stage'] == 'confirm'])}."
    if frame.empty:
        return f"No polynomial run of the grid has a result on fresh seeds{left}"
    row = best_row(estimates)
    never = _never(frame[~frame["found"]])
    if row is None:
        return f"Every run was untrained, at each exponent and base rate{left}"
    if estimates["compared"].empty:
        return sentence(_best(row, estimates), f"; there is none to compare it with{never}{left}")
    end = f"{never}; {_peaked(estimates)}; {_explained(estimates)}{left}"
    return sentence(_best(row, estimates), _verdicts(estimates), end)


def best_row(estimates: Estimates) -> dict[Hashable, Any] | None:
    """What is known of the exponent that did best at its tuned rate; None where none trained."""
    compared, frame = estimates["compared"], estimates["exponents"]
    found = frame[frame["found"]]
    if len(compared):
        found = found[found["exponent"].map(_name) == compared["first"].iloc[0]]
    return None if found.empty else found.to_dict("records")[0]


def _verdicts(estimates: Estimates) -> str:
    """What the pairs of the best exponent with each other one decide."""
    compared, frame = estimates["compared"], estimates["exponents"]
    found = frame[frame["found"]]
    shares = found.assign(family=found["exponent"].map(_name), runs=found["n"])
    verdicts = pair_words.sentence(compared, str(compared["first"].iloc[0]), shares)
    return f"; {verdicts[0].lower()}{verdicts[1:]}"


def _best(row: Mapping[Any, Any], estimates: Estimates) -> Sentence:
    """What the best exponent reaches, and where."""
    share = untrained_of({**row, **{old: row[new] for old, new in _SHARE.items()}})
    found = int(estimates["exponents"]["found"].sum())
    best = "is best" if row["trained"] >= FEWEST else "came out best"
    return sentence(
        f"At tuned rates {_name(row['exponent'])} {best if found > 1 else 'alone trained'}, with a "
        f"validation accuracy of {with_interval(row, 'accuracy')} at base rate "
        f"{row['base_lr']:.2g}{_end(row, estimates)} ({share}; ",
        Trials(row["confirm_trials"], "confirm"),
        ")",
    )


def _end(best: Mapping[Any, Any], estimates: Estimates) -> str:
    """That the tuned rate is an end of the grid, beyond which a better one may lie."""
    cells = estimates["cells"]
    tried = cells.loc[cells["exponent"] == best["exponent"], "base_lr"]
    if tried.min() < tried.max() and best["base_lr"] in (tried.min(), tried.max()):
        return f", the {'lowest' if best['base_lr'] == tried.min() else 'highest'} tried"
    return ""


def _never(rows: pd.DataFrame) -> str:
    """Exponents without a run that trained."""
    names = [
        f"{_text(row['exponent'])} (0 of {count(row['n'], 'run')})"
        for row in rows.to_dict("records")
    ]
    plural = "s" if len(names) > 1 else ""
    return f"; exponent{plural} {listed(names)} trained at no base rate" if names else ""


def _absent_words(absent: pd.DataFrame) -> str:
    names = [_text(each) for each in absent["exponent"]]
    if not names:
        return ""
    return f"; exponent{'s have' if len(names) > 1 else ' has'} no result: {listed(names)}"


def _peaked(estimates: Estimates) -> str:
    """Where the best exponent lies at one fixed base rate and at tuned rates."""
    tuned, fixed = estimates["peaks"].to_dict("records")
    return (
        f"at the fixed base rate {fixed['base_lr']:.2g} the best exponent is {_at(fixed)}, at "
        f"tuned rates {_at(tuned)}"
    )


def _at(row: Mapping[Any, Any]) -> str:
    if row["exponents"] < 2:
        known = count(row["exponents"], "exponent")
        return f"not known, since {known if row['exponents'] else 'none'} trained there"
    if row["n"] < FEWEST:
        return f"not known from {count(row['n'], 'seed')}, too few to tell"
    lies = f"{_text(row['at'])} (95 % interval {_text(row['low'])} to {_text(row['high'])}"
    if row["open_low"] and row["open_high"]:
        return f"{lies}, or beyond either end of what was tried)"
    ends = {"open_low": "below the lowest", "open_high": "above the highest"}
    return f"{lies}{''.join(f', or {words} tried' for end, words in ends.items() if row[end])})"


def _rates_unknown(estimates: Estimates) -> bool:
    """Whether runs were complete, but recorded before the mean rate was."""
    cells = estimates["cells"]
    return bool(cells["complete"].sum() > 0 and cells["mean_lr"].isna().all())


def _explained(estimates: Estimates) -> str:
    """What the mean rate explains of the variation over the grid."""
    row = estimates["share"].to_dict("records")[0]
    total = int(estimates["cells"]["in_grid"].sum())
    if _rates_unknown(estimates):
        return "what the mean rate explains is not known: these runs did not record it"
    if row["cells"] < 4 or row["n"] < FEWEST:
        known = f"{count(row['cells'], 'cell')} and {count(row['n'], 'seed')} that trained"
        return f"{known} are too few to say what the mean rate explains"
    if np.isnan(row["share"]):
        return "the scores do not vary enough over the grid to say what the mean rate explains"
    explained = f"the mean rate alone explains {percent(row['share'])}"
    if np.isnan(row["low"]):
        explained += " (no interval)"
    else:
        explained += f" (95 % interval {percent(row['low'])} to {percent(row['high'])})"
    cells = count(row["cells"], "cell")
    if row["cells"] < total:
        cells += f" of {total}, the others trained on fewer than two seeds"
    return f"{explained} of the variation over {cells}"
