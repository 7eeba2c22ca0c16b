"""Recommendation: what a reader should use after a study, why, how good it is, and its code.

Test images choose nothing: they judge what validation images chose, and give verdicts on
configurations that were fixed before they were read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from pydantic import ValidationError

from analysis.answers import ANSWERS
from analysis.figures.style import Picture, spoken
from analysis.fresh_seeds.frames import confirm_runs
from analysis.fresh_seeds.pairs import pairs
from analysis.other_programs.study import OtherStudy, best_of, configuration, value_in_words
from analysis.progress import best_trial
from analysis.sections.schedules import draw_small, rates_of
from analysis.sections.test_accuracy import with_interval
from analysis.settled import Settled, best_given, given_over_seeds, over_seeds, settled
from analysis.study import Study
from search_spaces.config import TrialConfig
from search_spaces.recipes import optimizer_in_words
from search_spaces.wording import method_in_words
from search_spaces.words.phrases import count, percent
from study.export.schedule_code import pasted_code
from study.spec import Stage
from study.stages import competing


@dataclass(frozen=True)
class Recommendation:
    """What to use.

    words: the schedule and its rates, or another program's parameters; trained: for how long and
    with which optimizer, empty where that is not known. how: what chose it, in a phrase. score:
    how good it is, with its 95 % interval, on which images and over how many seeds. code: lines of
    PyTorch to paste, None where there are none (`pasted_code`). rates: the learning rate along a
    run: family, trial, epoch (a fraction), rate, as `sections.schedules.rates_of` has them.
    """

    words: str
    trained: str
    how: str
    score: str
    code: str | None
    rates: pd.DataFrame = field(compare=False)


class _Chosen(NamedTuple):
    """The row of a run that has the configuration, its stage, and two phrases."""

    stage: Stage
    run: pd.Series
    how: str
    score: str


def recommendation(study: Study | OtherStudy) -> Recommendation | None:
    """What the study recommends; None where nothing trained, of a fixed design, which has no image
    to choose by, and where the configuration cannot be read.

    After fresh seeds it is what the answer to the question leads to, or the candidate that did best
    on validation images; before them the best single run of the search. Of given schedules it is
    the first, unless a verdict says that another one is better; of another program's study the best
    trial.
    """
    if isinstance(study, OtherStudy):
        return _of_another_program(study)
    chosen = _chosen(study)
    config = None if chosen is None else _config(chosen.run)
    if chosen is None or config is None:
        return None
    return Recommendation(
        words=method_in_words(config.schedule, config.weight_sampling),
        trained=f"{count(config.epochs, 'epoch')} of {optimizer_in_words(config.model_dump())}",
        how=chosen.how,
        score=chosen.score,
        code=pasted_code(config),
        rates=rates_of(chosen.run, study.stage(chosen.stage).curves),
    )


def schedule_picture(recommended: Recommendation) -> Picture | None:
    """The recommended learning rate against epochs; None where no rates are known."""
    if recommended.rates.empty:
        return None
    return draw_small(recommended.rates, f"Learning rate against epoch: {recommended.words}.")


def _chosen(study: Study) -> _Chosen | None:
    if study.spec.designed:
        return None
    if study.spec.compares:
        return _of_given(study)
    if study.confirm is None or study.confirm.left:
        return _of_search(study)
    return _of_fresh_seeds(study)


def _of_search(study: Study) -> _Chosen | None:
    run = best_trial(study.trials)
    if run is None:
        return None
    so_far = " so far" if study.left else ""
    how = f"best single run of a search{so_far}: confirm it on fresh seeds"
    score = f"{percent(run['value'])} on validation images, a single run, chosen by that number"
    return _Chosen("search", run, how, score)


def _of_fresh_seeds(study: Study) -> _Chosen | None:
    best = settled(study)
    find = ANSWERS[study.spec.space].advice if study.spec.space in ANSWERS else None
    advice = None if find is None else find(study)
    if advice is None:
        return None if best is None else _judged(best, _best_candidate(study))
    found = over_seeds(advice.stage, advice.runs, None, advice.mean)
    if best is not None and advice.stage == "confirm" and _same(found, best):
        found = best  # which may have met the test images
    return _judged(found, advice.how)


def _same(one: Settled, other: Settled) -> bool:
    """Whether both are runs of one configuration, on whatever seeds."""
    first, second = _config(one.run), _config(other.run)
    return None not in (first, second) and _unseeded(first) == _unseeded(second)


def _unseeded(config: TrialConfig | None) -> dict[str, object]:
    return {} if config is None else config.model_dump(exclude={"seed"})


def _best_candidate(study: Study) -> str:
    """How many configurations there were to choose from, and on how many seeds."""
    runs = confirm_runs(study)
    places = competing(study.stage("confirm").spec).values()
    runs = runs[runs["arm"].isin([place for each in places for place in each])]
    seeds = count(runs["replicate"].nunique(), "seed")
    n = runs["arm"].nunique()
    which = f"best of {count(n, 'candidate')}" if n > 1 else "the only candidate"
    return f"{which} on validation images over {seeds}"


def _of_given(study: Study) -> _Chosen | None:
    first = study.spec.families[0]
    compared = pairs(study, first)
    compared = compared[compared["first"] == first]
    lost = compared[compared["verdict"].isin(_LOST)]
    better = best_given(study, list(lost["family"]))
    if better is not None:
        verdict = str(lost.set_index("family").loc[better, "verdict"])
        how = f"{_LOST[verdict]} {spoken(first)}, the first schedule given"
        how += f", and best on validation images of {len(lost)} such" if len(lost) > 1 else ""
        return _over_seeds(study, better, how)
    reference = _over_seeds(study, first, "the first schedule given; none is shown better")
    if reference is not None and reference.run["state"] == "complete":
        return reference
    best = settled(study)
    if best is None:
        return None
    return _judged(best, f"best on validation images; {spoken(first)}, given first, never trained")


_LOST = {
    "worse": "shown better on test images than",
    "more often untrained": "shown to train more often than",
}
"""What the verdict on the first of two schedules says of the second."""


def _over_seeds(study: Study, family: str, how: str) -> _Chosen | None:
    found = given_over_seeds(study, family)
    return None if found is None else _judged(found, how)


def _judged(found: Settled, how: str) -> _Chosen:
    """A configuration over seeds with its score in words."""
    runs = count(found.seeds + found.untrained, "run")
    images = "test images" if found.stage == "test" else "the validation images that chose it"
    if not found.seeds:
        return _Chosen(found.stage, found.run, how, f"none of {runs} for the {images} trained")
    row = {"accuracy": found.accuracy, "accuracy_low": found.low, "accuracy_high": found.high}
    score = f"{with_interval(row, 'accuracy')} on {images}, {count(found.seeds, 'seed')}"
    score += f"; {found.untrained} of {runs} untrained" if found.untrained else ""
    return _Chosen(found.stage, found.run, how, score)


def _config(run: pd.Series) -> TrialConfig | None:
    """The configuration of a run; None where another version wrote it, or nobody."""
    try:
        return TrialConfig.model_validate_json(run["config"] or "")
    except ValidationError:
        return None


def _of_another_program(study: OtherStudy) -> Recommendation | None:
    best = best_of(study)
    if best is None:
        return None
    n = len(study.ranked)
    return Recommendation(
        words=configuration(best["params"]) or f"trial {best['trial']}",
        trained="",
        how=f"best of {count(n, 'complete trial')}, each a single run",
        score=value_in_words(study, best["value"]),
        code=None,
        rates=pd.DataFrame(columns=["family", "trial", "epoch", "rate"]),
    )
