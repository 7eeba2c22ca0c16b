"""`lrstudy status`: how far a study is, or all of a storage."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live

from search_spaces.words.glossary import TERMS
from search_spaces.words.phrases import percent
from study.cli.completion import complete_study
from study.cli.layout import Grid
from study.cli.options import (
    DEFAULT_STORAGE,
    AsJson,
    Failure,
    Storage,
    checked_name,
    print_json,
    storage_failures,
)
from study.cli.plans import plan_in_words
from study.durations import duration
from study.plan import Plan
from study.storage.hints import command
from study.storage.states import ENDED

_WATCH_SECONDS = 2.0


def status(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Name of a study; without it, all are listed.",
            callback=checked_name,
            autocompletion=complete_study,
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Update it, with its workers, until the study ends or Ctrl-C."
        ),
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Show how far a study is and who works on it, or list the studies.

    Example: lrstudy status cosine --watch
    """
    if watch and (name is None or as_json):
        raise Failure("--watch shows one study to a person: give its name, without --json", 2)
    if name is None:
        _list_studies(storage, as_json)
        return
    if watch:
        _watch(storage, name)
        return
    if (other := _overview(storage, name)) is not None:
        if as_json:
            print_json({"study": name, **other})
        else:
            Console().print(_overview_table(name, other))
        return
    facts = _progress(storage, name)
    if as_json:
        print_json({"study": name, "workers": _workers(storage, name), **facts})
        return
    Console().print(_status_table(name, facts))


def _overview(url: str, name: str) -> dict[str, Any] | None:
    """The facts of another program's study, None of one of lrstudy's."""
    from analysis.other_programs.study import is_of_another_program, overview

    with storage_failures(url):
        return overview(url, name) if is_of_another_program(url, name) else None


def _overview_table(name: str, facts: dict[str, Any]) -> Grid:
    from analysis.other_programs.study import configuration, in_words

    states = ", ".join(f"{n} {state}" for state, n in facts["states"].items())
    best, rows = facts["best"], [(name, "another program's study")]
    rows.append(("trials", f"{facts['trials']}" + (f": {states}" if states else "")))
    rows.append(("direction", ", ".join(facts["directions"])))
    if best is not None:
        at = configuration(best["params"])
        value = f"{in_words(best['value'])} (trial {best['trial']})"
        rows.append(("best", f"{value}{' at ' if at else ''}{at}"))
    return Grid(("", ""), rows)


def _progress(url: str, name: str) -> dict[str, Any]:
    from analysis.progress import progress
    from analysis.reading.frames import load
    from analysis.reading.studies import spec

    with storage_failures(url):
        return progress(load(url, name)[0], spec(url, name))


def _workers(url: str, name: str) -> list[dict[str, Any]]:
    """The running trials as JSON values."""
    from analysis.reading.presence import running

    with storage_failures(url):
        found: list[dict[str, Any]] = json.loads(running(url, name).to_json(orient="records"))
        return found


def _watch(url: str, name: str) -> None:
    """The status and the workers, every few seconds, until nothing is left to run."""
    facts = _progress(url, name)
    with Live(console=Console(), auto_refresh=False) as live, suppress(KeyboardInterrupt):
        while True:
            shown = Group(_status_table(name, facts), "", _workers_table(_workers(url, name)))
            live.update(shown, refresh=True)
            if facts["slots_left"] == 0:
                return
            time.sleep(_WATCH_SECONDS)
            facts = _progress(url, name)


def _workers_table(rows: list[dict[str, Any]]) -> Grid | str:
    if not rows:
        return "no worker trains at the moment"
    headings = ("host", "pid", "device", "trial", "schedule", "epoch", "last sign")
    return Grid(headings, list(map(_worker_cells, rows)), right=("pid", "trial", "epoch"))


def _worker_cells(row: dict[str, Any]) -> list[object]:
    known = (row["host"], row["pid"], row["device"], row["trial"], row["family"])
    of = "" if row["epochs"] is None else f"/{row['epochs']}"
    silent = "never" if row["silent"] is None else f"{duration(int(row['silent']))} ago"
    return [*("?" if cell is None else cell for cell in known), f"{row['epoch']}{of}", silent]


def _status_table(name: str, facts: dict[str, Any]) -> Grid:
    from analysis.reading.plausible import not_counted

    epochs = facts["epochs"]
    spent = (
        f"{epochs['trained']} trained, {epochs['saved_by_pruning']} saved by pruning, "
        f"{epochs['unspent_by_divergence']} unspent by divergence, {epochs['lost']} lost"
    )
    rows = [
        (name, facts["question"]),
        *([("plan", plan_in_words(Plan.model_validate(facts["plan"])))] if facts["plan"] else []),
        ("trials", _trials_in_words(facts["trials"], facts["states"])),
        *_meaning(facts["states"]).items(),
        ("best", _best_in_words(facts["best"], facts["slots_left"])),
        ("epochs", spent),
        ("left", _left_in_words(facts["seconds_left"])),
    ]
    if (note := not_counted(facts["left_out"])) is not None:
        rows.append(("unusable", note))
    return Grid(("", ""), rows)


def _meaning(counts: Mapping[str, int]) -> dict[str, str]:
    """What those states mean that the glossary has and that some trial is in."""
    return {state: TERMS[state] for state in counts if state in TERMS and counts[state]}


def _list_studies(url: str, as_json: bool) -> None:
    from analysis.reading.states import STATES
    from analysis.reading.studies import studies

    with storage_failures(url):
        found = studies(url)
    if as_json:
        print_json(json.loads(found.to_json(orient="records")))
        return
    if found.empty:
        typer.echo(f"no studies yet; `{command(url, 'run', 'SPACE')}` makes one")
        return
    rows = [
        (
            row["name"],
            row["space"] or "another program's",
            _trials_in_words(
                row["planned"] or row["attempts"], {state: row[state] for state in STATES}
            ),
        )
        for row in json.loads(found.to_json(orient="records"))
    ]
    Console().print(Grid(("study", "space", "trials"), rows))
    for state, meaning in _meaning({each: int(found[each].sum()) for each in STATES}).items():
        Console().print(f"{state}: {meaning}", highlight=False)


def _trials_in_words(total: int, states: Mapping[str, int]) -> str:
    """How many have a result, and what became of all of them."""
    done = sum(states[state] for state in ENDED)
    counted = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    return f"{done} of {total} have a result" + (f": {counted}" if counted else "")


def _best_in_words(best: dict[str, Any] | None, left: int) -> str:
    if best is None:
        return "none yet" if left else "none: no trial is complete"
    runs = f"trial {best['trial']}" if best["trial"] is not None else f"mean of {best['seeds']}"
    return f"{percent(best['value'])} ({runs}, {best['family']})"


def _left_in_words(seconds: float | None) -> str:
    if seconds is None:
        return "unknown until the first trial has ended"
    return f"about {duration(seconds)} at the present pace" if seconds else "nothing"
