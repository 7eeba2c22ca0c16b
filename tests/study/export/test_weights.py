"""What `lrstudy best --export` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FixedTrial
from safetensors.torch import load_file

from search_spaces.config import Arm, Budget, Range, TrialConfig
from search_spaces.schedules.base import Array, ScheduleConfig
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant, Factor, InversePower, MultiFactor, Power
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine, Polynomial, Rex, WarmupStableDecay
from search_spaces.schedules.sequence import Then
from search_spaces.schedules.text import parse_schedule
from search_spaces.spaces import SPACES
from study.export.weights import export, lambda_code
from study.spec import StudySpec
from study.tasks import lenet
from study.tasks import task as tasks
from study.tasks.task import Task
from study.training.loop import start, train
from study.training.torch_schedules import closed_form
from tests.conftest import CPU
from tests.torch_rates import torch_rates

EPOCHS, BASE = 12, 0.3
WARM = {"warmup": 2.3, "warmup_lr": 0.01}
SCHEDULES: list[ScheduleConfig] = [
    Constant(base_lr=0.3),
    Constant(base_lr=0.3, **WARM),
    Constant(base_lr=0.3, warmup_shape="constant", **WARM),
    Factor(base_lr=0.3, alpha=0.8, floor=0.05),
    Factor(base_lr=0.3, alpha=0.98, per="update", **WARM),
    MultiFactor(base_lr=0.5, alpha=0.5, milestones=(4, 8.5), **WARM),
    MultiFactor(base_lr=0.5, alpha=0.5, milestones=()),
    InversePower(base_lr=0.1, hold_epochs=True),
    InversePower(base_lr=0.1, alpha=1.5, beta=0.2, per="update", **WARM),
    Polynomial(base_lr=0.3, exponent=1.7, horizon=10, final_lr=0.01, **WARM),
    Cosine(base_lr=0.3, final_lr=0.01, horizon=9, warmup=5, hold_epochs=True),
    Cosine(base_lr=0.3, horizon=1 / 7, warmup=0.1),
    Cosine(base_lr=0.3, final_lr=0.01, horizon=9, hold_epochs=True, **WARM),
    Factor(base_lr=0.3, alpha=0.8, warmup=0.2, hold_epochs=True),
    CosineRestarts(base_lr=0.3, cycle=1.1, warmup=0.7, hold_epochs=True),
    CosineRestarts(base_lr=0.3, cycle=0.01, multiplier=1.5),
    CosineRestarts(base_lr=0.3, final_lr=0.01, cycle=1.4, multiplier=1.7, **WARM),
    WarmupStableDecay(base_lr=0.3, horizon=10, cooldown=3, **WARM),
    WarmupStableDecay(base_lr=0.3, horizon=10, cooldown=3, cooldown_shape="sqrt"),
    OneCycle(base_lr=0.3, start_lr=0.02, final_lr=0.001, peak=4, horizon=10, **WARM),
    OneCycle(base_lr=0.3, peak=4, horizon=10, shape="linear"),
    parse_schedule("one_cycle:base=0.3,peak=1,horizon=2,warmup=0.5,until=3.3 then constant"),
    parse_schedule("table:rates=0.1/0.2,until=2 then rex:horizon=1,until=4 then cosine:horizon=3"),
    Then(
        base_lr=0.3,
        parts=(
            TorchScheduler(base_lr=0.3, scheduler="StepLR", arguments={"step_size": 1}),
            CosineRestarts(base_lr=0.2, cycle=1.3, hold_epochs=True),
        ),
        boundaries=(4.0,),
        hold_epochs=True,
        **WARM,
    ),
    Power(base_lr=0.3, start=1.5, **WARM),
    Rex(base_lr=0.3, final_lr=0.01, horizon=9, **WARM),
    Factor(base_lr=0.3, alpha=1.1, **WARM),
    Table(base_lr=0.3, rates=(0.1, 0.3, 0.2), **WARM),
    Table(base_lr=0.3, rates=(0.1, 0.3, 0.2), per="update"),
    TorchScheduler(base_lr=0.3, scheduler="StepLR", arguments={"step_size": 3, "gamma": 0.5}),
]


def constant_spec(epochs: int) -> StudySpec:
    """A search of one constant rate on the tiny task."""
    return StudySpec(
        space="fixed_rate",
        task="tiny",
        families=("constant",),
        trials=1,
        budget=Budget(epochs=epochs),
        ranges={"base_lr": Range(low=0.05, high=0.05, log=True)},
    )


def executed(code: str) -> dict[str, Any]:
    """The names that a pasted snippet defines."""
    names: dict[str, Any] = {}
    exec(compile(code, "schedule.py", "exec"), names)
    return names


def rates_of_lambda_lr(code: str, updates: int) -> Array:
    """The rates that an optimizer has with the snippet's LambdaLR, update by update."""
    names = executed(code)
    return torch_rates(names["lambda_lr"], updates, names["base_lr"])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.family)
