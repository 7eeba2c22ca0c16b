"""The code beside exported weights: the network, how to load it, and how to train it again.

It needs PyTorch alone where the task has a plain network. `weights` writes it; the code of the
schedule is there.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from search_spaces.config import TrialConfig
from study.tasks.task import Task, TaskData

_INSTALLED = '''\
"""The network of the task {name!r}. lrstudy must be installed: the task has no code of its own."""

from pathlib import Path

from search_spaces.config import TrialConfig
from study.tasks.task import find_task


def network():
    """The network, untrained."""
    config = Path(__file__).with_name("config.json").read_text()
    return find_task({name!r}).build(TrialConfig.model_validate_json(config))
'''
_LOAD = '''\
"""Load the trained network and predict: python load.py"""

from pathlib import Path

import torch

from network import network

FOLDER = Path(__file__).parent


def load(name="weights"):
    """The network with the weights of a file, such as weights or averaged_weights."""
    model = network()
    model.load_state_dict(torch.load(FOLDER / f"{{name}}.pt", weights_only=True))
    return model.to(memory_format=torch.channels_last).eval()  # as it was trained


@torch.no_grad()
def predict(pixels):
    """Probabilities (n, {classes}) of images (n, {shape}), float32 between 0 and 1."""
{predict}


if __name__ == "__main__":
    images = torch.zeros(1, {shape})  # put in your own
    print("class", predict(images).argmax(1).item())
'''
_ONE = "    return torch.softmax(load({name})(pixels), dim=1)"
_MANY = """\
    samples = torch.load(FOLDER / "samples.pt", weights_only=True)
    shares, model, mean = samples.pop("shares"), network(), 0.0
    model = model.to(memory_format=torch.channels_last).eval()  # as it was trained
    for place, share in enumerate(shares):  # the mean of what the samples predict
        model.load_state_dict({name: stacked[place] for name, stacked in samples.items()})
        mean = mean + share * torch.softmax(model(pixels).double(), dim=1)
    return mean"""
_TRAIN = '''\
"""Train the network again:

    from train import train

    {result} = train(pixels, labels)

pixels: images (n, {shape}), float32 between 0 and 1; labels: (n,), int64. lrstudy trained on
{images:,} images. With another number of them put your own steps_per_epoch into schedule.py. The
network starts from the same weights as in lrstudy, but meets the images in another order.
"""
{imports}
import torch
from torch.nn import functional as F

from network import network
from schedule import {from_schedule}

epochs = {epochs}
batch_size = {batch_size}
seed = {seed}
{sampling}

def train(pixels, labels):
    """{returns}"""
    torch.manual_seed(seed)
    model = network()
{init}    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=rate(0),
        momentum={momentum},
        nesterov={nesterov},
        weight_decay={weight_decay},
    )
    step = 0{none_yet}
    for _epoch in range(epochs):
        for batch in torch.randperm(len(labels)).split(batch_size):
            optimizer.param_groups[0]["lr"] = rate(step)
{set_momentum}            loss = F.cross_entropy(model(pixels[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
{sample}            step += 1
    return {result}
'''
_XAVIER = """\
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            torch.nn.init.xavier_uniform_(parameter)
"""
_SET_MOMENTUM = """\
            optimizer.param_groups[0]["momentum"] = momentum(step)
"""
_SAMPLING = '''
# Optimizer updates, counted from 0, as {steps_per_epoch:,} an epoch make them:
sampled = {sampled}  # first, end and step of updates whose weights are samples
cold = {cold}  # first and end of updates without noise


def temperature(step):
    """Temperature of the noise after an update."""
    return 0.0 if any(first <= step < end for first, end in cold) else {temperature}


def is_sample(step):
    """Whether the weights after this update are a sample."""
    return any(step in range(*each) for each in sampled)

'''
_SAMPLE = """\
            noise = math.sqrt(2 * rate(step) * temperature(step) / len(labels))
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=noise)
            if is_sample(step):
                weights = copy.deepcopy(model.state_dict())
                samples.append(({share}, weights))
