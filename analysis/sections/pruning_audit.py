"""Section: what pruning would have cost and saved on a bank of full curves.

Only a bank can tell: none of its trials was stopped, so that what a pruner would have stopped is
known to its end. The rule to beat is to stop every trial at one and the same epoch and to go on
with the best alone (Egele et al. 2024).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from matplotlib.axes import Axes
from optuna.pruners import BasePruner
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from analysis.estimators.bounded import bounded_interval
from analysis.figures.fitting import outside_legend
from analysis.figures.style import INK, Picture, canvas, picture
from analysis.section import About, Estimates, allows
from analysis.study import Study
from analysis.table import PERCENT, SCHEDULE, Column, N, Table, bounded
from search_spaces.words.phrases import count, percent
from study.records import attributes
from study.spec import StudySpec
from study.storage.views import storage_of, study_id
from study.trials.pruners import PRUNERS, make_pruner

USUAL = "percentile"  # what a search has unless it is told otherwise
MEASURES = ("epochs_saved_share", "best_lost_share", "regret_in_accuracy", "false_prune_share")
_RULE = Column("rule")
ABOUT = About(
    "Pruning audit",
    "What would pruning have cost and saved on this bank?",
    {
        "audit": Table(
            "Pruners, and stopping all trials of a schedule but the best at one epoch: means over "
            "schedules with 95 % intervals for new schedules, which carry the luck of the orders, "
            "too. Epochs saved: share of those trained. Best lost: share of random orders in "
            "which the best trial of a schedule was stopped. Regret: best final accuracy minus "
            "the best among trials that ran to their end; its interval takes it that no rule "
            "costs more in a schedule than any rule did here in one order, or than half of the "
            "trials would. False prune: share of the best quarter that was stopped.",
            (
                *(_RULE, Column("schedules")),
                *(column for name in MEASURES for column in bounded(name, PERCENT)),
            ),
        ),
        "audit_by_schedule": Table(
            "The pruners within each schedule: means over random orders of n trials, with 95 % "
            "intervals for new orders of the same trials.",
            (
                *(_RULE, SCHEDULE, N, Column("orders")),
                *(column for name in MEASURES for column in bounded(name, PERCENT)),
            ),
        ),
    },
    applies=lambda spec: spec.bank and allows(spec),
)
MOST = 40  # trials of a schedule in one order; of a larger bank each order draws other ones
WORK = 10_000  # epochs to replay with each pruner, 2 to 3 s for all of them
ORDERS = (4, 40)  # at least and at most
# Of the pruners, in their order.
_LOOKS = (
    *(("#e69f00", "s"), ("#0072b2", "o"), ("#009e73", "^"), ("#cc79a7", "D")),
    *(("#d55e00", "v"), ("#56b4e9", "P"), ("#882255", "X"), ("#999933", "h")),
)


def audited() -> list[str]:
    """The names of the pruners that are replayed."""
    return [name for name, each in PRUNERS.items() if each.audited]


class Curve(NamedTuple):
    """A trial of the bank. value: its score at the end; epochs: how many it trained; scores: what
    it reported, the averaged weights' validation accuracy by epoch, in order."""

    value: float
    epochs: int
    scores: dict[int, float]


def estimate(study: Study) -> Estimates:
    """audit, spread: see `over_schedules`; audit_by_schedule, stops_by_schedule: the rows of
    `replays` for pruners and for stopping at an epoch."""
    rng = np.random.default_rng(study.spec.seed)
    replayed = replays(study.spec, bank(study), generator=rng)
    audit, spread = over_schedules(replayed, replayed["most_regret"].max())
    pruned = replayed["rule"].isin(audited())
    return {
        "audit": audit,
        "spread": spread,
        "audit_by_schedule": replayed[pruned][ABOUT.tables["audit_by_schedule"].names].reset_index(
            drop=True
        ),
        "stops_by_schedule": replayed[~pruned].reset_index(drop=True),
    }


