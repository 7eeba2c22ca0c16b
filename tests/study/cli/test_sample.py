"""`lrstudy sample`: what it prints, writes and keeps, and one line for each mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.reading.predictive import sampled
from study.training import exact
from tests.analysis.questions.langevin.test_known_posteriors import gaussian, mixture
from tests.study.conftest import Command, assert_one_line


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that were asked for; sampling itself, which takes half a minute, is tested with
    `study.training.exact`."""
    asked: list[int] = []

    def remember(found: Callable[[], dict[str, Any]]) -> Callable[[int], dict[str, Any]]:
        def sample(seed: int) -> dict[str, Any]:
            asked.append(seed)
            return found() | {"seed": seed}

        return sample

    for problem, found in (("gaussian", gaussian), ("mixture", mixture)):
        assert problem in exact.SAMPLED
        monkeypatch.setitem(exact.SAMPLED, problem, remember(found))
    return asked


FILES = {
    "gaussian": ["stationary-variance.png", "stationary-variance.svg", "variances.csv"],
    "mixture": ["bins.csv", "distances.csv", "mixture.png", "mixture.svg"],
}


@pytest.mark.parametrize("problem", FILES)
def test_pictures_and_tables_are_written(
    lrstudy: Command, seeds: list[int], problem: str, tmp_path: Path
) -> None:
    done = lrstudy("sample", problem, "--seed", "3")
    assert (done.status, done.err, seeds) == (0, "", [3])
    said, wrote = done.out.splitlines()
    assert said.startswith(("The variance of a normal", "Of the mixture's two modes"))
    assert wrote == f"wrote samples/{problem}"
    directory = tmp_path / "samples" / problem
    assert sorted(each.name for each in directory.iterdir()) == FILES[problem]
    for file in directory.glob("*.csv"):
        assert len(pd.read_csv(file))
    for file in directory.glob("*.png"):
        assert file.read_bytes().startswith(b"\x89PNG")
    for file in directory.glob("*.svg"):
        assert "</svg>" in file.read_text(encoding="utf-8")


def test_samples_are_kept_in_a_study_for_its_report(
    lrstudy: Command, make_study: Any, seeds: list[int], tmp_path: Path
) -> None:
    stored = make_study("langevin", 5, name="langevin")
    options = ("--into", "langevin", "--storage", stored.url, "--out", "here")
    for problem in FILES:
        done = lrstudy("sample", problem, *options)
        assert done.out.endswith("wrote here; kept in study 'langevin'\n")
    kept = sampled(stored.url, "langevin")
    assert kept == {"gaussian": gaussian() | {"seed": 0}, "mixture": mixture() | {"seed": 0}}
    assert seeds == [0, 0]
    assert not (tmp_path / "samples").exists()


def test_a_study_that_would_not_show_them_is_refused_before_anything_is_sampled(
    lrstudy: Command, make_study: Any, seeds: list[int]
) -> None:
    stored = make_study("cosine", 6, name="it")
    done = lrstudy("sample", "gaussian", "--into", "it", "--storage", stored.url)
    message = "'it' is a study of cosine: only one of langevin shows samples"
    assert_one_line(done, 2, message)
    done = lrstudy("sample", "gaussian", "--into", "other", "--storage", stored.url)
    assert_one_line(done, 2, "unknown study 'other'. There are: it.")
    assert seeds == []


@pytest.mark.usefixtures("seeds")
def test_mistakes_are_told_in_one_line(lrstudy: Command, tmp_path: Path) -> None:
    wrong = lrstudy("sample", "normal")
    assert wrong.status == 2
    assert "'normal' is not one of 'gaussian', 'mixture'" in wrong.err
    (tmp_path / "taken").write_text("a file")
    assert_one_line(lrstudy("sample", "mixture", "--out", "taken"), 1, "taken")
