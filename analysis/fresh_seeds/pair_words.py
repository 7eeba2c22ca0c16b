"""What pairs decide, in words: the sentence of a comparison and its parts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.comparison import NOT_JUDGED
from analysis.estimators.intervals import wilson
from analysis.estimators.skew import FEWEST
from analysis.figures.style import spoken
from analysis.wording import listed, points
from search_spaces.words.phrases import count, percent

Row = Mapping[Hashable, Any]
IMAGES = {"test": "test", "confirm": "validation"}
"""Those that judge at a stage."""


def sentence(frame: pd.DataFrame, first: str, shares: pd.DataFrame) -> str:
    """What the pairs decide, best first, without a full stop; the frame has a row. shares: of
    `untrained`, which names what takes no part."""
    stage, looks = str(frame["stage"].iloc[0]), _looks(frame)
    seeds = count(int(frame["seeds"].max()), "fresh seed")
    over = f"over {seeds}" if looks is None else f"{_planned_words(frame)}"
    several = len(set(frame["first"])) > 1
    firsts = list(dict.fromkeys(frame["first"])) if several else [first]
    parts = [
        f"{spoken(each)} is {_said(frame[frame['first'] == each] if several else frame)}"
        for each in firsts
    ]
    text = f"On the {IMAGES[stage]} images, {over}, {'; '.join(parts)}"
    decided = len(frame) if looks else int((frame["n"] >= FEWEST).sum())
    if (frame["n"] >= FEWEST).any():
        text += f" ({_how(decided, 'equivalent' in set(frame['verdict']), looks)})"
    return text + (_progress(frame) if looks else "") + shares_words(shares)


def _said(frame: pd.DataFrame) -> str:
    """What one family is to each other one."""
    groups = []
    for verdict, lead in _LEADS.items():
        rows = frame[frame["verdict"] == verdict]
        if len(rows):
            each = [_words(row, verdict) for row in rows.to_dict("records")]
            groups.append(lead.format(points(float(rows["delta"].iloc[0]))) + listed(each))
    return "; ".join(groups)


def briefly(frame: pd.DataFrame) -> str:
    """What the pairs of one schedule decide in planned looks, by names alone; empty before the
    first look.

    >>> pairs = {"first": "cosine", "family": ["factor", "constant"], "look": 1, "delta": 0.003}
    >>> briefly(pd.DataFrame(pairs | {"verdict": ["unresolved", "better"]}))
    'cosine is better than constant; unresolved against factor'
    """
    if "look" not in frame or not frame["look"].any():
        return ""
    groups = [
        lead.format(points(float(rows["delta"].iloc[0]))) + listed([*map(spoken, rows["family"])])
        for verdict, lead in _LEADS.items()
        if len(rows := frame[frame["verdict"] == verdict])
    ]
    return f"{spoken(frame['first'].iloc[0])} is {'; '.join(groups)}"


def _looks(frame: pd.DataFrame) -> int | None:
    """How many looks were planned, None without any."""
    return int(frame["looks"].iloc[0]) if "looks" in frame else None


def _progress(frame: pd.DataFrame) -> str:
    """How far the planned looks are, and what the seeds after them are worth."""
    at, looks, open_ = int(frame["look"].max()), int(frame["looks"].iloc[0]), ~frame["stopped"]
    text = ""
    if open_.any() and at < looks:
        done = f"look {at} of {looks} is over, the next" if at else "the first look"
        text += f"; {done} is at {count(int(frame.loc[open_, 'next_look'].max()), 'seed')}"
    elif open_.any():
        text += "; the last look is over: more seeds of this study decide nothing"
    if frame["exploratory_n"].notna().any():
        text += "; what is exploratory is no verdict"
    return text


def _planned_words(frame: pd.DataFrame) -> str:
    looks, seeds = int(frame["looks"].iloc[0]), count(int(frame["planned"].iloc[0]), "fresh seed")
    return f"in {looks} planned looks at up to {seeds}" if looks > 1 else f"at {seeds} as planned"


_LEADS = {
    "better": "better than ",
    "worse": "worse than ",
    "equivalent": "equivalent within {} to ",
    "more often untrained": "more often untrained than ",
    "less often untrained": "less often untrained than ",
    "unresolved": "unresolved against ",
    "too few": "compared on too few seeds with ",
    NOT_JUDGED: "not judged yet against ",
}
"""In the order of a sentence, for what the verdict on the first one is."""


def _how(compared: int, equivalent: bool, looks: int | None = None) -> str:
    repeated = "repeated " if (looks or 1) > 1 else ""
    text = f"95 % {repeated}intervals over the seeds on which both trained"
    if equivalent:
        text += ", where equivalent those of two one-sided 5 % tests"
    several = [count(compared, "pair")] * (compared > 1) + [f"{looks} looks"] * bool(repeated)
    return text + (f", adjusted for {listed(several)}" if several else "")


def shares_words(shares: pd.DataFrame) -> str:
    """That no run was untrained, or which schedules have none that trained or no run at all."""
    known = shares[shares["runs"] > 0]
    never = known[known["untrained"] == known["runs"]]
    absent = [spoken(name) for name in shares.loc[shares["runs"] == 0, "family"]]
    text = ""
    if len(known) and not known["untrained"].any():
        least = int(known["runs"].min())
        most = percent(wilson(0, least)[1])
        text = f"; no run was untrained (0 of {least} of each, which leaves up to {most})"
    for row in never.to_dict("records"):
        text += f"; none of {count(row['runs'], 'run')} of {spoken(str(row['family']))} trained"
    if absent:
        text += f"; {listed(absent)} {'has' if len(absent) == 1 else 'have'} no run"
    return text


def _words(row: Row, verdict: str) -> str:
    """A family with the difference, the interval that decided, and the runs untrained."""
    name, failed = spoken(str(row["family"])), failures(row)
    early = "looks" in row and row["stopped"] and row["look"] < row["looks"]
    stop = f"; {at_look(row)}" if early else ""
    end = (f", {failed}" if failed else "") + stop
    if verdict == NOT_JUDGED:
        return name
    if verdict in ("more often untrained", "less often untrained"):
        return f"{name} ({failed}{stop})"
    bounds = EQUIVALENCE if verdict == "equivalent" else ADJUSTED
    mean, low, high = (float(row[each]) for each in ("difference_accuracy", *bounds))
    if verdict == "too few":
        if not row["n"]:
            return f"{name} (no seed on which both trained{end})"
        return f"{name} ({signed_points(mean)} points over {count(row['n'], 'seed')}{end})"
    turn = -1 if verdict == "worse" else 1
    if turn < 0:
        mean, low, high = -mean, -high, -low
    if np.isnan(low):
        return f"{name} ({signed_points(mean)} points on every seed, too coarse to tell{end})"
    text = f"{signed_points(mean)} points, {signed_points(low)} to {signed_points(high)}{end}"
    text += _besides(row, turn) if "looks" in row else ""
    if row["withheld"]:
        return f"{name} ({text}: the runs untrained keep a verdict on the scores back)"
    if row["flips"]:
        text += "; with untrained runs ranked last it turns round"
    needed = plan(row) if verdict == "unresolved" else ""
    return f"{name} ({text}; {needed})" if needed else f"{name} ({text})"


def at_look(row: Row) -> str:
    """``stopped at look 1 of 3, 5 seeds``."""
    at = f"look {row['look']} of {row['looks']}, {count(row['seeds'], 'seed')}"
    return f"stopped at {at}" if row["stopped"] and row["look"] < row["looks"] else at


def _besides(row: Row, turn: int) -> str:
    """The median-unbiased difference of a pair that stopped, and what all seeds give."""
    text = ""
    if row["stopped"] and row["looks"] > 1:
        text += f"; median-unbiased {signed_points(turn * float(row['unbiased_accuracy']))}"
    if not pd.isna(row["exploratory_n"]):
        mean = signed_points(turn * float(row["exploratory_accuracy"]))
        text += f"; exploratory over {count(int(row['exploratory_n']), 'seed')} {mean}"
    return text


def failures(row: Row) -> str:
    """How many runs of each were untrained; empty where none was."""
    first, second, seeds = (
        int(row[each]) for each in ("untrained_first", "untrained_second", "seeds")
    )
    return f"{first} against {second} of {seeds} untrained" if first or second else ""


NEVER = "no number of seeds can tell"
ADJUSTED = ("adjusted_accuracy_low", "adjusted_accuracy_high")
EQUIVALENCE = ("equivalence_accuracy_low", "equivalence_accuracy_high")


def plan(row: Row) -> str:
    """The order of size of the seeds that a pair needs; empty before the last planned look. After
    it they are those of a new study: to add seeds and look again is a look that was not planned."""
    new = "looks" in row
    if new and row["look"] < row["looks"]:
        return ""
    more, low, high = (row[name] for name in (_NEW_SEEDS if new else _FURTHER_SEEDS))
    if not pd.isna(more):
        if new:
            return f"a new study needs about {rounded(more)} seeds"
        return further(int(more), int(low), int(high))
    if row["sd"] > 0 and row["stage"] == "test":
        return NEVER
    return "seeds needed unknown"


_FURTHER_SEEDS = ("further_seeds", "further_low", "further_high")
_NEW_SEEDS = ("new_seeds", "new_low", "new_high")


def further(more: int, low: int, high: int) -> str:
    """``about 20 more seeds (9 to 100)``: an order of size, and how wide it is."""
    seeds = "more seed" if more == 1 else "more seeds"
    return f"about {rounded(more)} {seeds} ({rounded(low)} to {rounded(high)})"


def rounded(number: int) -> str:
    """A whole number to one digit: its order of size.

    >>> rounded(7), rounded(114)
    ('7', '100')
    """
    return f"{int(float(f'{number:.1g}')):,}"


def signed_points(difference: float) -> str:
    """A difference of shares in points with two decimals and its sign, since rounding to one may
    turn a bound into 0."""
    return f"{100 * difference:+.2f}".replace("+0.00", "0.00").replace("-0.00", "0.00")
