"""Section: the schedules themselves; and pictures of schedules without any training."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import ValidationError

from analysis.figures import style as look
from analysis.figures.fitting import fit, outside_legend
from analysis.figures.marks import of_trial
from analysis.figures.style import Picture, canvas, line_style, on, panels, picture, spoken, style
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import BASE_LR, PERCENT, SCHEDULE, Column, Table, trials
from analysis.wording import Sentence, joined, sentence, with_trial
from search_spaces.config import TrialConfig
from search_spaces.schedules.base import Schedule, ScheduleConfig
from search_spaces.schedules.sequence import Then
from study.files import draft
from study.spec import Stage

ABOUT = About(
    "The schedules themselves",
    "Which learning rates did the best trial of each schedule train with?",
    {
        "chosen": Table(
            "The best complete trial of each schedule and the rates it trained with: the mean is "
            "over all updates, and missing where it was not recorded.",
            (
                *(SCHEDULE, trials("trial"), Column("accuracy", PERCENT)),
                *(BASE_LR, Column("final_lr"), Column("mean_lr")),
            ),
        )
    },
    uses=("complete",),
    needs=1,
)
_GRID = 25  # points an epoch
_DASHES = ("-", "--", ":", "-.")


def draw_rates(rates: pd.DataFrame, out: Path) -> None:
    """Draw schedules into ``out``, a PNG or SVG by its suffix.

    rates: step, epoch, and a column of rates for each schedule, named for the legend. A name such
    as ``cosine:base=0.3`` has the colour of its family; further ones of the family are dashed.
    Raises OSError where ``out`` cannot be written.
    """
    names = list(rates.columns.drop(["step", "epoch"]))
    families = {name: name.partition(":")[0].strip() for name in names}
    with canvas(height=2.9 + 0.2 * len(names)) as (figure, axes):
        _shapes(axes[0, 0], rates, families)
        outside_legend(figure, loc="outside lower left", fontsize="small")
        fit(figure)
        picture = look.render(figure, out.suffix.removeprefix("."))
    with draft(out) as part:
        part.write_bytes(picture)


def _shapes(ax: Axes, rates: pd.DataFrame, families: Mapping[str, str]) -> None:
    """A line a column of rates, in the colour of its family; further ones of it are dashed."""
    seen: Counter[str] = Counter()
    for name, family in families.items():
        dash = _DASHES[seen[family] % len(_DASHES)]
        seen[family] += 1
        ax.plot(rates["epoch"], rates[name], color=style(family)[0], linestyle=dash, label=name)
    _label(ax)


def schedule_shapes(
    schedules: Mapping[str, Schedule],
    epochs: float = 30,
    steps_per_epoch: int = 196,
    ax: Axes | None = None,
) -> Axes:
    """Draw learning rate against epoch, a line a schedule; nothing is trained.

    schedules: by their names in the legend; all but plateau and those of torch, which have no
        closed form and raise TypeError.
    epochs: length of training; steps_per_epoch: updates an epoch, 196 in the chapter's setting.
    ax: where to draw; the current axes without it. Returns it.

    >>> from matplotlib.figure import Figure
    >>> import lrstudy
    >>> shapes = {"cosine": lrstudy.Cosine(base_lr=0.3, horizon=20, warmup=5)}
    >>> schedule_shapes(shapes, epochs=30, ax=Figure().subplots()).get_xlabel()
    'epoch'
    """
    ax, steps = on(ax), np.arange(round(epochs * steps_per_epoch))
    rates = {"epoch": steps / steps_per_epoch}
    for name, each in schedules.items():
        if not isinstance(each, Schedule):
            raise TypeError(f"{name}: {each.family} has no closed form to draw")
        rates[name] = each(steps, steps_per_epoch)
    families = {name: each.family for name, each in schedules.items()}
    _shapes(ax, pd.DataFrame(rates), families)
    if schedules:
        ax.legend()
    return ax


def estimate(study: Study) -> Estimates:
    """chosen: each family's best complete trial; rates: family, trial, epoch (a fraction), rate."""
    complete = study.ended(ABOUT.uses).sort_values("value")
    best = complete.drop_duplicates("family", keep="last")
    order = {family: place for place, family in enumerate(study.spec.families)}
    best = best.sort_values("family", key=lambda names: names.map(order))
    columns = ["family", "trial", "value", "base_lr", "final_lr", "mean_lr"]
    chosen = best[columns].rename(columns={"value": "accuracy"}).reset_index(drop=True)
    drawn = [rates_of(row, study.curves) for _, row in best.iterrows()]
    empty = pd.DataFrame(columns=["family", "trial", "epoch", "rate"])
    return {"chosen": chosen, "rates": pd.concat(drawn, ignore_index=True) if drawn else empty}


