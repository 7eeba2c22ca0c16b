"""How to add a section to the report of any study: one file, and one line in analysis/answers.py.

In the product the names below stand in a file analysis/sections/weekdays.py; here a test adds them
from outside. `Section` says what each of them is: `estimate` computes, `draw` draws what was
computed, `conclude` says it in one sentence.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis import answers
from analysis.figures.style import Picture, canvas, picture
from analysis.report import write_report
from analysis.section import About, Estimates
from analysis.study import Study
from analysis.table import Column, N, Table
from tests.analysis.conftest import Plant

# ---------------------------------------------------------------- the section

ABOUT = About(
    title="Weekdays",
    question="On which days of the week were the trials trained?",
    uses=("complete",),
    needs=0,  # an account, not an estimate
    tables={"days": Table("Complete trials by day of the week.", (Column("day"), N))},
)


def estimate(study: Study) -> Estimates:
    """days: day, n."""
    started = study.ended(ABOUT.uses)["start"].dt.day_name()
    return {"days": started.value_counts().rename_axis("day").reset_index(name="n")}


def draw(estimates: Estimates) -> list[Picture]:
    """A bar for each day."""
    days = estimates["days"]
    if days.empty:
        return []
    with canvas() as (figure, axes):
        axes[0, 0].bar(days["day"], days["n"])
        axes[0, 0].set_ylabel("complete trials")
        return [picture(figure, "weekdays", conclude(estimates), "A bar a day.")]


def conclude(estimates: Estimates) -> str:
    """The busiest day."""
    days = estimates["days"]
    return f"Most trials started on a {days['day'].iloc[0]}." if len(days) else "None is complete."


WEEKDAYS = SimpleNamespace(ABOUT=ABOUT, estimate=estimate, draw=draw, conclude=conclude)

# ---------------------------------------------------------------- what it does then


@pytest.mark.usefixtures("unrendered")
def test_it_is_in_every_report(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(answers, "SECTIONS", [*answers.SECTIONS, WEEKDAYS])
    out = tmp_path / "report"
    page = write_report(plant("fixed_rate", 4, everything="complete"), ["fixed_rate"], out)
    text = page.read_text(encoding="utf-8")
    assert "<h3>Weekdays</h3>" in text
    assert "Most trials started on a Friday." in text
    assert (out / "figures" / "fixed_rate-weekdays.png").exists()
    (study,) = json.loads((out / "findings.json").read_text(encoding="utf-8")).values()
    assert study["findings"][-1]["estimates"] == {"days": [{"day": "Friday", "n": 4}]}
