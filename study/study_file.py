"""A study's definition as a TOML file, so that it can be kept, reviewed and run again.

What is asked stands in the file: the study's name and every field of a search's `StudySpec`, the
preset resolved. Workers, device, time limit, checkpoints and storage do not: they belong to the
machine that runs it.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError
from tomlkit.items import Table

from search_spaces.schedules.problems import first_problem
from search_spaces.words.unknown import unknown
from study.files import advice, draft, read_text
from study.names import check_new_name
from study.spec import StudySpec
from study.terminal import printable

SUFFIX = ".toml"
_LATER = ("stage", "arms", "rounds", "looks", "source", "all_pairs", "train_on", "plan")
"""Fields of what follows a search, which other commands make: no file has them."""
_COMMENTS = {
    "study": "its name in the database",
    "space": "one of `lrstudy spaces`",
    "task": "the data and the network",
    "families": "each gets the same number of trials",
    "schedules": "those that are given, as text; what one leaves out is sampled",
    "trials": "their total",
    "sampler": "one of `lrstudy run --help`",
    "pruner": "one of `lrstudy run --help`",
    "recipe": "chapter or momentum: whose usual rates are tried first",
    "seed": "of the design, the weights at the start and the order of the images",
    "tries": "come first in their families",
    "replicates": "training seeds that the trials of a family share in turn; left out: one each",
    "bank": "independent random trials, not pruned",
    "kernel": "what computes the convolutions: torch, or numba on a CPU",
    "max_retries": "of a trial that fails by itself",
    "budget": "Of each trial. Left out: all training or validation images.",
    "ranges": "Where parameters are sampled; low = high fixes one.",
    "optimizer": "What differs from plain SGD in batches of 256.",
}


def to_toml(name: str, spec: StudySpec, file: str) -> str:
    """The definition of a search as the text of the file called ``file``, with comments that say
    how to run it. `from_toml` gives back the same name and spec. Raises ValueError for a later
    stage."""
    if spec.stage != "search":
        raise ValueError(f"study {name!r} is a later stage: only a search can be saved")
    left_out = {*_LATER, *(each for each in ("schedules", "tries") if not getattr(spec, each))}
    values = {"study": name, **spec.model_dump(exclude=left_out, exclude_none=True)}
    document = tomlkit.document()
    for line in _header(file, spec.search_space.QUESTION):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    for key, value in values.items():
        if not isinstance(value, dict):
            document.add(key, tomlkit.item(value).comment(_COMMENTS[key]))
    for key, value in values.items():
        if isinstance(value, dict) and value:
            document.add(tomlkit.nl())
            document.add(key, _table(value, _COMMENTS[key]))
    return tomlkit.dumps(document)


def _header(file: str, question: str) -> list[str]:
    command = f"lrstudy run {printable(shlex.quote(file))}"
    return [
        f"A study of learning-rate schedules, written by lrstudy {version('lrstudy')}.",
        question,
        f"Run it:        {command}",
        f"What it costs: {command} --dry-run",
        "Workers, device and storage are options of the command: they belong to the machine.",
    ]


def _table(values: dict[str, Any], comment: str) -> Table:
    """A table with each of its own tables on one line."""
    table = tomlkit.table()
    table.comment(comment)
    for key, value in values.items():
        if isinstance(value, dict):
            inline = tomlkit.inline_table()
            inline.update({name: each for name, each in value.items() if each != ""})
            value = inline
        table.add(key, value)
    return table


def from_toml(text: str) -> tuple[str, StudySpec]:
    """Name and spec of the study that the text of a file defines.

    Raises ValueError, in one line that names the key, where it is no TOML, or no study.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if later := sorted(set(values) & set(_LATER)):
        raise ValueError(f"{later[0]}: only a search is defined by a file")
    name = values.pop("study", None)
    if not isinstance(name, str):
        raise ValueError('study: a name is needed, such as study = "cosine"')
    check_new_name(name)
    for key in values:
        if key not in StudySpec.model_fields:
            raise ValueError(unknown("key", key, _COMMENTS))
    try:
        # TOML has no null, and `to_toml` leaves out empty tables.
        spec = StudySpec.model_validate({"replicates": None, "ranges": {}} | values)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
    return name, spec


def read_study(path: Path) -> tuple[str, StudySpec]:
    """Name and spec of the study that a file defines. Raises ValueError, in one line that names
    the file, where it cannot be read or is no study."""
    text = read_text(path)
    try:
        return from_toml(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write_study(path: Path, name: str, spec: StudySpec) -> None:
    """Write the definition of a search to a new file. Raises ValueError, in one line, where the
    file is there already with another definition, has another suffix or cannot be written."""
    if path.suffix != SUFFIX:
        raise ValueError(f"the file of a study must end in {SUFFIX}, not {path.name!r}")
    text = to_toml(name, spec, str(path))
    try:
        if os.path.lexists(path):
            if not path.is_file() or read_study(path) != (name, spec):
                raise ValueError(f"{path} exists already, with another content")
            return
        with draft(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot write {path}: {advice(error)}") from None
