"""The training loop against a plain one, and the laws that a run keeps."""

from __future__ import annotations

import hashlib
import io
import math
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode

from search_spaces.config import TrialConfig
from search_spaces.schedules.base import Array, ScheduleConfig
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant, Factor
from search_spaces.schedules.given import Plateau, Table, TorchScheduler
from search_spaces.schedules.horizon import Cosine
from search_spaces.weight_sampling import WeightSampling
from study.records import EpochRecord
from study.tasks.fashion_mnist import Images
from study.tasks.task import Task, TaskData
from study.training.evaluation import evaluate
from study.training.loop import (
    DIVERGED_ABOVE,
    STALLED_BELOW,
    TrainingState,
    diverged,
    epoch_order,
    scores,
    stalled,
    start,
    train,
)
from study.training.torch_schedules import PlateauState, closed_form, plateau_rates

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]
COSINE = Cosine(base_lr=0.2, final_lr=0.01, horizon=2, warmup=0.5)
NO_RATE = Table(base_lr=1.0, rates=(0.0,))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a worker, and faster on images this few."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def config_of(schedule: ScheduleConfig | None = None, **fields: Any) -> TrialConfig:
    """Three epochs of 500 images in batches of 64: seven full ones and one of 52."""
    schedule = Constant(base_lr=0.1) if schedule is None else schedule
    return TrialConfig(schedule=schedule, **{"epochs": 3, "seed": 5, "batch_size": 64} | fields)


def normed(config: TrialConfig) -> nn.Module:
    """A small network with batch normalization, and smooth: where ReLU switches, a rounding error
    becomes a jump of the gradient."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=5, stride=4, bias=False),
            nn.BatchNorm2d(4),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(4 * 6 * 6, 10),
        )


@pytest.fixture
def normed_task(tiny_task: Task) -> Task:
    return replace(tiny_task, name="normed", build=normed)


def run(config: TrialConfig, task: Task, data: TaskData) -> tuple[TrainingState, list[EpochRecord]]:
    state = start(config, task, data, CPU)
    return state, list(train(state, data))


def timeless(records: list[EpochRecord]) -> list[dict[str, Any]]:
    """All that is measured but the time."""
    return [asdict(record) | {"seconds": 0.0} for record in records]


def arrays(module: nn.Module) -> dict[str, npt.NDArray[Any]]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def assert_same_weights(first: nn.Module, second: nn.Module) -> None:
    theirs = second.state_dict()
    assert first.state_dict().keys() == theirs.keys()
    for name, value in first.state_dict().items():
        assert torch.equal(value, theirs[name]), name


# ---------------------------------------------------------------- a plain loop as the oracle


@dataclass
class Plain:
    """A run of the plain loop: its network, every update's weights, and running means."""

    model: nn.Module
    path: list[dict[str, npt.NDArray[Any]]]
    losses: list[float]
    accuracies: list[float]


def plain_loop(config: TrialConfig, task: Task, images: Images, rates: Array) -> Plain:
    """Plain SGD in the order and at the rates of the run, as anybody would write it."""
    model = task.build(config)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=1.0,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        foreach=False,
    )
    result = Plain(model, [], [], [])
    size, step = len(images.labels), 0
    for epoch in range(config.epochs):
        loss_sum, correct = 0.0, 0
        order = np.random.default_rng([config.seed, epoch]).permutation(size)
        for first in range(0, size, config.batch_size):
            batch = order[first : first + config.batch_size]
            optimizer.param_groups[0]["lr"] = float(rates[step])
            logits, labels = model(images.pixels[batch]), images.labels[batch]
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            loss_sum += loss.item() * len(batch)
            correct += int((logits.argmax(1) == labels).sum())
            result.path.append(arrays(model))
            step += 1
        result.losses.append(loss_sum / size)
        result.accuracies.append(correct / size)
    return result


def horizon_free(
    path: list[dict[str, npt.NDArray[Any]]], g: int = 8
) -> dict[str, npt.NDArray[Any]]:
    """avg <- (1 - b) avg + b w with b = (g + 1) / (t + g + 1), in float64; what is counted is taken
    from the last weights."""
    average = {name: value.astype(np.float64) for name, value in path[0].items()}
    for t, weights in enumerate(path):
        b = (g + 1) / (t + g + 1)
        for name, value in weights.items():
            average[name] = (1 - b) * average[name] + b * value
    counts = {name: value for name, value in path[-1].items() if value.dtype == np.int64}
    return average | counts


