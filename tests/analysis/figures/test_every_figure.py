"""Every figure of planted studies of every kind: no text is cut, on another or run together.

The fixture that measures all that tests here draw raises where one is (`test_fitting` shows it).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report import write_report
from tests.golden import golden


@pytest.mark.integration
@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", [golden.REPORTED[:3], golden.REPORTED[3:5], golden.REPORTED[5:]])
def test_the_figures_of_every_question(names: tuple[str, ...], tmp_path: Path) -> None:
    url = golden.restore(golden.PLANTED, tmp_path / "planted.db")
    page = write_report(url, names, tmp_path / "report")
    assert len(list((page.parent / "figures").glob("*.png"))) >= 9
