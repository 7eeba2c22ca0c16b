"""The exported code, run where PyTorch is all there is."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search_spaces.config import TrialConfig
from search_spaces.schedules.cycles import CosineRestarts, OneCycle
from search_spaces.schedules.decays import Constant
from search_spaces.schedules.horizon import Cosine
from search_spaces.weight_sampling import WeightSampling
from study.export.code import network_code, train_code
from study.export.weights import export
from study.tasks import task as tasks
from study.tasks.fashion_mnist import Images
from study.tasks.lenet import lenet
from study.tasks.task import Task, TaskData, load_task_data
from study.training.evaluation import logits
from study.training.loop import start, train
from study.training.torch_schedules import closed_form
from tests.conftest import CPU
from tests.study.export.test_weights import _sampling, constant_spec

EPOCHS, BATCH = 4, 12  # 42 updates an epoch


@pytest.fixture(scope="session")
def torch_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of modules with PyTorch, what PyTorch itself needs, and nothing else."""
    folder, wanted, seen = tmp_path_factory.mktemp("alone"), ["torch"], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        found = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in found.files or () if ".." not in file.parts}:
            link = folder / top
            if not link.exists() and not top.startswith("__"):
                link.symlink_to(Path(str(found.locate_file(top))).resolve())
        wanted += [
            re.split(r"[^\w.-]", need)[0]
            for need in found.requires or ()
            if "extra" not in need and not need.startswith(("nvidia", "triton", "cuda"))
        ]
    return folder


def run(folder: Path, modules: Path, script: str) -> Any:
    """The JSON that a script prints, in the exported folder, in an isolated Python."""
    first = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(modules)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", first + script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def made(task: Task, folder: Path, config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports a run of the configuration on the tiny images."""
    monkeypatch.setitem(tasks.TASKS, "tiny", task)
    export(constant_spec(EPOCHS), 0, config, folder, device=CPU, threads=1)


NOTHING_ELSE = """
import importlib.util, json
for name in ("study", "search_spaces", "analysis", "optuna", "pydantic", "safetensors"):
    assert importlib.util.find_spec(name) is None, name
"""
PREDICT = (
    NOTHING_ELSE
    + """
import runpy, torch
torch.set_num_threads(1)
names = runpy.run_path("load.py", run_name="__main__")
pixels = torch.load("pixels.pt", weights_only=True)
torch.save(names["predict"](pixels), "predicted.pt")
with torch.no_grad():
    found = {name: names["load"](name)(pixels) for name in ("weights", "averaged_weights")}
torch.save(found, "found.pt")
print("[]")
"""
)
TRAIN = (
    NOTHING_ELSE
    + """
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
rates, first = [], []
def see(optimizer, *_):
    group = optimizer.param_groups[0]
    rates.append(group["lr"])
    first.append([p.detach().clone() for p in group["params"]] if not first else None)
register_optimizer_step_pre_hook(see)
from train import train
result = train(torch.load("pixels.pt", weights_only=True), torch.load("labels.pt"))
torch.save(first[0], "first.pt")
if isinstance(result, list):
    samples = result
    print(json.dumps({"rates": rates, "shares": [share for share, _ in samples]}))
else:
    result.eval()
    with torch.no_grad():
        right = result(torch.load("pixels.pt")).argmax(1) == torch.load("labels.pt")
    print(json.dumps({"rates": rates, "right": right.double().mean().item()}))
"""
)


def lay_out(folder: Path, images: Any) -> None:
    torch.save(images.pixels.clone(), folder / "pixels.pt")
    torch.save(images.labels.clone(), folder / "labels.pt")


def trained(config: TrialConfig, task: Task) -> tuple[Any, TaskData]:
    """The same run in lrstudy."""
    data = load_task_data(task, device=CPU)
    state = start(config, task, data, CPU)
    list(train(state, data))
    return state, data


