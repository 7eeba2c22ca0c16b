"""Studies of another program: every number by hand, in both directions, and what lacks is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.other_programs import importance, leaderboard, learning, pruning
from analysis.other_programs.sections import ANSWER, SECTIONS, find
from analysis.other_programs.study import OtherStudy, load_other, overview
from study.storage.studies import open_storage
from study.storage.urls import StorageError

KINDS = {
    "lr": FloatDistribution(1e-3, 1.0, log=True),
    "layers": IntDistribution(1, 4),
    "act": CategoricalDistribution(["relu", "tanh"]),
    "dropout": FloatDistribution(0.0, 0.5),
}
Plant = Callable[..., OtherStudy]


def trial(
    value: float | None, reports: list[float] | None = None, state: str = "complete", **params: Any
) -> FrozenTrial:
    return create_trial(
        state={"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}[state],
        value=value,
        params=params,
        distributions={name: KINDS[name] for name in params},
        intermediate_values=dict(enumerate(reports or [])),
    )


@pytest.fixture
def planted(tmp_path: Path) -> Plant:
    def made(trials: list[FrozenTrial], direction: str = "minimize") -> OtherStudy:
        url = f"sqlite:///{tmp_path}/theirs.db"
        storage = open_storage(url, create=True)
        study = optuna.create_study(storage=storage, study_name="theirs", direction=direction)
        study.add_trials(trials)
        storage.engine.dispose()
        return load_other(url, "theirs")

    return made


@pytest.mark.parametrize(
    ("direction", "verdict"),
    [
        ("minimize", "Lowest value of 3 complete trials: 1 (trial 1) at lr=0.1; the next is 2"),
        ("maximize", "Highest value of 3 complete trials: 3 (trial 2) at act=tanh; the next is 2"),
    ],
)
def test_the_best_is_that_of_the_direction(planted: Plant, direction: str, verdict: str) -> None:
    study = planted(
        [
            trial(2.0, lr=0.01),
            trial(1.0, lr=0.1),
            trial(3.0, act="tanh"),
            trial(math.inf, lr=0.2),  # a value that no trial can be ranked by
        ],
        direction,
    )
    found = leaderboard.estimate(study)
    assert str(leaderboard.conclude(found)).startswith(verdict)
    rising = [1, 0, 2]
    assert list(found["best"]["trial"]) == (rising if direction == "minimize" else rising[::-1])
    so_far = [2, 1, 1] if direction == "minimize" else [2, 2, 3]
    assert list(found["history"]["best"]) == so_far


def test_curves_are_those_of_complete_trials(planted: Plant) -> None:
    study = planted(
        [
            trial(1.0, [4.0, 3.0, 1.0]),
            trial(2.0, [6.0, 5.0, 2.0]),
            trial(None, [9.0], state="pruned"),
        ]
    )
    found = learning.estimate(study)
    assert found["bands"][["step", "n", "median"]].to_numpy().tolist() == [
        [0, 2, 5.0],
        [1, 2, 4.0],
        [2, 2, 1.5],
    ]
    assert list(found["best"]["value"]) == [4.0, 3.0, 1.0]
    assert str(learning.conclude(found)) == (
        "The median of the complete trials goes from 5 at step 0 to 1.5 at step 2; the best "
        "(trial 0) ended at 1."
    )


def test_pruned_trials_are_set_beside_the_complete_ones(planted: Plant) -> None:
    """At step 1 the complete trials had 3, 5 and 7. Had the pruned ones gone on, they would have
    made 3 more reports of 12."""
    study = planted(
        [
            trial(1.0, [4.0, 3.0]),
            trial(2.0, [6.0, 5.0]),
            trial(3.0, [8.0, 7.0]),
            trial(None, [5.0], state="pruned"),  # better than two of three
            trial(None, [9.0], state="pruned"),  # than none
            trial(None, [math.nan], state="pruned"),  # nobody knows
            trial(None, state="pruned"),
        ]
    )
    found = pruning.estimate(study)
    assert found["stopped"][["trial", "ahead_share"]].to_numpy().tolist() == [[3, 2 / 3], [4, 0.0]]
    totals = found["totals"].iloc[0]
    assert (totals["pruned"], totals["silent"]) == (4, 2)
    assert totals["saved_share"] == pytest.approx(3 / 12)
    assert pruning.conclude(found).startswith(
        "Of 2 pruned trials that can be compared, 1 stood better than half of the complete trials"
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_the_parameter_that_decides_leads(planted: Plant, sign: int) -> None:
    """In both directions; a parameter that only some trials have is named, not ranked."""
    rng, trials = np.random.default_rng(0), []
    for number in range(40):
        lr = float(10 ** rng.uniform(-3, 0))
        params = {"lr": lr, "layers": int(rng.integers(1, 5)), "act": ["relu", "tanh"][number % 2]}
        params |= {"dropout": 0.1} if number % 3 else {}
        trials.append(trial(sign * abs(math.log10(lr) + 1.5), **params))
    found = importance.estimate(planted(trials, "minimize" if sign == 1 else "maximize"))
    frame = found["importance"].set_index("parameter")["importance"]
    assert frame.idxmax() == "lr"
    assert frame["lr"] > 0.5
    assert frame.sum() == pytest.approx(1)
    assert math.isnan(frame["dropout"])
    assert importance.conclude(found).endswith("all have one value: dropout.")


NOTHING: dict[str, list[FrozenTrial]] = {
    "no trial": [],
    "one trial without parameters": [trial(1.0)],
    "none complete": [trial(None, [1.0], state="pruned", lr=0.1)],
    "equal values": [trial(1.0, [1.0, 1.0], lr=0.1, layers=2) for _ in range(25)],
}


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("trials", NOTHING.values(), ids=NOTHING)
def test_what_lacks_is_said_in_a_sentence(planted: Plant, trials: list[FrozenTrial]) -> None:
    study = planted(trials)
    for section in (ANSWER, *SECTIONS):
        finding = find(section, study)
        assert str(finding.verdict).endswith(".")
        assert "nan" not in str(finding.verdict).lower()
        for name, table in finding.printed.items():
            assert set(finding.estimates[name]) == set(table.names)


def test_several_objectives_have_a_status_and_no_best(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/two.db"
    storage = open_storage(url, create=True)
    study = optuna.create_study(
        storage=storage, study_name="two", directions=["minimize", "maximize"]
    )
    study.add_trial(create_trial(values=[1.0, 2.0]))
    storage.engine.dispose()
    with pytest.raises(StorageError, match=r"^study 'two' has 2 objectives, and no trial of it is"):
        load_other(url, "two")
    facts = overview(url, "two")
    assert facts["directions"] == ["minimize", "maximize"]
    assert (facts["states"], facts["best"]) == ({"complete": 1}, None)
