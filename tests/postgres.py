"""A PostgreSQL server of one's own, on 127.0.0.1 in its own directory, for tests and benchmarks.

Its programs come with the system's package `postgresql`; they refuse to run as root, and then run
as the user `postgres` of that package.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PLACES = "/usr/lib/postgresql"
_USER = "postgres"
HOW_TO_GET_IT = "needs PostgreSQL's programs (on Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The directory of initdb and pg_ctl, None where there is none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path(_PLACES).glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


@dataclass(frozen=True)
class Server:
    """A server that can be stopped hard and started again."""

    programs: Path
    directory: Path
    port: int

    @property
    def url(self) -> str:
        """Of the database `postgres`."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The storage URL of a database."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """Make an empty database; its storage URL."""
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", _USER)
        self.run("createdb", *place, name)
        return self.database(name)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c max_connections=300"
        options += f" -c unix_socket_directories={self.directory}"
        log = str(self.directory / "log")
        self.run(
            "pg_ctl", "-D", str(self.directory / "data"), "-w", "-l", log, "-o", options, "start"
        )

    def stop(self) -> None:
        """Stop it as a crash would: without a word to its clients, to be recovered at its start."""
        self.run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-m", "immediate", "stop")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs. Raises CalledProcessError."""
        _run([str(self.programs / program), *arguments], self.directory)


def _run(command: Sequence[str], directory: Path) -> None:
    user = _USER if os.geteuid() == 0 else None
    subprocess.run(
        command,
        check=True,
        cwd=directory,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def server() -> Iterator[Server]:
    """A new server; it and its data are gone afterwards. Raises RuntimeError without programs."""
    found = programs()
    if found is None:
        raise RuntimeError(HOW_TO_GET_IT)
    directory = Path(tempfile.mkdtemp(prefix="lrstudy-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, _USER, _USER)
        made = Server(found, directory, _free_port())
        made.run("initdb", "-D", str(directory / "data"), "-U", _USER, "-A", "trust", "-E", "UTF8")
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
