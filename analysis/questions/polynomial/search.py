"""Answers question 2: how does convergence change with the exponent of the decay?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.estimators.outcomes import binned, scored
from analysis.figures.axes import accuracy_axis
from analysis.figures.maps import rate_map
from analysis.figures.marks import scatter_trials
from analysis.figures.style import (
    Picture,
    by_family,
    on,
    panels,
    picture,
    spoken,
    style,
    told_apart,
)
from analysis.reading.states import TERMINAL
from analysis.section import About, Estimates, allows
from analysis.sections.by_rate import families
from analysis.study import Study
from analysis.table import (
    BEST_TRIAL,
    DIVERGED,
    PERCENT,
    SCHEDULE,
    Column,
    N,
    Table,
    bounded,
    interval,
)
from analysis.wording import Sentence, joined, sentence, with_trial
from search_spaces import polynomial as space
from search_spaces.words.phrases import percent

BINS = 4
ABOUT = About(
    "The exponent of the decay",
    space.QUESTION,
    {
        "exponents": Table(
            "Validation accuracy of complete trials by exponent; the mean with its 95 % t "
            "interval. Base rates vary within a bin, so that a mean describes this search.",
            (
                *(SCHEDULE, interval("exponent", heading="exponent"), N, Column("complete")),
                *(DIVERGED, Column("best_accuracy", PERCENT), BEST_TRIAL),
                *bounded("mean_accuracy", PERCENT),
            ),
        )
    },
    uses=TERMINAL,
)


def estimate(study: Study) -> Estimates:
    """trials: family, trial, base_lr, exponent, state, accuracy; exponents: `binned` by exponent in
    BINS bins of equal ratio, in one without its mean for a small planned search; families: their
    `summary`."""
    trials = _with_exponent(study.ended(ABOUT.uses))
    columns = ["family", "trial", "base_lr", "exponent", "state", "accuracy", "value"]
    exponents = _exponents(trials)
    if not allows(study.spec):
        exponents = _exponents(trials, 1).drop(columns=_MEAN)
    return {"trials": trials[columns], "exponents": exponents, "families": families(study)}


_MEAN = ["mean_accuracy", "mean_accuracy_low", "mean_accuracy_high"]


def _with_exponent(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that sampled an exponent, `scored`."""
    trials = scored(trials).reset_index(drop=True)
    return trials.assign(exponent=exponent_of(trials)).dropna(subset=["exponent"])


def _exponents(trials: pd.DataFrame, n: int = BINS) -> pd.DataFrame:
    """`binned` by exponent within each family, in ``n`` bins."""
    bins = [
        _bins(group, n).assign(family=family)
        for family, group in trials.groupby("family", sort=False)
    ]
    columns = ABOUT.tables["exponents"].names
    frame = pd.concat(bins, ignore_index=True) if bins else pd.DataFrame(columns=columns)
    return frame[columns]


def exponent_of(trials: pd.DataFrame) -> pd.Series:
    """The sampled exponent of each trial, NaN where none was sampled."""
    missing = pd.Series(np.nan, index=trials.index)
    return trials["exponent"].astype(float) if "exponent" in trials else missing


def _bins(trials: pd.DataFrame, n: int) -> pd.DataFrame:
    low, high = trials["exponent"].min(), trials["exponent"].max()
    edges = np.geomspace(low, high, n + 1) if low < high else np.array([low, low])
    edges[0], edges[-1] = low, high  # not off by a rounding error
    return binned(trials, "exponent", edges.tolist()).rename(
        columns={
            "low_edge": "exponent_low",
            "high_edge": "exponent_high",
            "best": "best_accuracy",
            "mean": "mean_accuracy",
            "mean_low": "mean_accuracy_low",
            "mean_high": "mean_accuracy_high",
        }
    )


def draw(estimates: Estimates) -> list[Picture]:
    """Accuracy against exponent where its ranges have a mean; the map of rate and exponent."""
    trials = estimates["trials"]
    if trials["accuracy"].isna().all():
        return []
    if _MEAN[0] not in estimates["exponents"]:
        return [_map(trials)]
    return [_by_exponent(trials, estimates["exponents"], str(conclude(estimates))), _map(trials)]


