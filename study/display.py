"""What a person sees while a study runs: a live display, or one line a finished trial."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any, Literal, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from study.storage import describe
from study.terminal import printable

Event = dict[str, Any]
_SPEED_SECONDS = 900.0  # the time left is estimated from the epochs of so many seconds
_NUMBERS = ("trial", "epoch")
_SHOWN = ("complete", "pruned", "diverged", "stalled", "failed")


class Display:
    """Follows the events of a study's workers.

    total: the study's trials; done: those that are finished already; epochs: of each trial;
    best: the best score so far and the trial that has it, where there is one.
    """

    def __init__(
        self,
        console: Console,
        name: str,
        *,
        total: int,
        done: int,
        epochs: int,
        best: tuple[float, str] | None,
    ) -> None:
        self._console, self._name, self._total, self._epochs = console, name, total, epochs
        self._done, self._best = done, best
        self._counts: Counter[str] = Counter()
        self._workers: dict[int, Event] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[trials]}"),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            speed_estimate_period=_SPEED_SECONDS,
        )
        self._task = self._progress.add_task(
            printable(name),
            total=total * epochs,
            completed=done * epochs,
            trials=self._trials(),
        )
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=False
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def on_event(self, event: Event) -> None:
        """Take in what a worker said."""
        match event["event"]:
            case "ready":
                self._workers[event["worker"]] = {}
            case "epoch":
                before = _trained(self._workers.get(event["worker"], {}))
                self._workers[event["worker"]] = event
                self._progress.advance(self._task, _trained(event) - before)
            case "warning":
                self._print(f"trial {event['trial']}: {event['text']}")
            case "end":
                self._end(event)
            case "lost":
                running = self._workers.pop(event["worker"], {})
                self._progress.advance(self._task, -_trained(running))
                self._print(f"worker {event['worker']} is lost: {event['error']}")

    def _end(self, event: Event) -> None:
        trained = _trained(self._workers.get(event["worker"], {}))
        self._workers[event["worker"]] = {}
        outcome = outcome_of(event)
        self._counts[outcome] += 1
        if outcome in ("failed", "interrupted", "given away"):
            self._progress.advance(self._task, -trained)
        else:
            self._done += 1
            self._progress.advance(self._task, self._epochs - trained)
        value = event["value"]
        if value is not None and (self._best is None or value > self._best[0]):
            self._best = (value, describe(event["family"], event["params"]))
        self._progress.update(self._task, trials=self._trials())
        if outcome == "failed" or not self._console.is_terminal:
            self._log(event, outcome)

    def _log(self, event: Event, outcome: str) -> None:
        score = "" if event["value"] is None else f" accuracy {event['value']:.4f}"
        reason = f" ({event['error']})" if event.get("error") else ""
        self._print(
            f"[{self._done}/{self._total}] trial {event['trial']} {outcome}{score}: "
            f"{describe(event['family'], event['params'])}{reason}"
        )

    def _print(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {printable(text)}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _trials(self) -> str:
        return f"{self._done}/{self._total} trials"

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("worker", "trial", "schedule", "epoch", "accuracy"):
            justify: Literal["left", "right"] = "right" if heading in _NUMBERS else "left"
            table.add_column(heading, justify=justify, no_wrap=heading != "schedule")
        for index, event in sorted(self._workers.items()):
            table.add_row(*_worker_row(index, event))
        return Group(self._progress, table, self._summary())

    def _summary(self) -> Text:
        counts = "  ".join(f"{self._counts[each]} {each}" for each in _SHOWN)
        best = "none yet" if self._best is None else f"{self._best[0]:.4f}  {self._best[1]}"
        return Text(f"best  {printable(best)}\n{counts}")


def _trained(event: Event) -> int:
    """Epochs of the trial that a worker trains at the time; the last it said was ``event``."""
    return int(event.get("epoch", -1)) + 1


def _worker_row(index: int, event: Event) -> tuple[str | Text, ...]:
    if not event:
        return (str(index), "", "waiting", "", "")
    accuracy = event["accuracy"]
    return (
        str(index),
        str(event["trial"]),
        Text(_described(event), no_wrap=True, overflow="ellipsis"),
        f"{event['epoch'] + 1}/{event['epochs']}",
        "" if accuracy is None else f"{accuracy:.4f}",
    )


def _described(event: Event) -> str:
    return printable(describe(event["family"], event["params"]))


def outcome_of(event: Event) -> str:
    """complete, pruned, diverged, stalled, failed, interrupted, or given away."""
    if event["state"] == "complete":
        return "complete" if event["outcome"] == "finished" else str(event["outcome"])
    if event["state"] == "fail":
        return "interrupted" if event.get("interrupted") else "failed"
    return str(event["state"])
