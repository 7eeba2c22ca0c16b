"""Studies as TOML files: what is written is read again, and mistakes name file and key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import Budget, Range
from search_spaces.spaces import SPACES
from study.cli.choices import Choices, make_spec
from study.spec import StudySpec
from study.storage.studies import load_spec, open_storage
from study.study_file import from_toml, read_study, to_toml, write_study
from tests.study.cli.test_choices import NOTHING
from tests.study.conftest import Command, assert_one_line
from tests.study.test_spec import later

SMALL = ("--trials", "2", "--epochs", "1", "--train-size", "100", "--set", "base_lr=0.5")


def spec(**said: Any) -> StudySpec:
    return make_spec(Choices(**NOTHING | said))


@pytest.mark.parametrize("bank", [False, True])
@pytest.mark.parametrize("preset", ["quick", "standard"])
@pytest.mark.parametrize("space", SPACES)
def test_every_preset_comes_back(space: str, preset: str, bank: bool) -> None:
    asked = spec(space=space, preset=preset, bank=bank and not SPACES[space].DESIGNED)
    name, found = from_toml(to_toml("a b", asked, "x.toml"))
    assert (name, found) == ("a b", asked)


positive = st.floats(1e-300, 1e300)


@settings(deadline=None, derandomize=True, database=None)
@given(
    name=st.from_regex(r"\w[\w \"'\\#=\[]{0,20}\w", fullmatch=True),
    rates=st.tuples(positive, positive),
    budget=st.builds(
        Budget,
        epochs=st.integers(1, 10**6),
        train_size=st.none() | st.integers(1, 10**30),
        val_size=st.none() | st.integers(1, 10**9),
    ),
    optimizer=st.fixed_dictionaries(
        {},
        optional={
            "momentum": st.floats(0, 0.999),
            "weight_decay": st.floats(0, 1e300),
            "batch_size": st.integers(1, 10**9),
            "init": st.sampled_from(["default", "xavier_uniform"]),
        },
    ),
    seed=st.integers(0, 10**30),
    replicates=st.none() | st.integers(1, 10**6),
    unit=st.text(max_size=5),
)
def test_any_search_comes_back(
    name: str, rates: tuple[float, float], unit: str, **fields: Any
) -> None:
    interval = Range(low=min(rates), high=max(rates), log=True, unit=unit)
    asked = StudySpec(
        space="fixed_rate", families=("constant",), trials=3, ranges={"base_lr": interval}, **fields
    )
    assert from_toml(to_toml(name, asked, f"{name}.toml")) == (name, asked)


def test_the_file_explains_itself() -> None:
    text = to_toml("it", spec(space="warmup", preset="quick"), "my study.toml")
    head = text.splitlines()
    assert all(line.startswith("#") for line in head[:5])
    assert "# Run it:        lrstudy run 'my study.toml'" in head
    assert f"# {SPACES['warmup'].QUESTION}" in head
    values = tomllib.loads(text)
    for key in values:
        line = next(line for line in head if line.startswith((f"{key} =", f"[{key}]")))
        assert " # " in line


def test_a_later_stage_is_no_file() -> None:
    with pytest.raises(ValueError, match=r"^study 'it' is a later stage: only a search can be"):
        to_toml("it", later(), "x.toml")


GOOD = to_toml("it", spec(space="fixed_rate", preset="quick", recipe="chapter"), "x.toml")
WRONG: list[tuple[str, str, str]] = [
    ('study = "it"', "", 'study: a name is needed, such as study = "cosine"'),
    ('study = "it"', "study = 3", 'study: a name is needed, such as study = "cosine"'),
    ('study = "it"', 'study = "-x"', "the name '-x' starts with a dash, as options do"),
    ("seed = 0", "seed = -1", "seed must be at least 0, not -1"),
    ("seed = 0", "sed = 0", "unknown key 'sed'. Did you mean 'seed'? There are: study, space"),
    ("seed = 0", "seed = ", "Invalid value (at line "),
    ("seed = 0", 'stage = "test"', "stage: only a search is defined by a file"),
    ("epochs = 6", 'epochs = "six"', "budget.epochs must be a whole number, not 'six'"),
    ("epochs = 6", "epochs = 6\nepoch = 7", "budget.epoch is not known here"),
    ('space = "fixed_rate"', 'space = "fixed"', "unknown search space 'fixed'. Did you mean"),
    ("base_lr = ", "bas_lr = ", "unknown parameter of fixed_rate 'bas_lr'. Did you mean"),
    ("low = 0.003", "low = 0.0", "ranges.base_lr: a logarithmic range must start above 0, not at"),
    ("low = 0.003", f"low = {'[' * 5_000}", "it is nested too deeply"),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG)
def test_mistakes_are_one_line_that_names_file_and_key(
    lrstudy: Command, right: str, wrong: str, message: str
) -> None:
    assert right in GOOD
    Path("x.toml").write_text(GOOD.replace(right, wrong, 1))
    assert_one_line(lrstudy("run", "x.toml", "--dry-run"), 2, f"lrstudy: x.toml: {message}")


def test_files_that_cannot_be_read(lrstudy: Command) -> None:
    missing = lrstudy("run", "x.toml")
    assert_one_line(missing, 2, "cannot read x.toml: there is no such file or directory")
    Path("x.toml").write_bytes(b"\xff\xfe")
    assert_one_line(lrstudy("run", "x.toml"), 2, "x.toml: it is not a text in UTF-8")
    Path("d.toml").mkdir()
    assert_one_line(lrstudy("run", "d.toml"), 2, "cannot read d.toml: it is a directory")


def test_a_fixed_design_stays_one(lrstudy: Command) -> None:
    text = to_toml("it", spec(space="chapter"), "x.toml")
    Path("x.toml").write_text(text.replace('sampler = "random"', 'sampler = "tpe"'))
    message = "chapter is a fixed design: nothing is sampled or pruned"
    assert_one_line(lrstudy("run", "x.toml"), 2, message)


@pytest.mark.parametrize(
    "words",
    [
        *("--trials 2", "--epochs 1", "--train-size 9", "--sampler random", "--pruner none"),
        *("--seed 0", "--bank", "--preset quick", "--set base_lr=1", "--range base_lr=1:2"),
    ],
)
def test_options_that_would_change_a_file_are_refused(lrstudy: Command, words: str) -> None:
    Path("x.toml").write_text(GOOD)
    option = words.split()[0]
    message = f"x.toml defines the study, and {option} would change it: edit the file, or a copy"
    assert_one_line(lrstudy("run", "x.toml", *words.split()), 2, message)


@pytest.mark.usefixtures("tiny")
def test_saved_studies_are_made_again(lrstudy: Command) -> None:
    made = lrstudy("run", "fixed_rate", *SMALL, "--save", "x.toml", "--workers", "0")
    assert made.status == 0
    assert_one_line_made(lrstudy("run", "x.toml", "--study", "again", "--workers", "0").out)
    storage = open_storage("sqlite:///lrstudy.db")
    assert load_spec(storage, "again") == load_spec(storage, "fixed_rate")
    assert read_study(Path("x.toml")) == ("fixed_rate", load_spec(storage, "again"))
    assert "`lrstudy resume fixed_rate`" in lrstudy("run", "x.toml", "--workers", "0").err


def assert_one_line_made(out: str) -> None:
    assert out == "made study 'again'; join it: lrstudy worker again\n"


@pytest.mark.usefixtures("tiny")
def test_a_dry_run_writes_the_file_alone(lrstudy: Command, tmp_path: Path) -> None:
    done = lrstudy("run", "fixed_rate", *SMALL, "--save", "x.toml", "--dry-run")
    assert done.out.endswith(" Wrote x.toml.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.toml"]
    assert lrstudy("run", "x.toml", "--dry-run").out.endswith(" Nothing was written.\n")


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    path, asked = tmp_path / "x.toml", spec(space="fixed_rate")
    write_study(path, "it", asked)
    write_study(path, "it", asked)  # the same
    before = path.read_text()
    with pytest.raises(ValueError, match=r"x\.toml exists already, with another content$"):
        write_study(path, "other", asked)
    assert path.read_text() == before
    with pytest.raises(ValueError, match=r"^the file of a study must end in \.toml, not 'x\.txt'$"):
        write_study(tmp_path / "x.txt", "it", asked)
    with pytest.raises(ValueError, match=r"^cannot write .*: there is no such file or directory; "):
        write_study(tmp_path / "no" / "x.toml", "it", asked)
