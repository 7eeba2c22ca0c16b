"""Section: the given schedules themselves, and how networks learn under them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from matplotlib.ticker import MaxNLocator
from pydantic import ValidationError

from analysis.figures.axes import accuracy_axis
from analysis.figures.fitting import outside_legend
from analysis.figures.style import Picture, canvas, picture, spoken
from analysis.section import About, Estimates
from analysis.sections.learning import bands, draw_band
from analysis.sections.schedules import draw_lines, rates_of
from analysis.study import Study
from analysis.table import BASE_LR, PERCENT, SCHEDULE, Column, N, Table
from search_spaces.config import TrialConfig
from search_spaces.wording import in_words
from search_spaces.words.phrases import percent

ABOUT = About(
    "The schedules and how they learn",
    "Which learning rates did each schedule train with, and how did validation accuracy develop?",
    {
        "schedules": Table(
            "Each schedule, the rates that it trained with, and the median validation accuracy of "
            "the n complete runs after the last epoch. The mean rate is over all updates.",
            (
                *(SCHEDULE, Column("configuration"), N, BASE_LR, Column("final_lr")),
                *(Column("mean_lr"), Column("median_accuracy", PERCENT)),
            ),
        )
    },
    stage="test",
    uses=("complete",),
    needs=1,
)


def estimate(study: Study) -> Estimates:
    """schedules: a row for each schedule that has a complete run; rates: of its first one, see
    `sections.schedules.rates_of`; curves: `sections.learning.bands` over the seeds."""
    complete = study.ended(ABOUT.uses).sort_values("slot")
    curves = study.curves[study.curves["trial"].isin(complete["trial"])]
    medians, firsts = bands(curves), complete.drop_duplicates("family")
    order = {family: place for place, family in enumerate(study.spec.families)}
    firsts = firsts.sort_values("family", key=lambda names: names.map(order))
    ends = medians.sort_values("epoch").drop_duplicates("family", keep="last")
    schedules = firsts[["family", "base_lr", "final_lr", "mean_lr"]].assign(
        configuration=[_configuration(each) for each in firsts["config"]]
    )
    rates = [rates_of(row, study.curves) for _, row in firsts.iterrows()]
    empty = pd.DataFrame(columns=["family", "trial", "epoch", "rate"])
    return {
        "schedules": schedules.merge(ends, on="family", how="left").reset_index(drop=True),
        "rates": pd.concat(rates, ignore_index=True) if rates else empty,
        "curves": medians,
    }


def _configuration(config: Any) -> str:
    """A stored configuration's schedule in words; empty where another version wrote it."""
    try:
        return in_words(TrialConfig.model_validate(json.loads(config)).schedule)
    except (TypeError, ValidationError):
        return ""


def draw(estimates: Estimates) -> list[Picture]:
    """Rate against epoch, and validation accuracy against epoch, a line for each schedule."""
    if estimates["rates"].empty:
        return []
    return [_rates(estimates), *_curves(estimates)]


def _rates(estimates: Estimates) -> Picture:
    with canvas() as (figure, axes):
        ax = axes[0, 0]
        draw_lines(ax, estimates["rates"], "test")
        ax.set_xlabel("epoch")
        ax.set_ylabel("learning rate")
        ax.set_ylim(bottom=0)
        outside_legend(figure, ncols=2)
        alt = f"Learning rate against epoch, a line for each schedule. {conclude(estimates)}"
        return picture(figure, "schedules", alt, "The rates that each schedule trains with.")


def _curves(estimates: Estimates) -> list[Picture]:
    curves = estimates["curves"]
    if curves.empty:
        return []
    with canvas() as (figure, axes):
        ax = axes[0, 0]
        for name, band in curves.groupby("family", sort=False):
            draw_band(ax, band, str(name))
        accuracy_axis(ax, curves[["lower_quartile_accuracy", "upper_quartile_accuracy"]])
        ax.set_xlabel("epochs trained")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        outside_legend(figure, ncols=2)
        caption = (
            "Line: median of the complete runs; band: their middle half, from quartile to "
            "quartile, over seeds. It is no confidence interval, and runs of one seed are alike: "
            "the pairs above are compared within seeds."
        )
        alt = f"Validation accuracy after each epoch, by schedule. {conclude(estimates)}"
        return [picture(figure, "learning-curves", alt, caption)]


def conclude(estimates: Estimates) -> str:
    """First and last rate of each schedule, and the median at its end."""
    rows = estimates["schedules"]
    if rows.empty:
        return "No run is complete yet."
    each = "; ".join(
        f"{spoken(row['family'])} from {row['base_lr']:.2g} to {row['final_lr']:.2g}, "
        f"{percent(row['median_accuracy'])}"
        for row in rows.to_dict("records")
    )
    return f"Base and last rate, and median validation accuracy at the end: {each}."
