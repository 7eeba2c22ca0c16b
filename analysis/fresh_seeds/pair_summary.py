"""What pairs decide, at one glance: a headline and a row of verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.estimators.comparison import NOT_JUDGED
from analysis.estimators.skew import FEWEST
from analysis.figures.style import spoken
from analysis.fresh_seeds.pair_words import (
    ADJUSTED,
    EQUIVALENCE,
    IMAGES,
    Row,
    failures,
    signed_points,
)
from analysis.section import Estimates
from analysis.summary import MOST_WORDS, Judgement, Summary, fitting, words_in
from analysis.wording import listed, points
from search_spaces.words.phrases import count

NO_PAIR = Summary("Nothing to compare yet: no two schedules have a run on a common seed.", "")
_DECIDED = ("better", "worse", "equivalent", "less often untrained", "more often untrained")
_MOST_NAMES = 2
"""Of schedules that are named in a headline where not all can be."""


def of_answer(estimates: Estimates) -> Summary:
    """Of an answer whose pairs are the frame ``comparison``."""
    return summarise(estimates["comparison"])


def summarise(frame: pd.DataFrame) -> Summary:
    """Of `pairs.pairs`: one schedule with every other one, or every two."""
    if frame.empty:
        return NO_PAIR
    rows = frame.to_dict("records")
    firsts = list(dict.fromkeys(frame["first"]))
    several = len(firsts) > 1
    headline = all_pairs_headline(rows) if several else headline_of(rows)
    about = "Each schedule against each later one" if several else f"{_name(firsts[0])} against"
    return Summary(headline, certainty(frame), about, [judgement(row, several) for row in rows])


def judgement(row: Row, both: bool = False) -> Judgement:
    """The verdict on the first of a pair. both: name the first, too."""
    name = spoken(str(row["family"]))
    if both:
        name = f"{spoken(str(row['first']))} against {name}"
    return Judgement(name, str(row["verdict"]), detail(row))


def detail(row: Row) -> str:
    """The difference with the interval that decided, or the runs untrained that did."""
    verdict = str(row["verdict"])
    if verdict == NOT_JUDGED or not row["n"] or "untrained" in verdict:
        return failures(row)
    bounds = EQUIVALENCE if verdict == "equivalent" else ADJUSTED
    mean, low, high = (float(row[each]) for each in ("difference_accuracy", *bounds))
    text = f"{signed_points(mean)} points"
    if verdict == "too few" or np.isnan(low):
        return text
    return f"{text} ({signed_points(low)} to {signed_points(high)})"


def certainty(frame: pd.DataFrame) -> str:
    """Seeds, images, and how often verdicts may be wrong: better, worse and what untrained runs
    decide in 5 % of studies together, equivalent in 5 % besides. Of validation images, which also
    chose what they judge, only the intervals are told."""
    rows, images = len(frame), IMAGES[str(frame["stage"].iloc[0])]
    seeds = count(int(frame["seeds"].max()), "new seed")
    text = f"Judged on {images} images over up to {seeds} of each"
    if not (frame["n"] >= FEWEST).any():
        return text + f": it takes {FEWEST} to tell anything."
    looks = int(frame["looks"].iloc[0]) if "looks" in frame else 1
    several = [count(rows, "pair")] * (rows > 1) + [count(looks, "look")] * (looks > 1)
    for_all = f", for all of {listed(several)} together" if several else ""
    if images == "validation":
        text += f"; 95 % intervals{for_all}. The same images chose what they judge here"
    else:
        text += f"; 5 % of such studies at most have a wrong better or worse{for_all}"
        equivalent = "equivalent" in set(frame["verdict"])
        text += ", and 5 % a wrong equivalent" if equivalent else ""
    if "exploratory_n" in frame and frame["exploratory_n"].notna().any():
        text += ". Seeds beyond the plan are exploratory and decide nothing"
    return text + "."


def headline_of(rows: Sequence[Row]) -> str:
    """What one schedule is to each other one, in a headline.

    >>> rows = [{"first": "cosine", "family": "constant", "verdict": "better", "delta": 0.003}]
    >>> headline_of([*rows, rows[0] | {"family": "factor", "verdict": "unresolved"}])
    'Cosine beats constant, and cannot be told from factor.'
    """
    first, verdicts = spoken(str(rows[0]["first"])), {row["verdict"] for row in rows}
    against = listed([spoken(str(row["family"])) for row in rows]), count(len(rows), "schedule")
    if verdicts == {"too few"}:
        return fitting(f"Too few seeds to tell {first} from {each}." for each in against)
    if verdicts == {NOT_JUDGED}:
        return fitting(f"Not judged yet: {first} against {each}." for each in against)
    subjects = (_name(first), "The first schedule")
    within = points(float(rows[0]["delta"]))
    return fitting(f"{each} {text}." for each in subjects for text in versions(rows, within))


def versions(rows: Sequence[Row], within: str) -> list[str]:
    """What one schedule is to the others, without its name: with all of their names, with numbers
    in place of many names, with what is decided alone, with numbers alone, and in total. within:
    what equal means."""
    groups = _by_verdict(rows)
    total, undecided = len(rows), sum(row["verdict"] not in _DECIDED for row in rows)
    open_ = [f"is undecided against {undecided}"] * bool(undecided)
    decided, numbers = (
        [
            _VERBS[verdict].format(write(names), within)
            for verdict, names in groups.items()
            if verdict in _DECIDED
        ]
        for write in (_few, len)
    )
    return [
        _clauses(
            [_VERBS[verdict].format(listed(names), within) for verdict, names in groups.items()]
        ),
        _clauses(
            [_VERBS[verdict].format(_few(names), within) for verdict, names in groups.items()]
        ),
        _clauses([*decided, *open_]),
        f"{_clauses([*numbers, *open_])} of {total}",
        f"has {total - undecided} of {count(total, 'comparison')} decided",
    ]


def _by_verdict(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The other schedules by verdict, in the order of a sentence."""
    groups: dict[str, list[str]] = {verdict: [] for verdict in _VERBS}
    for row in rows:
        groups[str(row["verdict"])].append(spoken(str(row["family"])))
    return {verdict: names for verdict, names in groups.items() if names}


