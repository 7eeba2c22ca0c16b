"""Axes: what they span."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figures.axes import cut_off


def test_intervals_that_lead_far_beyond_the_values_are_cut_off() -> None:
    """Of two seeds they reach beyond 100 %, and would flatten all the rest."""
    values = pd.Series([0.6, 0.7, 0.8])
    wide = pd.DataFrame({"low": [-1.0, 0.55], "high": [2.1, 0.75]})
    assert cut_off(values, wide) == pytest.approx([0.6, 0.8, 0.5, 0.9])
    narrow = pd.DataFrame({"low": [0.58], "high": [0.82]})
    assert cut_off(values, narrow) == pytest.approx([0.6, 0.8, 0.58, 0.82])
