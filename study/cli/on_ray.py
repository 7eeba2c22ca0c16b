"""The options that run workers as Ray tasks, and what does not go with them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from study.cli.options import Failure, failures, storage_failures

Launcher = Annotated[
    Literal["local", "ray"],
    typer.Option("--launcher", help="Workers are processes of this machine, or Ray tasks."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="auto or HOST:PORT of a running Ray; default: RAY_ADDRESS, or one of this machine.",
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        min=0,
        max=1,
        help="Share of a GPU that Ray gives a worker; default: 0, the CPU.",
    ),
]


@dataclass(frozen=True)
class Ray:
    """address: of a running Ray, None: one of this machine alone. gpus: share of each worker."""

    address: str | None
    gpus: float


def on_ray(url: str, launcher: str, address: str | None, gpus: float | None) -> Ray | None:
    """Which Ray runs the workers, None: processes of this machine. Raises Failure where options do
    not go together, or Ray is not installed or cannot be reached."""
    if launcher == "ray":
        found = address or os.environ.get("RAY_ADDRESS")
        chosen = Ray(None if found == "local" else found, gpus or 0.0)
        _check_storage(url, chosen)
        _check_ray(chosen)
        return chosen
    for option, value in {"--ray-address": address, "--gpus-per-worker": gpus}.items():
        if value is not None:
            raise Failure(f"{option} needs --launcher ray", 2)
    return None


def _check_storage(url: str, chosen: Ray) -> None:
    from study.storage.urls import database_file, has_password, parse_url

    with storage_failures(url):
        file = database_file(parse_url(url))
    if file is not None and chosen.address is not None:
        raise Failure("a Ray cluster needs PostgreSQL: SQLite serves one machine", 2)
    if has_password(url) and any(url in word for word in sys.argv):
        raise Failure(
            "Ray shows the command line, and the password in it, to all who may look: set "
            "LRSTUDY_STORAGE, PGPASSWORD or ~/.pgpass instead",
            2,
        )


def _check_ray(chosen: Ray) -> None:
    address = chosen.address or ""
    if "://" in address:
        raise Failure(
            f"{address}: run lrstudy on a machine of the Ray cluster, with --ray-address auto", 2
        )
    try:
        from study.workers.ray_launcher import reach
    except ImportError:
        raise Failure("--launcher ray needs Ray: pip install 'lrstudy[ray]'", 2) from None
    from study.workers.local import WorkersFailed

    with failures(WorkersFailed):
        reach(address)


def ray_places(chosen: Ray, workers: int | None, per_device: int | None, device: str) -> list[str]:
    """The device that stands for each worker's in an estimate. Raises Failure where options do not
    go together, or there is no GPU."""
    from study import devices

    if workers is None:
        raise Failure("--launcher ray needs --workers, 1 or more", 2)
    if per_device is not None:
        raise Failure("--launcher ray takes --gpus-per-worker, not --workers-per-device", 2)
    if device != "auto":
        raise Failure("--launcher ray takes --gpus-per-worker, not --device", 2)
    place = str(devices.resolve("auto")) if chosen.gpus else "cpu"
    if chosen.gpus and chosen.address is None and not place.startswith("cuda"):
        raise Failure("--gpus-per-worker: Ray finds no GPU on this machine", 2)
    return [place] * workers
