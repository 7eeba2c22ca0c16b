"""Links from what a report says to the trials that it rests on.

Every trial of a study has a row of its own on the page; its anchor is named for the study's slug,
the stage and the trial's number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from markupsafe import Markup, escape

from analysis.figures.marks import tag
from analysis.study import Study
from analysis.wording import Sentence, Trials

_MANY = 12  # more links than that are folded away


def anchor(slug: str, stage: str, trial: int) -> str:
    """The name of a trial's row on the page."""
    return f"{slug}-{tag(stage, trial)}"


def curve_anchor(slug: str, stage: str, trial: int) -> str:
    """The name of a trial's learning curve on the page."""
    return f"{anchor(slug, stage, trial)}-curve"


def anchors(study: Study, slug: str) -> frozenset[str]:
    """The anchors of all trials of a study and its later stages."""
    return frozenset(
        anchor(slug, stage, int(trial))
        for stage, each in stages(study).items()
        for trial in each.attempts["trial"]
    )


def stages(study: Study) -> dict[str, Study]:
    """The study's stages that were begun, in order."""
    if study.spec.compares:
        return {"test": study}
    possible = {"search": study, "confirm": study.confirm, "test": study.test}
    return {stage: each for stage, each in possible.items() if each is not None}


def linked(sentence: Sentence, slug: str, known: Collection[str]) -> Markup:
    """The sentence, escaped, with a link on every trial that it names and the page has."""
    return Markup().join(_linked(part, slug, known) for part in sentence.parts)


def _linked(part: str | Trials, slug: str, known: Collection[str]) -> Markup:
    if isinstance(part, str):
        return escape(part)
    links = [_link(slug, part.stage, int(number), known) for number in part.numbers]
    return Markup("{} {}").format(part.noun, Markup(", ").join(links))


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
