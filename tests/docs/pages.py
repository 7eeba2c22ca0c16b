"""README, CONTRIBUTING and docs/ as markdown-it reads them: headings, links, blocks of commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
_NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass(frozen=True)
class Block:
    """Commands of a shell, in words. run: whether a test runs them."""

    commands: list[list[str]]
    run: bool


def tokens(path: Path) -> list[Token]:
    """The parts of a page, in their order."""
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))


def blocks(path: Path) -> Iterator[Block]:
    """The blocks ```sh of a page. A comment ``not run: REASON`` stands before those not to run."""
    parts = tokens(path)
    for before, part in zip([None, *parts], parts, strict=False):
        if part.type == "fence" and part.info == "sh":
            comment = before.content.strip() if before and before.type == "html_block" else ""
            lines = part.content.replace("\\\n", " ").splitlines()
            words = [shlex.split(line, comments=True) for line in lines]
            yield Block([each for each in words if each], _NOT_RUN.fullmatch(comment) is None)


def spans(path: Path) -> list[str]:
    """What stands between backticks in the text of a page."""
    return [each.content for each in _inline(path) if each.type == "code_inline"]


def links(path: Path) -> list[str]:
    """Where the links and pictures of a page lead."""
    found = [each.attrGet("href") or each.attrGet("src") for each in _inline(path)]
    return [str(each) for each in found if each]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    parts = tokens(path)
    headings = [text.content for opening, text in pairwise(parts) if opening.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def _inline(path: Path) -> Iterator[Token]:
    for part in tokens(path):
        yield from part.children or ()