def distance(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    return float(np.linalg.norm(first.astype(np.float64) - second))


def assert_close(
    found: nn.Module, expected: dict[str, npt.NDArray[Any]], start: nn.Module, tolerance: float
) -> None:
    """Equal but for rounding, which differs between kernels: measured by the way from the start."""
    mine, before = arrays(found), arrays(start)
    assert mine.keys() == expected.keys()
    for name, value in expected.items():
        rounding = 2e-6 * math.sqrt(value.size)
        way = distance(value, before[name])
        assert distance(mine[name], value) <= tolerance * way + rounding, name


CONFIGS: dict[str, TrialConfig] = {
    "plain": config_of(),
    "cosine with warmup": config_of(COSINE),
    "momentum": config_of(COSINE, momentum=0.9),
    "nesterov and decay": config_of(momentum=0.5, nesterov=True, weight_decay=0.01),
    "one update an epoch": config_of(Factor(base_lr=0.2, alpha=0.5), batch_size=1000),
    "an odd batch size": config_of(batch_size=167, init="xavier_uniform"),
}


# LeNet has kinks, at which rounding grows a thousandfold within nine updates; `normed` has none.
# With the odd batch size it grew to 1.8 % on one processor.
TOLERANCES = {"tiny_task": 1e-2, "normed_task": 1e-4}
ODD = 5e-2


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("network", TOLERANCES)
def test_a_run_is_that_of_a_plain_loop(
    kind: str, network: str, tiny_data: TaskData, request: pytest.FixtureRequest
) -> None:
    config, task, tolerance = CONFIGS[kind], request.getfixturevalue(network), TOLERANCES[network]
    if (kind, network) == ("an odd batch size", "tiny_task"):
        tolerance = ODD
    per_epoch = math.ceil(500 / config.batch_size)
    assert isinstance(config.schedule, Constant | Cosine | Factor)
    rates = config.schedule(np.arange(3 * per_epoch), per_epoch)
    oracle = plain_loop(config, task, tiny_data.train, rates)
    state, records = run(config, task, tiny_data)
    assert [record.epoch for record in records] == [0, 1, 2]
    assert [record.first_lr for record in records] == rates[::per_epoch].tolist()
    assert [record.last_lr for record in records] == rates[per_epoch - 1 :: per_epoch].tolist()
    assert state.next_epoch == 3
    untrained = task.build(config)
    assert_close(state.model, oracle.path[-1], untrained, tolerance)
    assert_close(state.averaged, horizon_free(oracle.path), untrained, tolerance)
    losses = [record.train_loss for record in records]
    np.testing.assert_allclose(losses, oracle.losses, rtol=tolerance / 10)
    accuracies = [record.train_accuracy for record in records]
    np.testing.assert_allclose(accuracies, oracle.accuracies, atol=1.001 / 500)


@pytest.mark.parametrize("gain", [7, 9])
def test_a_wrong_average_would_be_noticed(
    gain: int, normed_task: Task, tiny_data: TaskData
) -> None:
    oracle = plain_loop(config_of(), normed_task, tiny_data.train, np.full(24, 0.1))
    state, _ = run(config_of(), normed_task, tiny_data)
    with pytest.raises(AssertionError):
        assert_close(state.averaged, horizon_free(oracle.path, gain), oracle.model, 1e-4)


# ---------------------------------------------------------------- what is measured


@pytest.mark.parametrize("network", ["tiny_task", "normed_task"])
def test_validation_is_of_the_weights_after_the_epoch(
    network: str, tiny_data: TaskData, request: pytest.FixtureRequest
) -> None:
    task, val = request.getfixturevalue(network), tiny_data.val
    assert val is not None
    state = start(config_of(), task, tiny_data, CPU)
    for record in train(state, tiny_data):
        measured = (
            (state.model, record.val_loss, record.val_accuracy),
            (state.averaged, record.averaged_val_loss, record.averaged_val_accuracy),
        )
        for model, loss, accuracy in measured:
            judge = task.build(state.config).eval()
            judge.load_state_dict(model.state_dict())
            with torch.no_grad():
                logits = judge(val.pixels).double().numpy()
            losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(100), val.labels.numpy()]
            assert loss == pytest.approx(losses.mean(), rel=1e-5)
            assert accuracy == pytest.approx((logits.argmax(1) == val.labels.numpy()).mean())
        assert record.seconds > 0


