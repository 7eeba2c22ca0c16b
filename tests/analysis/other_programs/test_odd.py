"""Odd studies of other programs: reports are whole and safe, files keep what there is."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.trial import TrialState

from analysis.other_programs import importance
from analysis.other_programs.study import load_other, overview
from analysis.report import write_report
from tests.analysis.other_programs.odd import STUDIES, plant
from tests.analysis.test_report import Page

DRAWN = ("names", "huge values")  # whose figures are looked at
one_objective = pytest.mark.parametrize(
    "label", [label for label, odd in STUDIES.items() if len(odd.directions) == 1]
)


def not_json(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


@one_objective
def test_a_report_is_whole_whatever_the_study_holds(
    label: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if label not in DRAWN:
        request.getfixturevalue("unrendered")
    odd = STUDIES[label]
    url = plant(odd, tmp_path / "theirs.db")
    page = write_report(url, [odd.name], tmp_path / "out", latex=True)
    html = page.read_text(encoding="utf-8")
    found = Page(html)
    assert set(found.tags).isdisjoint({"script", "b", "i", "iframe"})
    assert len(found.ids) == len(set(found.ids))
    assert sum(bool(re.search(r"-search-\d+$", each)) for each in found.ids) == len(odd.trials)
    assert " ".join(odd.name.split()) in " ".join(found.text.split())
    text = (tmp_path / "out" / "findings.json").read_text(encoding="utf-8")
    (values,) = json.loads(text, parse_constant=not_json).values()
    for finding in values["findings"]:
        assert "nan" not in finding["verdict"].lower().replace("choice=nan", "")
        assert all((tmp_path / "out" / each).exists() for each in finding["figures"])
    kept = pd.read_parquet(tmp_path / "out" / "trials.parquet")
    assert len(kept) == len(odd.trials)
    names = {name for each in odd.trials for name in each.params}
    assert {f"params_{name}" for name in names} <= set(kept)


@pytest.mark.parametrize("label", STUDIES)
def test_the_best_is_the_best_finite_one_with_all_that_it_sampled(
    label: str, tmp_path: Path
) -> None:
    odd = STUDIES[label]
    facts = overview(plant(odd, tmp_path / "theirs.db"), odd.name)
    assert sum(facts["states"].values()) == facts["trials"] == len(odd.trials)
    ended = [each for each in odd.trials if each.state == TrialState.COMPLETE]
    if len(odd.directions) > 1:
        assert facts["best"] is None
        return
    finite = [each for each in ended if math.isfinite(each.value)]
    if not finite:
        assert facts["best"] is None
        return
    number = facts["best"]["trial"]
    assert facts["best"]["value"] == min(each.value for each in finite)
    assert repr(facts["best"]["params"]) == repr(
        {name: odd.trials[number].params[name] for name in facts["best"]["params"]}
    )
    assert facts["best"]["params"].keys() == odd.trials[number].params.keys()


def test_a_choice_of_none_is_compared_and_one_that_lacks_is_not(tmp_path: Path) -> None:
    """None, "None", True, 1 and 1.0 are choices of their own."""
    chosen, conditional = (
        importance.estimate(load_other(plant(STUDIES[label], tmp_path / f"{n}.db"), "theirs"))
        for n, label in enumerate(("choices", "conditional parameters"))
    )
    assert chosen["importance"]["importance"].notna().all()
    assert conditional["importance"]["importance"].isna().all()
