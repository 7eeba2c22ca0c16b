"""The command lines that lrstudy names: one place, so that each acts on the study that it is about.

A hint names its storage unless LRSTUDY_STORAGE, or the default without it, is the same. A password
never stands in it: PGPASSWORD, ~/.pgpass or LRSTUDY_STORAGE has to give it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys

from study.terminal import printable

DEFAULT_STORAGE = "sqlite:///lrstudy.db"
STORAGE_VARIABLE = "LRSTUDY_STORAGE"  # names another one


def command(url: str, verb: str, name: str, *options: str) -> str:
    """``lrstudy VERB NAME OPTIONS`` for a study of the storage, quoted for the shell, in one line.

    url: of the storage; the same for what `study.storage.urls.address` made of it.
    """
    rest = [*options, *_storage(url)]
    words = [*rest, "--", name] if name.startswith("-") else [name, *rest]
    return printable(shlex.join(["lrstudy", verb, *words]))


def answer_command(url: str, space: str, name: str, *options: str) -> str:
    """The command that carries out the plan of the search of that name."""
    another = [] if name == space else ["--study", name]
    return command(url, "answer", space, *another, *options)


def dashboard_command(url: str) -> str:
    """The command that opens the storage in optuna-dashboard."""
    return printable(shlex.join(["lrstudy", "dashboard", *_storage(url)]))


def _storage(url: str) -> list[str]:
    """The option that names the storage; nothing where it would be taken without."""
    from study.storage.urls import address

    usual = os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE
    named = address(url)
    return [] if named == address(usual) else ["--storage", named]


def with_command(text: str, line: str) -> str:
    """A sentence that ends with a command, as a person's terminal shows it: a command that does not
    fit into the line begins a new one, and is broken between words, so that it can be copied.
    In a file or a pipe it stays in one line."""
    width = shutil.get_terminal_size().columns
    if not sys.stdout.isatty() or len(text) + 1 + len(line) <= width:
        return f"{text} {line}"
    return f"{text}\n{wrapped(line, width)}"


def wrapped(line: str, width: int) -> str:
    """A command in several lines of at most ``width`` columns that the shell takes as one; a longer
    word keeps a line of its own."""
    lines = [""]
    for word in _words(line):
        if lines[-1] and len(lines[-1]) + len(word) + 3 > width:
            lines.append("    ")
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return " \\\n".join(lines)


def _words(line: str) -> list[str]:
    """The words of a command as they are quoted in it."""
    return [shlex.quote(word) for word in shlex.split(line)]
