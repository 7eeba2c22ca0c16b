"""Runs the notebook as Jupyter does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def execute(url: str, folder: Path) -> Any:
    """The notebook with the outputs that it has on a storage. folder: for what IPython writes.
    Raises CellExecutionError where a cell fails."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    environment = os.environ | {"LRSTUDY_STORAGE": url, "IPYTHONDIR": str(folder)}
    environment.pop("MPLBACKEND", None)  # Jupyter's own one shows figures
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False)
    client.execute(cwd=str(folder), env=environment)
    return notebook


def outputs(notebook: Any) -> list[Any]:
    """What the cells printed and showed."""
    return [each for cell in notebook.cells for each in cell.get("outputs", [])]


def text(notebook: Any) -> str:
    """The same as plain text."""
    found = [each.get("text") or each["data"]["text/plain"] for each in outputs(notebook)]
    return "\n".join(found)
