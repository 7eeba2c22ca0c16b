"""What `lrstudy best` says of a configuration: as JSON values, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from search_spaces.config import TrialConfig
from search_spaces.words.phrases import count, percent
from study.spec import StudySpec
from study.stages import sibling
from study.storage.hints import with_command
from study.terminal import printable

if TYPE_CHECKING:
    from analysis.settled import Settled
    from analysis.study import Study

Facts = dict[str, Any]


def best_facts(
    name: str, spec: StudySpec, trial: Any, config: TrialConfig, found: Settled | None
) -> Facts:
    """spec: of the stage that the numbers are of; trial: the row of the run that stands for the
    configuration. accuracy is that run's where ``found`` is None, else the mean over seeds."""
    facts: Facts = {
        "study": name,
        "stage": spec.stage,
        "trial": int(trial["trial"]),
        "seeds": 1,
        "accuracy": float(trial["value"]),
        "measured_on": "test" if spec.reads_test else "validation",
        "schedule": _schedule(config),
        "config": config.model_dump(mode="json"),
    }
    if found is not None:
        facts |= {
            "family": found.family,
            "search_trial": found.origin,
            "seeds": found.seeds,
            "lost": found.lost,
            "accuracy": _number(found.accuracy),
            "accuracy_low": _number(found.low),
            "accuracy_high": _number(found.high),
            "trials": found.trials,
        }
    return facts


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _schedule(config: TrialConfig) -> str:
    from search_spaces.wording import in_words, sampling_in_words

    if config.weight_sampling is None:
        return in_words(config.schedule)
    return f"{in_words(config.schedule)}; {sampling_in_words(config.weight_sampling)}"


def best_in_words(study: Study, facts: Facts, found: Settled | None) -> Iterator[str]:
    """A line with the configuration and its score; one with what they rest on; the next command."""
    config = facts["config"]
    what = (
        f"{facts['measured_on']} accuracy with {printable(facts['schedule'])}; "
        f"{count(config['epochs'], 'epoch')}, batches of {config['batch_size']}"
    )
    if found is None:
        yield f"trial {facts['trial']}: {percent(facts['accuracy'])} {what}"
        yield "One run of a search: the best of many looks better than it is. Expect a little less."
    else:
        yield f"{_mean(found)} {what}"
        yield _basis(study, found)
    yield from _next(study, found)


def _mean(found: Settled) -> str:
    """The mean with what it is worth."""
    if math.isnan(found.accuracy):
        return f"no run of {count(found.lost, 'seed')} trained: no"
    seeds = count(found.seeds, "seed")
    if math.isnan(found.low):
        return f"{percent(found.accuracy)} (mean of {seeds}, no interval)"
    bounds = f"95 % interval {percent(found.low)} to {percent(found.high)}"
    return f"{percent(found.accuracy)} (mean of {seeds}, {bounds})"


def _basis(study: Study, found: Settled) -> str:
    """Where the numbers come from."""
    from analysis.wording import numbered

    trials = numbered("trial", found.trials)
    lost = ""
    if found.lost:
        counted = "included" if found.stage == "test" else "left out of the mean"
        lost = f" {count(found.lost, 'run')} stalled or diverged, {counted}."
    if found.origin is None:
        return f"The highest mean of the design, on the images that judge it ({trials}).{lost}"
    confirmed = sibling(study.name, "confirm")
    where = (
        "has, of the search's configurations of every schedule, the best mean validation accuracy "
        f"on the fresh seeds of {confirmed!r}"
    )
    if found.stage == "confirm":
        judged = f", which chose it and judge it here ({trials})"
    else:
        judged = f" and was tested in {sibling(study.name, 'test')!r} ({trials})"
    return f"Trial {found.origin} of {study.name!r} {where}{judged}.{lost}{_left(study, found)}"


def _left(study: Study, found: Settled) -> str:
    stage = study.stage(found.stage)
    runs = count(stage.spec.trials, "run")
    return f" Not finished: {stage.left} of {runs} are left." if stage.left else ""


def _next(study: Study, found: Settled | None) -> Iterator[str]:
    """The command that leads on, or back."""
    if study.spec.search_space.DESIGNED:
        return
    if found is not None:
        back = study.command("best", "--search")
        yield with_command("The best single run of the search:", back)
    elif study.confirm is not None and not study.confirm.left:
        yield with_command("On fresh seeds:", study.command("best"))
    elif not study.left:
        yield with_command("To train it on fresh seeds:", study.command("confirm"))
