"""What a person sees while a study runs."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from study.display import Display, outcome_of

Event = dict[str, Any]


class Screen:
    """A display of a study of four trials of two epochs on a console of 80 columns."""

    def __init__(self, *, terminal: bool, name: str = "it", **facts: Any) -> None:
        self.file = io.StringIO()
        self.console = Console(
            file=self.file, width=80, force_terminal=terminal, color_system=None, _environ={}
        )
        values: dict[str, Any] = {"total": 4, "done": 0, "epochs": 2, "best": None} | facts
        self.display = Display(self.console, name, **values)

    def lines(self) -> list[str]:
        """The live display as it stands."""
        with self.console.capture() as capture:
            self.console.print(self.display._render())
        return [line.rstrip() for line in capture.get().splitlines()]

    def log(self) -> list[str]:
        return self.file.getvalue().splitlines()

    def completed(self) -> float:
        return self.display._progress.tasks[0].completed

    def epoch(self, trial: int, epoch: int, worker: int = 0, **facts: Any) -> None:
        event = {"event": "epoch", "epoch": epoch, "accuracy": 0.5, "epochs": 2}
        self.display.on_event(event | common(trial, worker) | facts)

    def end(self, trial: int, state: str, worker: int = 0, **facts: Any) -> None:
        event: Event = {"event": "end", "state": state, "value": None, "outcome": None}
        self.display.on_event(event | common(trial, worker) | facts)


def common(trial: int, worker: int) -> Event:
    params = {"schedule": "cosine", "base_lr": 0.3125, "final_fraction": 0.01}
    return {"trial": trial, "worker": worker, "slot": trial, "family": "cosine", "params": params}


def test_a_trial_is_followed_from_its_first_epoch_to_its_end() -> None:
    screen = Screen(terminal=True)
    screen.display.on_event({"event": "ready", "worker": 0, "seconds": 2.0})
    assert screen.lines()[2].split() == ["0", "waiting"]
    screen.epoch(0, 0)
    lines = screen.lines()
    assert lines[0].startswith("it ")
    assert "0/4 trials" in lines[0]
    assert lines[1].split() == ["worker", "trial", "schedule", "epoch", "accuracy"]
    shown = ["0", "0", "cosine", "base_lr=0.312", "final_fraction=0.01", "1/2", "0.5000"]
    assert lines[2].split() == shown
    assert lines[3] == "best  none yet"
    assert lines[4] == "0 complete  0 pruned  0 diverged  0 stalled  0 failed"
    screen.epoch(0, 1)
    screen.end(0, "complete", value=0.75, outcome="finished")
    lines = screen.lines()
    assert "1/4 trials" in lines[0]
    assert lines[3] == "best  0.7500  cosine base_lr=0.312 final_fraction=0.01"
    assert lines[4].startswith("1 complete ")
    assert screen.completed() == 2


ENDS = [
    ("complete", "finished", "complete", 2),
    ("complete", "diverged", "diverged", 2),
    ("complete", "stalled", "stalled", 2),
    ("pruned", None, "pruned", 2),
    ("fail", None, "failed", 0),
]


@pytest.mark.parametrize(("state", "outcome", "shown", "epochs"), ENDS)
def test_every_end_is_counted_and_moves_the_bar(
    state: str, outcome: str | None, shown: str, epochs: int
) -> None:
    """What ended well counts in full, what must be done again not at all."""
    screen = Screen(terminal=True)
    screen.epoch(0, 0)
    assert screen.completed() == 1
    screen.end(0, state, outcome=outcome)
    assert screen.completed() == epochs
    assert f"1 {shown}" in screen.lines()[-1]
    assert f"{epochs // 2}/4 trials" in screen.lines()[0]


@pytest.mark.parametrize(("state", "interrupted"), [("fail", True), ("given away", False)])
def test_an_interrupted_trial_is_to_be_done_again_and_no_failure(
    state: str, interrupted: bool
) -> None:
    screen = Screen(terminal=True)
    screen.epoch(0, 0)
    screen.end(0, state, interrupted=interrupted)
    assert screen.completed() == 0
    assert "0/4 trials" in screen.lines()[0]
    assert screen.lines()[-1] == "0 complete  0 pruned  0 diverged  0 stalled  0 failed"


def test_a_resumed_study_begins_where_it_was() -> None:
    screen = Screen(terminal=True, done=3, best=(0.9, "constant base_lr=0.1"))
    assert screen.completed() == 6
    assert "3/4 trials" in screen.lines()[0]
    assert "best  0.9000  constant base_lr=0.1" in screen.lines()
    screen.end(3, "complete", value=0.8, outcome="finished")
    assert "best  0.9000  constant base_lr=0.1" in screen.lines()
    screen.end(4, "complete", value=0.95, outcome="finished")
    assert screen.lines()[-2].startswith("best  0.9500  cosine")


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    screen = Screen(terminal=True, name="[red]a[/red]")
    params = {"base_lr": 0.1}
    screen.epoch(0, 0, family="[bold]x", params=params)
    lines = screen.lines()
    assert lines[0].startswith("[red]a[/red] ")
    assert "[bold]x base_lr=0.1" in lines[2]
    quiet = Screen(terminal=False)
    quiet.end(0, "complete", value=0.5, outcome="finished", family="[bold]x", params=params)
    assert quiet.log()[0].endswith("[bold]x base_lr=0.1")


def test_without_a_terminal_every_finished_trial_is_one_line() -> None:
    screen = Screen(terminal=False)
    with screen.display:
        screen.display.on_event({"event": "ready", "worker": 0, "seconds": 2.0})
        screen.display.on_event({"event": "tick"})
        screen.epoch(0, 0)
        screen.end(0, "complete", value=0.75, outcome="finished")
        screen.end(1, "pruned")
        screen.end(2, "fail", error="OSError: the disk is full")
    trial = "cosine base_lr=0.312 final_fraction=0.01"
    expected = [
        f"[1/4] trial 0 complete accuracy 0.7500: {trial}",
        f"[2/4] trial 1 pruned: {trial}",
        f"[2/4] trial 2 failed: {trial} (OSError: the disk is full)",
    ]
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in screen.log()] == expected
    assert all(re.match(r"\d\d:\d\d:\d\d \[", line) for line in screen.log())


def test_with_a_terminal_only_failures_and_losses_are_logged() -> None:
    screen = Screen(terminal=True)
    with screen.display:
        screen.end(0, "complete", value=0.75, outcome="finished")
        screen.end(1, "fail", error="OSError: full")
        screen.epoch(2, 0, worker=1)
        screen.display.on_event({"event": "lost", "worker": 1, "error": "ended with status -9"})
    text = screen.file.getvalue()
    assert "trial 1 failed" in text
    assert "(OSError: full)" in text
    assert "worker 1 is lost: ended with status -9" in text
    assert "trial 0 complete" not in text
    assert not any(line.startswith("1 ") and "cosine" in line for line in screen.lines())
    assert screen.completed() == 2  # the lost worker's epoch must be trained again


def test_eight_workers_fit_into_eighty_columns() -> None:
    screen = Screen(terminal=True, name="a study of warmup", total=180, epochs=30)
    params = {"schedule": "warmup", "base_lr": 0.0312, "warmup": 10.0, "final_fraction": 0.00123}
    for worker in range(8):
        facts = {"family": "inverse_power", "params": params, "epochs": 30}
        screen.epoch(170 + worker, 20, worker=worker, **facts)
    lines = screen.lines()
    assert len(lines) == 1 + 1 + 8 + 2
    for line in lines[2:10]:
        assert line.split()[-2:] == ["21/30", "0.5000"]
        assert "inverse_power base_lr=0.0312 warmup=10" in line
        assert "…" in line  # too long, and cut rather than wrapped
    assert "0/180 trials" in lines[0]
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize(("state", "outcome", "shown", "_epochs"), ENDS)
def test_the_outcome_of_an_event(state: str, outcome: str | None, shown: str, _epochs: int) -> None:
    assert outcome_of({"state": state, "outcome": outcome}) == shown
