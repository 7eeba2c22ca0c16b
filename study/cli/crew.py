"""The crew that carries out a study: one bundle of options for all commands that launch workers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from study.cli.bundles import Decorator, with_bundle
from study.cli.options import Device

CHECKPOINTS_VARIABLE = "LRSTUDY_CHECKPOINTS"
RAY_OPTIONS = ("launcher", "ray_address", "gpus_per_worker")


@dataclass(frozen=True)
class Ray:
    """address: of a running Ray, None: one of this machine alone. gpus: share of each worker."""

    address: str | None
    gpus: float


@dataclass(frozen=True)
class Crew:
    """The workers: how many, where, and where they keep checkpoints. Each field is an option.

    None: as `workers.local.place` decides; beside a SQLite file.
    """

    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Processes on this machine; default: one for each GPU, else for each CPU core.",
        ),
    ] = None
    workers_per_device: Annotated[
        int | None,
        typer.Option("--workers-per-device", min=1, help="Processes that share a GPU; default: 1."),
    ] = None
    device: Device = "auto"
    launcher: Annotated[
        Literal["local", "ray"],
        typer.Option("--launcher", help="Start workers as processes of this machine, or with Ray."),
    ] = "local"
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            help="auto or HOST:PORT of a running Ray; default: RAY_ADDRESS, or a new Ray on "
            "this machine.",
        ),
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-worker",
            min=0,
            max=1,
            help="Share of a GPU that Ray gives a worker; default: 0, the CPU.",
        ),
    ] = None
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            envvar=CHECKPOINTS_VARIABLE,
            show_envvar=True,
            help="Directory, shared by all machines, from which interrupted trials continue; "
            "default: beside a SQLite file.",
        ),
    ] = None

    @property
    def ray(self) -> Ray | None:
        """Which Ray runs the workers; None: processes of this machine."""
        if self.launcher == "local":
            return None
        address = self.ray_address or os.environ.get("RAY_ADDRESS")
        return Ray(None if address == "local" else address, self.gpus_per_worker or 0.0)

    def options(self) -> list[str]:
        """The options that ask for the same workers once more."""
        values: dict[str, object] = {
            "--workers": self.workers,
            "--workers-per-device": self.workers_per_device,
            "--device": None if self.device == "auto" else self.device,
            "--checkpoints": self._directory(),
        }
        if self.ray is not None:
            values |= {"--launcher": "ray", "--ray-address": self.ray.address}
            values |= {"--gpus-per-worker": self.ray.gpus or None}
        return [str(word) for name, value in values.items() if value for word in (name, value)]

    def _directory(self) -> Path | None:
        """The directory of checkpoints, where the environment does not name it anyway."""
        usual = os.environ.get(CHECKPOINTS_VARIABLE)
        return None if str(self.checkpoints) == usual else self.checkpoints


USUAL_CREW = Crew()


def with_crew(*without: str) -> Decorator:
    """Gives a command the options of Crew, but for some, in the place of its parameter ``crew``."""
    return with_bundle("crew", Crew, *without)
