"""Schedules that a user gives as text: a search space of their own, or joined to another space.

What a text leaves out is sampled: the base rate first, and the family's own parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from optuna.trial import BaseTrial

from search_spaces.config import Arm, Budget, Parameters, Range, Ranges
from search_spaces.schedules.searched import Searched
from search_spaces.schedules.text import UNKNOWN, Written, read
from search_spaces.space import Preset, SearchSpace, quick, sample, standard

EXERCISE: int | None = None
QUESTION = "Which of the given schedules trains best?"
COMPARISON = "By how much do the given schedules differ?"
"""The question where they are compared as they are, without a search."""
FAMILIES: tuple[str, ...] = ()  # those of --schedule alone
PRESETS: dict[str, Preset] = {"quick": quick(8), "standard": standard(30)}
REFERENCE: str | None = None
COMPARED: str | None = None
DESIGNED = False
SAMPLES_WEIGHTS = False


def ranges(budget: Budget) -> Ranges:
    """None: those of the given schedules come to it."""
    return {}


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """Nothing: every schedule is a given one."""
    raise LookupError(f"{family!r} is not given")


def baselines(family: str, budget: Budget) -> list[Parameters]:
    """None but those of the given schedules."""
    return []


def grid(best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
    """None: the best of each is the answer."""
    return []


class Joined:
    """A search space and the schedules that were given to it, by their labels.

    It is a `SearchSpace`. A given schedule has its trials as the space's families have, after them.
    """

    DESIGNED = False
    SAMPLES_WEIGHTS = False

    def __init__(self, space: SearchSpace, given: Mapping[str, Written]) -> None:
        self.space, self.given = space, given
        self.EXERCISE, self.QUESTION = space.EXERCISE, space.QUESTION
        self.FAMILIES = (*space.FAMILIES, *given)
        self.REFERENCE, self.COMPARED = space.REFERENCE, space.COMPARED
        self.PRESETS = space.PRESETS
        if not all(each.searched for each in given.values()):
            # With nothing left to sample, trials of one seed would all be the same.
            self.PRESETS = {
                name: replace(each, replicates=None) for name, each in space.PRESETS.items()
            }

    def ranges(self, budget: Budget) -> Ranges:
        """The space's, then those that only given schedules have."""
        added = {
            each.name: _range(each, budget)
            for written in self.given.values()
            for each in written.searched.values()
        }
        return added | self.space.ranges(budget)

    def suggest(self, trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
        """A given schedule with what it leaves out sampled; for another family the space's own."""
        if family not in self.given:
            return self.space.suggest(trial, family, budget, ranges)
        written = self.given[family]
        names = [each.name for each in written.searched.values()]
        sampled = {name: sample(trial, name, ranges) for name in names}
        return {"schedule": written.schedule(budget.epochs, sampled)}

    def baselines(self, family: str, budget: Budget) -> list[Parameters]:
        """For a given schedule the usual values of what it leaves out."""
        if family not in self.given:
            return self.space.baselines(family, budget)
        searched = self.given[family].searched.values()
        usual = {each.name: _scaled(each.usual, each, budget) for each in searched}
        return [usual] if usual else []

    def grid(self, best: Mapping[str, Parameters], budget: Budget) -> list[Arm]:
        """The space's, around the best of its own families."""
        best_of_space = {name: values for name, values in best.items() if name not in self.given}
        return self.space.grid(best_of_space, budget)


def _range(searched: Searched, budget: Budget) -> Range:
    low, high = (_scaled(each, searched, budget) for each in (searched.low, searched.high))
    return Range(low=low, high=high, log=searched.log, unit="epochs" if searched.in_epochs else "")


def _scaled(value: float, searched: Searched, budget: Budget) -> float:
    return value * budget.epochs if searched.in_epochs else value


def join(space: SearchSpace, texts: Sequence[str]) -> SearchSpace:
    """The space with the schedules that the texts give.

    Raises ValueError, in one line, where a text is wrong or says nothing new, or where the space
    compares no schedules.
    """
    if space.DESIGNED or space.SAMPLES_WEIGHTS:
        raise ValueError("this space compares no schedules: none can be given to it")
    schedules = [read(text) for text in texts]
    given: dict[str, Written] = {}
    for written in schedules:
        label = _label(written, [each for each in schedules if each.title == written.title], space)
        if label in given or label in space.FAMILIES:
            raise ValueError(f"the schedule {label!r} is there twice")
        given[label] = written
    return Joined(space, given)


def check_whole(text: str, usual: Parameters, epochs: int) -> None:
    """Raises ValueError, in one line with an example, where the text leaves something out that a
    search would sample. usual: known good values of what it leaves out."""
    written = read(text)
    if not written.searched:
        return
    missing = list(written.searched)
    found = written.schedule(epochs, usual)
    values = [f"{field}={getattr(found, field):.3g}" for field in missing]
    given = [word for word in written.words if not word.endswith(f"={UNKNOWN}")]
    example = f"{written.name}:{','.join([*values, *given])}"
    if written.title != written.name:  # of a sequence the first part has the base rate
        first, _, later = text.partition(" then ")
        example = f"{first}{',' if ':' in first else ':'}{','.join(values)} then {later}"
    raise ValueError(
        f"{text} leaves out {' and '.join(missing)}, and nothing is searched here: give "
        f"{'it' if len(missing) == 1 else 'them'}, for example {example}"
    )


def _label(written: Written, alike: Sequence[Written], space: SearchSpace) -> str:
    """The family's name; with what makes it another one where there are several."""
    if len(alike) == 1 and written.title not in space.FAMILIES:
        return written.title
    shared = set.intersection(*(set(each.words) for each in alike)) if len(alike) > 1 else set()
    special = [word for word in written.words if word not in shared]
    return f"{written.title}: {' '.join(special)}" if special else written.title
