"""Tables and figures for a paper."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.figures.style import canvas, picture
from analysis.page.latex import tabular
from analysis.report import write_report
from analysis.table import POINTS, RUNS, SCHEDULE, Column, N, Table, bounded
from tests.analysis.conftest import plant_stages, plant_study
from tests.analysis.test_report import page

FRAME = pd.DataFrame(
    {
        "family": ["multi_factor", "cosine"],
        "n": [5, 5],
        "difference_accuracy": [-0.0336, 0.0107],
        "difference_accuracy_low": [-0.05, np.nan],
        "difference_accuracy_high": [0.01, np.nan],
        "verdict": ["100 % & $x_1$ {a} ~ ^ \\ #", "unresolved"],
        "confirm_trials": [[1, 2], [3]],
    }
)
COLUMNS = (SCHEDULE, N, *bounded("difference_accuracy", POINTS), Column("verdict"), RUNS)


def test_a_tabular_is_what_latex_reads() -> None:
    text = tabular(Table("Means\nwith\n95 % intervals.", COLUMNS), FRAME)
    comments, body = text.splitlines()[:2], text.splitlines()[2:]
    assert comments == [
        "% Means with 95 % intervals.",
        "% Needs \\usepackage{booktabs}.",
    ]
    assert body[0] == "\\begin{tabular}{lrrrr}"
    assert [line for line in body if line.endswith("rule")] == [
        *("\\toprule", "\\midrule", "\\bottomrule")
    ]
    heading, first, second = (line for line in body if line.endswith("\\\\"))
    assert heading.startswith("schedule & n & difference (points) & difference, 95 ")
    assert first.startswith("multi-factor & 5 & $-$3.36 & $-$5.00 to +1.00 & 100 \\% \\& \\$x\\_1")
    assert second.endswith("& unresolved \\\\")
    assert len(re.findall(r"(?<!\\)&", first)) == 4


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a confirmed study for a paper."""
    folder = tmp_path_factory.mktemp("latex")
    plant_study(folder / "planted.db", "polynomial", 12)
    url = plant_stages(folder / "planted.db", "polynomial", seeds=2, top=1)
    return write_report(url, ["polynomial"], folder / "out", latex=True).parent


def test_every_table_and_figure_has_a_file_that_the_page_names(written: Path) -> None:
    found = page(written / "report.html")
    tables, figures = (
        {str(path.relative_to(written)) for path in written.glob(pattern)}
        for pattern in ("tables/*.tex", "figures/*.pdf")
    )
    linked = [link for link in found.links if not link.startswith(("#", "data:", "https:"))]
    assert sorted(linked) == sorted(tables | figures)
    assert len(figures) == len(list(written.glob("figures/*.png"))) == len(found.alts)
    boards = (written / "report.html").read_text().count('<table class="leaderboard"')
    assert boards == 3  # a stage each: rows of trials are no table
    assert len(tables) == found.tags.count("table") - boards


def test_no_file_for_a_paper_without_being_asked(tmp_path: Path) -> None:
    url = plant_study(tmp_path / "planted.db", "fixed_rate", 4)
    out = write_report(url, ["fixed_rate"], tmp_path / "out").parent
    assert not [*out.rglob("*.tex"), *out.rglob("*.pdf")]


def test_fonts_are_embedded_as_truetype_and_the_bytes_are_the_same_twice() -> None:
    made = []
    for _ in range(2):
        with canvas() as (figure, axes):
            axes[0, 0].set_title("a title")
            made.append(picture(figure, "name", "alt", "caption"))
    pdf = made[0].file("pdf", "it: search")
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    again = [each.file("pdf", "it: search") for each in made]
    assert again == [pdf, pdf]


def test_latex_compiles_every_table(written: Path, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        missing = "needs pdflatex with booktabs (Debian: texlive-latex-recommended)"
        if os.environ.get("LRSTUDY_LATEX") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    (tmp_path / "odd.tex").write_text(
        tabular(Table("100 % & more", COLUMNS), FRAME), encoding="utf-8"
    )
    inputs = "\n\n".join(
        f"\\input{{{path.as_posix()}}}"
        for path in [*sorted(written.glob("tables/*.tex")), tmp_path / "odd.tex"]
    )
    document = f"\\documentclass{{article}}\\usepackage{{booktabs}}\n\\begin{{document}}\n{inputs}"
    (tmp_path / "paper.tex").write_text(f"{document}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").is_file()
