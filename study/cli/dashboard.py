"""`lrstudy dashboard`: optuna-dashboard on a storage."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from study.cli.options import (
    DEFAULT_STORAGE,
    Failure,
    Storage,
    storage_failures,
)
from study.files import reason


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
