"""The notebook runs from its first cell to its last, and answers its question."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.analysis.conftest import plant_stages, plant_study
from tests.docs.notebook import NOTEBOOK, execute, outputs, text


@pytest.mark.integration
def test_the_notebook_runs_and_answers(tmp_path: Path) -> None:
    plant_study(tmp_path / "lrstudy.db", "cosine", 12, name="quick", states={6: "pruned"})
    notebook = execute(plant_stages(tmp_path / "lrstudy.db", "quick", seeds=5, top=1), tmp_path)
    answers = [line for line in text(notebook).splitlines() if line.startswith("cosine against ")]
    assert len(answers) == 5  # the other families
    assert all(line.endswith("over 5 seeds") for line in answers)
    assert sum("image/png" in each.get("data", {}) for each in outputs(notebook)) == 1


def test_the_kept_outputs_are_whole_and_small() -> None:
    """Each code cell was run once, in order, without an error or a warning."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {each.get("name", each.output_type) for each in outputs(notebook)}
    assert kinds == {"stdout", "execute_result", "display_data"}
    assert "cosine against constant: " in text(notebook)
    assert NOTEBOOK.stat().st_size < 100_000