def bank(study: Study) -> dict[str, list[Curve]]:
    """The curves of each family that has at least two trials with a result.

    A diverged trial ends where it diverged, with the task's worst score and without a report of its
    last epoch, as in a study; a stalled one counts with its own value. Failed and unfinished ones
    are left out.
    """
    known = study.curves.dropna(subset=["averaged_val_accuracy"]).sort_values("epoch")
    reports = {
        trial: dict(zip(group["epoch"].tolist(), group["averaged_val_accuracy"], strict=True))
        for trial, group in known.groupby("trial")
    }
    by_family: dict[str, list[Curve]] = {family: [] for family in study.spec.families}
    for row in study.ended(ABOUT.uses).dropna(subset=["value"]).to_dict("records"):
        scores, epochs = reports.get(row["trial"], {}), int(row["epochs_trained"])
        if row["state"] == "diverged":
            scores = {epoch: score for epoch, score in scores.items() if epoch < epochs - 1}
        by_family[row["family"]].append(Curve(row["value"], epochs, scores))
    return {family: curves for family, curves in by_family.items() if len(curves) > 1}


def replays(
    spec: StudySpec, families: Mapping[str, Sequence[Curve]], *, generator: np.random.Generator
) -> pd.DataFrame:
    """Every rule over the same random orders of each family: rule, family, n (trials in an order),
    orders, most_regret (what a rule is taken to cost at most there: the most that any did in one
    order, or best minus median result) and `measures`, means over the orders with _low and _high of
    `bounded_interval` over them.

    rule: a pruner's name, or ``stop at epoch i`` for every i before the last. An order takes new
    slots of the family, so that another random tenth of the trials are its controls, which no
    pruner stops: whether the best trial is one of them is part of a pruner's luck.
    """
    epochs, rows = spec.budget.epochs, []
    work = epochs * sum(min(len(curves), MOST) for curves in families.values())
    orders = int(np.clip(WORK // max(work, 1), *ORDERS))
    with _quiet():
        for family, curves in families.items():
            for order in range(orders):
                chosen = generator.permutation(len(curves))[:MOST]
                drawn = [curves[each] for each in chosen]
                ends: dict[str, npt.NDArray[np.int64]] = {
                    name: replay(spec, name, family, order, drawn) for name in audited()
                }
                ends |= {f"stop at epoch {i}": stop_at(drawn, i) for i in range(1, epochs)}
                rows += [(rule, family, len(drawn), *measures(drawn, ends[rule])) for rule in ends]
    frame = pd.DataFrame(rows, columns=["rule", "family", "n", *MEASURES])
    most = {family: _half_regret(curves) for family, curves in families.items()}
    return _over_orders(frame, most)


def _half_regret(curves: Sequence[Curve]) -> float:
    """What half of a schedule's trials would cost at least: best minus median result."""
    values = np.array([curve.value for curve in curves])
    return float(values.max() - np.median(values))


def _over_orders(frame: pd.DataFrame, half_regret: Mapping[str, float]) -> pd.DataFrame:
    """`replays` from its single orders."""
    columns = ["rule", "family", "n", "orders", "most_regret"]
    worst = frame.groupby("family")["regret_in_accuracy"].max().to_dict()
    rows = []
    for (rule, family, n), group in frame.groupby(["rule", "family", "n"], sort=False):
        most = max(worst[family], half_regret[str(family)])
        row: dict[str, Any] = dict(zip(columns, (rule, family, n, len(group), most), strict=True))
        for name in MEASURES:
            row |= _bounds(name, group[name], most if name == "regret_in_accuracy" else 1.0)
        rows.append(row)
    ends = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*columns, *ends])


def _bounds(name: str, values: pd.Series, most: float) -> dict[str, float]:
    """A measure's mean with its interval, under its names."""
    one = bounded_interval(values, most)
    return {name: one.mean, f"{name}_low": one.low, f"{name}_high": one.high}