def test_counts_of_the_average_are_those_of_the_model(
    normed_task: Task, tiny_data: TaskData
) -> None:
    state, _ = run(config_of(), normed_task, tiny_data)
    for model in (state.model, state.averaged):
        assert model.get_buffer("1.num_batches_tracked").item() == 24
    assert not torch.equal(
        *(model.get_buffer("1.running_mean") for model in (state.model, state.averaged))
    )


def test_without_validation_data_there_is_no_validation(
    tiny_task: Task, tiny_data: TaskData
) -> None:
    only = TaskData(train=tiny_data.train)
    state, records = run(config_of(), tiny_task, only)
    for record in records:
        found = [value for name, value in asdict(record).items() if "val_" in name]
        assert found == [None] * 4
    with_val, others = run(config_of(), tiny_task, tiny_data)
    assert_same_weights(state.model, with_val.model)
    for name in ("train_loss", "train_accuracy", "weight_norm", "distance"):
        assert [getattr(r, name) for r in records] == [getattr(r, name) for r in others]


def test_norms_and_distances_by_layer(tiny_task: Task, tiny_data: TaskData) -> None:
    before = arrays(tiny_task.build(config_of()))
    state = start(config_of(), tiny_task, tiny_data, CPU)
    for record in train(state, tiny_data):
        now = arrays(state.model)
        assert list(record.weight_norm) == ["conv1", "conv2", "fc1", "fc2", "fc3"]
        assert list(record.distance) == list(record.weight_norm)
        for layer, norm in record.weight_norm.items():
            own = [name for name in now if name.startswith(layer)]
            assert len(own) == 2
            flat = np.concatenate([now[name].ravel() for name in own]).astype(np.float64)
            way = flat - np.concatenate([before[name].ravel() for name in own])
            assert norm == pytest.approx(float(np.linalg.norm(flat)), rel=1e-5)
            assert record.distance[layer] == pytest.approx(float(np.linalg.norm(way)), rel=1e-5)


class Bare(nn.Module):
    """A network whose parameters belong to no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((784, 10), 0.5))

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.flatten(1) @ self.weight


def test_a_network_without_layers(tiny_task: Task, tiny_data: TaskData) -> None:
    task = replace(tiny_task, build=lambda _config: Bare())
    _, records = run(config_of(NO_RATE, epochs=1), task, tiny_data)
    assert list(records[0].weight_norm) == ["network"]
    assert records[0].weight_norm["network"] == pytest.approx(0.5 * math.sqrt(7840), rel=1e-6)
    assert records[0].distance == {"network": 0.0}


def test_a_rate_of_zero_changes_nothing(tiny_task: Task, tiny_data: TaskData) -> None:
    state, records = run(config_of(NO_RATE), tiny_task, tiny_data)
    for model in (state.model, state.averaged):
        assert_same_weights(model, tiny_task.build(state.config))
    assert [set(record.distance.values()) for record in records] == [{0.0}] * 3
    assert len({record.val_loss for record in records}) == 1
    assert records[0].val_loss == records[0].averaged_val_loss


@pytest.mark.parametrize("was_training", [True, False])
def test_evaluation(normed_task: Task, tiny_data: TaskData, was_training: bool) -> None:
    assert tiny_data.val is not None
    assert tiny_data.test is not None
    parts = (tiny_data.train, tiny_data.val, tiny_data.test)
    images = Images(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
    state, _ = run(config_of(epochs=1, batch_size=500), normed_task, tiny_data)
    before = arrays(state.model)
    found = evaluate(state.model.train(was_training), images)
    assert state.model.training is was_training
    for name, value in arrays(state.model).items():
        np.testing.assert_array_equal(value, before[name])
    with torch.no_grad():
        logits = state.model.eval()(images.pixels)
    correct = (logits.argmax(1) == images.labels).numpy()
    assert found.correct.dtype == np.bool_
    assert found.correct.tolist() == correct.tolist()
    assert 0 < found.accuracy < 1
    assert found.accuracy == pytest.approx(correct.mean(), rel=1e-6)
    expected = F.cross_entropy(logits, images.labels, reduction="none")
    assert found.loss == pytest.approx(expected.mean().item(), rel=1e-5)
    losses, right = scores(state.model, images)
    torch.testing.assert_close(losses, expected)
    assert right.tolist() == correct.tolist()


# ---------------------------------------------------------------- rates


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
PLATEAU = Plateau(base_lr=0.2, alpha=0.5, patience=0, threshold=0.99, warmup=0.5)


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


# ---------------------------------------------------------------- the same numbers again


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


# ---------------------------------------------------------------- stopping and going on

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


def through_a_file(state: TrainingState) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state.state_dict(), buffer)
    buffer.seek(0)
    saved: dict[str, Any] = torch.load(buffer, weights_only=True)
    return saved


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


# ---------------------------------------------------------------- the host waits once an epoch


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations whose result the host must wait for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        aten = torch.ops.aten
        self.count += func.overloadpacket in {aten._local_scalar_dense, aten.nonzero, aten.equal}
        return func(*args, **kwargs or {})


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    """Waits, with the ways that a CPU's tensor reaches the host without an operation."""
    with Waits() as counter:
        for name in ("tolist", "cpu", "numpy", "__array__"):
            method = getattr(Tensor, name)

            def counted(*args: Any, method: Any = method, **kwargs: Any) -> Any:
                counter.count += 1
                return method(*args, **kwargs)

            monkeypatch.setattr(Tensor, name, counted)
        yield counter


