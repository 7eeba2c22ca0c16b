"""Section: what pruning would have cost and saved on a bank of full curves.

A bank is the only place where that can be seen: its trials were never pruned, so that what a pruner
would have stopped is known to its end.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.figures import Picture, canvas, picture
from analysis.findings import ENOUGH, Estimates, Study, percent, points
from analysis.frames import RESULTS
from analysis.statistics import mean_interval
from study.pruning import CONTROL_SHARE, REFERENCES, grace_epochs
from study.spec import Stage

TITLE = "Pruning audit"
QUESTION = "What would pruning have cost and saved on this bank?"
STAGE: Stage = "search"
USES: tuple[str, ...] = RESULTS
NEEDS = ENOUGH
TABLES = {
    "audit": "Pruners replayed over the bank within each schedule, trials in random orders, and "
    "the rule to beat, which trains all trials for so many epochs and only the best of them to the "
    "end: means over schedules. Saved: share of the epochs; saved lowest and highest: of a "
    "schedule; best lost: share of orders in which a schedule's best trial was stopped; regret: by "
    "how much the best trial left is worse, with its 95 % interval over schedules; false prunes: "
    "share of the best quarter that was stopped.",
    "audit_by_schedule": "The same within each schedule, means over orders.",
}
KEPT = {"median": 0.5, "percentile": 0.75}  # the share of a family that each rule keeps
ORDERS = 30
MOST = 64  # trials of a family in one order
_MEASURES = ["saved", "best_lost", "regret", "false_prunes"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bank:
    """Full curves of a family: scores (trials, epochs), what the pruner sees, NaN from the epoch
    on in which a trial diverged; finals (trials,) at the end; lengths: epochs that each trained."""

    scores: Floats
    finals: Floats
    lengths: npt.NDArray[np.int64]

    def some(self, chosen: npt.NDArray[np.int64]) -> Bank:
        """The trials of these indices, in their order."""
        return Bank(self.scores[chosen], self.finals[chosen], self.lengths[chosen])


def estimate(study: Study) -> Estimates:
    """audit_by_schedule: rule, family and the measures of `replays`; audit: `over_schedules`."""
    grace, rng = grace_epochs(study.spec), np.random.default_rng(study.spec.seed)
    by_family = [
        replays(bank, grace, rng).assign(family=family) for family, bank in banks(study).items()
    ]
    columns = ["rule", "family", "n", *_MEASURES]
    frame = pd.concat(by_family)[columns] if by_family else pd.DataFrame(columns=columns)
    return {"audit": over_schedules(frame), "audit_by_schedule": frame.reset_index(drop=True)}


def banks(study: Study) -> dict[str, Bank]:
    """The curves of each family with at least two trials: complete, stalled and diverged ones.

    A diverged trial counts with its worst score; failed and unfinished ones are left out.
    """
    used = study.trials[study.trials["state"].isin(RESULTS) & study.trials["value"].notna()]
    scores = study.curves.pivot_table(
        index="trial", columns="epoch", values="averaged_val_accuracy"
    ).reindex(columns=range(study.spec.budget.epochs))
    exploded = used.set_index("trial")["diverged_epoch"].reindex(scores.index)
    scores = scores.where(~(scores.columns.to_numpy() >= exploded.to_numpy()[:, None]))
    return {
        str(family): Bank(
            scores.reindex(group["trial"]).to_numpy(dtype=np.float64),
            group["value"].to_numpy(dtype=np.float64),
            group["epochs_trained"].to_numpy(dtype=np.int64),
        )
        for family, group in used.groupby("family", sort=False)
        if len(group) > 1
    }


def replays(bank: Bank, grace: int, rng: np.random.Generator) -> pd.DataFrame:
    """Each rule over the same random orders: rule, n (trials an order) and the measures, means.

    saved: share of the epochs; best_lost: share of orders that stopped the best trial; regret:
    best value less the best one that ran to its end (a share); false_prunes: share of the trials
    of the best quarter that were stopped. At most ``MOST`` trials are drawn for an order.
    """
    n, epochs = min(len(bank.finals), MOST), bank.scores.shape[1]
    rows = []
    for _ in range(ORDERS):
        one = bank.some(rng.permutation(len(bank.finals))[:n])
        controls = rng.random(n) < CONTROL_SHARE
        for name, share in KEPT.items():
            rows.append((name, *measures(one, stops(one, share, grace, controls))))
        rows += [
            (f"all to epoch {epoch}", *measures(one, stops_at(one, epoch)))
            for epoch in range(1, epochs)
        ]
    frame = pd.DataFrame(rows, columns=["rule", *_MEASURES])
    return frame.groupby("rule", sort=False).mean().reset_index().assign(n=n)


def stops(
    bank: Bank, kept: float, grace: int, controls: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """After how many epochs each trial is stopped, as if one worker ran them in this order.

    Optuna's percentile rule within a family, as `study.pruning` sets it: from ``grace`` epochs on
    and before the last, a trial whose best score so far lies below the (1 - kept) quantile of the
    scores that finished trials had at that epoch is stopped, once ``REFERENCES`` have finished and
    reached the epoch. controls: trials that are never stopped.
    """
    epochs, ends = bank.scores.shape[1], bank.lengths.copy()
    best = np.fmax.accumulate(bank.scores, axis=1)
    finished: list[int] = []
    for trial, length in enumerate(bank.lengths):
        last = min(int(length), epochs) - 1  # no trial is judged after the epoch that ends it
        judged = slice(grace - 1, max(last, grace - 1))
        below = best[trial, judged] < quantiles(bank.scores[finished, judged], 1 - kept)
        if below.any() and len(finished) >= REFERENCES and not controls[trial]:
            ends[trial] = grace + int(below.argmax())
        else:
            finished.append(trial)
    return ends


def quantiles(scores: Floats, share: float) -> Floats:
    """The quantile of each column of (trials, epochs), linear between two trials as numpy's, over
    those that are known; NaN where fewer than ``REFERENCES`` are."""
    ordered, known = np.sort(scores, axis=0), (~np.isnan(scores)).sum(axis=0)
    place = share * np.maximum(known - 1, 0)
    low = np.floor(place).astype(int)
    found = np.full(scores.shape[1], np.nan)
    enough = np.flatnonzero(known >= REFERENCES)
    if len(enough):
        low, part = low[enough], (place - low)[enough]
        under = ordered[low, enough]
        above = ordered[np.minimum(low + 1, known[enough] - 1), enough]
        found[enough] = under + (above - under) * part
    return found


def stops_at(bank: Bank, epoch: int) -> npt.NDArray[np.int64]:
    """Every trial for ``epoch`` epochs, then the best of them to its end (Egele et al. 2024)."""
    ends = np.minimum(bank.lengths, epoch)
    at = bank.scores[:, epoch - 1]
    leader = int(np.nanargmax(at)) if not np.isnan(at).all() else 0
    ends[leader] = bank.lengths[leader]
    return ends


def measures(bank: Bank, ends: npt.NDArray[np.int64]) -> tuple[float, float, float, float]:
    """saved, best_lost, regret and false_prunes of one order, as `replays` says."""
    stopped = ends < bank.lengths
    top = bank.finals >= np.quantile(bank.finals, 0.75)
    best = bank.finals.max()
    left = bank.finals[~stopped].max(initial=bank.finals.min())
    return (
        1 - ends.sum() / bank.lengths.sum(),
        float(stopped[bank.finals == best].all()),
        float(best - left),
        float(stopped[top].mean()),
    )


def over_schedules(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a rule: rule, n (schedules), means over schedules of the measures, saved_lowest,
    saved_highest, and regret_low, regret_high (`mean_interval`; NaN for a single schedule)."""
    rows = []
    for rule, group in frame.groupby("rule", sort=False):
        regret = mean_interval(group["regret"])
        saved = group["saved"]
        means = (saved.mean(), saved.min(), saved.max(), group["best_lost"].mean())
        # A regret is never below 0, which Student's bounds do not know.
        bounds = (regret.mean, max(regret.low, 0.0), regret.high)
        rows.append((rule, len(group), *means, *bounds, group["false_prunes"].mean()))
    columns = ["rule", "n", "saved", "saved_lowest", "saved_highest", "best_lost"]
    return pd.DataFrame(
        rows, columns=[*columns, "regret", "regret_low", "regret_high", "false_prunes"]
    )


