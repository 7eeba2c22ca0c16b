"""What lrstudy has said before: databases, the report of one, and the trials of small studies.

`planted.sql.xz` holds studies of every kind with all of their stages; `report.json.xz` is what the
report says of them. `trained.sql.xz` holds a small study of each space, trained on real images.
Revision 9f61ab2 made all three. A change that means to keep every number is measured by them.
"""

from __future__ import annotations

import json
import lzma
import math
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna

FOLDER = Path(__file__).parent
PLANTED, EARLIER, TRAINED, REPORT = (
    FOLDER / name
    for name in ("planted.sql.xz", "earlier.sql.xz", "trained.sql.xz", "report.json.xz")
)
"""EARLIER: small studies that a revision before kernels trained and tested, to go on with."""
REPORTED = (
    *("fixed_rate", "polynomial", "cosine", "warmup", "langevin"),
    *("chapter", "bank", "only searched", "all diverged"),
)
# Trials of each space's small study.
SPACES = {
    "fixed_rate": 8,
    "polynomial": 4,
    "cosine": 6,
    "warmup": 3,
    "langevin": 5,
    "chapter": 10,
}
_SIZE = (
    *("--preset", "quick", "--recipe", "chapter", "--epochs", "6", "--train-size", "300"),
    *("--set", "batch_size=10", "--seed", "7", "--kernel", "torch"),
)
_IMAGES = ("val_size = 5000", "val_size = 500")  # for validation: fewer than any option asks for
_NUMBER = re.compile(r"\d+\.\d+")
# What another process, machine or day writes otherwise.
_PASSING = {
    *("host", "pid", "born", "claim", "threads", "kernel", "device_name", "versions", "revision"),
    "seconds",
}


def restore(dump: Path, file: Path) -> str:
    """Make the SQLite file that was dumped; its URL."""
    with sqlite3.connect(file) as connection:
        connection.executescript(lzma.decompress(dump.read_bytes()).decode())
    connection.close()
    return f"sqlite:///{file}"


def dump(file: Path) -> bytes:
    """A SQLite file as compressed SQL."""
    connection = sqlite3.connect(file)
    lines = "\n".join(connection.iterdump())
    connection.close()
    return lzma.compress(lines.encode(), preset=9)


def lrstudy(url: str, folder: Path, *arguments: str) -> None:
    """Run a command on the storage. Raises CalledProcessError with what it printed as a note."""
    command = [str(Path(sys.executable).with_name("lrstudy")), *arguments]
    environment = os.environ | {"LRSTUDY_STORAGE": url, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        error = subprocess.CalledProcessError(done.returncode, command)
        error.add_note(done.stdout + done.stderr)
        raise error


def train(url: str, folder: Path) -> None:
    """A small study of each space, one of them confirmed, and one that nobody has begun."""
    for space, trials in SPACES.items():
        _make(url, folder, space, trials)
        lrstudy(url, folder, "resume", space, "--workers", "1")
    seeds = ("--top", "1", "--seeds", "2", "--workers", "1")
    lrstudy(url, folder, "confirm", "fixed_rate", *seeds)
    _make(url, folder, "warmup", 6, "--study", "open")


def _make(url: str, folder: Path, space: str, trials: int, *options: str) -> None:
    file = folder / f"{space}{len(options)}.toml"
    size = ("--trials", str(trials), *_SIZE)
    lrstudy(url, folder, "run", space, *size, *options, "--save", str(file), "--dry-run")
    file.write_text(file.read_text().replace(*_IMAGES))
    lrstudy(url, folder, "run", str(file), "--workers", "0")


def trials(url: str) -> dict[str, Any]:
    """What was recorded of every trial in the storage, without what passes."""
    storage = optuna.storages.RDBStorage(url)
    names = sorted(each.study_name for each in storage.get_all_studies())
    found = {
        name: [
            _recorded(each) for each in optuna.load_study(study_name=name, storage=storage).trials
        ]
        for name in names
    }
    storage.engine.dispose()
    return found


def _recorded(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return _lasting(
        {
            "state": trial.state.name,
            "value": trial.value,
            "params": trial.params,
            "reports": {str(step): value for step, value in trial.intermediate_values.items()},
            **trial.user_attrs,
        }
    )


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in _PASSING}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


def report(url: str, folder: Path) -> dict[str, Any]:
    """What the report says of the planted studies: its findings, its page and its tables."""
    out = folder / "report"
    lrstudy(url, folder, "report", *REPORTED, "--out", str(out), "--latex")
    findings = json.loads((out / "findings.json").read_text().replace(url, "URL"))
    page = (out / "report.html").read_text().replace(url, "URL")
    page = re.sub("<(time|style|script).*?</\\1>", "", page, flags=re.S)
    tables = {path.name: path.read_text() for path in sorted((out / "tables").iterdir())}
    return {"findings": findings, "page": _Text(page).lines, "tables": tables}


class _Text(HTMLParser):
    """The texts of a page, one a line."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        if text := " ".join(data.split()):
            self.lines.append(text)


def differences(before: Any, after: Any, tolerance: float, place: str = "") -> Iterator[str]:
    """Where two values differ, a line each; numbers may differ by that share of themselves."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            if key not in before or key not in after:
                yield f"{place}.{key} is only {'after' if key in after else 'before'}"
            else:
                yield from differences(before[key], after[key], tolerance, f"{place}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{place} has {len(before)} entries before, {len(after)} after"
        for index, pair in enumerate(zip(before, after, strict=False)):
            yield from differences(*pair, tolerance, f"{place}[{index}]")
    elif not _same(before, after, tolerance):
        yield f"{place}: {before!r} before, {after!r} after"


def _same(before: Any, after: Any, tolerance: float) -> bool:
    if isinstance(before, float) and isinstance(after, int | float):
        return math.isclose(before, after, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(before, str) and isinstance(after, str) and tolerance > 0:
        return _same_text(before, after)
    return bool(before == after)


def _same_text(before: str, after: str) -> bool:
    """Whether two sentences agree, but for one unit in the last place of what is printed: what
    processors compute a little differently may be rounded the other way."""
    if before == after or _NUMBER.sub("", before) != _NUMBER.sub("", after):
        return before == after
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(after), strict=True)
    return all(abs(float(a) - float(b)) < 1.5 * 0.1 ** len(a.partition(".")[2]) for a, b in pairs)
