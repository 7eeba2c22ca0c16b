"""Tables that measure their text: nothing is cut, whatever the terminal's width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from study.terminal import printable

_GAP = 2  # columns between two cells; rich leaves as many at the end


@dataclass(frozen=True)
class Grid:
    """Rows of text under headings, or without any, each cell in lines broken between words. Where
    not even the longest words fit beside each other, every row becomes a block: a line, or more, a
    cell.

    headings: "" for each column of a table without any. right: headings of the columns of numbers.
    Cells are shown as they are, neither as markup nor as commands to the terminal; those of the
    first column are bold where there are no headings.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]
    right: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        cells = [[printable(str(cell)) for cell in row] for row in self.rows]
        columns = list(zip(self.headings, *cells, strict=True))
        natural = [max(map(cell_len, column)) for column in columns]
        least = [max(map(_longest_word, column)) for column in columns]
        room = options.max_width - _GAP * len(columns)
        if sum(least) <= room:
            yield self._table(cells, fitted(natural, least, room))
        else:
            yield self._blocks(cells)

    def _table(self, cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Table:
        headed = any(self.headings)
        table = Table(
            box=None,
            pad_edge=False,
            padding=(0, _GAP // 2),
            show_header=headed,
            header_style="bold",
        )
        for heading, width in zip(self.headings, widths, strict=True):
            right = heading in self.right
            table.add_column(
                Text(heading), justify="right" if right else "left", width=max(width, 1)
            )
        for row in cells:
            first, *others = row
            table.add_row(Text(first, "" if headed else "bold"), *map(Text, others))
        return table

    def _blocks(self, cells: Sequence[Sequence[str]]) -> Text:
        lines = []
        for row in cells:
            words = zip(self.headings, row, strict=True)
            lines.append("\n".join(f"{heading} {cell}".strip() for heading, cell in words))
        between = "\n\n" if any(self.headings) else "\n"
        return Text(between.join(lines), overflow="fold")


def fitted(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that add up to at most ``room``: the natural ones where they fit, else the widest are
    made equal first, none below its least. least must add up to at most ``room``."""
    low, high = 0, max(natural, default=0)
    while low < high:
        level = (low + high + 1) // 2
        if sum(_at(level, natural, least)) <= room:
            low = level
        else:
            high = level - 1
    return _at(low, natural, least)


def _at(level: int, natural: Sequence[int], least: Sequence[int]) -> list[int]:
    return [min(wide, max(narrow, level)) for wide, narrow in zip(natural, least, strict=True)]


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
