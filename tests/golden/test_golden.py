"""Nothing that was said before is said otherwise now."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from tests.golden import golden
from tests.golden.__main__ import ROUNDING


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_a_report_says_what_it_said(tmp_path: Path) -> None:
    url = golden.restore(golden.PLANTED, tmp_path / "planted.db")
    known = json.loads(lzma.decompress(golden.REPORT.read_bytes()))
    found = golden.report(url, tmp_path)
    assert list(golden.differences(known, found, ROUNDING)) == []


def test_differences_are_seen() -> None:
    before = {"a": [1.0, 2], "b": {"c": "x"}, "d": None}
    assert list(golden.differences(before, {**before, "a": [1.0 + 1e-9, 2]}, 1e-6)) == []
    assert list(golden.differences("12.34 of 5", "12.35 of 5", 1e-6)) == []
    for text in ("12.36 of 5", "12.34 of 6", "12.34 or 5"):
        assert list(golden.differences("12.34 of 5", text, 1e-6)) != []
    assert list(golden.differences("12.34 of 5", "12.35 of 5", 0.0)) != []
    after = {"a": [1.1, 2, 3], "b": {"c": "y"}, "e": 1}
    assert sorted(golden.differences(before, after, 1e-6)) == [
        ".a has 2 entries before, 3 after",
        ".a[0]: 1.0 before, 1.1 after",
        ".b.c: 'x' before, 'y' after",
        ".d is only before",
        ".e is only after",
    ]