@pytest.mark.parametrize("schedule", [COSINE, PLATEAU])
def test_the_host_waits_once_an_epoch(
    schedule: ScheduleConfig, normed_task: Task, tiny_data: TaskData, waits: Waits
) -> None:
    config = config_of(schedule, momentum=0.9)
    state = start(config, normed_task, tiny_data, CPU)
    counts = []
    waits.count = 0
    for record in train(state, tiny_data):
        diverged([record], 10), stalled([record], 10)
        counts.append(waits.count)
        waits.count = 0
    assert counts == [1, 1, 1]


@pytest.mark.parametrize("ask", ["item()", "tolist()", "numpy()", "cpu()", "nonzero()"])
def test_the_count_notices_a_wait(ask: str, waits: Waits) -> None:
    eval(f"torch.ones(3).sum().{ask}")
    assert waits.count == 1
    assert float(torch.ones(1)) == 1.0
    assert waits.count == 2


# ---------------------------------------------------------------- diverged and stalled


def record_of(epoch: int = 0, **fields: Any) -> EpochRecord:
    measured: dict[str, Any] = {
        "first_lr": 0.1,
        "last_lr": 0.1,
        "train_loss": 1.0,
        "train_accuracy": 0.5,
        "val_loss": 1.0,
        "val_accuracy": 0.5,
        "averaged_val_loss": 1.0,
        "averaged_val_accuracy": 0.5,
        "weight_norm": {},
        "distance": {},
        "seconds": 1.0,
    }
    return EpochRecord(epoch=epoch, **measured | fields)


LIMIT = DIVERGED_ABOVE * math.log(10)
NO_VAL = {"val_loss": None, "val_accuracy": None}


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, False),
        (NO_VAL, False),
        ({"train_loss": LIMIT}, False),
        ({"train_loss": math.nextafter(LIMIT, math.inf)}, True),
        ({"train_loss": 1e30} | NO_VAL, True),
        ({"train_loss": math.nan}, True),
        ({"train_loss": math.inf}, True),
        ({"train_loss": math.nan} | NO_VAL, True),
        ({"val_loss": math.nan}, True),
        ({"val_loss": math.inf}, True),
        ({"weight_norm": {"conv1": 1.0, "fc3": math.nan}} | NO_VAL, True),
        ({"weight_norm": {"conv1": math.inf}}, True),
    ],
)
def test_divergence_at_its_edges(fields: dict[str, Any], verdict: bool) -> None:
    assert diverged([record_of(), record_of(1, **fields)], 10) is verdict
    assert diverged([record_of(0, **fields)], 10) is verdict


def test_divergence_is_that_of_the_last_epoch() -> None:
    assert not diverged([], 10)
    assert not diverged([record_of(train_loss=math.nan), record_of(1)], 10)
    assert diverged([record_of(train_loss=3.0)], 2)  # 4 ln 2 = 2.77
    assert not diverged([record_of(train_loss=3.0)], 10)


