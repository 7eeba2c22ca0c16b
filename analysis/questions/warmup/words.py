"""The answer to question 4 in words. Frames are those of `confirmed.estimate`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.skew import FEWEST
from analysis.figures.style import spoken
from analysis.fresh_seeds.pair_words import further, signed_points
from analysis.fresh_seeds.untrained import untrained_of
from analysis.questions.warmup.layers import length
from analysis.wording import Sentence, Trials, joined, listed, points, sentence
from search_spaces.words.phrases import count, percent
from study.spec import Stage

Row = Mapping[Hashable, Any]


def answer(facts: Row, lengths: pd.DataFrame) -> Sentence | str:
    """Which lengths suffice, without a full stop."""
    if np.isnan(facts["best"]):
        return "No run trained at any length of warmup"
    rows = {float(row["warmup"]): row for row in lengths.to_dict("records")}
    best = rows[facts["best"]]
    if len(rows) == 1:
        return sentence(f"Only {length(best['warmup'])} was tried, ", _reached(best))
    if facts["seeds"] < FEWEST:
        head = f"Too few seeds to compare {len(rows)} lengths of warmup ({facts['seeds']}, and it "
        head += f"takes {FEWEST}): {length(best['warmup'])} did best on them, "
        return sentence(head, _reached(best), _left_out(rows))
    if best["warmup"] == min(rows) and not _ties(rows):
        head = f"The best of {len(rows)} lengths, {_judged(facts)},"
        found = sentence(f"{head} is the shortest: {length(best['warmup'])}, ", _reached(best))
    elif np.isnan(facts["shortest"]):
        found = _none_shown(facts, rows, best)
    else:
        found = _shown(facts, rows, best)
    return sentence(found, _left_out(rows))


def _shown(facts: Row, rows: Mapping[float, Row], best: Row) -> Sentence:
    """The shortest length that is shown, and the next that is not."""
    shortest, parts = rows[facts["shortest"]], list[str | Sentence]()
    if shortest is not best:
        parts = [_tuned(shortest), f", {_difference(shortest, facts)} to "]
    return sentence(
        f"Shortest warmup shown to be not inferior within {points(facts['delta'])} to any other "
        f"length, {_judged(facts)}: ",
        *parts,
        f"{length(best['warmup'])}, which did best{_ties(rows)}, ",
        _reached(best),
        _open(facts, rows, [each for each in sorted(rows) if each < facts["shortest"]]),
    )


def _none_shown(facts: Row, rows: Mapping[float, Row], best: Row) -> Sentence:
    """That no length is shown to be as good as all others, and what is known of some."""
    shorter = [each for each in sorted(rows) if each < best["warmup"]]
    tied = [each for each in sorted(rows) if rows[each]["standing"] in ("tied", "too few")]
    return sentence(
        f"No length of warmup is shown to be not inferior within {points(facts['delta'])} to all "
        f"others{_under(facts)}: {length(best['warmup'])} did best{_ties(rows)}, ",
        _reached(best),
        _open(facts, rows, shorter or tied[:1]),
    )


def _open(facts: Row, rows: Mapping[float, Row], lengths: Sequence[float]) -> Sentence:
    """What is known of the longest and the shortest of lengths that are not shown; what trained too
    seldom is left to `_left_out`."""
    ends = dict.fromkeys([*lengths[-1:], *lengths[:1]])
    told = [_behind(rows[each], facts) for each in ends if rows[each]["standing"] in _COMPARED]
    return sentence("; ", joined("; ", told)) if told else sentence()


_COMPARED = ("tied", "worse", "too few")


def _ties(rows: Mapping[float, Row]) -> str:
    """What the best cannot be told from, in brackets; empty where it is told from all."""
    tied = _names(rows, "tied")
    few = _names(rows, "too few")
    words = [f"cannot be told from {listed(tied)}"] if tied else []
    words += [f"has too few seeds in common with {listed(few)}"] if few else []
    return f" ({' and '.join(words)})" if words else ""


def _left_out(rows: Mapping[float, Row]) -> str:
    """The lengths that cannot be chosen for their untrained runs."""
    more = [
        f"{length(row['warmup'])} at {row['base_lr']:.2g} ({untrained_of(row)})"
        for row in rows.values()
        if row["standing"] == "more often untrained"
    ]
    text = f"; more often untrained at its best rate: {listed(more)}" if more else ""
    never = _names(rows, "untrained")
    return text + (f"; no run trained with {listed(never)}" if never else "")


def _names(rows: Mapping[float, Row], standing: str) -> list[str]:
    return [length(each) for each in sorted(rows) if rows[each]["standing"] == standing]


def _behind(row: Row, facts: Row) -> Sentence | str:
    """What is known of a length that is not shown to be as good as the others."""
    if row["standing"] == "too few":
        return sentence(_tuned(row), f" has {_difference(row, facts)}, too few seeds to tell")
    end = ", which is worse" if row["standing"] == "worse" else ""
    more = row["further_seeds"]
    if not end and not pd.isna(more) and more > 0:
        low, high = int(row["further_low"]), int(row["further_high"])
        end = f", and it takes {further(int(more), low, high)} to tell"
    return sentence(_tuned(row), f" has {_difference(row, facts)}{end}")


def _tuned(row: Row) -> Sentence:
    return sentence(f"{length(row['warmup'])} at {row['base_lr']:.2g}", _runs(row))


def _judged(facts: Row) -> str:
    """At which rates lengths are compared, and, where these are not theirs, on which images."""
    if facts["stage"] == "test":
        images = f"over {count(facts['seeds'], 'seed')} and the test images"
        return f"{images} at the base rate that validation images chose{_under(facts)}"
    return f"each at its best base rate{_under(facts)}"


def _under(facts: Row) -> str:
    return f" under {_decay(facts)}"


def _decay(facts: Row) -> str:
    family = spoken(str(facts["family"]))
    return "a constant rate" if family == "constant" else f"{family} decay"


def _reached(row: Row) -> Sentence:
    value, low, high = (row[f"mean_accuracy{end}"] for end in ("", "_low", "_high"))
    text = f"{percent(value)} {row['images']} accuracy at {row['base_lr']:.2g}"
    if not np.isnan(low):
        text += f" (95 % interval {percent(low)} to {percent(high)})"
    return sentence(text, _runs(row))


def _runs(row: Row) -> Sentence:
    """A row's shares untrained and its runs, in brackets."""
    stage: Stage = "test" if row["images"] == "test" else "confirm"
    return sentence(f" ({untrained_of(row)}; ", Trials(row[f"{stage}_trials"], stage), ")")


