"""Links from what a report says to the trials that it rests on.

Every trial of a study has a row of its own on the page; its anchor is named for the study's slug,
the stage and the trial's number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import pandas as pd
from markupsafe import Markup, escape

from analysis.study import Study

_MANY = 12  # more links than that are folded away
# "trial 12", "confirm trials 3, 8 and 13"
_N = r"\d+\b(?!\.\d)"  # a whole number, not the beginning of a decimal
_NUMBERS = re.compile(
    rf"\b(?P<stage>confirm |test )?(?:trial (?P<one>{_N})|trials (?P<many>{_N}(?:, {_N})*"
    rf"(?: and {_N})?))"
)


def anchor(slug: str, stage: str, trial: int) -> str:
    """The name of a trial's row on the page."""
    return f"{slug}-{stage}-{trial}"


def anchors(study: Study, slug: str) -> frozenset[str]:
    """The anchors of all trials of a study and its later stages."""
    return frozenset(
        anchor(slug, stage, int(trial))
        for stage, each in stages(study).items()
        for trial in each.attempts["trial"]
    )


def stages(study: Study) -> dict[str, Study]:
    """The study's stages that were begun, in order."""
    found = {"search": study, "confirm": study.confirm, "test": study.test}
    return {stage: each for stage, each in found.items() if each is not None}


def linked(text: str, slug: str, known: Collection[str]) -> Markup:
    """The sentence, escaped, with a link on every trial number that the page has."""
    parts, end = Markup(), 0
    for match in _NUMBERS.finditer(text):
        stage = (match["stage"] or "search").strip()
        group = "one" if match["one"] else "many"
        parts += escape(text[end : match.start(group)])
        parts += Markup().join(
            _link(slug, stage, int(piece), known) if piece.isdigit() else escape(piece)
            for piece in re.split(r"(\d+)", match[group])
        )
        end = match.end(group)
    return parts + escape(text[end:])


def trial_links(numbers: Iterable[int], slug: str, stage: str, known: Collection[str]) -> Markup:
    """The trial numbers as links, folded where they are many."""
    links = [_link(slug, stage, int(number), known) for number in numbers]
    if len(links) <= _MANY:
        return Markup(", ").join(links)
    joined = Markup(", ").join(links)
    return Markup("<details><summary>{} runs</summary>{}</details>").format(len(links), joined)


def _link(slug: str, stage: str, trial: int, known: Collection[str]) -> Markup:
    name = anchor(slug, stage, trial)
    if name not in known:
        return escape(trial)
    return Markup('<a href="#{}">{}</a>').format(name, trial)


def trial_rows(study: Study) -> pd.DataFrame:
    """A row for every attempt of one stage, with what the page's table of trials shows: trial,
    state, schedule, its parameters, seed, epochs trained, accuracy (the value of the objective)."""
    frame = study.attempts
    names = [name for name in ("base_lr", *study.spec.ranges) if name in frame]
    parameters = list(dict.fromkeys(name for name in names if frame[name].notna().any()))
    columns = ["trial", "state", "family", *parameters, "seed", "epochs_trained"]
    return frame[columns].assign(accuracy=frame["value"].astype(float))
