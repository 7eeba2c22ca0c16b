"""The registry of sections: which ones speak of a study.

A section of any study has one line in SECTIONS; the answer to a question has one in ANSWERS, by the
name of its space. A space without a line there gets the answers of any space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from analysis.fresh_seeds import pair_summary
from analysis.fresh_seeds.advice import Advice
from analysis.questions import chapter, chapter_summary
from analysis.questions.any_space import confirmed as fresh_any_space
from analysis.questions.any_space import search as any_space
from analysis.questions.any_space import summary as any_summary
from analysis.questions.comparison import accuracy, training, verdicts
from analysis.questions.cosine import confirmed as fresh_cosine
from analysis.questions.cosine import search as cosine
from analysis.questions.fixed_rate import confirmed as fresh_fixed_rate
from analysis.questions.fixed_rate import search as fixed_rate
from analysis.questions.fixed_rate import summary as fixed_rate_summary
from analysis.questions.langevin import confirmed as fresh_langevin
from analysis.questions.langevin import search as langevin
from analysis.questions.langevin import summary as langevin_summary
from analysis.questions.polynomial import confirmed as fresh_polynomial
from analysis.questions.polynomial import search as polynomial
from analysis.questions.polynomial import summary as polynomial_summary
from analysis.questions.polynomial.advice import advice as polynomial_advice
from analysis.questions.warmup import confirmed as fresh_warmup
from analysis.questions.warmup import search as warmup
from analysis.questions.warmup import summary as warmup_summary
from analysis.questions.warmup.advice import advice as warmup_advice
from analysis.section import Estimates, Section
from analysis.sections import (
    by_rate,
    exploratory,
    gap,
    generalization,
    importance,
    learning,
    pruning_audit,
    schedules,
    spending,
    test_accuracy,
)
from analysis.study import Study
from analysis.summary import Summary


class Answer(NamedTuple):
    """What answers the question of a space: from its search, and from fresh seeds, with their
    summary; that of a fixed design is made from its search. advice: the configuration that this
    answer leads to, where that is not the best candidate."""

    searched: Section
    fresh: Section = fresh_any_space
    summarise: Callable[[Estimates], Summary] = any_summary.of_fresh_seeds
    advice: Callable[[Study], Advice | None] | None = None


ANSWERS: dict[str, Answer] = {
    "fixed_rate": Answer(fixed_rate, fresh_fixed_rate, fixed_rate_summary.summarise),
    "polynomial": Answer(
        polynomial, fresh_polynomial, polynomial_summary.summarise, polynomial_advice
    ),
    "cosine": Answer(cosine, fresh_cosine, pair_summary.of_answer),
    "warmup": Answer(warmup, fresh_warmup, warmup_summary.summarise, warmup_advice),
    "langevin": Answer(langevin, fresh_langevin, langevin_summary.summarise),
    "chapter": Answer(chapter, summarise=chapter_summary.summarise),
}
COMPARISON: list[Section] = [verdicts, accuracy]
"""Of given configurations, whichever they are."""
SECTIONS: list[Section] = [
    by_rate,
    learning,
    schedules,
    generalization,
    importance,
    spending,
    pruning_audit,
]


def answers_of(study: Study) -> Sequence[Section]:
    """What answers the study's question: fresh seeds, where they were run, before the search."""
    if study.spec.compares:
        return COMPARISON
    searched, fresh, *_ = ANSWERS.get(study.spec.space, Answer(any_space))
    if study.confirm is None:
        return (searched,)
    added = (exploratory,) if exploratory.has_any(study) else ()
    return (fresh, test_accuracy, gap, *added, searched)


def summary(study: Study, estimates: Estimates) -> Summary:
    """The study's answer at one glance. estimates: of the first of `answers_of`."""
    if study.spec.compares:
        return pair_summary.of_answer(estimates)
    answer = ANSWERS.get(study.spec.space, Answer(any_space))
    if study.confirm is None and (not study.spec.designed or answer.searched is any_space):
        return any_summary.of_search(study)
    return answer.summarise(estimates)


def at_a_glance(study: Study) -> Summary:
    """The study's answer in a headline, without the rest of the report."""
    return summary(study, answers_of(study)[0].estimate(study))


def sections_of(study: Study) -> Sequence[Section]:
    """What every search of this kind is asked, besides its own question; what speaks of a search
    is not said of a comparison."""
    if study.spec.compares:
        return [training]
    shown = answers_of(study)[-1].ABOUT.shows
    asked = [section for section in SECTIONS if section.ABOUT.applies(study.spec)]
    return [section for section in asked if section not in shown]


def estimates(study: Study) -> Estimates:
    """The frames behind the report's answer to the study's question, by name: from fresh seeds
    where they were run, else from the search. `lrstudy.figures` says which figure takes which.

    >>> frames = estimates(Study.open("sqlite:///lrstudy.db", "cosine"))
    >>> frames["comparison"][["first", "family", "n"]].head(2)
        first         family  n
    0  cosine     polynomial  2
    1  cosine  inverse_power  2
    """
    return answers_of(study)[0].estimate(study)