"""


def network_code(task: Task) -> str:
    """A module with ``network()``, whose parameters have the names of the exported weights."""
    if task.plain is None:
        return _INSTALLED.format(name=task.name)
    return inspect.getsource(task.plain)


def load_code(task: Task, config: TrialConfig, data: TaskData) -> str:
    """A module with ``load(name)``, the network with a file's weights, and ``predict(pixels)``: the
    probabilities that the run was scored by."""
    sampling = config.weight_sampling
    if sampling is not None and sampling.average == "predictions":
        predict = _MANY
    else:
        predict = _ONE.format(name="" if sampling is None else '"swa_weights"')
    return _LOAD.format(classes=task.classes, shape=_shape(data), predict=predict)


def train_code(config: TrialConfig, data: TaskData, steps_per_epoch: int) -> str:
    """A module with ``train(pixels, labels)``, which trains the configuration with the rates of
    schedule.py, one for each update; where weights are sampled it returns the samples."""
    sampling = config.weight_sampling
    decay, moves = repr(config.weight_decay), config.schedule.highest_momentum > 0
    if sampling is not None and sampling.prior_precision:
        decay += f" + {sampling.prior_precision!r} / len(labels)"
    return _TRAIN.format(
        shape=_shape(data),
        images=len(data.train.labels),
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        init=_XAVIER if config.init == "xavier_uniform" else "",
        momentum="momentum(0)" if moves else config.momentum,
        from_schedule="momentum, rate" if moves else "rate",
        set_momentum=_SET_MOMENTUM if moves else "",
        nesterov=config.nesterov,
        weight_decay=decay,
        **_sampling(config, steps_per_epoch),
    )


def _sampling(config: TrialConfig, steps_per_epoch: int) -> dict[str, str]:
    """The parts of the training code that only a run with sampled weights has."""
    sampling, names = config.weight_sampling, ("imports", "sampling", "none_yet", "sample")
    if sampling is None:
        returns = "The network after training."
        return dict.fromkeys(names, "") | {"result": "model", "returns": returns}
    run = (config.epochs * steps_per_epoch, steps_per_epoch, config.schedule.first_cycle)
    is_cold = (sampling.temperatures(*run) == 0.0) & (sampling.temperature > 0)
    parts = _SAMPLING.format(
        steps_per_epoch=steps_per_epoch,
        sampled=_ranges(np.flatnonzero(sampling.is_sample(*run)).tolist()),
        cold=[each[:2] for each in _ranges(np.flatnonzero(is_cold).tolist(), most=1)],
        temperature=repr(sampling.temperature),
    )
    returns = "Samples of the weights: what each counts, and its state_dict."
    return {
        "imports": "\nimport copy\nimport math\n",
        "sampling": parts,
        "none_yet": "\n    samples = []",
        "sample": _SAMPLE.format(share="rate(step)" if sampling.by_step_size else "1.0"),
        "result": "samples",
        "returns": returns,
    }


def _ranges(numbers: Sequence[int], most: float = math.inf) -> list[tuple[int, int, int]]:
    """Increasing numbers as few arguments of ``range``, whose steps are at most ``most``."""
    found: list[tuple[int, int, int]] = []
    for number in numbers:
        first, end, step = found[-1] if found else (number, number, 1)
        gap = number - end + 1  # to the last one
        if found and gap <= most and (end == first + 1 or gap == step):
            found[-1] = (first, number + 1, gap)
        else:
            found.append((number, number + 1, 1))
    return found


def _shape(data: TaskData) -> str:
    """What an image is, e.g. ``1, 28, 28``."""
    return ", ".join(map(str, data.train.pixels.shape[1:]))


_CODE = {
    "network.py": "the network",
    "load.py": "loads the weights and predicts: `python load.py`",
    "schedule.py": "the learning rate of every update, also as a LambdaLR",
    "train.py": "trains the configuration again, on images of your own",
    "config.json": "the configuration, as lrstudy reads it",
}
_WEIGHTS = {
    "weights": "after the last epoch",
    "averaged_weights": "a running average of the weights",
    "swa_weights": "the mean of the sampled weights, by which the run was scored",
    "samples": "all sampled weights, with the share of each; together they scored the run",
}
_README = """\
# A network trained by lrstudy

Learning rate: {words}.

{code}

The code needs {needs}. Weights are there twice: `.pt` for PyTorch, `.safetensors` for other
programs.

{weights}
"""


def readme(task: Task, words: str, written: Iterable[str]) -> str:
    """A few lines on what each file is; words: the schedule; written: names of the sets of
    weights."""
    return _README.format(
        words=words,
        needs="PyTorch alone" if task.plain else "PyTorch and lrstudy",
        code=_listed(_CODE),
        weights=_listed({name: _WEIGHTS[name] for name in written}),
    )


def _listed(meanings: Mapping[str, str]) -> str:
    return "\n".join(f"- `{name}`: {meaning}" for name, meaning in meanings.items())
