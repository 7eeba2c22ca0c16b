"""What came out: how far a study is, its best configuration, its report and its frames."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console, Group
from rich.live import Live

from search_spaces.schedules.problems import first_problem
from search_spaces.words.glossary import TERMS
from search_spaces.words.phrases import count, percent
from study.cli.best import best_facts, best_in_words
from study.cli.completion import complete_study
from study.cli.layout import Grid
from study.cli.options import (
    DEFAULT_STORAGE,
    AsJson,
    Device,
    Failure,
    Storage,
    StudyName,
    checked_name,
    failures,
    preparing,
    print_json,
    say_left_out,
    storage_failures,
    warn_of_password,
    wrong_use,
)
from study.cli.outputs import Force, refuse_foreign, writing, wrote
from study.durations import duration
from study.files import draft, reason
from study.storage.hints import command
from study.storage.outcomes import ENDED
from study.terminal import printable

_WATCH_SECONDS = 2.0
_MOST_THREADS = 4096  # of one process


def status(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A study; without it, all.",
            callback=checked_name,
            autocompletion=complete_study,
        ),
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
    Console().print(_status_table(name, facts))


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


def best(
    name: StudyName,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Train it again; write weights and code."),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="The best single run of the search, confirmed or not.")
    ] = False,
    device: Device = "auto",
    force: Force = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Say which configuration was best, in plain words; --export takes it away.

    After `lrstudy confirm` that is the confirmed one, with its mean over fresh seeds.

    Example: lrstudy best cosine --export best/
    """
    from analysis.progress import best_trial
    from analysis.reading.plausible import left_out
    from analysis.reading.studies import spec
    from analysis.settled import settled
    from analysis.study import load_study
    from search_spaces.config import TrialConfig

    with storage_failures(storage):
        study = load_study(storage, name)
        stage = spec(storage, name).stage
    say_left_out(left_out(study.stage(stage).attempts))
    found = None if search else settled(study, stage)
    if found is None and stage != "search" and not search:
        raise Failure(f"study {name!r} has no result yet")
    trial = best_trial(study.trials) if found is None else found.run
    if trial is None or not isinstance(trial["config"], str):
        raise Failure(_nothing_complete(name, study))
    try:
        config = TrialConfig.model_validate_json(trial["config"])
    except ValidationError as error:
        raise Failure(f"trial {trial['trial']} cannot be read: {first_problem(error)}") from None
    asked = study.spec if found is None else study.stage(found.stage).spec
    facts = best_facts(name, asked, trial, config, found)
    done = "wrote"
    if export is not None:
        with writing(export):
            done = wrote(_check_export(export, force))
        facts |= _export(asked, trial, config, export, device)
    if as_json:
        print_json(facts)
        return
    for line in best_in_words(study, facts, found):
        typer.echo(line)
    if export is not None:
        typer.echo(
            f"trained again, with the seed of trial {facts['trial']}: "
            f"{percent(facts['exported_accuracy'])}; {done} {export}"
        )


def _nothing_complete(name: str, study: Any) -> str:
    """Why no trial is the best: none has ended, or what became of those that have."""
    from analysis.progress import progress

    facts = progress(study.attempts, study.spec)
    states = ", ".join(f"{n} {state}" for state, n in facts["states"].items() if n)
    if facts["slots_left"]:
        return f"study {name!r} has no complete trial yet: {states}"
    return f"study {name!r} has ended, and none of its trials is complete: {states}"


def _check_export(directory: Path, force: bool) -> bool:
    """Whether a configuration was exported to the directory before. Raises Failure where its files
    are foreign."""
    from study.export.weights import exported_files, is_export

    ours, files = is_export(directory), exported_files(directory)
    refuse_foreign([] if ours else files, "--export", force)
    return bool(files)


def _export(asked: Any, trial: Any, config: Any, directory: Path, device: str) -> dict[str, Any]:
    from study import devices
    from study.export.weights import export
    from study.tasks.fashion_mnist import DataError
    from study.tasks.task import find_task

    if not 1 <= trial["threads"] <= _MOST_THREADS:
        raise Failure(f"trial {trial['trial']} does not say with how many threads it was trained")
    slot, threads = int(trial["slot"]), int(trial["threads"])
    epochs = count(config.epochs, "epoch")
    with wrong_use():
        find_task(asked.task)  # a wrong one is told before anything else is said
    preparing(f"training trial {trial['trial']} again for {epochs}", logged=True)
    with writing(directory), failures(DataError), wrong_use():
        chosen = devices.resolve(device)
        made = export(asked, slot, config, directory, device=chosen, threads=threads)
    return {"exported": str(made.directory), "exported_accuracy": made.accuracy}


