"""What a person sees while a study runs."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from rich.console import Console

from search_spaces.config import Budget
from search_spaces.spaces import SPACES
from study.cli.display import Display, outcome_of
from study.records import ClaimRecord
from study.spec import StudySpec
from study.storage.slots import Attempt

Event = dict[str, Any]


class Screen:
    """A display of a study of four trials of two epochs on a console of 80 columns; its clock
    stands still until a test moves it."""

    def __init__(
        self,
        *,
        terminal: bool,
        name: str = "it",
        trials: int = 4,
        epochs: int = 2,
        found: Sequence[str] = (),
        best: tuple[float, str] | None = None,
        workers: int = 1,
        width: int = 80,
    ) -> None:
        self.file, self.now = io.StringIO(), 1000.0
        self.console = Console(
            file=self.file, width=width, force_terminal=terminal, color_system=None, _environ={}
        )
        self.display = Display(
            self.console,
            name,
            spec(trials, epochs),
            [attempt(slot, state) for slot, state in enumerate(found)],
            best=best,
            workers=workers,
            clock=lambda: self.now,
        )

    def lines(self) -> list[str]:
        """The live display as it stands."""
        with self.console.capture() as capture:
            self.console.print(self.display._render())
        return [line.rstrip() for line in capture.get().splitlines()]

    def log(self) -> list[str]:
        return self.file.getvalue().splitlines()

    def ready(self, worker: int = 0) -> None:
        self.display.on_event({"event": "ready", "worker": worker, "seconds": 2.0})

    def begin(self, trial: int, worker: int = 0, **facts: Any) -> None:
        self.display.on_event({"event": "begin", "epochs": 2} | common(trial, worker) | facts)

    def epoch(self, trial: int, epoch: int, worker: int = 0, **facts: Any) -> None:
        event = {"event": "epoch", "epoch": epoch, "accuracy": 0.5, "epochs": 2}
        self.display.on_event(event | common(trial, worker) | facts)

    def end(self, trial: int, state: str, worker: int = 0, **facts: Any) -> None:
        event: Event = {"event": "end", "state": state, "value": None, "outcome": None}
        event |= {"epochs": 2}
        self.display.on_event(event | common(trial, worker) | facts)


def common(trial: int, worker: int) -> Event:
    params = {"schedule": "cosine", "base_lr": 0.3125, "final_fraction": 0.01}
    return {"trial": trial, "worker": worker, "slot": trial, "family": "cosine", "params": params}


STATES: dict[str, tuple[TrialState, dict[str, Any]]] = {
    "complete": (TrialState.COMPLETE, {"outcome": "finished"}),
    "stalled": (TrialState.COMPLETE, {"outcome": "stalled"}),
    "failed": (TrialState.FAIL, {}),
    "interrupted": (TrialState.FAIL, {"interrupted": True}),
}


def spec(trials: int, epochs: int) -> StudySpec:
    space, budget = SPACES["fixed_rate"], Budget(epochs=epochs)
    return StudySpec(
        space="fixed_rate",
        trials=trials,
        budget=budget,
        families=space.FAMILIES,
        ranges=space.ranges(budget),
        max_retries=0,
    )


def attempt(slot: int, state: str) -> Attempt:
    return Attempt(slot, STATES[state][0], ClaimRecord(slot=slot, **STATES[state][1]))


def counted(lines: list[str]) -> int:
    """How many trials the line of outcomes tells of."""
    (line,) = [line for line in lines if re.match(r"\d+ complete, ", line)]
    return sum(int(number) for number in re.findall(r"\d+", line))


def test_a_trial_is_followed_from_its_first_epoch_to_its_end() -> None:
    screen = Screen(terminal=True)
    assert screen.lines()[5].split() == ["0", "starting"]
    screen.ready()
    assert screen.lines()[5].split() == ["0", "waiting"]
    screen.begin(0, params={})
    assert screen.lines()[5].split() == ["0", "0", "cosine", "0/2"]
    screen.epoch(0, 0)
    lines = screen.lines()
    assert lines[0] == "it"
    assert "0/4 trials" in lines[1]
    assert lines[2] == "best  none yet"
    assert lines[3] == "0 complete, 0 diverged, 0 stalled, 0 pruned, 0 failed, 1 running, 3 waiting"
    assert lines[4].split() == ["worker", "trial", "schedule", "epoch", "accuracy"]
    shown = ["0", "0", "cosine", "base_lr=0.312", "final_fraction=0.01", "1/2", "50.0", "%"]
    assert lines[5].split() == shown
    screen.epoch(0, 1)
    screen.end(0, "complete", value=0.75, outcome="finished")
    lines = screen.lines()
    assert "1/4 trials" in lines[1]
    assert lines[2] == "best  75.0 %  cosine base_lr=0.312 final_fraction=0.01"
    assert lines[3].startswith("1 complete, ")
    assert screen.display.trained == 2


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
    assert screen.display.trained == 1
    screen.end(0, state, outcome=outcome)
    assert screen.display.trained == epochs
    assert f"1 {shown}" in screen.lines()[3]
    assert f"{epochs // 2}/4 trials" in screen.lines()[1]
    assert counted(screen.lines()) == 4


@pytest.mark.parametrize(
    ("state", "interrupted", "shown"),
    [("fail", True, "1 interrupted"), ("given away", False, "1 running")],
)
def test_an_interrupted_trial_is_to_be_done_again_and_no_failure(
    state: str, interrupted: bool, shown: str
) -> None:
    screen = Screen(terminal=True)
    screen.epoch(0, 0)
    screen.end(0, state, interrupted=interrupted)
    assert screen.display.trained == 0
    assert "0/4 trials" in screen.lines()[1]
    assert "0 failed" in screen.lines()[3]
    assert shown in screen.lines()[3]
    assert counted(screen.lines()) == 4


def test_a_resumed_study_begins_where_it_was() -> None:
    found = ("complete", "stalled", "complete")
    screen = Screen(terminal=True, found=found, best=(0.9, "constant base_lr=0.1"))
    assert screen.display.trained == 6
    lines = screen.lines()
    assert "3/4 trials" in lines[1]
    assert lines[2] == "best  90.0 %  constant base_lr=0.1"
    assert lines[3] == "2 complete, 0 diverged, 1 stalled, 0 pruned, 0 failed, 1 waiting"
    screen.end(3, "complete", value=0.8, outcome="finished")
    assert screen.lines()[2] == "best  90.0 %  constant base_lr=0.1"
    screen.end(3, "complete", value=0.95, outcome="stalled")
    assert screen.lines()[2] == "best  90.0 %  constant base_lr=0.1"
    screen.end(3, "complete", value=0.95, outcome="finished")
    assert screen.lines()[2].startswith("best  95.0 %  cosine")


def test_what_failed_for_good_is_no_result_and_no_work_that_is_left() -> None:
    screen = Screen(terminal=True, found=("complete", "failed", "complete", "complete"))
    lines = screen.lines()
    assert "3/4 trials" in lines[1]
    assert "left about 0 s" in lines[1]
    assert lines[3] == "3 complete, 0 diverged, 0 stalled, 0 pruned, 1 failed"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "epoch", "complete", "pruned", "fail", "given away", "lost"]),
        st.integers(0, 3),
        st.integers(0, 1),
        st.booleans(),
    ),
    max_size=15,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(list(STATES)), max_size=4), EVENTS)
def test_outcomes_add_up_and_time_is_never_negative(
    found: list[str], events: list[tuple[str, int, int, bool]]
) -> None:
    screen = Screen(terminal=True, found=found, workers=2, width=200)
    for kind, slot, worker, interrupted in events:
        screen.now += 3.0
        if kind == "begin":
            screen.begin(slot, worker)
        elif kind == "epoch":
            screen.epoch(slot, 0, worker)
        elif kind == "lost":
            screen.display.on_event({"event": "lost", "worker": worker, "error": "gone"})
        else:
            value = 0.5 if kind == "complete" else None
            screen.end(slot, kind, worker, interrupted=interrupted, value=value)
        lines = screen.lines()
        assert counted(lines) == 4
        assert "-" not in lines[1].partition("trials")[2]
        ended = sum(
            int(n) for n in re.findall(r"(\d+) (?:complete|diverged|stalled|pruned)", lines[3])
        )
        assert f"{ended}/4 trials" in lines[1]


def test_an_interrupted_worker_leaves_the_time_that_its_work_will_take_again() -> None:
    screen = Screen(terminal=True)
    for epoch in range(2):
        screen.now += 10.0
        screen.epoch(0, epoch)
    screen.end(0, "fail", interrupted=True)
    assert "left about 1 min 20 s" in screen.lines()[1]
    assert "elapsed 20 s" in screen.lines()[1]


def test_the_last_picture_is_what_the_database_says() -> None:
    """Workers of other machines have trained, too."""
    screen = Screen(terminal=True)
    screen.epoch(0, 0)
    screen.display.settle([attempt(slot, "complete") for slot in range(4)], (0.75, "cosine"))
    assert "4/4 trials" in screen.lines()[1]
    assert "best  75.0 %  cosine" in screen.lines()
    assert screen.lines()[-1] == "4 complete, 0 diverged, 0 stalled, 0 pruned, 0 failed"


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    screen = Screen(terminal=True, name="[red]a[/red]")
    params = {"base_lr": 0.1}
    screen.epoch(0, 0, family="[bold]x", params=params)
    lines = screen.lines()
    assert lines[0] == "[red]a[/red]"
    assert "[bold]x base_lr=0.1" in lines[5]
    quiet = Screen(terminal=False)
    quiet.end(0, "complete", value=0.5, outcome="finished", family="[bold]x", params=params)
    assert quiet.log()[-1].endswith("[bold]x base_lr=0.1")


def test_without_a_terminal_it_speaks_from_the_start_and_now_and_then() -> None:
    screen = Screen(terminal=False, workers=2)
    with screen.display:
        screen.ready()
        screen.display.on_event({"event": "tick"})
        screen.epoch(0, 0)
        screen.now += 40.0
        screen.display.on_event({"event": "tick"})
        screen.end(0, "complete", value=0.75, outcome="finished")
        screen.end(1, "pruned")
        screen.end(2, "fail", error="OSError: the disk is full")
    trial = "cosine base_lr=0.312 final_fraction=0.01"
    expected = [
        "[0/4] it: 2 workers are starting",
        "worker 0 is ready",
        "[0/4] 12% of the epochs, left about 4 min 40 s",
        f"[1/4] trial 0 complete accuracy 75.0 %: {trial}",
        f"[2/4] trial 1 pruned: {trial}",
        f"[2/4] trial 2 failed: {trial} (OSError: the disk is full)",
    ]
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in screen.log()] == expected
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in screen.log())


def test_with_a_terminal_only_failures_and_losses_are_logged() -> None:
    screen = Screen(terminal=True)
    with screen.display:
        screen.end(0, "complete", value=0.75, outcome="finished")
        screen.end(1, "fail", error="OSError: full")
        screen.epoch(2, 0, worker=1)
        screen.display.on_event({"event": "storage", "worker": 1, "text": "it is away"})
        screen.display.on_event({"event": "lost", "worker": 1, "error": "ended with status -9"})
    text = screen.file.getvalue()
    assert "trial 1 failed" in text
    assert "(OSError: full)" in text
    assert "worker 1: it is away" in text
    assert "worker 1 is lost: ended with status -9" in text
    assert "trial 0 complete" not in text
    assert not any(line.startswith("1 ") and "cosine" in line for line in screen.lines())
    assert screen.display.trained == 2  # the lost worker's epoch must be trained again
    assert "1 interrupted" in screen.lines()[3]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_nothing_is_cut_at_any_width(width: int) -> None:
    name = "a study of warmup with a name as long as names can be " + "x" * 70
    screen = Screen(
        terminal=True, name=name, trials=180, epochs=30, workers=8, width=width, best=(0.9, "best")
    )
    params = {"schedule": "warmup", "base_lr": 0.0312, "warmup": 10.0, "final_fraction": 0.00123}
    for worker in range(8):
        facts = {"family": "warmup_stable_decay", "params": params, "epochs": 30}
        screen.epoch(170 + worker, 20, worker=worker, **facts)
    screen.now += 86_000
    lines = screen.lines()
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "…" not in text
    assert "".join(name.split()) in "".join(text.split())
    shown = Counter(text.split())
    words = ["warmup_stable_decay", "base_lr=0.0312", "warmup=10", "final_fraction=0.00123"]
    assert all(shown[word] == 8 for word in [*words, "21/30", "50.0"])
    assert {"0/180", "elapsed", "left", "worker", "schedule", "accuracy"} <= set(shown)


@pytest.mark.parametrize(("state", "outcome", "shown", "_epochs"), ENDS)
def test_the_outcome_of_an_event(state: str, outcome: str | None, shown: str, _epochs: int) -> None:
    assert outcome_of({"state": state, "outcome": outcome}) == shown
