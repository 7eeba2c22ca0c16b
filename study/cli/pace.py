"""How fast a study goes, and how long the rest of it will take."""

from __future__ import annotations

from collections import deque

WINDOW = 900.0  # seconds whose work says how fast it goes


class Pace:
    """Work done lately. What has to be done again is not taken back: it took its time, too.

    began: when the work did, in seconds of the clock that all calls share.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._work: deque[tuple[float, float]] = deque()

    def add(self, now: float, amount: float) -> None:
        """Work of that amount, 0 or more, was done by now."""
        self._work.append((now, amount))

    def left(self, now: float, remaining: float) -> float | None:
        """Seconds that the remaining work takes at the pace of the last WINDOW seconds, never
        negative; None where nothing was done in them."""
        while self._work and self._work[0][0] < now - WINDOW:
            self._work.popleft()
        done = sum(amount for _, amount in self._work)
        if remaining <= 0:
            return 0.0
        return remaining * min(now - self._began, WINDOW) / done if done > 0 else None