def report(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Studies to report on; URL#NAME for one of another storage.",
            autocompletion=complete_study,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Default: reports/NAME.")
    ] = None,
    delta: Annotated[
        float,
        typer.Option("--delta", min=0.0, help="Points of accuracy that do not matter."),
    ] = 0.3,
    latex: Annotated[
        bool, typer.Option("--latex", help="For a paper: tables as .tex and figures as .pdf, too.")
    ] = False,
    force: Force = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Write the report: one HTML page, its figures, and the data behind them.

    Example: lrstudy report cosine warmup --out reports/both
    """
    from analysis.page.naming import folder
    from analysis.reading.database import split_name
    from analysis.reading.studies import spec
    from analysis.report import foreign, is_report, write_report

    found = [split_name(name, storage) for name in names]
    for url in {url for url, _ in found} - {storage}:
        warn_of_password(url)
    for _, name in found:
        _refuse_password(name)
    with storage_failures(storage):
        directory = out or Path("reports") / folder(found, storage)
        for url, name in found:
            spec(url, name)  # a wrong name is told before anything else is said
        with writing(directory):
            refuse_foreign(foreign(directory), "--out", force)
            existed = is_report(directory)
            preparing("reading the trials, drawing the figures")
            page = write_report(storage, names, directory, delta / 100, latex)
    typer.echo(f"{wrote(existed)} {page}")
    if latex:
        typer.echo(f"tables for LaTeX are in {directory / 'tables'}, figures as PDF beside the PNG")


def _refuse_password(name: str) -> None:
    """Raises Failure where the name is a storage URL that messages would repeat."""
    from study.storage.urls import has_password

    if has_password(name):
        raise Failure("a study of another storage is named URL#NAME, and no name was given", 2)


def _show_columns(asked: bool) -> None:
    """What each column is, instead of writing any."""
    if not asked:
        return
    from analysis.reading.columns import dictionary

    typer.echo(dictionary(width=Console().width))
    raise typer.Exit


def export(
    name: StudyName,
    out: Annotated[Path, typer.Option("--out", help="The file to write, .parquet or .csv.")],
    curves: Annotated[
        bool, typer.Option("--curves", help="A row an epoch instead of a row a trial.")
    ] = False,
    attempts: Annotated[
        bool, typer.Option("--attempts", help="All attempts at a trial, not its last one alone.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    _columns: Annotated[
        bool,
        typer.Option(
            "--columns", help="Say what each column is.", is_eager=True, callback=_show_columns
        ),
    ] = False,
) -> None:
    """Write the frame of a study: a row a trial, that is its result or else its last attempt; with
    --attempts a row an attempt, with --curves a row an epoch.

    Of another program's study, everything that Optuna shows of its trials, and with --curves its
    intermediate values.

    Example: lrstudy export cosine --out trials.parquet
    """
    from analysis.reading.loading import read, write

    if out.suffix not in (".parquet", ".csv"):
        raise Failure(f"--out must end in .parquet or .csv, not {out.name!r}", 2)
    with storage_failures(storage):
        found = read(storage, [name], attempts=attempts)
    frame = found.curves if curves else found.trials
    with writing(out), draft(out) as part:
        existed = out.exists()
        mixed = write(frame, part)
    for note in found.notes:
        typer.echo(f"lrstudy: {printable(note)}", err=True)
    if mixed:
        names = printable(", ".join(mixed))
        typer.echo(f"lrstudy: written as JSON, since no type holds their values: {names}", err=True)
    row = "attempt" if attempts else "trial"
    if curves:
        row = f"{'epoch' if 'epoch' in frame else 'intermediate value'} of each {row}"
    rows = count(len(frame), "row")
    done = f"replaced {out} with {rows}" if existed else f"wrote {rows} to {out}"
    typer.echo(f"{done}: one for each {row}")


def dashboard(
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8080,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Open the storage in optuna-dashboard, on this machine only.

    Example: lrstudy dashboard --port 8080
    """
    from study.storage.studies import open_for_viewing

    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise Failure("the dashboard is an extra: pip install 'lrstudy[dashboard]'") from None
    with storage_failures(storage):
        found = open_for_viewing(storage)
        _check_port(port)
        try:
            typer.echo(f"optuna-dashboard is at http://127.0.0.1:{port}; Ctrl-C ends it")
            run_server(found, host="127.0.0.1", port=port)
        finally:
            found.engine.dispose()  # no file of a log stays beside the database


def _check_port(port: int) -> None:
    """Raises Failure where the port cannot be had, before anything is announced."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            problem = f"cannot listen on port {port}: {reason(error)}"
            raise Failure(f"{problem}; --port takes another") from None
