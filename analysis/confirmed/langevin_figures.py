"""The figure of question 5: a network's predictions against the temperature of its training."""

from __future__ import annotations

import pandas as pd

from analysis.figures import (
    Picture,
    canvas,
    percent_ticks,
    picture,
    spoken,
    style,
    temperature_axis,
)

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
    with canvas(2, 2, 4.6, sharex=True) as (figure, axes):
        for one, (name, label) in zip(axes.flat, _PANELS.items(), strict=True):
            zero = temperature_axis(one, frame["temperature"])
            at = frame["temperature"].where(frame["temperature"] > 0, zero)
            colour, mark = style("sgld")
            spread = [frame[name] - frame[f"{name}_low"], frame[f"{name}_high"] - frame[name]]
            one.errorbar(at, frame[name], spread, fmt=f"{mark}-", color=colour, ms=5, label="sgld")
            for row in others.to_dict("records"):
                shade, _ = style(row["family"])
                label_of = spoken(row["family"])
                one.axhline(row[name], color=shade, linewidth=1.4, linestyle="--", label=label_of)
            one.set_ylabel(label)
            if name == "accuracy":
                percent_ticks(one.yaxis)
        for one in axes[0]:
            one.set_xlabel("")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return [
            picture(
                figure,
                "temperature",
                "Accuracy, calibrated NLL, Brier score and calibration error of SGLD against its "
                f"temperature, the other methods beside it. {words[:1].upper()}{words[1:]}.",
                "Marks: SGLD's means over seeds on validation images with 95 % intervals, with "
                "everything but the temperature the same. Dashed: means of the other methods' "
                "chosen configurations with the same number of epochs.",
            )
        ]
