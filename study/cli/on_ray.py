"""The options that run workers as Ray tasks, and what does not go with them."""

from __future__ import annotations

import sys

from study.cli.crew import Crew, Ray
from study.cli.options import Failure, failures, storage_failures


def check_ray(url: str, crew: Crew) -> None:
    """Raises Failure where the crew's options do not go together, or the Ray that they ask for is
    not installed or cannot be reached."""
    if crew.ray is not None:
        _check_storage(url, crew.ray)
        _check_reached(crew.ray)
        return
    needy = {"--ray-address": crew.ray_address, "--gpus-per-worker": crew.gpus_per_worker}
    for option, value in needy.items():
        if value is not None:
            raise Failure(f"{option} needs --launcher ray", 2)


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


def _check_reached(chosen: Ray) -> None:
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
