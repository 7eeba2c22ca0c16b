"""The entry of the command line: light, so that Ctrl-C is answered while the rest is imported.

What comes before, the start of the interpreter itself, is not ours to catch.
"""

from __future__ import annotations

import os
import signal
import sys

_STOPPED = 130
_LINE = "lrstudy: stopped by Ctrl-C\n"


def main() -> None:
    """Run the command line; every expected error is one line on standard error.

    Exit status: 0 ok, 1 the job failed, 2 wrong use, 3 trials are left because the time was up or
    `lrstudy stop` ended them, 130 stopped by Ctrl-C.
    """
    signal.signal(signal.SIGINT, _end)  # nothing is begun yet
    from study.cli.application import run

    came: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    hook = sys.unraisablehook
    sys.unraisablehook = lambda error: None if came else hook(error)
    signal.signal(signal.SIGINT, interrupt)
    try:
        status = run()
    except BaseException:  # a library may have made something else of Ctrl-C
        if not came:
            raise
        status = _STOPPED
    signal.signal(signal.SIGINT, _end)
    if came:
        _say()
    sys.exit(_STOPPED if came else status)


def _end(_number: int, _frame: object) -> None:
    """Leave at once, where there is nothing to tidy up."""
    _say()
    os._exit(_STOPPED)


def _say() -> None:
    sys.stdout.flush()
    sys.stderr.write(_LINE)
    sys.stderr.flush()
