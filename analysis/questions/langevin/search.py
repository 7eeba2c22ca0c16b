"""Answers question 5 as far as a search can: what each method found, and at which temperature."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.axes import accuracy_axis, temperature_axis
from analysis.figures.marks import scatter_trials
from analysis.figures.style import Picture, canvas, family_legend, picture, spoken, style
from analysis.questions.langevin import known_posteriors
from analysis.reading.predictive import measured
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import BASE_LR, PERCENT, SCHEDULE, Column, Table, trials
from analysis.wording import Sentence, joined, sentence, with_trial
from search_spaces import langevin as space
from search_spaces.words.phrases import percent

ABOUT = About(
    "Methods and temperatures",
    space.QUESTION,
    {
        "best": Table(
            "The trial of each method with the highest validation accuracy of what its samples "
            "predict together (single runs).",
            (
                *(SCHEDULE, trials("trial"), BASE_LR, Column("temperature")),
                *(Column("prior_precision"), Column("accuracy", PERCENT)),
                *(Column("calibrated_nll"), Column("brier"), Column("ece")),
            ),
        )
    },
)


def estimate(study: Study) -> Estimates:
    """trials: family, trial, base_lr, temperature (0 where a method has none), state, accuracy,
    calibrated_nll, brier, ece; best: the best complete one of each family; and
    `known_posteriors.estimates`, unless fresh seeds show them."""
    trials = measured(study.ended(ABOUT.uses), study.predictive, "val")
    warm = trials.get("temperature", pd.Series(0.0, index=trials.index)).fillna(0.0)
    columns = ["family", "trial", "base_lr", "temperature", "prior_precision", "state"]
    trials = trials.assign(temperature=warm).reindex(
        columns=[*columns, "accuracy", "calibrated_nll", "brier", "ece"]
    )
    ranked = trials[trials["state"] == "complete"].sort_values("accuracy", ascending=False)
    ranked = ranked.drop_duplicates("family")
    best = ranked.drop(columns=["state"]).reset_index(drop=True)
    known = known_posteriors.estimates({} if study.confirm is not None else study.sampled)
    return {"trials": trials, "best": best, **known}


def draw(estimates: Estimates) -> list[Picture]:
    """What is known exactly, and accuracy and calibrated NLL against temperature."""
    return [*known_posteriors.draw(estimates), *_by_temperature(estimates)]


def _by_temperature(estimates: Estimates) -> list[Picture]:
    trials = estimates["trials"]
    trials = trials[trials["state"] == "complete"].dropna(subset=["accuracy"])
    if trials.empty:
        return []
    warm = trials["temperature"] > 0
    families = list(trials["family"].unique())
    still = [each for each in families if (trials["family"].eq(each) & ~warm).any()]
    with canvas(2, 1, 4.6, sharex=True) as (figure, axes):
        upper, lower = axes[:, 0]
        for one, name in ((upper, "accuracy"), (lower, "calibrated_nll")):
            zero = temperature_axis(one, trials["temperature"])
            for family in families:
                group = trials[trials["family"] == family]
                # Methods without a temperature would hide each other at 0.
                place = still.index(family) if family in still else 0
                beside = zero * 10 ** (0.2 * (place - (len(still) - 1) / 2))
                at = np.where(group["temperature"] > 0, group["temperature"], beside)
                colour, mark = style(family)
                points = (at, group[name], group)
                scatter_trials(one, *points, color=colour, marker=mark, s=28, alpha=0.8)
        accuracy_axis(upper, trials["accuracy"])
        upper.set_ylabel("accuracy (%)")
        upper.set_xlabel("")
        lower.set_ylabel("calibrated NLL (nats)")
        family_legend(figure, families)
        return [
            picture(
                figure,
                "temperature",
                "Validation accuracy and calibrated NLL of what each complete trial predicts, "
                f"against the temperature of its noise. {conclude(estimates)}",
                "Each mark is one training run; other parameters vary too. Methods without noise "
                "stand side by side at 0. The accuracy axis is logarithmic in the error.",
            )
        ]


def conclude(estimates: Estimates) -> Sentence | str:
    """The best trial of each method."""
    best = estimates["best"].dropna(subset=["accuracy"])
    if best.empty:
        return "No trial ran to its end, so that nothing can be compared."
    best_trials = [
        with_trial(
            f"{spoken(row['family'])} {percent(row['accuracy'])}",
            row["trial"],
            f", temperature {row['temperature']:.2g}" if row["temperature"] > 0 else "",
        )
        for row in best.to_dict("records")
    ]
    head = "Best trials, by the accuracy of what they predict: "
    return sentence(head, joined(", ", best_trials), ".")
