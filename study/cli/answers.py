"""What came out: how far a study is, its best configuration, its report and its frames."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search_spaces.parsing import first_problem
from study.cli.options import (
    DEFAULT_STORAGE,
    AsJson,
    Device,
    Failure,
    Storage,
    StudyName,
    checked_name,
    failures,
    print_json,
    storage_failures,
    warn_of_password,
    wrong_use,
)
from study.terminal import printable

_WATCH_SECONDS = 2.0
_MOST_THREADS = 4096  # of one process


def status(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A study; without it, all.", callback=checked_name),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it and its workers until it ends, or Ctrl-C.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Say how far a study is, or list the studies of the storage.

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
    facts = _progress(storage, name)
    if as_json:
        print_json({"study": name, "workers": _workers(storage, name), **facts})
        return
    Console().print(_status_table(name, facts), highlight=False)


def _progress(url: str, name: str) -> dict[str, Any]:
    from analysis.frames import load, spec
    from analysis.progress import progress

    with storage_failures(url):
        return progress(load(url, name)[0], spec(url, name))


def _workers(url: str, name: str) -> list[dict[str, Any]]:
    """The running trials as JSON values."""
    from analysis.presence import running

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


def _workers_table(rows: list[dict[str, Any]]) -> Table | str:
    if not rows:
        return "no worker trains at the moment"
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("host", "pid", "device", "trial", "schedule", "epoch", "last sign"):
        table.add_column(heading, justify="right" if heading in ("pid", "trial") else "left")
    for row in rows:
        of = "" if row["epochs"] is None else f"/{row['epochs']}"
        silent = "never" if row["silent"] is None else f"{row['silent']:.0f} s ago"
        cells = (row["host"], row["pid"], row["device"], row["trial"], row["family"])
        shown = ("?" if cell is None else cell for cell in cells)
        table.add_row(*map(_cell, shown), f"{row['epoch']}{of}", silent)
    return table


def _status_table(name: str, facts: dict[str, Any]) -> Table:
    states, epochs = facts["states"], facts["epochs"]
    done = sum(states[state] for state in ("complete", "diverged", "stalled", "pruned"))
    counted = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    saved = epochs["saved_by_pruning"]
    rows = {
        name: facts["question"],
        "trials": f"{done} of {facts['trials']} have a result: {counted}",
        "best": _best_in_words(facts["best"]),
        "epochs": f"{epochs['trained']} trained, {saved} saved by pruning, "
        f"{epochs['unspent_by_divergence']} unspent by divergence, {epochs['lost']} lost",
        "left": _duration(facts["seconds_left"]),
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for label, text in rows.items():
        table.add_row(_cell(label, "bold"), _cell(text))
    return table


def _list_studies(url: str, as_json: bool) -> None:
    import pandas as pd

    from analysis.frames import studies

    with storage_failures(url):
        found = studies(url)
    if as_json:
        print_json(json.loads(found.to_json(orient="records")))
        return
    if found.empty:
        typer.echo("no studies yet; `lrstudy run SPACE` makes one")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    states = [state for state in found.columns[4:] if found[state].any()]
    for heading in ("study", "space", "planned", *states):
        table.add_column(heading, justify="left" if heading in ("study", "space") else "right")
    for row in found.to_dict("records"):
        space = "another program's" if pd.isna(row["space"]) else row["space"]
        planned = "" if pd.isna(row["planned"]) else f"{row['planned']:g}"
        table.add_row(*map(_cell, (row["name"], space, planned, *(row[s] for s in states))))
    Console().print(table, highlight=False)


def _cell(value: object, style: str = "") -> Text:
    """A cell that shows what the database says as it is, neither as markup nor as a command."""
    return Text(printable(str(value)), style)


def _best_in_words(best: dict[str, Any] | None) -> str:
    if best is None:
        return "none yet"
    return f"{best['value']:.2%} (trial {best['trial']}, {best['family']})"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown until the first trial has ended"
    if seconds == 0:
        return "nothing"
    return f"about {timedelta(seconds=round(seconds))} at the present pace"


def best(
    name: StudyName,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Train it again; write weights and code."),
    ] = None,
    device: Device = "auto",
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Say which configuration was best, in plain words; --export takes it away.

    Example: lrstudy best cosine --export best/
    """
    from analysis.frames import load, spec
    from analysis.plausible import marked
    from analysis.progress import best_trial
    from search_spaces.config import TrialConfig
    from search_spaces.words import in_words, sampling_in_words

    with storage_failures(storage):
        asked = spec(storage, name)
        trials = marked(load(storage, name)[0], asked)
    found = best_trial(trials)
    if found is None or not isinstance(found["config"], str):
        raise Failure(f"study {name!r} has no complete trial yet")
    try:
        config = TrialConfig.model_validate_json(found["config"])
    except ValidationError as error:
        raise Failure(f"trial {found['trial']} cannot be read: {first_problem(error)}") from None
    images = "test" if asked.reads_test else "validation"
    words = in_words(config.schedule)
    if config.weight_sampling is not None:
        words += f"; {sampling_in_words(config.weight_sampling)}"
    facts = {
        "study": name,
        "trial": int(found["trial"]),
        "accuracy": float(found["value"]),
        "measured_on": images,
        "schedule": words,
        "config": config.model_dump(mode="json"),
    }
    if export is not None:
        facts |= _export(asked, found, config, export, device)
    if as_json:
        print_json(facts)
        return
    typer.echo(
        f"trial {facts['trial']}: {facts['accuracy']:.2%} {images} accuracy with "
        f"{printable(words)}; "
        f"{config.epochs} epochs, batches of {config.batch_size}"
    )
    typer.echo("The best of many single runs looks better than it is: expect a little less.")
    if export is not None:
        typer.echo(f"trained again: {facts['exported_accuracy']:.2%}; wrote {export}")