_VERBS = {
    "better": "beats {0}",
    "worse": "loses to {0}",
    "equivalent": "equals {0} within {1}",
    "less often untrained": "fails to train less often than {0}",
    "more often untrained": "fails to train more often than {0}",
    "unresolved": "cannot be told from {0}",
    "too few": "has too few seeds against {0}",
    NOT_JUDGED: "is not judged yet against {0}",
}


def _few(names: Sequence[str]) -> str:
    """Those names where they are few and short, else how many they are."""
    if len(names) <= _MOST_NAMES and words_in(listed(names)) <= MOST_WORDS // 5:
        return listed(names)
    return count(len(names), "schedule")


def _clauses(parts: Sequence[str]) -> str:
    """``a, b, and c``: a verb in each."""
    return ", and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def all_pairs_headline(rows: Sequence[Row]) -> str:
    """Who beats whom among all pairs, and how many pairs are open.

    >>> rows = [{"first": "cosine", "family": "constant", "verdict": "better"}]
    >>> all_pairs_headline([*rows, {"first": "a", "family": "b", "verdict": "unresolved"}])
    'Cosine beats constant; 1 of 2 pairs is not decided.'
    """
    wins: dict[str, list[str]] = {}
    for row in rows:
        first, second = spoken(str(row["first"])), spoken(str(row["family"]))
        if row["verdict"] in ("better", "worse"):
            winner, loser = (first, second) if row["verdict"] == "better" else (second, first)
            wins.setdefault(winner, []).append(loser)
    best = sorted(wins, key=lambda name: -len(wins[name]))
    open_ = sum(row["verdict"] not in _DECIDED for row in rows)
    end = f"{open_} of {count(len(rows), 'pair')} {'is' if open_ == 1 else 'are'} not decided"
    ends = [end] * bool(open_ or not wins)
    other = sum(row["verdict"] in _DECIDED for row in rows) - sum(map(len, wins.values()))
    ends += [f"{count(other, 'pair')} equal or parted by untrained runs"] * bool(other)
    full = [f"{name} beats {listed(wins[name])}" for name in best]
    counted = [f"{name} beats {_few(wins[name])}" for name in best]
    return fitting(
        "; ".join([*parts, *ends]) + "." for parts in (full, counted, counted[:2], counted[:1], [])
    )


def _name(first: str) -> str:
    text = spoken(first)
    return text[:1].upper() + text[1:]
