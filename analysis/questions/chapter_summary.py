"""The chapter's runs at one glance. Frames are those of `chapter.estimate`."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.figures.style import spoken
from analysis.questions.chapter import METRICS
from analysis.section import Estimates
from analysis.summary import Judgement, Summary, fitting
from analysis.wording import listed
from search_spaces.words.phrases import count, percent


def summarise(estimates: Estimates) -> Summary:
    """Which published figures the runs as published meet."""
    judged = list(_judged(estimates))
    if not judged:
        return Summary("None of the published runs has a result yet.", "")
    missed = [each.of for each in judged if each.verdict == "missed"]
    met = f"{len(judged) - len(missed)} of {count(len(judged), 'published figure')}"
    versions = [f"All {count(len(judged), 'published figure')} are reproduced."]
    if missed:
        versions = [f"{met} are reproduced; not {listed(missed)}.", f"{met} are reproduced."]
    certainty = (
        "A figure is met where the mean over seeds lies in its 95 % prediction interval, from the "
        "spread of 4 published runs."
    )
    return Summary(fitting(versions), certainty, "As published", judged)


_NAMES = {"train_loss": "training loss", "test_accuracy": "test accuracy"}


def _judged(estimates: Estimates) -> Iterator[Judgement]:
    for metric in METRICS:
        frame = estimates[metric]
        name = _NAMES[metric]
        show = percent if metric == "test_accuracy" else "{:.3f}".format
        known = frame[(frame["variant"] == "as-published") & frame["mean"].notna()]
        for row in known.dropna(subset=["published"]).to_dict("records"):
            verdict = "met" if row["within"] else "missed"
            detail = f"{show(row['mean'])}, published {show(row['published'])}"
            yield Judgement(f"{spoken(str(row['run']))}, {name}", verdict, detail)
