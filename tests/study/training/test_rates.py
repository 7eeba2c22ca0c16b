"""The rates and momenta at which a run trains."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import ScheduleConfig
from search_spaces.schedules.cycles import OneCycle
from search_spaces.schedules.given import Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine
from study.tasks.task import Task, TaskData
from study.training.loop import (
    start,
    train,
)
from study.training.torch_schedules import PlateauState, closed_form, plateau_rates
from tests.study.training.plain_loop import plain_loop
from tests.study.training.runs import COSINE, CPU, PLATEAU, config_of, run

SCHEDULES: list[ScheduleConfig] = [
    COSINE,
    Cosine(base_lr=0.2, horizon=2, hold_epochs=True),
    Table(base_lr=0.2, rates=(0.1, 0.05, 0.2)),
    TorchScheduler(scheduler="StepLR", base_lr=0.1, arguments={"step_size": 1, "gamma": 0.5}),
    TorchScheduler(
        scheduler="ExponentialLR", base_lr=0.1, arguments={"gamma": 0.9}, per="update", warmup=1
    ),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_recorded_rates_are_those_of_the_schedule(
    schedule: ScheduleConfig, normed_task: Task, tiny_data: TaskData
) -> None:
    _, records = run(config_of(schedule), normed_task, tiny_data)
    rates = closed_form(schedule, 3, 8)(np.arange(24), 8)
    assert len(set(rates.tolist())) > 2
    assert [record.first_lr for record in records] == rates[::8].tolist()
    assert [record.last_lr for record in records] == rates[7::8].tolist()
    means = [record.mean_lr for record in records]
    np.testing.assert_allclose(means, rates.reshape(3, 8).mean(axis=1), rtol=1e-12)


def test_a_torch_scheduler_that_cannot_be_built(tiny_task: Task, tiny_data: TaskData) -> None:
    schedule = TorchScheduler(scheduler="StpLR", base_lr=0.1)
    with pytest.raises(ValueError, match=r"unknown torch scheduler 'StpLR'. Did you mean 'StepLR'"):
        start(config_of(schedule), tiny_task, tiny_data, CPU)


# The threshold lets hardly a loss count as an improvement, so that the rate falls.


def test_reduce_on_plateau_follows_the_validation_loss(
    normed_task: Task, tiny_data: TaskData
) -> None:
    config = config_of(PLATEAU, epochs=4)
    state, records = run(config, normed_task, tiny_data)
    plateau, rates = PlateauState.start(PLATEAU, 8), []
    for record in records:
        rates.append(plateau_rates(PLATEAU, plateau, np.arange(8) + 8 * record.epoch, 8))
        assert record.val_loss is not None
        plateau = plateau.after_epoch(record.val_loss)
    assert state.plateau == plateau
    assert [record.first_lr for record in records] == [float(each[0]) for each in rates]
    assert [record.last_lr for record in records] == [float(each[-1]) for each in rates]
    means = [float(each.mean()) for each in rates]
    assert [record.mean_lr for record in records] == means
    assert records[0].first_lr == 0.0
    assert [record.last_lr for record in records] == [0.2, 0.2, 0.2, 0.1]
    oracle = plain_loop(config, normed_task, tiny_data.train, np.concatenate(rates))
    losses = [record.train_loss for record in records]
    np.testing.assert_allclose(losses, oracle.losses, rtol=1e-5)


def test_reduce_on_plateau_needs_validation_data(tiny_task: Task, tiny_data: TaskData) -> None:
    with pytest.raises(ValueError, match="needs validation data") as caught:
        start(config_of(PLATEAU), tiny_task, TaskData(train=tiny_data.train), CPU)
    message = "the schedule 'plateau' needs validation data, which this study has not"
    assert str(caught.value) == message


def test_a_moved_momentum_is_what_the_optimizer_uses(tiny_task: Task, tiny_data: TaskData) -> None:
    schedule = OneCycle(base_lr=0.1, peak=1, horizon=2, max_momentum=0.9, base_momentum=0.5)
    config = TrialConfig(schedule=schedule, epochs=2, seed=0, batch_size=100, nesterov=True)
    state, used = start(config, tiny_task, tiny_data, CPU), []
    before = state.optimizer.register_step_pre_hook(
        lambda optimizer, _arguments, _options: used.append(optimizer.param_groups[0]["momentum"])
    )
    for _ in train(state, tiny_data):
        pass
    before.remove()
    assert used == schedule.momentum(np.arange(10), 5).tolist()
    assert min(used) == 0.5