def replay(
    spec: StudySpec, name: str, family: str, order: int, curves: Sequence[Curve]
) -> npt.NDArray[np.int64]:
    """Epochs that each trial trains, had one worker run them in this order with that pruner.

    The study's own pruner decides, on a study in memory. The trials have the slots of the family
    that an ``order`` further on would have.
    """
    label, storage = f"{family} {order}", InMemoryStorage()
    storage.create_new_study([StudyDirection.MAXIMIZE], label)
    study = optuna.Study(label, storage)
    pruner = make_pruner(spec.model_copy(update={"pruner": name, "bank": False}))
    place = spec.families.index(family)
    turns = range(order * MOST, order * MOST + len(curves))
    slots = [place + turn * len(spec.families) for turn in turns]
    return np.array(
        [
            _run(study, pruner, curve, attributes(slot=slot, family=family))
            for slot, curve in zip(slots, curves, strict=True)
        ]
    )


def _run(study: optuna.Study, pruner: BasePruner, curve: Curve, attrs: dict[str, Any]) -> int:
    """Epochs that the next trial of the study trains; straight to the storage, for speed."""
    storage = storage_of(study)
    trial = create_trial(state=TrialState.RUNNING, user_attrs=attrs)
    identity = storage.create_new_trial(study_id(study), trial)
    for epoch, score in curve.scores.items():
        storage.set_trial_intermediate_value(identity, epoch, score)
        if pruner.prune(study, storage.get_trial(identity)):
            storage.set_trial_state_values(identity, TrialState.PRUNED, [score])
            return epoch + 1
    storage.set_trial_state_values(identity, TrialState.COMPLETE, [curve.value])
    return curve.epochs


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's announcements of new studies."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def stop_at(curves: Sequence[Curve], epochs: int) -> npt.NDArray[np.int64]:
    """Epochs that each trial trains if all stop after ``epochs`` and the one that is best there
    alone goes on; the first of equals."""
    ends = np.array([min(curve.epochs, epochs) for curve in curves])
    best = int(np.argmax([curve.scores.get(epochs - 1, -np.inf) for curve in curves]))
    ends[best] = curves[best].epochs
    return ends


def measures(
    curves: Sequence[Curve], ends: npt.NDArray[np.int64]
) -> tuple[float, float, float, float]:
    """The MEASURES of one order, given the epochs that each trial trained in it; all in [0, 1].

    A trial that diverged by itself was not stopped. The best of several equal trials is lost only
    if all of them were stopped.
    """
    values = np.array([curve.value for curve in curves])
    full = np.array([curve.epochs for curve in curves])
    stopped = ends < full
    regret = float(values.max() - values[~stopped].max())
    top = values >= np.sort(values)[-int(np.ceil(len(values) / 4))]
    saved = 1 - float(ends.sum() / full.sum())
    return saved, float(regret > 0), regret, float(stopped[top].mean())


