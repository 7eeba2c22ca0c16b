"""The figure of question 5: a network's predictions against the temperature of its training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.figures.axes import percent_ticks, temperature_axis
from analysis.figures.fitting import outside_legend
from analysis.figures.style import Picture, canvas, picture, spoken, style

_PANELS = {
    "accuracy": "accuracy (%)",
    "calibrated_nll": "calibrated NLL (nats)",
    "brier": "Brier score",
    "ece": "calibration error",
}


def by_temperature(frame: pd.DataFrame, methods: pd.DataFrame, words: str) -> list[Picture]:
    """Four measures against SGLD's temperature, the other methods as lines across."""
    if frame.empty:
        return []
    others = methods[methods["family"] != "sgld"] if "family" in methods else methods
    with canvas(2, 2, 5.0, sharex=True) as (figure, axes):
        for one, (name, label) in zip(axes.flat, _PANELS.items(), strict=True):
            zero = temperature_axis(one, frame["temperature"], 3)
            at = frame["temperature"].where(frame["temperature"] > 0, zero)
            colour, mark = style("sgld")
            spread = [frame[name] - frame[f"{name}_low"], frame[f"{name}_high"] - frame[name]]
            spread = [each.clip(lower=0) for each in spread]  # a bootstrap may leave out the mean
            one.errorbar(at, frame[name], spread, fmt=f"{mark}-", color=colour, ms=5, label="sgld")
            for row in others.to_dict("records"):
                shade, _ = style(row["family"])
                label_of = spoken(row["family"])
                one.axhline(row[name], color=shade, linewidth=1.4, linestyle="--", label=label_of)
            one.set_ylim(*_limits(frame, name, others))
            one.set_ylabel(label)
            if name == "accuracy":
                percent_ticks(one.yaxis)
        for one in axes[0]:
            one.set_xlabel("")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        outside_legend(figure, handles=handles, labels=labels, ncols=3)
        return [
            picture(
                figure,
                "temperature",
                "Accuracy, calibrated NLL, Brier score and calibration error of SGLD against its "
                f"temperature, the other methods beside it. {_sentence(words)}".rstrip(),
                "Marks: SGLD's means over seeds on validation images with 95 % intervals, cut off "
                "where they leave the picture, with everything but the temperature the same. "
                "Dashed: means of the other methods' chosen configurations with the same number of "
                "epochs.",
            )
        ]


def _limits(frame: pd.DataFrame, name: str, others: pd.DataFrame) -> tuple[float, float]:
    """From the lowest to the highest end of an interval, but no further beyond the means than they
    are apart, so that one wide interval does not flatten all the others."""
    means = np.concatenate([frame[name], others.get(name, [])]).astype(np.float64)
    means = means[~np.isnan(means)]
    if not len(means):
        return 0.0, 1.0
    reach = max(float(np.ptp(means)), 0.02 * float(np.abs(means).max()), 1e-3)
    ends = frame[[f"{name}_low", f"{name}_high"]]
    low = max(float(means.min()) - reach, np.nanmin([ends.min(axis=None), means.min()]))
    high = min(float(means.max()) + reach, np.nanmax([ends.max(axis=None), means.max()]))
    pad = 0.08 * max(high - low, reach)
    return low - pad, high + pad


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""