def _difference(row: Row, facts: Row) -> str:
    """Of a length to the best one, over the seeds on which both trained."""
    behind, n = row["behind_accuracy"], int(row["common"])
    if not n:
        return "no seed in common with the best"
    low, high = row["behind_accuracy_low"], row["behind_accuracy_high"]
    over = count(n, "seed")
    if not np.isnan(low):
        bounds = f"{signed_points(low)} to {signed_points(high)}"
        over = f"{100 * facts['level']:.3g} % interval {bounds}, {over}"
    return f"a paired difference of {signed_points(behind)} points ({over})"


def never_trained(cells: pd.DataFrame) -> str:
    """The rates at which no run trained with any length; empty where there is none or none did."""
    trained = cells.groupby("base_lr")["complete"].sum()
    rates = [f"{rate:.2g}" for rate in trained.index[trained == 0]]
    if not rates or not trained.any():
        return ""
    return f"; at {listed(rates)} no run trained with any length"


def largest(usable: pd.DataFrame) -> str:
    """How the largest usable rate moves from the shortest to the longest warmup."""
    rows = usable.to_dict("records")
    if not rows:
        return "no usable base rate is known"
    ends: Sequence[Row] = rows if len(rows) == 1 else [rows[0], rows[-1]]
    each = " and ".join(_usable(row) for row in ends)
    return f"the largest base rate at which every run trained is {each}"


def _usable(row: Row) -> str:
    with_ = f"with {length(row['warmup'])}"
    if np.isnan(row["largest_usable"]):
        return f"below the grid {with_}"
    share = f"0 of {row['n']} untrained, 0 to {100 * row['untrained_high']:.0f} %"
    if np.isnan(row["smallest_untrained"]):
        return f"at least {row['largest_usable']:.2g}, the largest tried, {with_} ({share})"
    return f"{row['largest_usable']:.2g} {with_} ({share})"
