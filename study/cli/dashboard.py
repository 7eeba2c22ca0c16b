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
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0: all of this machine's.")
    ] = "127.0.0.1",
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Open the storage in optuna-dashboard, for this machine only.

    With --host other machines reach it, and whoever reaches it can change the storage.

    Example: lrstudy dashboard --port 8080
    """
    from study.storage.studies import open_for_viewing

    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise Failure("the dashboard is an extra: pip install 'lrstudy[dashboard]'") from None
    with storage_failures(storage):
        found = open_for_viewing(storage)
        _check_address(host, port)
        try:
            typer.echo(f"optuna-dashboard is at http://{host}:{port}; Ctrl-C ends it")
            run_server(found, host=host, port=port)
        finally:
            found.engine.dispose()  # no file of a log stays beside the database


def _check_address(host: str, port: int) -> None:
    """Raises Failure where the address cannot be had, before anything is announced."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:
            where = f"port {port}" if host == "127.0.0.1" else f"{host}, port {port}"
            problem = f"cannot listen on {where}: {reason(error)}"
            raise Failure(f"{problem}; --port takes another") from None
