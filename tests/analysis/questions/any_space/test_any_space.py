"""The answer of a space without a section of its own, on planted studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace

import pandas as pd
import pytest
from optuna.trial import BaseTrial

from analysis.answers import ANSWERS, answers_of
from analysis.estimators.seeds import by_seed
from analysis.fresh_seeds.frames import chosen_runs
from analysis.page.leaderboard import trial_rows
from analysis.questions.any_space import confirmed, search
from analysis.section import find
from analysis.sections.importance import importance
from analysis.study import Study, load_study
from search_spaces import cosine
from search_spaces.config import Budget, Parameters, Ranges
from search_spaces.schedules.decays import Constant
from search_spaces.space import log_range, sample
from search_spaces.spaces import SPACES
from study.choosing import choose
from tests.analysis.conftest import PEAK, plant_stages, plant_study


def suggest(trial: BaseTrial, family: str, budget: Budget, ranges: Ranges) -> Parameters:
    """A rate and two parameters that change nothing; a column of another meaning has the name of
    one of them."""
    for name in ("epochs", "width"):
        sample(trial, name, ranges)
    return {"schedule": Constant(base_lr=sample(trial, "base_lr", ranges))}


def ranges(budget: Budget) -> Ranges:
    found = {"base_lr": log_range(0.03, 1.0), "epochs": log_range(2.0, 3.0, "epochs")}
    return found | {"width": log_range(1.0, 8.0)}


def no_baselines(family: str, budget: Budget) -> list[Parameters]:
    return []


def no_grid(best: Mapping[str, Parameters], budget: Budget) -> list[object]:
    return []


COMMON = {"EXERCISE": None, "QUESTION": "Why?", "PRESETS": cosine.PRESETS, "grid": no_grid}
COMMON |= {"COMPARED": None, "DESIGNED": False, "SAMPLES_WEIGHTS": False}
MINE = SimpleNamespace(
    **COMMON, FAMILIES=("constant",), ranges=ranges, suggest=suggest, baselines=no_baselines
)
MANY = SimpleNamespace(
    **COMMON,
    FAMILIES=cosine.FAMILIES,
    ranges=cosine.ranges,
    suggest=cosine.suggest,
    baselines=cosine.baselines,
)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Study]]:
    path = tmp_path_factory.mktemp("any") / "planted.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPACES, "mine", MINE)
        patch.setitem(SPACES, "many", MANY)
        plant_study(path, "mine", 24)
        plant_study(path, "many", 24)
        plant_study(path, "many", 6, name="lost", everything="diverged")
        url = plant_stages(path, "many", seeds=5, top=2, states={"confirm": {0: "stalled"}})
        yield {name: load_study(url, name) for name in ("mine", "many", "lost")}


def test_a_parameter_may_have_the_name_of_another_column(studies: dict[str, Study]) -> None:
    study = studies["mine"]
    assert (study.trials["epochs"] == study.spec.budget.epochs).all()
    assert study.trials["params_epochs"].between(2.0, 3.0).all()
    found = search.estimate(study)
    names = ["base_lr", "params_epochs", "width"]
    assert list(found["scales"]["parameter"]) == names
    assert list(dict.fromkeys(found["responses"]["parameter"])) == names
    assert set(names) < set(trial_rows(study))
    kept = {name: study.spec.ranges[name.removeprefix("params_")] for name in names}
    assert set(importance(study.trials, kept)["parameter"]) == set(names)


def test_the_best_run_is_named_with_its_configuration(studies: dict[str, Study]) -> None:
    study = studies["mine"]
    found = search.estimate(study)
    best = study.trials.loc[study.trials["value"].idxmax()]
    verdict = str(search.conclude(found))
    assert verdict.startswith(f"Best single run: constant at base_lr={best['base_lr']:.3g}, ")
    assert f"(trial {best['trial']}, best of 24)" in verdict
    rates = found["responses"][found["responses"]["parameter"] == "base_lr"]
    assert rates["n"].sum() == 24
    top = rates.loc[rates["best_accuracy"].idxmax()]
    assert top["value_low"] / 2 < PEAK < top["value_high"] * 2


def test_fresh_seeds_judge_what_others_chose(studies: dict[str, Study]) -> None:
    study = studies["many"]
    assert answers_of(study)[0] is confirmed
    found = confirmed.estimate(study)
    rows = found["configurations"]
    assert len(rows) == len(study.stage("confirm").spec.arms)
    assert rows["standing"].iloc[0] == "best"
    assert (rows["complete"] + rows["stalled"] + rows["diverged"] == rows["n"]).all()
    pairs = found["comparison"]
    assert set(pairs["stage"]) == {"test"}
    assert len(pairs) == 5
    # The first of the pairs stood first on the seeds of the confirm runs, which do not judge it.
    outcomes = by_seed(chosen_runs(study), "family")
    best = choose(outcomes.accuracy, outcomes.untrained).best
    assert best is not None
    assert pairs["first"].iloc[0] == outcomes.accuracy.columns[best]


def test_without_a_test_the_search_chooses(studies: dict[str, Study]) -> None:
    study = studies["many"]
    untested = Study(**{**vars(study), "test": None})
    pairs = confirmed.estimate(untested)["comparison"]
    best = study.trials.loc[study.trials["value"].idxmax()]
    assert (set(pairs["stage"]), set(pairs["first"])) == ({"confirm"}, {best["family"]})
    assert "no test image was read yet" in str(confirmed.conclude(confirmed.estimate(untested)))


@pytest.mark.usefixtures("unrendered")
def test_findings_are_whole(studies: dict[str, Study]) -> None:
    asked = [(search, study) for study in studies.values()] + [(confirmed, studies["many"])]
    for section, study in asked:
        finding = find(section, study)
        assert str(finding.verdict).endswith(".")
        assert "nan" not in str(finding.verdict).lower()
        for name, table in finding.printed.items():
            assert set(finding.estimates[name]) <= set(table.names)
    assert studies["many"].spec.space not in ANSWERS


@pytest.mark.parametrize(
    ("standings", "words"),
    [
        ([], "it is the only one"),
        (["tied"], "of the other, 1 cannot be told from it"),
        (["worse"], "of the other, 1 is worse"),
        (["untrained"], "of the other, 1 never trained"),
        (
            ["tied", "worse", "tied", "too few", "more often untrained"],
            "of the 5 others, 2 cannot be told from it, 1 is worse, 1 has too few common seeds "
            "with it to tell, 1 is more often untrained",
        ),
    ],
)
def test_the_standing_of_each_other_configuration_is_said(standings: list[str], words: str) -> None:
    rows = [
        {"family": "cosine", "configuration": "", "origin_trial": 1, "n": 5, "complete": 5}
        | {"standing": standing, "accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9}
        for standing in ("best", *standings)
    ]
    end = {"comparison": pd.DataFrame(), "missing": pd.DataFrame({"missing": []})}
    frames = {"configurations": pd.DataFrame(rows), **end}
    assert f"; {words}; " in str(confirmed.conclude(frames))
