"""The notebook runs from its first cell to its last, and answers its question."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.analysis.conftest import plant_stages, plant_study
from tests.docs.notebook import NOTEBOOK, execute, outputs, text


@pytest.mark.integration
def test_the_notebook_runs_and_answers(tmp_path: Path) -> None:
    plant_study(tmp_path / "lrstudy.db", "fixed_rate", 8, name="quick", states={6: "pruned"})
    notebook = execute(plant_stages(tmp_path / "lrstudy.db", "quick", seeds=5, top=1), tmp_path)
    best, rest = text(notebook).split(" is the best rate: ")
    assert 0.1 < float(best.split()[-1]) < 1.2  # around the planted best rate, 0.4
    assert "over 5 seeds" in rest
    assert sum("image/png" in each.get("data", {}) for each in outputs(notebook)) == 1


def test_the_kept_outputs_are_whole_and_small() -> None:
    """Each code cell was run once, in order, without an error or a warning."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {each.get("name", each.output_type) for each in outputs(notebook)}
    assert kinds == {"stdout", "execute_result", "display_data"}
    assert " is the best rate: " in text(notebook)
    assert NOTEBOOK.stat().st_size < 100_000
