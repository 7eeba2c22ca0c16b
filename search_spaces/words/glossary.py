"""What words of the results mean, for who meets them for the first time. The only place of it."""

from __future__ import annotations

TERMS = {
    "stalled": "the run ended without having learned anything: it is hardly better than a guess, "
    "and did not explode",
    "untrained": "the run stalled or diverged",
    "unresolved": "these runs show neither which is better nor that both are equally good",
    "adjusted": "the interval is wider (Holm's method), because several pairs are compared and one "
    "of them could differ by chance alone",
    "nats": "the unit of the loss, with the natural logarithm: a guess among ten classes costs "
    "ln 10 = 2.3 nats",
}