def over_schedules(
    replayed: pd.DataFrame, most_regret: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means and spread over families, a row for each rule.

    First: rule, schedules, and MEASURES with _low and _high of `bounded_interval` over families;
    NaN below FEWEST (`estimators.skew`) of them. The orders of one bank are no other banks, so that
    only families are units; their means differ by the luck of their orders, too, which the interval
    so carries. most_regret: what a rule can cost in a schedule at most. Second: rule, and MEASURES
    with _least and _most of a family.
    """
    means, spreads = [], []
    for rule, group in replayed.groupby("rule", sort=False):
        mean: dict[str, Any] = {"rule": rule, "schedules": len(group)}
        spread: dict[str, Any] = {"rule": rule}
        for name in MEASURES:
            most = most_regret if name == "regret_in_accuracy" else 1.0
            mean |= _bounds(name, group[name], most)
            spread |= {f"{name}_least": group[name].min(), f"{name}_most": group[name].max()}
        means.append(mean)
        spreads.append(spread)
    ends = [f"{name}_{end}" for name in MEASURES for end in ("least", "most")]
    return (
        pd.DataFrame(means, columns=ABOUT.tables["audit"].names),
        pd.DataFrame(spreads, columns=["rule", *ends]),
    )


def draw(estimates: Estimates) -> list[Picture]:
    """Regret against epochs saved: a mark for each pruner, a line for stopping at an epoch."""
    audit, spread = estimates["audit"], estimates["spread"]
    if audit.empty:
        return []
    frame = audit.merge(spread, on="rule")
    pruners, looks = frame["rule"].isin(audited()), itertools.cycle(_LOOKS)
    with canvas(height=3.8) as (figure, axes):
        one = axes[0, 0]
        _stops(one, frame[~pruners])
        for row in frame[pruners].to_dict("records"):
            colour, marker = next(looks)
            x, y = 100 * row["epochs_saved_share"], 100 * row["regret_in_accuracy"]
            reach = [
                np.abs(100 * np.array([[row[f"{name}_least"]], [row[f"{name}_most"]]]) - at)
                for name, at in (("epochs_saved_share", x), ("regret_in_accuracy", y))
            ]
            one.errorbar(
                x, y, reach[1], reach[0], fmt=marker, color=colour, elinewidth=1, label=row["rule"]
            )
        one.set_xlim(left=0)
        one.set_xlabel("epochs saved (%)")
        one.set_ylabel("regret (points of accuracy)")
        outside_legend(figure, ncols=3)
        return [
            picture(
                figure,
                "pruning-audit",
                "Regret against epochs saved, a mark for each pruner and a line for stopping all "
                "trials but the best at one epoch. " + conclude(estimates),
                "Means over schedules; the thin lines reach to the least and the most of a "
                "schedule. Numbers: the epoch at which all trials of a schedule stop but the one "
                "that is best there. Lower and further to the right is better. Each pruner acts "
                "within a schedule and spares a random tenth, as in a search with one worker.",
            )
        ]


def _stops(axes: Axes, frame: pd.DataFrame) -> None:
    """The rule to beat, with its epochs; every other one or fewer where they are many."""
    x, y = 100 * frame["epochs_saved_share"], 100 * frame["regret_in_accuracy"]
    axes.plot(x, y, color=INK, marker=".", linewidth=1, label="stop at an epoch")
    step = max(1, -(-len(frame) // 8))
    for epoch in range(1, len(frame) + 1, step):
        at = (x.iloc[epoch - 1], y.iloc[epoch - 1])
        axes.annotate(str(epoch), at, xytext=(3, 4), textcoords="offset points", fontsize="small")


def conclude(estimates: Estimates) -> str:
    """What the usual pruner saves and costs, beside the best early stop that saves as much."""
    rows = {str(row["rule"]): row for row in estimates["audit"].to_dict("records")}
    if not rows:
        return "No schedule has two trials with a result, so that there is nothing to prune."
    usual, stops = rows[USUAL], [row for rule, row in rows.items() if rule not in audited()]
    text = (
        f"Over {count(usual['schedules'], 'schedule')}, {USUAL} would have saved "
        f"{percent(usual['epochs_saved_share'])} of the epochs and lost the best trial in "
        f"{percent(usual['best_lost_share'])} of the orders ({_regret(usual)})"
    )
    if not stops:
        return f"{text}."
    enough = [each for each in stops if each["epochs_saved_share"] >= usual["epochs_saved_share"]]
    best = min(
        enough or stops, key=lambda row: (row["regret_in_accuracy"], -row["epochs_saved_share"])
    )
    return (
        f"{text}; to {best['rule']} and go on with the best alone would have saved "
        f"{percent(best['epochs_saved_share'])} ({_regret(best)})."
    )


def _regret(row: Mapping[Hashable, Any]) -> str:
    mean, low, high = (100 * row[f"regret_in_accuracy{bound}"] for bound in ("", "_low", "_high"))
    text = f"mean regret {mean:.2f} points"
    if np.isnan(low):
        return f"{text}; too few schedules to bound it"
    if low == high:
        return f"{text}, the same in every schedule"
    return f"{text}, 95 % interval {low:.2f} to {high:.2f}"