def _by_exponent(trials: pd.DataFrame, exponents: pd.DataFrame, verdict: str) -> Picture:
    names = list(trials["family"].unique())
    with panels(len(names), 2.4) as (figure, axes):
        for one, name in zip(axes, names, strict=True):
            _marks_and_means(one, trials, exponents, name)
            one.set_title(spoken(name))
        accuracy_axis(axes[0], trials["accuracy"])
        return picture(
            figure,
            "accuracy-by-exponent",
            "Validation accuracy of each complete trial against the exponent of its decay, a panel "
            "for each schedule. " + verdict,
            "Marks: complete trials. Lines: mean of the complete trials in a range of exponents, "
            "with its 95 % interval; base rates vary within it. The accuracy axis is logarithmic "
            "in the error.",
        )


def _marks_and_means(ax: Axes, trials: pd.DataFrame, exponents: pd.DataFrame, family: str) -> None:
    """The complete trials of a family, and the mean of each range of exponents."""
    colour, mark = style(family)
    family_trials = trials[trials["family"] == family]
    points = (family_trials["exponent"], family_trials["accuracy"], family_trials)
    label = spoken(family)
    scatter_trials(ax, *points, color=colour, marker=mark, s=26, alpha=0.7, label=label)
    for row in exponents[exponents["family"] == family].to_dict("records"):
        ends = [row["exponent_low"], row["exponent_high"]]
        bounds = (row["mean_accuracy_low"], row["mean_accuracy_high"])
        ax.fill_between(ends, *bounds, color=colour, alpha=0.15)
        ax.plot(ends, [row["mean_accuracy"]] * 2, color=colour)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("exponent")


def score_by_exponent(trials: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw validation accuracy against the exponent of the decay: a mark a complete trial, and the
    mean of each range of exponents with its 95 % t interval.

    trials: a row a trial of a search, as `lrstudy.load` and ``Study.trials`` have it: schedule
        (or family), trial, exponent (> 0; trials without one are left out), state, value
        (accuracy, a share). Base rates vary within a range, so that a mean describes the search.
    ax: where to draw; the current axes without it. Returns it: x logarithmic, y in per cent and
    logarithmic in the error, a legend.

    >>> from matplotlib.figure import Figure
    >>> trials = pd.DataFrame(
    ...     {
    ...         "family": "polynomial",
    ...         "trial": range(4),
    ...         "exponent": [0.5, 1.0, 2.0, 4.0],
    ...         "state": "complete",
    ...         "value": [0.84, 0.83, 0.8, 0.76],
    ...     }
    ... )
    >>> score_by_exponent(trials, Figure().subplots()).get_xlabel()
    'exponent'
    """
    ax, trials = on(ax), _with_exponent(by_family(trials))
    exponents = _exponents(trials)
    with told_apart(trials["family"].unique()):
        for name in trials["family"].unique():
            _marks_and_means(ax, trials, exponents, name)
    accuracy_axis(ax, trials["accuracy"])
    if len(trials):
        ax.legend()
    return ax


def _map(trials: pd.DataFrame) -> Picture:
    with rate_map(trials, "exponent") as (figure, axes):
        for one in axes:
            one.set_yscale("log", base=2)
            one.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes[0].set_ylabel("exponent")
        return picture(
            figure,
            "rate-and-exponent",
            "Map of base rate and exponent, a panel for each schedule; colour is the validation "
            "accuracy, crosses diverged.",
            "Each mark is one trial: filled ones are complete, open ones were pruned or stalled, "
            "crosses diverged. Colours are logarithmic in the distance behind the best.",
        )


def conclude(estimates: Estimates) -> Sentence | str:
    """The best exponent of each family, and how much the best of other ranges differ."""
    exponents = estimates["exponents"].dropna(subset=["best_accuracy"])
    trials = estimates["trials"]
    if exponents.empty:
        return "No trial ran to its end, so that no exponent can be judged."
    sentences: list[Sentence] = []
    for family, group in exponents.groupby("family", sort=False):
        best = group.sort_values("best_accuracy").iloc[-1]
        trial = trials[trials["trial"] == best["best_trial"]].iloc[0]
        text = (
            f"{'best' if sentences else 'Best'} {spoken(str(family))}: exponent "
            f"{trial['exponent']:.2g} at base rate {trial['base_lr']:.2g} with "
            f"{percent(best['best_accuracy'])}"
        )
        others = ""
        if len(group) > 1:
            low, high = group["best_accuracy"].min(), group["best_accuracy"].max()
            others = (
                f"; the best of {len(group)} ranges of exponents lie between {percent(low)} and "
                f"{percent(high)}"
            )
        sentences.append(sentence(with_trial(text, best["best_trial"]), others))
    return sentence(joined("; ", sentences), ".")
