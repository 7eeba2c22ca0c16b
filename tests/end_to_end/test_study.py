"""The installed command on real Fashion-MNIST: a study that is stopped, resumed and read."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest

pytestmark = pytest.mark.end_to_end

BIN = Path(sys.executable).parent
TRIALS = 12
PATIENCE = 120  # seconds until something that should happen is given up


def command(*arguments: str) -> list[str]:
    return [str(BIN / "lrstudy"), *arguments]


def lrstudy(folder: Path, *arguments: str, status: int = 0) -> str:
    """What the command printed; its exit status must be the one given."""
    done = subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def frame(folder: Path, name: str, *options: str) -> pd.DataFrame:
    lrstudy(folder, "export", name, "--out", "frame.parquet", *options)
    return pd.read_parquet(folder / "frame.parquet")


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a study that Ctrl-C stopped half-way, and what it printed."""
    folder = tmp_path_factory.mktemp("study")
    size = ["--trials", str(TRIALS), "--epochs", "2", "--train-size", "2000"]
    with running(folder, "run", "cosine", "--preset", "quick", *size, "--workers", "2") as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
    return folder, "".join(printed) + rest


@pytest.fixture(scope="module")
def finished(stopped: tuple[Path, str]) -> Path:
    """The folder of the same study, resumed to its end."""
    folder, _ = stopped
    before = frame(folder, "cosine")
    assert not before["state"].isin(["running", "waiting"]).any()
    assert 0 < before["state"].isin(["complete", "diverged", "stalled", "pruned"]).sum() < TRIALS
    lrstudy(folder, "resume", "cosine", "--workers", "2")
    return folder


def test_ctrl_c_prints_the_command_to_resume(stopped: tuple[Path, str]) -> None:
    assert "to continue: lrstudy resume cosine" in stopped[1]


def test_a_stopped_and_resumed_study_has_exactly_the_trials_asked_for(finished: Path) -> None:
    trials = frame(finished, "cosine", "--attempts")
    ended = trials[trials["state"] != "interrupted"]
    assert sorted(ended["slot"]) == list(range(TRIALS))
    assert ended["state"].isin(["complete", "diverged", "stalled", "pruned"]).all()
    assert ended["schedule"].value_counts().eq(2).all()


def test_a_finished_study_says_so_and_grows_only_on_demand(finished: Path) -> None:
    said = lrstudy(finished, "resume", "cosine")
    assert said == f"study 'cosine' is finished: {TRIALS} of {TRIALS} trials\n"
    lrstudy(finished, "run", "cosine", status=2)
    assert len(frame(finished, "cosine")["slot"].unique()) == TRIALS


def test_every_epoch_is_recorded(finished: Path) -> None:
    trials, curves = frame(finished, "cosine"), frame(finished, "cosine", "--curves")
    complete = trials[trials["state"] == "complete"]
    assert not complete.empty
    for _, trial in complete.iterrows():
        mine = curves[curves["trial"] == trial["trial"]]
        assert mine["epoch"].tolist() == [0, 1]
        assert mine["val_accuracy"].iloc[-1] == pytest.approx(trial["value"], abs=1e-8)


def test_the_report_of_the_study(finished: Path) -> None:
    lrstudy(finished, "report", "cosine", "--out", "report")
    page = (finished / "report" / "report.html").read_text()
    findings = json.loads((finished / "report" / "findings.json").read_text())
    assert findings
    assert "data:image/" in page or "<svg" in page
    assert len(pd.read_parquet(finished / "report" / "trials.parquet")) >= TRIALS


def test_the_exported_best_is_the_trial_again_bit_for_bit(finished: Path) -> None:
    best = json.loads(lrstudy(finished, "best", "cosine", "--export", "best", "--json"))
    assert best["exported_accuracy"] == best["accuracy"]
    names: dict[str, Any] = {}
    exec((finished / "best" / "schedule.py").read_text(), names)
    curves = frame(finished, "cosine", "--curves")
    mine = curves[curves["trial"] == best["trial"]]
    assert names["rate"](0) == pytest.approx(mine["first_lr"].iloc[0], rel=1e-8)
    last = 2 * names["steps_per_epoch"] - 1
    assert names["rate"](last) == pytest.approx(mine["last_lr"].iloc[1], rel=1e-8)


def test_optuna_opens_the_same_database(finished: Path) -> None:
    url = f"sqlite:///{finished / 'lrstudy.db'}"
    shown = subprocess.run(
        [BIN / "optuna", "trials", "--study-name", "cosine", "--storage", url, "-f", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(shown.stdout)) == len(frame(finished, "cosine", "--attempts"))


def test_the_dashboard_opens_the_same_database(finished: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with running(finished, "dashboard", "--port", str(port)) as process:
        studies = _answer(f"http://127.0.0.1:{port}/api/studies", process)
    assert [study["study_name"] for study in studies["study_summaries"]] == ["cosine"]


def _answer(url: str, process: subprocess.Popen[str]) -> Any:
    """The JSON behind an address, once a server answers there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(URLError), urlopen(url) as reply:
            return json.load(reply)
        time.sleep(0.2)
    raise AssertionError(f"nobody answers at {url}")


def test_the_chapters_runs_meet_the_test_images_once(tmp_path: Path) -> None:
    size = ["--trials", "10", "--epochs", "6", "--train-size", "500"]
    lrstudy(tmp_path, "run", "chapter", *size, "--workers", "2")
    trials = frame(tmp_path, "chapter").set_index("schedule")
    assert len(trials) == 10
    assert trials["val_accuracy"].isna().all()
    assert trials["test_accuracy"].between(0.05, 0.95).all()
    constant = trials.loc[["constant/as-published", "constant/as-intended"]]
    assert constant["train_loss"].nunique() == constant["test_loss"].nunique() == 1


def test_a_search_is_confirmed_and_its_best_meets_the_test_images(tmp_path: Path) -> None:
    size = ["--preset", "quick", "--trials", "1", "--epochs", "1", "--train-size", "1000"]
    learns = ["batch_size=16", "momentum=0.9", "init=xavier_uniform", "base_lr=0.02"]
    options = [word for each in learns for word in ("--set", each)]
    two = ["--workers", "2"]
    lrstudy(tmp_path, "run", "fixed_rate", *size, *options, *two)
    said = lrstudy(tmp_path, "confirm", "fixed_rate", "--top", "1", "--seeds", "1", *two)
    assert said.endswith("study 'fixed_rate' is confirmed; show it: lrstudy report fixed_rate\n")
    rows = {row["name"]: row for row in json.loads(lrstudy(tmp_path, "status", "--json"))}
    assert {name: row["planned"] for name, row in rows.items()} == {
        "fixed_rate": 1,
        "fixed_rate-confirm": 7,  # seven rates, the search's among them
        "fixed_rate-test": 1,
    }
    assert {name: row["complete"] for name, row in rows.items()}["fixed_rate-test"] == 1
    best = json.loads(lrstudy(tmp_path, "best", "fixed_rate-test", "--json"))
    assert best["measured_on"] == "test"
    assert 0.2 < best["accuracy"] < 0.95
    assert best["config"]["schedule"]["base_lr"] == 0.02


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    said = json.loads(
        lrstudy(tmp_path, "run", "warmup", "--preset", "quick", "--dry-run", "--json")
    )
    assert (said["trials"], said["epochs"], said["train_images"]) == (24, 6, 10_000)
    assert said["hours"] > 0
    assert list(tmp_path.iterdir()) == []