def rates_of(trial: pd.Series, curves: pd.DataFrame) -> pd.DataFrame:
    """The rates that a trial trained with: family, trial, epoch, rate.

    From its schedule's closed form at 25 points an epoch; from the recorded rates of each epoch's
    first and last update where there is none, or where it counts updates.
    """
    schedule = _closed_form(trial["config"])
    if schedule is not None:
        steps = np.arange(int(trial["epochs"]) * _GRID)
        epoch, rate = steps / _GRID, schedule(steps, _GRID)
    else:
        curve = curves[curves["trial"] == trial["trial"]].sort_values("epoch")
        epoch = (curve["epoch"].to_numpy()[:, None] + np.array([0.0, 0.99])).ravel()
        rate = curve[["first_lr", "last_lr"]].to_numpy(dtype=float).ravel()
    return pd.DataFrame(
        {"family": trial["family"], "trial": trial["trial"], "epoch": epoch, "rate": rate}
    )


def _closed_form(config: str | None) -> Schedule | None:
    """The schedule of a stored configuration, if epochs alone decide its rates."""
    try:
        schedule = TrialConfig.model_validate(json.loads(config or "{}")).schedule
    except ValidationError:
        return None  # of another version: the recorded rates still tell
    return schedule if isinstance(schedule, Schedule) and _by_epochs(schedule) else None


def _by_epochs(schedule: ScheduleConfig) -> bool:
    """Whether epochs alone decide the rates, of every part where it is a sequence."""
    if isinstance(schedule, Then):
        return all(map(_by_epochs, schedule.parts))
    return isinstance(schedule, Schedule) and getattr(schedule, "per", "epoch") == "epoch"


def draw(estimates: Estimates) -> list[Picture]:
    """One figure: rate against epoch, a line for each family; none where all lines are flat."""
    rates = estimates["rates"]
    if rates.empty or not (rates.groupby("family")["rate"].agg(np.ptp) > 0).any():
        return []
    with canvas() as (figure, axes):
        draw_lines(axes[0, 0], rates)
        _label(axes[0, 0])
        outside_legend(figure, ncols=3)
        return [
            _picture(
                figure,
                "Learning rate against epoch of the best trial of each schedule. "
                f"{conclude(estimates)}",
                "The best complete trial of each schedule, by validation accuracy.",
            )
        ]


def draw_small(rates: pd.DataFrame, alt: str) -> Picture:
    """The rates of one run, `rates_of`, as a small picture to stand beside text."""
    with canvas(height=2.1, width=3.8) as (figure, axes):
        draw_lines(axes[0, 0], rates)
        _label(axes[0, 0])
        axes[0, 0].xaxis.get_major_locator().set_params(integer=True)
        return picture(figure, "recommended-schedule", alt, "")


def draw_variants(rates: pd.DataFrame, alt: str, caption: str) -> Picture:
    """A panel for each run of families named ``run/variant``; the first variant is dashed."""
    runs = rates["family"].str.partition("/")[0]
    with panels(runs.nunique(), 1.7) as (figure, axes):
        for one, (run, group) in zip(axes, rates.groupby(runs, sort=False), strict=True):
            draw_lines(one, group)
            one.set_title(spoken(str(run)))
        axes[0].set_ylim(bottom=0)
        figure.supxlabel("epoch", fontsize="medium")
        figure.supylabel("learning rate", fontsize="medium")
        return _picture(figure, alt, caption)


def draw_lines(axes: Axes, rates: pd.DataFrame, stage: Stage = "search") -> None:
    """Rate against epoch, a line for each family, which is a trial of the stage; as-published ones
    are dashed."""
    for family, group in rates.groupby("family", sort=False):
        (line,) = axes.plot(
            group["epoch"],
            group["rate"],
            color=style(str(family))[0],
            linestyle=line_style(str(family)),
            label=spoken(str(family)),
        )
        of_trial(line, group, stage)


def _label(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.set_ylabel("learning rate")
    axes.set_ylim(bottom=0)


def _picture(figure: Figure, alt: str, caption: str) -> Picture:
    return picture(figure, "schedules", alt, caption)


def conclude(estimates: Estimates) -> Sentence | str:
    """Base and final rate of each family's best trial."""
    rows = estimates["chosen"]
    if rows.empty:
        return "No trial ran to its end, so that there is no best one."
    rates = [with_trial(_rates(row), row["trial"]) for row in rows.to_dict("records")]
    return sentence("The best trials' rates, base to last: ", joined("; ", rates), ".")


def _rates(row: Mapping[Hashable, Any]) -> str:
    """A schedule's base and last rate; once where they are the same."""
    base, last = (f"{row[name]:.2g}" for name in ("base_lr", "final_lr"))
    return f"{spoken(row['family'])} {base if base == last else f'from {base} to {last}'}"
