"""The table of the bench, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tests.verdicts import sequential
from tests.verdicts.cells import LIMIT, Cell, measure
from tests.verdicts.distributions import SEEDS, named
from tests.verdicts.efficiency import Cost
from tests.verdicts.unmet import UNMET


def cell(estimator: str, distribution: str, n: int, studies: int, seed: int) -> Cell:
    """That cell, by the name of its distribution."""
    return measure(estimator, named(distribution), n, studies, seed)


def listed(found: Cell) -> bool:
    """Whether it is known that this cell does not hold."""
    return (found.estimator, found.distribution, found.n) in UNMET


def failed(cells: Sequence[Cell], efficiency: Sequence[Cost]) -> list[Cell | Cost]:
    """What fails and is not listed."""
    return [
        *(each for each in cells if each.fails and not listed(each)),
        *(each for each in efficiency if each.fails),
    ]


def verdict(cells: Sequence[Cell], efficiency: Sequence[Cost]) -> bool:
    """Whether the bench holds."""
    return not failed(cells, efficiency)


def _entry(found: Cell) -> str:
    """Per cent of the studies that were told something false; in brackets those told "too few"."""
    if found.silent == found.studies:
        return "too few"
    mark = "*" if listed(found) else "!" if found.fails else ""
    silent = found.silent / found.studies
    few = f" ({silent:.0%})" if silent >= 0.005 else ""
    return f"{found.rate * 100:.1f}{mark}{few}"


def lines(cells: Sequence[Cell], efficiency: Sequence[Cost]) -> Iterator[str]:
    """The table: a row for each distribution, a column for each number of seeds."""
    yield f"Told something false, in per cent of studies; at most {LIMIT:.0%} may be, of intervals"
    yield "of pairs that stopped by a look the part spent until then. Of looks n is the last one's."
    yield 'In brackets: told "too few seeds". *: known not to hold. !: fails.'
    places = {(each.estimator, each.distribution, each.n): each for each in cells}
    for estimator in dict.fromkeys(each.estimator for each in cells):
        yield ""
        seeds = tuple(sequential.DESIGNS) if estimator in sequential.MEASURES else SEEDS
        yield f"{estimator:36}" + "".join(f"{f'n = {n}':>14}" for n in seeds)
        for name in dict.fromkeys(
            each.distribution for each in cells if each.estimator == estimator
        ):
            row = (places.get((estimator, name, n)) for n in seeds)
            yield f"  {name:34}" + "".join(f"{_entry(each) if each else '':>14}" for each in row)
    yield ""
    yield "On normal scores"
    yield from map(_cost, efficiency)
    yield ""


def _cost(found: Cost) -> str:
    asked = f"  {'at most' if found.at_most else 'at least'} {found.limit:.2f}"
    end = "" if math.isnan(found.limit) else asked
    mark = " !" if found.fails else ""
    return f"  {found.measure:34}{f'n = {found.n}':>8}{found.found:>8.2f}{end}{mark}"


def counts(cells: Sequence[Cell], efficiency: Sequence[Cost]) -> str:
    """One line: how many cells hold. Cells in which every study has too few seeds say nothing."""
    silent = sum(each.silent == each.studies for each in cells)
    known = sum(listed(each) for each in cells)
    wrong = sum(each.fails and not listed(each) for each in cells)
    answer = len(cells) - silent
    asked = [each for each in efficiency if not math.isnan(each.limit)]
    costly = sum(each.fails for each in asked)
    return (
        f"{answer} cells: {answer - known - wrong} hold, {known} listed as not met, {wrong} fail; "
        f"{silent} more say too few seeds; {costly} of {len(asked)} limits of efficiency fail"
    )