def draw(estimates: Estimates) -> list[Picture]:
    """Regret against the share of epochs saved: a mark for each pruner, the rule to beat a line."""
    frame = estimates["audit"]
    if frame.empty:
        return []
    pruners = frame[frame["rule"].isin(KEPT)]
    line = frame[~frame["rule"].isin(KEPT)]
    with canvas(height=3.4) as (figure, axes):
        one = axes[0, 0]
        one.plot(
            100 * line["saved"],
            100 * line["regret"],
            color="#777777",
            marker=".",
            label="all to one epoch, then the best alone",
        )
        for row in line.to_dict("records"):
            name = row["rule"].rpartition(" ")[2]
            at = (100 * row["saved"], 100 * row["regret"])
            one.annotate(name, at, xytext=(3, 4), textcoords="offset points", fontsize="small")
        for row, marker, colour in zip(
            pruners.to_dict("records"), "os", ("#4477aa", "#aa3377"), strict=False
        ):
            reach = [[row["saved"] - row["saved_lowest"]], [row["saved_highest"] - row["saved"]]]
            one.errorbar(
                100 * row["saved"],
                100 * row["regret"],
                xerr=100 * np.array(reach),
                fmt=marker,
                color=colour,
                label=row["rule"],
            )
        one.set_xlabel("epochs saved (%)")
        one.set_ylabel("regret (points)")
        one.set_xlim(left=0)
        one.set_ylim(bottom=min(0.0, one.get_ylim()[0]))
        figure.legend(loc="outside lower center", ncols=1)
        return [
            picture(
                figure,
                "pruning-audit",
                "Regret against epochs saved, for each pruner and for the rule to beat. "
                + conclude(estimates),
                "Marks: means over schedules and orders, lines to the least and the most that a "
                "schedule saved. Numbers: the epoch to which all trials train. Lower and further "
                "to the right is better.",
            )
        ]


def conclude(estimates: Estimates) -> str:
    """What the default pruner saves and costs, beside the rule to beat that saves as much."""
    rows = {str(row["rule"]): row for row in estimates["audit"].to_dict("records")}
    if not rows:
        return "No schedule has two trials with a result, so there is nothing to replay."
    text = "; ".join(f"{name} {_cost(rows[name])}" for name in reversed(KEPT))
    others = [name for name in rows if name not in KEPT]
    if others:
        saved = rows["percentile"]["saved"]
        near = min(others, key=lambda name: abs(rows[name]["saved"] - saved))
        text += f"; training {near} and the best alone further {_cost(rows[near])}"
    return f"Replayed over the bank, {text}."


def _cost(row: Mapping[Hashable, Any]) -> str:
    bounds = [100 * row["regret_low"], 100 * row["regret_high"]]
    interval = f" (95 % interval {bounds[0]:.1f} to {bounds[1]:.1f})"
    return (
        f"saves {percent(row['saved'])} of the epochs, loses a schedule's best trial in "
        f"{percent(row['best_lost'])} of the orders, at a regret of {points(row['regret'])}"
        + ("" if math.isnan(row["regret_low"]) else interval)
    )