@pytest.mark.integration
def test_with_torch_alone_it_predicts_bit_for_bit_and_trains_with_the_same_rates(
    tiny_task: Task, tmp_path: Path, torch_alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Cosine(base_lr=0.2, final_lr=0.01, horizon=2.4, warmup=0.5)
    chosen = {"init": "xavier_uniform", "momentum": 0.5, "nesterov": True, "weight_decay": 1e-4}
    config = TrialConfig(schedule=schedule, epochs=EPOCHS, seed=4, batch_size=BATCH, **chosen)
    made(tiny_task, tmp_path, config, monkeypatch)
    state, data = trained(config, tiny_task)
    assert data.val is not None
    lay_out(tmp_path, data.val)
    run(tmp_path, torch_alone, PREDICT)
    found = torch.load(tmp_path / "found.pt")
    for name, model in {"weights": state.model, "averaged_weights": state.averaged}.items():
        assert torch.equal(found[name], logits(model, data.val)), name
    predicted = torch.load(tmp_path / "predicted.pt")
    assert torch.equal(predicted.argmax(1), logits(state.model, data.val).argmax(1))
    lay_out(tmp_path, data.train)
    told = run(tmp_path, torch_alone, TRAIN)
    steps = np.arange(EPOCHS * state.steps_per_epoch)
    expected = closed_form(schedule, EPOCHS, state.steps_per_epoch)(steps, state.steps_per_epoch)
    np.testing.assert_allclose(told["rates"], expected, rtol=1e-12)
    for mine, theirs in zip(torch.load(tmp_path / "first.pt"), state.initial, strict=True):
        assert torch.equal(mine, theirs)  # the same weights before the first update
    assert told["right"] > 0.5  # a guess is right once in ten


@pytest.mark.integration
def test_the_code_trains_with_a_moved_momentum(
    tiny_task: Task, tmp_path: Path, torch_alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = OneCycle(base_lr=0.1, peak=1, horizon=3, max_momentum=0.9, base_momentum=0.5)
    config = TrialConfig(schedule=schedule, epochs=3, seed=4, batch_size=50, nesterov=True)
    made(tiny_task, tmp_path, config, monkeypatch)
    lay_out(tmp_path, load_task_data(tiny_task, device=CPU).train)
    told = run(tmp_path, torch_alone, TRAIN.replace('group["lr"]', 'group["momentum"]'))
    np.testing.assert_allclose(told["rates"], schedule.momentum(np.arange(30), 10), rtol=1e-12)


@pytest.mark.integration
@pytest.mark.parametrize("family", ["swa", "cyclical"])
def test_with_torch_alone_samples_predict_together_and_are_sampled_again(
    family: str,
    tiny_task: Task,
    tmp_path: Path,
    torch_alone: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, config = _sampling(family, tiny_task, monkeypatch)
    export(spec, 0, config, tmp_path, device=CPU, threads=1)
    state, data = trained(config, tiny_task)
    assert data.val is not None
    lay_out(tmp_path, data.val)
    run(tmp_path, torch_alone, PREDICT)
    predicted = torch.load(tmp_path / "predicted.pt").double()
    expected = state.predictions.probabilities(data)["val"]
    torch.testing.assert_close(predicted, expected, rtol=1e-6, atol=1e-9)
    lay_out(tmp_path, data.train)
    told = run(tmp_path, torch_alone, TRAIN)
    shares = torch.load(tmp_path / "samples.pt")["shares"].tolist() if family != "swa" else None
    assert len(told["shares"]) == state.predictions.count
    if shares is not None:
        total = sum(told["shares"])
        np.testing.assert_allclose([each / total for each in told["shares"]], shares, rtol=1e-9)


def test_the_plain_network_is_the_trained_one_bit_for_bit(tiny_data: TaskData) -> None:
    """Its code alone, as it is exported; from the same seed it has the same weights."""
    names: dict[str, Any] = {}
    exec(compile(network_code(tasks.TASKS["fashion_mnist"]), "network.py", "exec"), names)
    ours = lenet("default", 7)
    torch.manual_seed(7)
    plain = names["network"]()
    assert plain.state_dict().keys() == ours.state_dict().keys()
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name])
    with torch.no_grad():
        assert torch.equal(plain(tiny_data.train.pixels), ours(tiny_data.train.pixels))


def test_a_task_without_a_plain_network_names_its_own(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrialConfig(schedule=Constant(base_lr=0.05), epochs=1, seed=4, batch_size=BATCH)
    made(replace(tiny_task, plain=None), tmp_path, config, monkeypatch)
    names: dict[str, Any] = {"__file__": str(tmp_path / "network.py")}
    exec((tmp_path / "network.py").read_text(), names)
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    names["network"]().load_state_dict(weights)
    assert "PyTorch and lrstudy" in (tmp_path / "README.md").read_text()


def test_every_file_is_named(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrialConfig(schedule=Constant(base_lr=0.05), epochs=1, seed=4, batch_size=BATCH)
    made(tiny_task, tmp_path, config, monkeypatch)
    text = (tmp_path / "README.md").read_text()
    files = {path.name for path in tmp_path.iterdir()} - {"README.md"}
    named = set(re.findall(r"^- `([^`]+)`", text, re.M))
    assert named == {name.removesuffix(".pt").removesuffix(".safetensors") for name in files}
    assert "a constant rate of 0.05" in text
    assert "PyTorch alone" in text


@settings(max_examples=60, deadline=None)
@given(
    cycle=st.floats(0.3, 3),
    thinning=st.floats(0.02, 1),
    burn_in=st.floats(0, 1),
    warmup=st.sampled_from([0.0, 0.3, 1.0]),
    cyclical=st.booleans(),
)
def test_the_code_samples_after_the_same_updates(
    cycle: float, thinning: float, burn_in: float, warmup: float, cyclical: bool
) -> None:
    """Cycles need not be whole updates: the next one begins at its rounded exact time."""
    assume(warmup + burn_in + thinning <= (cycle if cyclical else EPOCHS))
    sampling = WeightSampling(
        temperature=0.5,
        cycle=cycle if cyclical else None,
        burn_in=burn_in,
        thinning=thinning,
        explore=True,
    )
    schedule = CosineRestarts(base_lr=0.1, cycle=cycle, warmup=warmup)
    config = TrialConfig(schedule=schedule, epochs=EPOCHS, seed=0, weight_sampling=sampling)
    data = TaskData(Images(torch.zeros(9, 1, 8, 8), torch.zeros(9, dtype=torch.int64)))
    text = train_code(config, data, 42)
    tables = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    functions = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name in ("temperature", "is_sample")
    ]
    names: dict[str, Any] = {}
    exec(ast.unparse(ast.Module([*tables, *functions], [])), names)
    steps, run = range(EPOCHS * 42), (EPOCHS * 42, 42, schedule.first_cycle)
    assert [names["is_sample"](step) for step in steps] == sampling.is_sample(*run).tolist()
    assert [names["temperature"](step) for step in steps] == sampling.temperatures(*run).tolist()
