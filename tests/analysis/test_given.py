"""The report of schedules that a user gave: names and colours, whatever their labels are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis import report
from analysis.figures.style import spoken
from analysis.page.study_report import StudyReport
from study.cli.choices import Choices, make_spec
from study.spec import StudySpec
from tests.analysis.conftest import plant_spec, plant_stages
from tests.study.cli.test_choices import NOTHING

GIVEN = (
    *("cosine", "cosine:warmup=1", "cosine:warmup=2", "constant:until=2 then cosine:final=0.01"),
    *("constant:until=3 then factor:alpha=0.8", "multi_factor:milestones=2/4"),
    *("multi_factor:milestones=2/5", "factor:alpha=0.9"),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StudyReport]]:
    """Where the report is of a confirmed study of these schedules and one of some of them, and what
    it holds."""
    folder, seen = tmp_path_factory.mktemp("given"), []
    for name, schedules in (("some", GIVEN[:0:-2]), ("all", GIVEN)):
        plant_spec(folder / "x.db", _spec(schedules), name, np.random.default_rng(0))
    url = plant_stages(folder / "x.db", "all", seeds=3, top=1)
    with pytest.MonkeyPatch.context() as patch:
        render = report.render_page
        patch.setattr(report, "render_page", lambda found, *_: seen.extend(found) or "")
        report.write_report(url, ["some", "all"], folder / "out")
        patch.setattr(report, "render_page", render)
    return folder / "out", seen


def _spec(schedules: tuple[str, ...]) -> StudySpec:
    chosen = {"space": "schedules", "schedules": schedules, "trials": 6 * len(schedules)}
    return make_spec(Choices(**NOTHING | chosen | {"epochs": 6}))


def labelled(figure: Figure, labels: Iterable[str]) -> dict[str, str]:
    """The colours of lines and marks that a legend or an axis names for a schedule."""
    known = {spoken(label): label for label in labels}
    found = {}
    legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    for legend in legends:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            name = re.sub(r" \(n = \d+\)$", "", text.get_text().replace("\n", " "))
            if name in known:
                found[known[name]] = to_hex(handle.get_color())
    for axes in figure.axes:
        if (name := axes.get_title().replace("\n", " ")) in known:
            found[known[name]] = to_hex(axes.title.get_color())
    return found


def test_a_label_has_one_colour_in_all_figures(written: tuple[Path, list[StudyReport]]) -> None:
    colours: dict[str, set[str]] = {}
    figures = 0
    for one in written[1]:
        for finding in one.findings:
            for picture in finding.pictures:
                found = labelled(picture.figure, one.study.spec.families)
                assert len(set(found.values())) == len(found), picture.name
                figures += len(found) > 1
                for label, colour in found.items():
                    colours.setdefault(label, set()).add(colour)
    assert figures > 3
    assert set(written[1][1].study.spec.families) <= set(colours)
    assert all(len(each) == 1 for each in colours.values())


def test_files_have_plain_names(written: tuple[Path, list[StudyReport]]) -> None:
    for one in written[1]:
        names = [picture.name for finding in one.findings for picture in finding.pictures]
        assert all(re.fullmatch("[a-z0-9-]+", name) for name in names), names
