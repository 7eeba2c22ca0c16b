"""What to use: it agrees with the answers, is chosen without test images, and its code is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch

from analysis.answers import answers_of
from analysis.estimators.warmups import shortest_warmup
from analysis.figures.style import WIDTH
from analysis.fresh_seeds.frames import compared_on_test
from analysis.fresh_seeds.pairs import pairs
from analysis.other_programs.study import OtherStudy, load_other
from analysis.progress import best_trial
from analysis.questions.polynomial.confirmed import estimate as exponents_of
from analysis.questions.warmup.confirmed import estimate as lengths_of
from analysis.questions.warmup.confirmed import grid_runs
from analysis.recommendation import Recommendation, recommendation, schedule_picture
from analysis.section import find
from analysis.sections.test_accuracy import accuracies, with_interval
from analysis.settled import settled
from analysis.study import Study, load_study
from search_spaces.config import TrialConfig
from search_spaces.schedules.given import Plateau
from search_spaces.wording import in_words
from study.storage.studies import open_storage
from tests.analysis import conftest
from tests.analysis.conftest import Plant, plant_stages, plant_study
from tests.analysis.questions.comparison.test_comparison import made, planted
from tests.analysis.questions.warmup.test_tested import plant as plant_warmup
from tests.golden import golden

Load = Callable[[str], Study]
CONFIRMED = ("fixed_rate", "polynomial", "cosine", "warmup", "langevin")
GRID = 25  # points an epoch of the drawn rates


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """``load(NAME)`` of the planted studies."""
    url = golden.restore(golden.PLANTED, tmp_path_factory.mktemp("golden") / "planted.db")
    return lambda name: load_study(url, name)


def used(study: Study | OtherStudy) -> Recommendation:
    found = recommendation(study)
    assert found is not None
    return found


def config_of(run: pd.Series) -> TrialConfig:
    return TrialConfig.model_validate_json(run["config"])


def shuffled(study: Study) -> Study:
    """The study with the results of its test stage given to other runs, wrong images for right."""
    assert study.test is not None
    order = np.random.default_rng(1).permutation(len(study.test.trials))
    measured = [name for name in study.test.trials if "test_" in name or name == "value"]
    trials = study.test.trials.copy()
    trials[measured] = trials[measured].to_numpy()[order]
    correct = {}
    for weights, frame in study.test.correct.items():
        places = np.random.default_rng(1).permutation(len(frame))
        correct[weights] = (1 - frame.astype(int)).set_axis(frame.index[places])
    predictive = study.test.predictive
    if not predictive.empty:
        numbers = trials["trial"].to_numpy()
        predictive = predictive.assign(
            trial=predictive["trial"].map(dict(zip(numbers, numbers[order], strict=True)))
        )
    test = replace(study.test, trials=trials, correct=correct, predictive=predictive)
    return replace(study, test=test)


@pytest.mark.parametrize("name", ["fixed_rate", "cosine", "langevin"])
def test_it_is_the_candidate_that_later_stages_settled_on(load: Load, name: str) -> None:
    study, found = load(name), used(load(name))
    best: Any = settled(study)
    assert found.words.startswith(in_words(config_of(best.run).schedule))
    assert found.rates["trial"].unique().tolist() == [best.run["trial"]]
    shown = f"{100 * best.accuracy:.1f} %"
    assert found.score == f"{shown} (too few seeds for an interval) on test images, 3 seeds"
    assert found.how.startswith("best of ")
    assert found.how.endswith(" candidates on validation images over 3 seeds")


def test_the_candidates_are_those_that_could_be_chosen(load: Load) -> None:
    """Of several schedules the search's alone; a single one's grid competes with them."""
    for name, roles in (("cosine", ["candidate"]), ("fixed_rate", ["candidate", "grid"])):
        arms: Any = load(name).confirm
        n = sum(arm.role in roles and arm.budget is None for arm in arms.spec.arms)
        assert used(load(name)).how.startswith(f"best of {n} candidates ")


def test_a_score_has_the_interval_of_the_report(tmp_path: Path) -> None:
    plant_study(tmp_path / "it.db", "cosine", 12, everything="complete")
    url = plant_stages(tmp_path / "it.db", "cosine", seeds=6, top=1)
    study = load_study(url, "cosine")
    table = accuracies(study)
    family = settled(study).family  # type: ignore[union-attr]
    row = table[(table["family"] == family) & (table["weights"] == "last")].iloc[0]
    assert used(study).score == f"{with_interval(row, 'accuracy')} on test images, 6 seeds"


@pytest.mark.parametrize("name", ["fixed_rate", "cosine", "langevin", "polynomial"])
def test_test_images_choose_nothing(load: Load, name: str) -> None:
    study = load(name)
    before, after = used(study), used(shuffled(study))
    assert (before.words, before.how, before.code) == (after.words, after.how, after.code)
    scores: list[Any] = [settled(each) for each in (study, shuffled(study))]
    assert scores[0].accuracy != scores[1].accuracy  # or nothing was shuffled


def test_a_fixed_rate_is_a_constant_one(load: Load) -> None:
    found = used(load("fixed_rate"))
    assert found.words == "a constant rate of 0.3083"
    assert found.rates["rate"].min() == found.rates["rate"].max()
    assert "lr=0.3083" in (found.code or "")


def test_the_exponent_is_the_one_that_the_answer_names(load: Load) -> None:
    study, found = load("polynomial"), used(load("polynomial"))
    assert "exponent 2 is best" in str(find(answers_of(study)[0], study).verdict)
    row = exponents_of(study)["exponents"].set_index("exponent").loc[2.0]
    expected = f"polynomial decay from {row['base_lr']:.4g} to 0 at epoch 6, exponent 2"
    assert found.words == expected
    assert found.how.startswith("best of 4 exponents, each at its best rate, on validation images")
    images = "on the validation images that chose it, 4 seeds"
    assert found.score == f"{with_interval(row, 'accuracy')} {images}"


def test_an_exponent_that_was_tested_has_its_test_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "EXPONENT", 2.0)
    plant_study(tmp_path / "it.db", "polynomial", 8, families=("polynomial",), noise=0.0)
    url = plant_stages(tmp_path / "it.db", "polynomial", seeds=5, top=1, noise=1e-6)
    study = load_study(url, "polynomial")
    best: Any = settled(study)
    assert config_of(best.run).schedule.exponent == 2.0  # type: ignore[attr-defined]
    found = used(study)
    assert "exponent 2" in found.words
    assert found.score.endswith(" on test images, 5 seeds")
    assert found.how.startswith("best of 4 exponents")


@pytest.fixture(scope="module")
def warmup(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """No warmup costs five points; half an epoch is as good as any more."""
    path = tmp_path_factory.mktemp("warmup") / "planted.db"
    return plant_warmup(path, lambda length: 0.05 * (length < 0.3))


def test_the_shortest_warmup_that_is_shown_is_used_with_its_test_accuracy(warmup: Study) -> None:
    found, frames = used(warmup), lengths_of(warmup)
    assert frames["facts"]["shortest"].tolist() == [0.5]
    row = frames["lengths"].set_index("warmup").loc[0.5]
    assert found.words.startswith(f"a cosine from {row['base_lr']:.4g} to ")
    assert found.words.endswith(", after 0.5 epochs of warmup rising from 0")
    assert found.how == (
        "the shortest of 4 lengths of warmup shown to be not inferior to any other on test "
        "images over 8 seeds"
    )
    mean = compared_on_test(warmup).accuracy[0.5].mean()
    assert found.score.startswith(f"{100 * mean:.1f} % (")
    assert found.score.endswith(" on test images, 8 seeds")


def test_where_no_warmup_is_shown_validation_images_choose_it(warmup: Study) -> None:
    strict = replace(warmup, delta=1e-9)
    best = shortest_warmup(grid_runs(strict), strict.delta).best
    assert best
    tested_best = set()
    for study in (strict, shuffled(strict)):
        facts, found = lengths_of(study)["facts"].iloc[0], used(study)
        assert np.isnan(facts["shortest"])
        tested_best.add(facts["best"])
        assert f", after {best:g} epoch" in found.words
        assert found.how.startswith("best of 4 lengths of warmup, each at its best rate, on ")
        assert found.score.endswith(" on test images, 8 seeds")
    assert len(tested_best) == 2  # or the test images would not tempt


def test_before_a_test_the_validation_images_judge_the_warmup(warmup: Study) -> None:
    found = used(replace(warmup, test=None))
    assert "on validation images over 8 seeds" in found.how
    assert found.score.endswith(" on the validation images that chose it, 8 seeds")


def test_a_search_alone_has_its_best_single_run(plant: Plant) -> None:
    study = load_study(plant("cosine", 12, upto=10), "cosine")
    run, found = best_trial(study.trials), used(study)
    assert run is not None
    assert found.words == in_words(config_of(run).schedule)
    assert found.how == "best single run of a search so far: confirm it on fresh seeds"
    assert found.score.startswith(f"{100 * run['value']:.1f} % on validation images, a single run")
    assert found.trained == "6 epochs of plain SGD in batches of 256 images"


def test_a_confirm_that_is_not_finished_chooses_nothing(tmp_path: Path) -> None:
    plant_study(tmp_path / "it.db", "polynomial", 4, everything="complete")
    left = {"confirm": {0: "interrupted"}}
    url = plant_stages(
        tmp_path / "it.db", "polynomial", seeds=2, top=1, stages=("confirm",), states=left
    )
    assert used(load_study(url, "polynomial")).how.startswith("best single run of a search")


def test_runs_that_stalled_on_the_test_images_are_told(tmp_path: Path) -> None:
    plant_study(tmp_path / "it.db", "fixed_rate", 4, everything="complete")
    plant_stages(tmp_path / "it.db", "fixed_rate", seeds=5, states={"test": {0: "stalled"}})
    found = used(load_study(f"sqlite:///{tmp_path}/it.db", "fixed_rate"))
    assert found.score.endswith(" on test images, 4 seeds; 1 of 5 runs untrained")
    every = {"test": dict.fromkeys(range(5), "stalled")}
    plant_study(tmp_path / "it.db", "fixed_rate", 4, name="all", everything="complete")
    plant_stages(tmp_path / "it.db", "all", seeds=5, states=every)
    found = used(load_study(f"sqlite:///{tmp_path}/it.db", "all"))
    assert found.score == "none of 5 runs for the test images trained"


@pytest.mark.parametrize("state", ["stalled", "diverged"])
def test_nothing_is_recommended_where_nothing_trained(tmp_path: Path, state: str) -> None:
    file = tmp_path / "it.db"
    url = plant_study(file, "fixed_rate", 4, name="search", everything=state)
    assert recommendation(load_study(url, "search")) is None
    plant_study(file, "fixed_rate", 4, everything="complete")
    states = {"confirm": dict.fromkeys(range(100), state)}
    plant_stages(file, "fixed_rate", seeds=2, stages=("confirm",), states=states)
    assert recommendation(load_study(url, "fixed_rate")) is None


def test_nothing_is_recommended_by_a_design_that_has_no_image_to_choose_by(load: Load) -> None:
    assert recommendation(load("chapter")) is None


def test_what_another_version_wrote_is_not_recommended(plant: Plant) -> None:
    study = load_study(plant("fixed_rate", 4, everything="complete"), "fixed_rate")
    for config in ('{"schedule": {"family": "unheard"}}', None):
        unread = replace(study, trials=study.trials.assign(config=config))
        assert recommendation(unread) is None


def better(monkeypatch: pytest.MonkeyPatch, **points: float) -> None:
    """Plants accuracy that some of the given schedules have more than the others."""
    usual = conftest.arm_effect

    def effect(spec: Any, slot: int, noise: float) -> float:
        return usual(spec, slot, noise) + points.get(spec.family(slot), 0.0) / 100

    monkeypatch.setattr(conftest, "arm_effect", effect)


def test_the_first_given_schedule_stays_where_no_verdict_is_against_it(tmp_path: Path) -> None:
    study = planted(tmp_path, made(5))
    found = used(study)
    assert found.words == "a cosine from 0.03 to 0.001 at epoch 6"
    assert found.how == "the first schedule given; none is shown better"
    assert found.score.endswith(" on test images, 5 seeds")


def test_a_given_schedule_that_is_shown_better_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    better(monkeypatch, constant=6)
    study = planted(tmp_path, made(6))
    verdicts = pairs(study, "cosine").set_index("family")["verdict"]
    assert verdicts["constant"] == "worse"
    assert verdicts["factor"] != "worse"
    found = used(study)
    assert found.words == "a constant rate of 0.02"
    assert found.how == "shown better on test images than cosine, the first schedule given"


@pytest.mark.parametrize("all_pairs", [False, True])
def test_of_several_that_are_shown_better_validation_images_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_pairs: bool
) -> None:
    better(monkeypatch, constant=5, factor=6)
    study = planted(tmp_path, made(6, all_pairs=all_pairs))
    assert used(study).words.startswith("exponential decay from 0.03")
    assert used(study).how.endswith(", and best on validation images of 2 such")
    accuracy = study.trials["val_accuracy"].where(study.trials["family"] != "factor", 0.5)
    turned = replace(study, trials=study.trials.assign(val_accuracy=accuracy))
    turned = replace(turned, test=turned)
    assert used(turned).words == "a constant rate of 0.02"


def test_one_that_trains_more_often_takes_its_place(tmp_path: Path) -> None:
    study = planted(tmp_path, made(12), states=dict.fromkeys(range(0, 33, 3), "stalled"))
    found = used(study)
    assert found.words != "a cosine from 0.03 to 0.001 at epoch 6"
    assert found.how.startswith("shown to train more often than cosine, the first schedule given")


def test_a_first_schedule_that_never_trained_is_not_recommended(tmp_path: Path) -> None:
    study = planted(tmp_path, made(2), states=dict.fromkeys((0, 3), "diverged"))
    found = used(study)
    assert found.how == "best on validation images; cosine, given first, never trained"
    best: Any = settled(study)
    assert found.words == in_words(config_of(best.run).schedule)
    (tmp_path / "none").mkdir()
    nothing = planted(tmp_path / "none", made(2), everything="stalled")
    assert recommendation(nothing) is None


def of_another_program(path: Path, values: list[float]) -> OtherStudy:
    storage = open_storage(f"sqlite:///{path}", create=True)
    study = optuna.create_study(storage=storage, study_name="theirs", direction="minimize")
    study.enqueue_trial({"x": 0.25})
    for value in values:
        study.tell(study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), value)
    storage.engine.dispose()
    return load_other(f"sqlite:///{path}", "theirs")


def test_of_another_program_it_is_the_best_trial(tmp_path: Path) -> None:
    found = used(of_another_program(tmp_path / "theirs.db", [0.125, 0.5, 0.75]))
    assert found.words == "x=0.25"
    assert found.how == "best of 3 complete trials, each a single run"
    assert (found.score, found.code) == ("0.125 (lower is better)", None)
    assert schedule_picture(found) is None
    assert recommendation(of_another_program(tmp_path / "none.db", [])) is None


@pytest.mark.parametrize("name", [*CONFIRMED, "bank", "only searched"])
def test_the_code_trains_with_the_drawn_rates(load: Load, name: str) -> None:
    found, study = used(load(name)), load(name)
    names: dict[str, Any] = {"model": torch.nn.Linear(2, 1)}
    names["loader"] = torch.utils.data.DataLoader([*range(GRID)], batch_size=1)
    exec(compile(found.code or "", "pasted.py", "exec"), names)
    rates = []
    for _ in range(study.spec.budget.epochs * GRID):
        rates.append(names["optimizer"].param_groups[0]["lr"])
        names["optimizer"].step()
        if "scheduler" in names:
            names["scheduler"].step()
    np.testing.assert_allclose(rates, found.rates["rate"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.rates["epoch"] * GRID, np.arange(len(rates)))


def test_the_picture_is_small_and_shows_the_rates(load: Load) -> None:
    found = used(load("only searched"))
    drawn = schedule_picture(found)
    assert drawn is not None
    [axes] = drawn.figure.axes
    [line] = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), found.rates["rate"])
    np.testing.assert_array_equal(line.get_xdata(), found.rates["epoch"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "learning rate")
    assert (axes.get_title(), axes.get_legend()) == ("", None)
    assert drawn.figure.get_figwidth() < WIDTH
    assert drawn.alt == f"Learning rate against epoch: {found.words}."


def test_a_schedule_that_follows_the_loss_has_the_rates_that_were_recorded(plant: Plant) -> None:
    study = load_study(plant("fixed_rate", 4, everything="complete"), "fixed_rate")
    config = TrialConfig(schedule=Plateau(base_lr=0.3), epochs=6, seed=0).model_dump_json()
    found = used(replace(study, trials=study.trials.assign(config=config)))
    best: Any = best_trial(study.trials)
    recorded = study.curves[study.curves["trial"] == best["trial"]]
    assert found.code is None
    assert found.rates["rate"].tolist()[::2] == recorded["first_lr"].tolist()
