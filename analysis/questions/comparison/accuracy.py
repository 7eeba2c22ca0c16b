"""Section: each of the given configurations on the test images."""

from __future__ import annotations

from dataclasses import replace

from analysis.section import Estimates
from analysis.sections import test_accuracy
from analysis.sections.test_accuracy import conclude, draw
from analysis.study import Study
from analysis.table import ORIGIN, Table

__all__ = ["ABOUT", "conclude", "draw", "estimate"]

ABOUT = replace(
    test_accuracy.ABOUT,
    title="Each schedule on the test images",
    question="How accurate is each of the given schedules?",
    tables={
        "winners": Table(
            "Test accuracy of each schedule: mean over seeds with a 95 % interval for new seeds "
            "and new test images; read once a run, after training. Best epoch: by validation "
            "accuracy, which flatters noisy rates. Averaged: the horizon-free average of the "
            "weights. Of the runs that trained.",
            [each for each in test_accuracy.ABOUT.tables["winners"].columns if each != ORIGIN],
        )
    },
)


def estimate(study: Study) -> Estimates:
    """`test_accuracy.estimate` without the search's trials, of which there are none."""
    found = test_accuracy.estimate(study)
    return found | {"winners": found["winners"].drop(columns=ORIGIN.name)}