@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_the_pasted_code_gives_the_same_rates(
    schedule: ScheduleConfig, steps_per_epoch: int
) -> None:
    updates = EPOCHS * steps_per_epoch
    expected = closed_form(schedule, EPOCHS, steps_per_epoch)(np.arange(updates), steps_per_epoch)
    code = lambda_code(schedule, EPOCHS, steps_per_epoch)
    np.testing.assert_allclose(rates_of_lambda_lr(code, updates), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize("hold_epochs", [False, True])
def test_the_pasted_code_gives_the_same_momentum(shape: Any, hold_epochs: bool) -> None:
    moved: Any = {"max_momentum": 0.95, "base_momentum": 0.85, "hold_epochs": hold_epochs}
    schedule = OneCycle(base_lr=0.3, peak=4, horizon=10, warmup=1.5, shape=shape, **moved)
    names = executed(lambda_code(schedule, EPOCHS, 7))
    steps = np.arange(EPOCHS * 7)
    code = [names["momentum"](int(t)) for t in steps]
    np.testing.assert_allclose(code, schedule.momentum(steps, 7), rtol=1e-12)
    assert "momentum" not in executed(lambda_code(Constant(base_lr=0.3), EPOCHS, 7))


WARM_OR_NOT: dict[str, Any] = {"base_lr": st.just(BASE), "warmup": st.just(0.0) | st.floats(0, 4)}
HELD_OR_NOT = WARM_OR_NOT | {"hold_epochs": st.booleans()}
LENGTHS: dict[str, Any] = {"horizon": st.floats(4.5, 20), "exponent": st.floats(0.25, 4)}
CYCLES: dict[str, Any] = {"cycle": st.floats(0.05, 6), "multiplier": st.just(1.0) | st.floats(1, 2)}
COOLDOWNS: dict[str, Any] = {"cooldown": st.floats(0.01, 4), "horizon": st.floats(8.5, 11)}
ANY = {
    "decay": st.builds(Polynomial, **WARM_OR_NOT, **LENGTHS),
    "restarts": st.builds(CosineRestarts, **HELD_OR_NOT, **CYCLES),
    "cooldown": st.builds(WarmupStableDecay, **HELD_OR_NOT, **COOLDOWNS),
}


@pytest.mark.parametrize("kind", ANY)
@given(data=st.data(), steps_per_epoch=st.integers(1, 9))
def test_the_code_gives_the_same_rates_whatever_its_numbers(
    kind: str, data: st.DataObject, steps_per_epoch: int
) -> None:
    """Cycles and cooldowns begin with the same update."""
    schedule = data.draw(ANY[kind])
    rate = executed(lambda_code(schedule, EPOCHS, steps_per_epoch))["rate"]
    steps = np.arange(EPOCHS * steps_per_epoch)
    expected = schedule(steps, steps_per_epoch)
    np.testing.assert_allclose([rate(int(t)) for t in steps], expected, rtol=1e-12, atol=1e-15)


def test_the_code_of_another_training_length_follows_its_own_number_of_updates() -> None:
    schedule = Cosine(base_lr=0.3, horizon=10, warmup=2)
    code = lambda_code(schedule, EPOCHS, 7).replace("steps_per_epoch = 7", "steps_per_epoch = 5")
    expected = schedule(np.arange(60), 5)
    np.testing.assert_allclose(rates_of_lambda_lr(code, 60), expected, rtol=1e-12)


def test_a_schedule_that_follows_the_loss_has_no_such_code() -> None:
    with pytest.raises(ValueError, match="'plateau' has no closed form: it follows the loss"):
        lambda_code(Plateau(base_lr=0.1), EPOCHS, 1)


def test_exported_files_hold_the_trained_run(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks.TASKS, "tiny", tiny_task)
    spec = constant_spec(3)
    config = TrialConfig(schedule=Constant(base_lr=0.05), epochs=3, seed=4, batch_size=50)
    made = export(spec, 0, config, tmp_path / "best", device=CPU, threads=1)
    again = export(spec, 0, config, tmp_path / "again", device=CPU, threads=1)
    saved = json.loads((made.directory / "config.json").read_text())
    assert TrialConfig.model_validate(saved) == config
    for name in ("weights", "averaged_weights"):
        file = f"{name}.safetensors"
        assert (made.directory / file).read_bytes() == (again.directory / file).read_bytes()
    model = lenet.lenet("default", 0)
    model.load_state_dict(load_file(made.directory / "weights.safetensors"))
    data = tasks.load_task_data(tiny_task, device=CPU)
    assert data.val is not None
    with torch.no_grad():
        correct = (model(data.val.pixels).argmax(1) == data.val.labels).float().mean().item()
    assert made.accuracy == again.accuracy == pytest.approx(correct, abs=1e-6)
    rate = executed((made.directory / "schedule.py").read_text())["rate"]
    assert rate(0) == rate(29) == 0.05


def _sampling(
    family: str, tiny_task: Task, monkeypatch: pytest.MonkeyPatch
) -> tuple[StudySpec, TrialConfig]:
    """A configuration of `langevin` on the tiny images, three epochs long."""
    monkeypatch.setitem(tasks.TASKS, "tiny", tiny_task)
    budget, space = Budget(epochs=3), SPACES["langevin"]
    spec = StudySpec(
        space="langevin",
        task="tiny",
        families=(family,),
        trials=1,
        budget=budget,
        ranges=space.ranges(budget),
    )
    asked = {"base_lr": 0.1, "prior_precision": 1.0, "temperature": 1.0, "gamma": 0.6}
    trial = FixedTrial(asked | {"burn_in": 1.0})
    found = spec.suggest(trial, family, budget)
    return spec, TrialConfig(**found, epochs=3, seed=4, batch_size=50)


def _accuracy(probabilities: torch.Tensor, task: Task) -> float:
    data = tasks.load_task_data(task, device=CPU)
    assert data.val is not None
    return (probabilities.argmax(1) == data.val.labels).float().mean().item()


def _predicted(weights: dict[str, torch.Tensor], task: Task) -> torch.Tensor:
    """Probabilities of the validation images."""
    data, model = tasks.load_task_data(task, device=CPU), lenet.lenet("default", 0)
    assert data.val is not None
    model.load_state_dict(weights)
    with torch.no_grad():
        return torch.softmax(model(data.val.pixels), dim=1)


@pytest.mark.parametrize(("family", "count"), [("sgld", 4), ("snapshots", 3), ("sgd", 1)])
def test_the_samples_of_weights_are_exported_and_predict_what_scored(
    family: str, count: int, tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, config = _sampling(family, tiny_task, monkeypatch)
    made = export(spec, 0, config, tmp_path, device=CPU, threads=1)
    samples = load_file(tmp_path / "samples.safetensors")
    shares = samples.pop("shares")
    assert len(shares) == count
    assert shares.sum().item() == pytest.approx(1.0)
    if family == "sgld":  # its rate falls, and samples count by it
        assert (shares.diff() < 0).all()
    else:
        assert shares.tolist() == [1 / count] * count
    last = load_file(tmp_path / "weights.safetensors")
    for name, stacked in samples.items():
        assert torch.equal(stacked[-1], last[name])
    each = [{name: found[place] for name, found in samples.items()} for place in range(count)]
    mean = sum(share * _predicted(own, tiny_task) for share, own in zip(shares, each, strict=True))
    assert isinstance(mean, torch.Tensor)
    assert made.accuracy == pytest.approx(_accuracy(mean, tiny_task), abs=1e-6)
    assert not (tmp_path / "swa_weights.safetensors").exists()


def test_the_mean_of_the_weights_is_exported_where_they_are_averaged(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, config = _sampling("swa", tiny_task, monkeypatch)
    made = export(spec, 0, config, tmp_path, device=CPU, threads=1)
    mean = load_file(tmp_path / "swa_weights.safetensors")
    last = load_file(tmp_path / "weights.safetensors")
    assert mean.keys() == last.keys()
    assert not all(torch.equal(mean[name], last[name]) for name in mean)
    accuracy = _accuracy(_predicted(mean, tiny_task), tiny_task)
    assert made.accuracy == pytest.approx(accuracy, abs=1e-6)
    assert not (tmp_path / "samples.safetensors").exists()


def test_an_arm_is_trained_again_on_as_many_images_as_it_was(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tasks.TASKS, "tiny", tiny_task)
    values = {"base_lr": 0.05}
    spec = StudySpec(
        space="fixed_rate",
        task="tiny",
        families=("constant",),
        trials=2,
        budget=Budget(epochs=2),
        ranges={"base_lr": Range(low=0.05, high=0.05, log=True)},
        stage="confirm",
        source="it",
        arms=(
            Arm(family="constant", parameters=values),
            Arm(family="constant", parameters=values, budget=Budget(epochs=2, train_size=40)),
        ),
    )
    config = TrialConfig(schedule=Constant(base_lr=0.05), epochs=2, seed=4, batch_size=20)
    for slot, images in ((0, 500), (1, 40)):
        made = export(spec, slot, config, tmp_path / str(slot), device=CPU, threads=1)
        names = executed((made.directory / "schedule.py").read_text())
        assert names["steps_per_epoch"] == images // 20
        data = tasks.load_task_data(tiny_task, train_size=images, device=CPU)
        state = start(config, tiny_task, data, CPU)
        list(train(state, data))
        saved = load_file(made.directory / "weights.safetensors")
        for name, tensor in state.model.state_dict().items():
            torch.testing.assert_close(saved[name], tensor, rtol=0, atol=0)
