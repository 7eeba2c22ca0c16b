"""The report's tables for a paper: tabulars of LaTeX's package booktabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from analysis.page.tables import printed_rows
from analysis.table import Table

_MINUS = re.compile(r"(?<![\w.])-(?=\d)")


def tabular(table: Table, frame: pd.DataFrame) -> str:
    r"""The frame as a tabular, its caption as a comment above; ``\input`` takes it as it is.

    Headings, units and digits are those of `printed_rows`; columns that name trials of the database
    are left out. What LaTeX would take for a command is escaped. Needs ``\usepackage{booktabs}``; a
    table of LaTeX gives it its caption and its place.
    """
    columns = [column for column in table.columns if column.stage is None]
    headings, rows = printed_rows(columns, frame, _unlinked)
    text = pd.DataFrame(rows, columns=headings).to_latex(
        index=False, escape=True, column_format="l" + "r" * (len(headings) - 1)
    )
    minus = _MINUS.sub("$-$", text)
    return f"% {' '.join(table.caption.split())}\n% Needs \\usepackage{{booktabs}}.\n{minus}"


def _unlinked(stage: str, numbers: Sequence[int]) -> Markup:
    raise AssertionError("columns that name trials were left out")