EDGE = 0.1 + STALLED_BELOW * (1 - 0.1)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, False),
        ({"val_accuracy": 0.1}, True),
        ({"val_accuracy": EDGE}, False),
        ({"val_accuracy": math.nextafter(EDGE, 0)}, True),
        ({"val_accuracy": 0.0}, True),
        ({"val_accuracy": 0.5, "train_accuracy": 0.1}, False),
        ({"val_accuracy": 0.1, "train_accuracy": 0.5}, True),
        (NO_VAL | {"train_accuracy": 0.1}, True),
        (NO_VAL | {"train_accuracy": 0.5}, False),
        ({"val_accuracy": 0.1, "train_loss": math.nan}, False),
        ({"val_accuracy": 0.1, "train_loss": LIMIT}, True),
    ],
)
def test_stalling_at_its_edges(fields: dict[str, Any], verdict: bool) -> None:
    assert stalled([record_of(), record_of(1, **fields)], 10) is verdict


def test_a_run_that_exploded_did_not_stall() -> None:
    assert not stalled([], 10)
    chance = record_of(1, val_accuracy=0.1)
    assert stalled([record_of(val_accuracy=0.1), chance], 10)
    assert not stalled([record_of(train_loss=math.inf), chance], 10)
    assert stalled([record_of(val_accuracy=0.51)], 2)


@pytest.mark.parametrize(
    ("network", "rate", "outcome"),
    [
        ("tiny_task", 1e6, "diverged"),
        ("tiny_task", 1e30, "diverged"),
        ("tiny_task", 1e-9, "stalled"),
        ("normed_task", 0.1, "finished"),
    ],
)
@pytest.mark.parametrize("validated", [True, False])
def test_real_runs_diverge_stall_and_learn(
    network: str,
    rate: float,
    outcome: str,
    validated: bool,
    tiny_data: TaskData,
    request: pytest.FixtureRequest,
) -> None:
    data = tiny_data if validated else TaskData(train=tiny_data.train)
    task = request.getfixturevalue(network)
    _, records = run(config_of(Constant(base_lr=rate)), task, data)
    assert diverged(records, 10) is (outcome == "diverged")
    assert stalled(records, 10) is (outcome == "stalled")
    if outcome == "finished":
        assert records[-1].train_accuracy > 0.9
        assert records[-1].train_loss < records[0].train_loss / 2


def test_a_run_that_exploded_can_be_written_down(tiny_task: Task, tiny_data: TaskData) -> None:
    _, records = run(config_of(Constant(base_lr=1e30), epochs=2), tiny_task, tiny_data)
    written = records[-1].to_json()
    assert written["train_loss"] is None
    assert written["val_loss"] is None
    assert set(written["weight_norm"].values()) == {None}


# ---------------------------------------------------------------- other devices


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["tiny_task", "normed_task"])
def test_a_gpu_trains_as_the_cpu_does(
    network: str, tiny_data: TaskData, request: pytest.FixtureRequest
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "mps")
    task, config = request.getfixturevalue(network), config_of(COSINE, momentum=0.5)

    def moved(images: Images | None) -> Images | None:
        return None if images is None else Images(*(each.to(device) for each in images))

    there = TaskData(*(moved(each) for each in vars(tiny_data).values()))  # type: ignore[arg-type]
    state = start(config, task, there, device)
    assert all(weight.device.type == device.type for weight in state.model.parameters())
    records = list(train(state, there))
    _, expected = run(config, task, tiny_data)
    for mine, theirs in zip(records, expected, strict=True):
        assert (mine.first_lr, mine.last_lr) == (theirs.first_lr, theirs.last_lr)
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=0.01)
        assert mine.val_loss == pytest.approx(theirs.val_loss, rel=0.02)
        assert mine.averaged_val_loss == pytest.approx(theirs.averaged_val_loss, rel=0.02)
        assert mine.weight_norm == pytest.approx(theirs.weight_norm, rel=1e-3)
    resumed = start(config, task, there, device)
    resumed.load_state_dict(through_a_file(state))
    assert resumed.next_epoch == 3
    assert there.test is not None
    assert evaluate(resumed.model, there.test).correct.shape == (100,)


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