def _export(asked: Any, trial: Any, config: Any, directory: Path, device: str) -> dict[str, Any]:
    from study import devices
    from study.data import DataError
    from study.export import export

    if not 1 <= trial["threads"] <= _MOST_THREADS:
        raise Failure(f"trial {trial['trial']} does not say with how many threads it was trained")
    slot, threads = int(trial["slot"]), int(trial["threads"])
    with failures(OSError, DataError), wrong_use():
        chosen = devices.resolve(device)
        made = export(asked, slot, config, directory, device=chosen, threads=threads)
    return {"exported": str(made.directory), "exported_accuracy": made.accuracy}


def report(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Studies to report on; URL#NAME for one of another storage."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Default: reports/NAME.")
    ] = None,
    delta: Annotated[
        float,
        typer.Option("--delta", min=0.0, help="Points of accuracy that do not matter."),
    ] = 0.3,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write the report: one HTML page, its figures, and the data behind them.

    Example: lrstudy report cosine warmup --out reports/both
    """
    from analysis.report import slug, split_name, write_report

    found = [split_name(name, storage) for name in names]
    for url in {url for url, _ in found} - {storage}:
        warn_of_password(url)
    own = [_without_password(name) for _, name in found]
    directory = out or Path("reports") / "-".join(map(slug, own))
    with storage_failures(storage), failures(OSError):
        page = write_report(storage, names, directory, delta / 100)
    typer.echo(f"wrote {page}")


def _without_password(name: str) -> str:
    """The name, refused where it is a storage URL that messages would repeat."""
    from study.urls import has_password

    if has_password(name):
        raise Failure("a study of another storage is named URL#NAME, and no name was given", 2)
    return name


def export(
    name: StudyName,
    out: Annotated[Path, typer.Option("--out", help="The file to write, .parquet or .csv.")],
    curves: Annotated[
        bool, typer.Option("--curves", help="A row an epoch instead of a row a trial.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write the tidy frame of a study: a row a trial, or with --curves a row an epoch.

    Example: lrstudy export cosine --out trials.parquet
    """
    from analysis.frames import load

    if out.suffix not in (".parquet", ".csv"):
        raise Failure(f"--out must end in .parquet or .csv, not {out.name!r}", 2)
    with storage_failures(storage), failures(OSError):
        frame = load(storage, name)[1 if curves else 0]
        if out.suffix == ".csv":
            frame.to_csv(out, index=False)
        else:
            frame.to_parquet(out, index=False)
    typer.echo(f"wrote {len(frame)} rows to {out}")


def dashboard(
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8080,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Open the storage in optuna-dashboard, on this machine only.

    Example: lrstudy dashboard --port 8080
    """
    from study.storage import open_storage

    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise Failure("the dashboard is an extra: pip install 'lrstudy[dashboard]'") from None
    with storage_failures(storage), failures(OSError):
        opened = open_storage(storage)
        typer.echo(f"optuna-dashboard is at http://127.0.0.1:{port}; Ctrl-C ends it")
        run_server(opened, host="127.0.0.1", port=port)
