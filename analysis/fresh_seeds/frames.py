"""Frames of a search's later stages: the runs on fresh seeds, and the test of the chosen ones."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.estimators.seeds import by_seed
from analysis.reading.states import RESULTS
from analysis.study import Study
from search_spaces.config import Arm
from study.choosing import choose
from study.stages import Result, best_arms, compared_places, firsts


class Scores(NamedTuple):
    """`Outcomes` on the test images, a column for each configuration, named for its family or the
    value that it is compared for; correct: of each the (seeds, images) correctness behind its
    accuracies, row for row."""

    accuracy: pd.DataFrame
    untrained: pd.DataFrame
    correct: Mapping[Any, npt.NDArray[np.float64]]


def confirm_runs(study: Study) -> pd.DataFrame:
    """The confirm runs that have a result, a row each, as `reading.frames` has them, with their
    arm's role, origin (the search's trial, <NA> for a grid run), images (training images) and
    ladder (whether it ran on a smaller problem than the search).

    Failed ones are left out, and so are seeds beyond those that were planned, which decide nothing
    (`sections.exploratory` has them). Empty where nothing was confirmed yet.
    """
    stage = study.confirm
    if stage is None:
        return study.trials.iloc[:0].assign(role="", origin=np.nan, images=np.nan, ladder=False)
    ended = as_planned(stage)
    arms = [stage.spec.arms[int(index)] for index in ended["arm"]]
    full = stage.spec.budget
    return ended.assign(
        role=[arm.role for arm in arms],
        origin=pd.array([arm.origin for arm in arms], dtype="Int64"),
        images=[float((arm.budget or full).train_size or np.nan) for arm in arms],
        ladder=[arm.budget is not None for arm in arms],
    )


def as_planned(stage: Study) -> pd.DataFrame:
    """The runs of a later stage with a result, of the seeds that it was planned with."""
    ended, looks = stage.ended(RESULTS), stage.spec.looks
    return ended[ended["replicate"] < looks[-1]] if looks else ended


def chosen_runs(study: Study) -> pd.DataFrame:
    """Of the confirm runs those of the candidate that represents each family (`study.stages`)."""
    runs = confirm_runs(study)
    if study.confirm is None:
        return runs
    best = best_arms(study.confirm.spec, list(_results(runs)))
    return runs[runs["arm"].isin(best.values())]


def _results(runs: pd.DataFrame) -> Iterator[Result]:
    for row in runs.to_dict("records"):
        score = float(row["value"]) if row["state"] == "complete" else np.nan
        yield Result(int(row["arm"]), int(row["replicate"]), score)


def chosen(study: Study) -> pd.DataFrame:
    """What each family is represented by on the test images: family, origin (the search's trial)
    and its parameters; empty where the test was not begun."""
    arms = _represent(study)
    rows = [{"family": arm.family, "origin": arm.origin, **arm.parameters} for arm in arms]
    return pd.DataFrame(rows, columns=None if rows else ["family", "origin"])


def represented_runs(study: Study) -> pd.DataFrame:
    """The confirm runs of what each family is represented by on the test images, or will be."""
    if study.test is None or study.confirm is None:
        return chosen_runs(study)
    represent, arms = _represent(study), study.confirm.spec.arms
    places = [n for n, arm in enumerate(arms) if any(arm.same_run(each) for each in represent)]
    runs = confirm_runs(study)
    return runs[runs["arm"].isin(places)]


def _represent(study: Study) -> list[Arm]:
    """What represents the families on the test images."""
    if study.test is None:
        return []
    return [study.test.spec.arms[place] for place in firsts(study.test.spec).values()]


def tested_runs(study: Study) -> pd.DataFrame:
    """The test runs with a result of what represents each family, none before the test. What the
    question compares besides is left out: see `compared_runs`."""
    stage = tested(study)
    if stage is None:
        return study.trials.iloc[:0]
    ended = stage.ended(RESULTS)
    return ended[ended["arm"].isin(firsts(stage.spec).values())]


def best_family(study: Study) -> str | None:
    """The family whose representative `choose` finds best on validation images."""
    outcomes = by_seed(chosen_runs(study), "family")
    best = choose(outcomes.accuracy, outcomes.untrained).best
    return None if best is None else str(outcomes.accuracy.columns[best])


def tested(study: Study) -> Study | None:
    """The study that reads the test images: the search's test, or itself where the user gave the
    configurations."""
    return study if study.spec.compares else study.test


def on_test(study: Study, weights: str) -> Scores:
    """Test accuracy of the chosen configurations by seed and family, from the weights that
    `analysis.reading.predictive.WEIGHTS` names. Runs whose correctness was not kept are missing.
    Where looks are planned every seed has a row, from the first on; else each with a result."""
    stage = tested(study)
    if stage is None:
        return _NO_SCORES
    return _scores(stage, tested_runs(study), "family", firsts(stage.spec), weights)


def compared_runs(study: Study) -> pd.DataFrame:
    """The test runs with a result of the space's COMPARED parameter, in a column ``value``: each
    value with the rest as validation images chose it; empty where none was tested."""
    if study.test is None or study.confirm is None:
        return study.trials.iloc[:0].assign(value=np.nan)
    places = compared_places(study.test.spec, study.confirm.spec)
    ended = as_planned(study.test)
    values = ended["arm"].map({place: value for value, place in places.items()})
    return ended.assign(value=values.astype(float)).dropna(subset=["value"])


def compared_on_test(study: Study) -> Scores:
    """`on_test` of `compared_runs`, a column for each value in rising order; the last weights."""
    runs = compared_runs(study)
    if study.test is None:
        return _NO_SCORES
    return _scores(study.test, runs, "value", sorted(runs["value"].unique()), "last")


_NO_SCORES = Scores(pd.DataFrame(), pd.DataFrame(), {})


def _scores(
    stage: Study, ended: pd.DataFrame, column: str, names: Iterable[Hashable], weights: str
) -> Scores:
    """Of runs of the test stage, by seed and their ``column``, which has those names."""
    bits, names = stage.correct[weights], list(names)
    if not names or (bits.empty and not stage.spec.looks):
        return _NO_SCORES
    seeds = sorted(ended["replicate"].unique())
    if stage.spec.looks and seeds:
        seeds = list(range(int(max(seeds)) + 1))
    rows = {name: np.full((len(seeds), bits.shape[1]), np.nan, dtype=np.float64) for name in names}
    index = pd.Index(seeds, name="replicate")
    untrained = pd.DataFrame(False, index, names)
    for run in ended.to_dict("records"):
        if run["state"] != "complete":
            untrained.loc[run["replicate"], run[column]] = True
        elif run["trial"] in bits.index:
            rows[run[column]][seeds.index(run["replicate"])] = bits.loc[run["trial"]].to_numpy(
                dtype=np.float64
            )
    if bits.empty:
        return Scores(pd.DataFrame(np.nan, index, names), untrained, {})
    means = {name: correct.mean(axis=1) for name, correct in rows.items()}
    return Scores(pd.DataFrame(means, index=index), untrained, rows)


def ids(runs: pd.DataFrame) -> list[int]:
    """The trial numbers of runs, which a printed estimate links to."""
    return sorted(int(trial) for trial in runs["trial"])
