"""What a database names is looked up among what is built in; nothing is imported for it."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import analysis.sections.schedules  # noqa: F401 - before a test replaces what it takes from figures
from search_spaces.config import Budget
from study.tasks.task import TASKS, find_task
from tests.analysis.conftest import plant_study
from tests.security.conftest import files, said
from tests.security.hostile import set_inside, writing
from tests.security.test_foreign import spec
from tests.study.conftest import Command

pytestmark = pytest.mark.integration

NAME = "fixed_rate"
# A module of the standard library that nobody imports, and one that lies in the working directory.
MODULES = ("this", "planted_here")
NAMES = (
    *("os:system", "os.system", "this", "this:s", "planted_here:task", "planted_here.task"),
    *("../planted_here.py", "torch.load", "__main__", ""),
)
COMMANDS = (
    ("resume",),
    ("worker",),
    ("status",),
    ("best",),
    ("best", "--export", "mine"),
    ("report",),
    ("export", "--out", "x.csv"),
    ("confirm", "--dry-run"),
    ("stop",),
)


@pytest.fixture(scope="module")
def planted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of which two of four trials are left."""
    file = tmp_path_factory.mktemp("imports") / "lrstudy.db"
    plant_study(file, NAME, 4, upto=2, everything="complete", budget=Budget(epochs=2))
    return file


@pytest.fixture
def url(planted_once: Path, lrstudy: Command, tmp_path: Path) -> str:
    (tmp_path / "planted_here.py").write_text("open('imported', 'w').close()\ntask = None\n")
    return f"sqlite:///{shutil.copy(planted_once, tmp_path)}"


@pytest.fixture(autouse=True)
def _nothing_is_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The working directory is where Python looks first, as it is for `python -m`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield
    assert not {*MODULES} & sys.modules.keys()
    assert not (tmp_path / "imported").exists()


def test_the_modules_would_be_found(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These tests can fail."""
    monkeypatch.chdir(tmp_path)
    __import__("planted_here")
    assert (tmp_path / "imported").exists()
    del sys.modules["planted_here"]
    (tmp_path / "imported").unlink()


@pytest.mark.parametrize("name", NAMES)
def test_a_task_that_is_not_built_in_is_refused(lrstudy: Command, url: str, name: str) -> None:
    spec(url, json.dumps(name), "task")
    with pytest.raises(ValueError, match=r"^unknown task ") as error:
        find_task(name)
    for command in (("resume",), ("worker",), ("best", "--export", "mine")):
        outcome = lrstudy(*command, NAME, "--storage", url)
        assert (outcome.status, said(outcome)) == (2, str(error.value))
    assert str(error.value) == f"unknown task {name!r}. There are: fashion_mnist."
    assert not Path("mine").exists()


def test_a_task_that_is_nearly_named_is_guessed() -> None:
    with pytest.raises(ValueError, match=r"^unknown task 'fashion_mnits'. Did you mean 'fashion_"):
        find_task("fashion_mnits")
    assert find_task("fashion_mnist") is TASKS["fashion_mnist"]


@pytest.mark.parametrize("name", NAMES)
def test_a_space_that_is_not_built_in_is_refused(
    lrstudy: Command, url: str, tmp_path: Path, name: str
) -> None:
    spec(url, json.dumps(name), "space")
    before = files(tmp_path)
    for command in COMMANDS:
        if command[0] == "export":  # trials are rows, whoever asked for them
            continue
        outcome = lrstudy(*command, NAME, "--storage", url)
        start = f"study {NAME!r} was made by another version of lrstudy: unknown search space"
        assert outcome.status == 1
        assert said(outcome).startswith(f"{start} {name!r}.")
    assert files(tmp_path) - {"lrstudy.db-wal", "lrstudy.db-shm"} == before


@pytest.mark.usefixtures("tiny", "unrendered")
@pytest.mark.parametrize(
    "name", ["os:system", "this", "planted_here.task", "LambdaLR", "__class__"]
)
def test_a_torch_scheduler_that_is_none_is_refused(lrstudy: Command, url: str, name: str) -> None:
    schedule = {"family": "torch", "base_lr": 0.1, "scheduler": name}
    schedule["arguments"] = {"lr_lambda": "__import__('planted_here')", "step_size": 3}
    for number in range(2):
        with writing(url) as connection:
            text = json.dumps(schedule)
            set_inside(connection, NAME, number, "config", ("schedule",), text)
    for command in COMMANDS[2:7]:
        outcome = lrstudy(*command, NAME, "--storage", url)
        if "--export" in command:
            assert outcome.status == 2
            error = outcome.err.splitlines()[-1].removeprefix("lrstudy: ")
            assert error.startswith((f"unknown torch scheduler {name!r}.", f"{name} needs"))
        else:
            assert (outcome.status, outcome.err) == (0, "")
    assert not Path("mine").exists()


@pytest.mark.usefixtures("tiny")
def test_what_is_exported_holds_tensors_text_and_no_code_of_the_database(
    lrstudy: Command, url: str
) -> None:
    done = lrstudy("best", NAME, "--export", "mine", "--device", "cpu", "--storage", url)
    assert (done.status, done.err.count("\n")) == (0, 1)  # what is being trained
    code = {"network.py", "load.py", "train.py", "schedule.py"}
    assert {path.name for path in Path("mine").iterdir()} == code | {
        *("weights.safetensors", "averaged_weights.safetensors", "weights.pt"),
        *("averaged_weights.pt", "config.json", "README.md"),
    }
    for path in Path("mine").glob("*.safetensors"):  # a format that can hold nothing else
        tensors = load_file(path)
        assert sum(each.numel() for each in tensors.values()) == 61_706
        plain = torch.load(path.with_suffix(".pt"), weights_only=True)
        assert plain.keys() == tensors.keys()
        assert all(torch.equal(plain[name], tensors[name]) for name in tensors)
    for name in code:
        for node in ast.walk(ast.parse(Path("mine", name).read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = {getattr(node, "module", None) or each.name for each in node.names}
                roots = {module.partition(".")[0] for module in modules}
                assert roots <= {"math", "collections", "pathlib", "torch", "network", "schedule"}
