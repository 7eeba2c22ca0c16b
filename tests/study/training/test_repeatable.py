"""The same numbers again: in another process, and where a run goes on."""

from __future__ import annotations

import hashlib
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from search_spaces.config import TrialConfig
from search_spaces.schedules.cycles import CosineRestarts
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.given import Table
from search_spaces.weight_sampling import WeightSampling
from study.tasks.task import Task, TaskData
from study.training.loop import (
    epoch_order,
    start,
    train,
)
from tests.study.training.runs import (
    COSINE,
    CPU,
    PLATEAU,
    assert_same_weights,
    config_of,
    run,
    through_a_file,
    timeless,
)

ROOT = Path(__file__).parents[3]


def test_the_order_of_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    orders = {(s, e): epoch_order(s, e, 50).tolist() for s in range(3) for e in range(3)}
    assert all(sorted(order) == list(range(50)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 9
    np.random.default_rng().random(3)
    assert epoch_order(1, 2, 50).tolist() == orders[1, 2]


def test_runs_of_one_seed_are_equal_bit_for_bit(tiny_task: Task, tiny_data: TaskData) -> None:
    config = config_of(COSINE, momentum=0.9)
    state, records = run(config, tiny_task, tiny_data)
    torch.rand(7)  # the global random state plays no part
    before = torch.random.get_rng_state()
    again, same = run(config, tiny_task, tiny_data)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert timeless(records) == timeless(same)
    assert_same_weights(state.model, again.model)
    assert_same_weights(state.averaged, again.averaged)
    other, _ = run(config.model_copy(update={"seed": 6}), tiny_task, tiny_data)
    assert not torch.equal(*(s.model.get_parameter("fc3.bias") for s in (state, other)))


def test_equal_rates_up_to_a_step_give_equal_weights(tiny_task: Task, tiny_data: TaskData) -> None:
    states = []
    for schedule in (Constant(base_lr=0.1), Table(base_lr=0.3, rates=(0.1, 0.1, 0.3))):
        state = start(config_of(schedule), tiny_task, tiny_data, CPU)
        epochs = train(state, tiny_data)
        next(epochs), next(epochs)
        states.append((state, epochs))
    (first, _), (second, _) = states
    assert_same_weights(first.model, second.model)
    for _, epochs in states:
        next(epochs)
    assert not torch.equal(*(s.model.get_parameter("fc3.bias") for s, _ in states))


SCRIPT = """
import hashlib, json
from dataclasses import asdict
import torch
from search_spaces.config import TrialConfig
from study.tasks import lenet
from study.training import loop
from study.tasks.task import Task, load_task_data
from tests.conftest import tiny_images

def digest():
    torch.set_num_threads(1)
    task = Task("tiny", 10, lambda config: lenet.lenet(config.init, config.seed), tiny_images)
    data = load_task_data(task, device=torch.device("cpu"))
    schedule = {"family": "constant", "base_lr": 0.1}
    config = TrialConfig(schedule=schedule, epochs=2, seed=3, batch_size=64, momentum=0.9)
    state = loop.start(config, task, data, torch.device("cpu"))
    records = [asdict(each) | {"seconds": 0} for each in loop.train(state, data)]
    weights = [each.numpy().tobytes() for each in state.averaged.state_dict().values()]
    text = json.dumps(records).encode()
    return hashlib.sha256(b"".join([text, *weights])).hexdigest()

if __name__ == "__main__":
    print(digest())
"""


@pytest.mark.integration
def test_another_process_gets_the_same_numbers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    other = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    here = runpy.run_path(str(script))["digest"]()
    assert other.stdout.strip() == here
    assert len(here) == hashlib.sha256().digest_size * 2


RESUMED: dict[str, TrialConfig] = {
    "plain": config_of(COSINE, epochs=4),
    "momentum": config_of(COSINE, epochs=4, momentum=0.9, nesterov=True, weight_decay=0.01),
    "plateau": config_of(PLATEAU, epochs=4, momentum=0.5),
    "sgld": config_of(
        COSINE,
        epochs=4,
        weight_sampling=WeightSampling(
            temperature=0.1, prior_precision=2.0, burn_in=0.5, thinning=0.5, by_step_size=True
        ),
    ),
    "swa": config_of(
        COSINE, epochs=4, weight_sampling=WeightSampling(thinning=1, average="weights")
    ),
    "cyclical": config_of(
        COSINE,
        epochs=4,
        weight_sampling=WeightSampling(
            temperature=0.1, cycle=2, burn_in=0.5, thinning=0.5, explore=True
        ),
    ),
}


@pytest.mark.parametrize("stop", [0, 1, 3, 4])
@pytest.mark.parametrize("kind", RESUMED)
def test_a_run_goes_on_where_it_stopped_bit_for_bit(
    kind: str, stop: int, normed_task: Task, tiny_data: TaskData
) -> None:
    config = RESUMED[kind]
    whole, records = run(config, normed_task, tiny_data)
    stopped = start(config, normed_task, tiny_data, CPU)
    epochs = train(stopped, tiny_data)
    before = [next(epochs) for _ in range(stop)]
    saved = through_a_file(stopped)
    resumed = start(config, normed_task, tiny_data, CPU)
    resumed.load_state_dict(saved)
    assert resumed.next_epoch == stop
    after = list(train(resumed, tiny_data))
    assert timeless(before + after) == timeless(records)
    assert_same_weights(resumed.model, whole.model)
    assert_same_weights(resumed.averaged, whole.averaged)
    assert resumed.plateau == whole.plateau
    if whole.predictions is not None and resumed.predictions is not None:
        found = resumed.predictions.probabilities(tiny_data)
        for split, expected in whole.predictions.probabilities(tiny_data).items():
            assert torch.equal(found[split], expected)
        assert resumed.predictions.count == whole.predictions.count > 1
    assert (resumed.predictions is None) == (config.weight_sampling is None)


def test_sampling_at_temperature_zero_trains_as_plain_sgd(
    normed_task: Task, tiny_data: TaskData
) -> None:
    sampling = WeightSampling(prior_precision=5.0, thinning=0.5)
    plain, records = run(config_of(COSINE, weight_decay=5.0 / 500), normed_task, tiny_data)
    sampled, mine = run(config_of(COSINE, weight_sampling=sampling), normed_task, tiny_data)
    assert timeless(mine) == timeless(records)
    assert_same_weights(sampled.model, plain.model)


def test_cycles_of_samples_begin_with_those_of_the_rates(
    tiny_task: Task, tiny_data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = 1.1  # 5.5 updates: from exact times 1.5, 7, 12.5 and 18
    sampling = WeightSampling(temperature=0.2, cycle=cycle, burn_in=0.5, thinning=0.6, explore=True)
    schedule = CosineRestarts(base_lr=0.1, cycle=cycle, warmup=0.3)
    config = config_of(schedule, epochs=4, batch_size=100, weight_sampling=sampling)
    state = start(config, tiny_task, tiny_data, CPU)
    taken, used = [], []
    step = state.optimizer.step

    def counted() -> None:
        (group,) = state.optimizer.param_groups
        used.append((group["lr"], group["temperature"]))
        step()

    monkeypatch.setattr(state.optimizer, "step", counted)
    monkeypatch.setattr(state.predictions, "take", lambda *_: taken.append(len(used)))
    list(train(state, tiny_data))
    starts = [2, 7, 12, 18]
    assert [place for place, (rate, _) in enumerate(used) if rate == 0.1] == starts
    assert taken == starts[1:]
    # 4, 9.5 and 15 end the burn-in, and nothing is warm before the first cycle.
    warm = [place for place, (_, temperature) in enumerate(used) if temperature > 0]
    assert warm == [4, 5, 6, 10, 11, 15, 16, 17]


def test_samples_are_taken_after_the_updates_that_the_configuration_names(
    tiny_task: Task, tiny_data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = WeightSampling(
        temperature=0.2, cycle=2, burn_in=1, thinning=0.5, explore=True, by_step_size=True
    )
    config = config_of(COSINE, epochs=3, batch_size=100, weight_sampling=sampling)
    state = start(config, tiny_task, tiny_data, CPU)
    taken, hot = [], []
    step = state.optimizer.step

    def counted() -> None:
        hot.append(state.optimizer.param_groups[0]["temperature"])
        step()

    monkeypatch.setattr(state.optimizer, "step", counted)
    monkeypatch.setattr(
        state.predictions, "take", lambda _model, rate, _data: taken.append((len(hot), rate))
    )
    list(train(state, tiny_data))
    # Of 15 updates, two epochs being a cycle of 10: 5 + 2.5 rounds to 8, and 5 + 5 is its end.
    assert [count for count, _ in taken] == [8, 10]
    assert [rate for _, rate in taken] == [state.rates[7], state.rates[9]]
    assert hot == [0.0] * 5 + [0.2] * 5 + [0.0] * 5


def test_noise_is_the_same_again_and_another_for_another_seed(
    tiny_task: Task, tiny_data: TaskData
) -> None:
    sampling = WeightSampling(temperature=1.0)
    first, again, other, cold = (
        run(config_of(seed=seed, epochs=1, weight_sampling=each), tiny_task, tiny_data)[0]
        for seed, each in ((0, sampling), (0, sampling), (1, sampling), (0, WeightSampling()))
    )
    assert_same_weights(first.model, again.model)
    for model in (other.model, cold.model):
        assert not torch.equal(
            model.get_parameter("fc3.bias"), first.model.get_parameter("fc3.bias")
        )


def test_a_saved_state_stays_as_it_was(normed_task: Task, tiny_data: TaskData) -> None:
    config = config_of(momentum=0.9)
    state = start(config, normed_task, tiny_data, CPU)
    epochs = train(state, tiny_data)
    next(epochs)
    saved, on_disk = state.state_dict(), through_a_file(state)
    list(epochs)  # the run that was saved goes on
    torch.testing.assert_close(saved, on_disk, rtol=0, atol=0)
    ends = []
    for _ in range(2):  # and what was loaded can be loaded again
        resumed = start(config, normed_task, tiny_data, CPU)
        resumed.load_state_dict(saved)
        list(train(resumed, tiny_data))
        ends.append(resumed)
    torch.testing.assert_close(saved, on_disk, rtol=0, atol=0)
    assert_same_weights(ends[0].model, state.model)
    assert_same_weights(ends[1].model, state.model)


def test_a_run_that_is_over_yields_nothing(tiny_task: Task, tiny_data: TaskData) -> None:
    state, records = run(config_of(epochs=1), tiny_task, tiny_data)
    assert len(records) == 1
    assert list(train(state, tiny_data)) == []
    resumed = start(config_of(epochs=1), tiny_task, tiny_data, CPU)
    resumed.load_state_dict(through_a_file(state))
    assert list(train(resumed, tiny_data)) == []
