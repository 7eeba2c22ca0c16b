"""Nothing that was said before is said otherwise now, and what was recorded can be gone on with."""

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


ARMS = 7  # of the confirmed study


@pytest.mark.end_to_end
@pytest.mark.timeout(900)
def test_studies_of_an_earlier_revision_go_on(tmp_path: Path) -> None:
    """Read, resumed, confirmed and reported."""
    url = golden.restore(golden.EARLIER, tmp_path / "earlier.db")
    before = golden.trials(url)
    golden.lrstudy(url, tmp_path, "status", "fixed_rate")
    golden.lrstudy(url, tmp_path, "resume", "open")
    golden.lrstudy(url, tmp_path, "resume", "fixed_rate", "--trials", "9")
    golden.lrstudy(url, tmp_path, "confirm", "fixed_rate", "--seeds", "3")
    golden.lrstudy(url, tmp_path, "best", "fixed_rate")
    golden.lrstudy(url, tmp_path, "report", *golden.SPACES, "open")
    after = golden.trials(url)
    assert all(after[name][: len(known)] == known for name, known in before.items())
    added = {name: len(after[name]) - len(known) for name, known in before.items()}
    added = {name: count for name, count in added.items() if count}
    assert added == {"open": 6, "fixed_rate": 1, "fixed_rate-confirm": ARMS, "fixed_rate-test": 1}


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
