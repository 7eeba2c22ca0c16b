"""What a person sees while a study runs: a live display, or lines where there is no terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search_spaces.words.phrases import count, percent
from study.cli.layout import Grid
from study.cli.pace import Pace
from study.durations import duration
from study.spec import StudySpec
from study.storage.slots import Attempt, slots_failed
from study.storage.states import ENDED, UNFINISHED, attempt_outcome, outcomes
from study.storage.studies import describe
from study.terminal import printable

Event = dict[str, Any]
_SAID_SECONDS = 30.0  # without a terminal: how often it says how far it is, at most
_HEADINGS = ("worker", "trial", "schedule", "epoch", "accuracy")
_STARTING: Event = {"event": "starting"}
_WAITING: Event = {"event": "ready"}


class Display:
    """Follows the events of a study's workers.

    found: the study's attempts before they start. best: the best score so far and the trial that
    has it, where there is one. workers: how many start. above: lines that stand over it. clock:
    seconds that never go back.
    """

    def __init__(
        self,
        console: Console,
        name: str,
        spec: StudySpec,
        found: Sequence[Attempt],
        *,
        best: tuple[float, str] | None,
        workers: int,
        above: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._name, self._spec, self._best = console, name, spec, best
        self._above = above
        self._clock, self._began, self._said = clock, clock(), clock()
        self._outcomes = outcomes(spec, found)
        self._epochs = [spec.slot_budget(slot).epochs for slot in range(spec.trials)]
        for slot in slots_failed(spec, found):  # for good: no work is left there
            self._epochs[slot] = 0
        self._workers = dict.fromkeys(range(workers), _STARTING)
        self._pace = Pace(self._began)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=False
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        else:
            for line in self._above:
                self._print(line)
            self._print(f"{self._done()} {self._name}: {_number(len(self._workers))} starting")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @property
    def counts(self) -> Counter[str]:
        """How many trials have each outcome; they add up to the study's trials."""
        return Counter(self._outcomes.values())

    @property
    def trained(self) -> int:
        """Epochs that need not be trained any more, those of the running trials included."""
        ended = [slot for slot, outcome in self._outcomes.items() if outcome in ENDED]
        return sum(self._epochs[slot] for slot in ended) + sum(
            map(_trained, self._workers.values())
        )

    def settle(self, found: Sequence[Attempt], best: tuple[float, str] | None) -> None:
        """Show what the database says once the workers have left: others may have worked, too.

        best: as above, of the whole study.
        """
        self._outcomes, self._best = outcomes(self._spec, found), best
        self._workers = {}

    def on_event(self, event: Event) -> None:
        """Take in what a worker said."""
        worker = event.get("worker", -1)
        match event["event"]:
            case "ready":
                self._workers[worker] = _WAITING
                self._say(f"worker {worker} is ready")
            case "begin" | "epoch":
                self._workers[worker] = event
                self._set(event, "running")
                self._pace.add(self._clock(), event["event"] == "epoch")
            case "warning":
                self._print(f"trial {event['trial']}: {event['text']}")
            case "storage":
                self._print(f"worker {event['worker']}: {event['text']}")
            case "end":
                self._end(event)
            case "lost":
                self._set(self._workers.pop(worker, _WAITING), "interrupted")
                self._print(f"worker {worker} is lost: {event['error']}")
        if self._clock() - self._said >= _SAID_SECONDS:
            self._say(self._how_far())

    def _set(self, event: Event, outcome: str) -> None:
        """What became of the trial that an event tells of; a result is never taken back."""
        slot = event.get("slot")
        if slot in self._outcomes and self._outcomes[slot] not in ENDED:
            self._outcomes[slot] = outcome

    def _end(self, event: Event) -> None:
        trained = _trained(self._workers.get(event["worker"], _WAITING))
        self._workers[event["worker"]] = _WAITING
        outcome = outcome_of(event)
        # Another worker has what was given away.
        self._set(event, "running" if outcome == "given away" else outcome)
        if outcome in ENDED:
            self._pace.add(self._clock(), max(0, event["epochs"] - trained))
        value = event["value"]
        better = value is not None and (self._best is None or value > self._best[0])
        if better and outcome == "complete":
            self._best = (value, describe(event["family"], event["params"]))
        if outcome == "failed" or not self._console.is_terminal:
            self._log(event, outcome)

    def _log(self, event: Event, outcome: str) -> None:
        score = "" if event["value"] is None else f" accuracy {percent(event['value'])}"
        reason = f" ({event['error']})" if event.get("error") else ""
        self._print(
            f"{self._done()} trial {event['trial']} {outcome}{score}: "
            f"{describe(event['family'], event['params'])}{reason}"
        )

    def _say(self, text: str) -> None:
        """A line, where there is no terminal to show it at all times."""
        if not self._console.is_terminal:
            self._print(text)

    def _print(self, text: str) -> None:
        self._said = self._clock()
        line = f"{time.strftime('%H:%M:%S')} {printable(text)}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _done(self) -> str:
        """Trials that have a result, of all."""
        return f"[{sum(self.counts[each] for each in ENDED)}/{self._spec.trials}]"

    def _how_far(self) -> str:
        share = self.trained / max(1, sum(self._epochs))
        return f"{self._done()} {share:.0%} of the epochs, {self._left()}"

    def _left(self) -> str:
        seconds = self._pace.left(self._clock(), sum(self._epochs) - self.trained)
        return "left unknown yet" if seconds is None else f"left about {duration(seconds)}"

    def _render(self) -> Group:
        workers = [_worker_row(index, event) for index, event in sorted(self._workers.items())]
        table = [Grid(_HEADINGS, workers, right=("trial", "epoch"))] if workers else []
        # The workers last: a terminal that is not high enough for all shows the first.
        above = [Text(printable(line)) for line in self._above]
        heading = Text(printable(self._name), "bold")
        return Group(*above, heading, self._bar(), self._summary(), *table)

    def _bar(self) -> Table:
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(ratio=1)
        elapsed = duration(int(self._clock() - self._began))
        texts = (
            f"{self._done()[1:-1]} {'trial' if self._spec.trials == 1 else 'trials'}",
            f"elapsed {elapsed}",
            self._left(),
        )
        for _ in texts:
            row.add_column(no_wrap=True)
        row.add_row(ProgressBar(max(1, sum(self._epochs)), self.trained), *map(Text, texts))
        return row

    def _summary(self) -> Text:
        counts = self.counts
        always = (*ENDED, "failed")
        shown = [*always, *(each for each in UNFINISHED if counts[each] and each not in always)]
        words = ", ".join(f"{counts[each]} {each}" for each in shown)
        best = "none yet" if self._best is None else f"{percent(self._best[0])}  {self._best[1]}"
        return Text(f"best  {printable(best)}\n{words}")


def _number(workers: int) -> str:
    return f"{count(workers, 'worker')} {'is' if workers == 1 else 'are'}"


def _trained(event: Event) -> int:
    """Epochs of the trial that a worker trains at the time; the last it said was ``event``."""
    return int(event.get("epoch", -1)) + 1


def _worker_row(index: int, event: Event) -> tuple[str, ...]:
    if "trial" not in event:
        return (str(index), "", "starting" if event is _STARTING else "waiting", "", "")
    accuracy = event.get("accuracy")
    return (
        str(index),
        str(event["trial"]),
        describe(event["family"], event["params"]),
        f"{_trained(event)}/{event['epochs']}",
        "" if accuracy is None else percent(accuracy),
    )


def outcome_of(event: Event) -> str:
    """complete, pruned, diverged, stalled, failed, interrupted, or given away."""
    return attempt_outcome(event["state"], event.get("outcome"), event.get("interrupted"))
