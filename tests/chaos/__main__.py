"""The long chaos run, on a PostgreSQL server and on SQLite: `python -m tests.chaos --seed 1`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.faults import Scene
from tests.chaos.ledger import Ledger
from tests.chaos.show import show
from tests.postgres import Server, programs, server

_LONG = {"trials": 24, "epochs": 6, "kills": 8, "pause": (0.5, 4.0)}


def _print(kind: str, scene: Scene, found: Ledger, seconds: float) -> None:
    done = ", ".join(f"{what} {count}" for what, count in sorted(scene.counts.items()))
    print(f"{kind}, seed {scene.name.rpartition('-')[2]}, {seconds:.0f} s")
    print(f"  done to it: {done}")
    print(f"  ledger: {found}", flush=True)


def _run(kind: str, seed: int, postgres: Server | None) -> bool:
    with tempfile.TemporaryDirectory(prefix="lrstudy-chaos-") as directory:
        began = time.monotonic()
        scene, found = show(Path(directory), postgres, seed, **_LONG)  # type: ignore[arg-type]
        _print(kind, scene, found, time.monotonic() - began)
        return found.faultless


def main() -> int:
    """0 where no law was broken."""
    parser = argparse.ArgumentParser(description="Do to a study all that can happen.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--storage", choices=("postgresql", "sqlite", "both"), default="both")
    chosen = parser.parse_args()
    kept = True
    if chosen.storage != "sqlite":
        with server() as postgres:
            kept = _run(f"PostgreSQL ({programs()})", chosen.seed, postgres)
    if chosen.storage != "postgresql":
        kept = _run("SQLite", chosen.seed, None) and kept
    print("every law was kept" if kept else "A LAW WAS BROKEN", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
