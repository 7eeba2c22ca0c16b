"""Whether a trial's worker lives: by its process on this machine, else by its signs."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path

from study.storage.slots import Attempt

# A live worker signs eight times in this time; a silent one is given up after it, or at once where
# its process can be seen to be dead. All workers of a study should have the same.
GRACE_VARIABLE = "LRSTUDY_GRACE_SECONDS"
GRACE_SECONDS = 120.0


def grace_seconds() -> float:
    """After how many seconds of silence a running trial is given up. Raises ValueError."""
    text = os.environ.get(GRACE_VARIABLE)
    if text is None:
        return GRACE_SECONDS
    with suppress(ValueError):
        if 1 <= float(text) < float("inf"):
            return float(text)
    raise ValueError(f"{GRACE_VARIABLE} must be a number of seconds from 1 on, not {text!r}")


def heartbeat_seconds() -> float:
    """How often a live worker signs."""
    return grace_seconds() / 8


def worker_is_gone(attempt: Attempt, silent: timedelta | None, claim: str | None) -> bool:
    """Whether its process is dead, or silent for too long, or is this one, which asks for another
    trial because it never learned of that one. silent: None for a trial that is not ours: our
    trials are born with a sign."""
    if claim is not None and attempt.record.claim == claim:
        return True
    pid, here = attempt.record.pid, attempt.record.host == process_space()
    if here and pid is not None and not _alive(pid, attempt.record.born):
        return True
    return silent is not None and silent > timedelta(seconds=grace_seconds())


@cache
def process_space() -> str:
    """Names the host and process-id name space: within one, a pid says whether a worker lives."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # not Linux: the host's name alone has to do
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def born(pid: int) -> str | None:
    """When a process began, in clock ticks since the machine did: a later process that has the
    same pid was born later. "dead" if it has ended but nobody asked for its status yet, None where
    the system does not say (it is gone, or this is not Linux).
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "dead" if state in "ZX" else fields[18]


def _alive(pid: int, birth: str | None) -> bool:
    """Whether the process that had this pid and birth lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, whose birth may be hidden
        return True
    return born(pid) == birth
