"""A study's numbers belong to its kernel: every run of it has that one, or none."""

from __future__ import annotations

import io
import sys
import tomllib
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from search_spaces.config import Arm, TrialConfig
from search_spaces.schedules.decays import Constant
from study.export.weights import export
from study.spec import StudySpec
from study.stages import likely_test_spec
from study.storage.studies import load_spec, open_storage
from study.tasks.task import Task, TaskData
from study.training.kernels.choice import numba_problem
from study.training.loop import start, train
from study.workers import worker
from study.workers.worker import Worker
from tests.study.conftest import Command, MakeSpec, MakeStudy, assert_one_line, launch_here

CPU = torch.device("cpu")
DATABASE = "sqlite:///lrstudy.db"
SMALL = ("--trials", "1", "--epochs", "1", "--train-size", "200")
needs_numba = pytest.mark.skipif(numba_problem() is not None, reason="needs numba")


def kernel_of(study: str) -> str:
    storage = open_storage(DATABASE)
    try:
        return load_spec(storage, study).kernel
    finally:
        storage.engine.dispose()


def test_a_study_from_before_there_was_a_choice_goes_on_with_torch(make_spec: MakeSpec) -> None:
    stored = make_spec().model_dump()
    del stored["kernel"]
    assert StudySpec.model_validate(stored).kernel == "torch"


def test_later_stages_have_the_kernel_of_the_search(make_spec: MakeSpec) -> None:
    arms = (Arm(family="constant", role="candidate", parameters={"base_lr": 0.1}),)
    later = {"stage": "confirm", "arms": arms, "source": "it", "kernel": "numba"}
    confirmed = make_spec(trials=2, **later)
    assert likely_test_spec("it", confirmed, 2, "train").kernel == "numba"


@pytest.mark.usefixtures("tiny")
def test_the_kernel_is_chosen_when_the_study_is_made(lrstudy: Command) -> None:
    best = "torch" if numba_problem() else "numba"
    assert lrstudy("run", "fixed_rate", *SMALL, "--save", "it.toml", "--dry-run").status == 0
    assert tomllib.loads(Path("it.toml").read_text())["kernel"] == best
    assert lrstudy("run", "it.toml", "--workers", "0", "--study", "filed").status == 0
    assert kernel_of("filed") == best
    made = ("run", "fixed_rate", *SMALL, "--workers", "0")
    assert lrstudy(*made, "--study", "open").status == 0
    assert kernel_of("open") == "torch"  # whoever joins it
    assert lrstudy(*made, "--study", "plain", "--kernel", "torch").status == 0
    assert kernel_of("plain") == "torch"
    refused = lrstudy("run", "it.toml", "--kernel", "torch")
    assert_one_line(refused, 2, "--kernel would change it")


@needs_numba
@pytest.mark.usefixtures("tiny")
def test_a_run_says_which_kernel_trains(lrstudy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.workers.local.launch", launch_here)
    said = lrstudy("run", "fixed_rate", *SMALL, "--device", "cpu")
    assert said.status == 0
    assert said.out.startswith("The convolutions are computed by numba, ")
    assert kernel_of("fixed_rate") == "numba"


@pytest.mark.usefixtures("tiny")
def test_a_kernel_that_cannot_be_had_is_refused_before_anything_is_made(
    lrstudy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    refused = lrstudy("run", "fixed_rate", *SMALL, "--kernel", "numba")
    assert_one_line(refused, 2, "pip install 'lrstudy[fast]'")
    assert not Path("lrstudy.db").exists()


@pytest.mark.usefixtures("tiny")
def test_a_worker_that_cannot_have_the_kernel_says_so_in_one_line(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_study(kernel="numba")
    monkeypatch.setenv("LRSTUDY_STORAGE", stored.url)
    monkeypatch.setitem(sys.modules, "numba", None)
    line = worker.run("it", "cpu", lambda _event: None)
    assert line is not None
    assert "kernel 'numba', which cannot be had here" in line
    assert "\n" not in line
    assert not optuna.load_study(study_name="it", storage=stored.url).trials


def trained(stored: Any) -> list[optuna.trial.FrozenTrial]:
    Worker(stored.storage, stored.name, CPU, lambda _event: None).work()
    return optuna.load_study(study_name=stored.name, storage=stored.storage).trials


def measured(trial: optuna.trial.FrozenTrial) -> Any:
    return [epoch | {"seconds": 0} for epoch in trial.user_attrs["history"]]


@needs_numba
@pytest.mark.integration
@pytest.mark.usefixtures("tiny")
def test_trials_record_their_kernel_and_repeat_within_it(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    size = {"trials": 1, "epochs": 2, "optimizer": {"batch_size": 32}, "pruner": "none"}
    one, two, other = (
        make_study(name=name, **size, kernel=kernel)
        for name, kernel in (("one", "numba"), ("two", "numba"), ("other", "torch"))
    )
    (first,), (again,), (torchs,) = map(trained, (one, two, other))
    assert first.user_attrs["kernel"] == "numba"
    assert "numba" in first.user_attrs["versions"]
    assert torchs.user_attrs["kernel"] == "torch"
    assert "numba" not in torchs.user_attrs["versions"]
    assert measured(first) == measured(again)
    config = TrialConfig.model_validate(first.user_attrs["config"])
    made = export(one.spec, 0, config, tmp_path / "best", device=CPU, threads=1)
    assert made.accuracy == pytest.approx(first.value, abs=1e-9)
    for file in made.directory.glob("*.py"):
        assert "numba" not in file.read_text()


@needs_numba
def test_a_run_goes_on_bit_for_bit_after_an_interruption(
    tiny_task: Task, tiny_data: TaskData
) -> None:
    config = TrialConfig(schedule=Constant(base_lr=0.1), epochs=3, seed=5, batch_size=48)
    whole = start(config, tiny_task, tiny_data, CPU, "numba")
    records = train(whole, tiny_data)
    next(records)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    rest = [each.to_json() | {"seconds": 0} for each in records]
    file.seek(0)
    resumed = start(config, tiny_task, tiny_data, CPU, "numba")
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [each.to_json() | {"seconds": 0} for each in train(resumed, tiny_data)] == rest


@needs_numba
def test_both_kernels_learn_the_same_until_rounding_tells_them_apart(
    tiny_task: Task, tiny_data: TaskData
) -> None:
    config = TrialConfig(schedule=Constant(base_lr=0.05), epochs=1, seed=5, batch_size=50)
    numbas, torchs = (
        next(train(start(config, tiny_task, tiny_data, CPU, kernel), tiny_data))
        for kernel in ("numba", "torch")
    )
    assert numbas.train_loss == pytest.approx(torchs.train_loss, rel=1e-4)
    assert numbas.val_loss == pytest.approx(torchs.val_loss, rel=1e-3)
    assert numbas.distance == pytest.approx(torchs.distance, rel=1e-2)
