"""Maps: colours that tell the best cells apart and the poor ones, too, and numbers on them."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from analysis.figures.maps import accuracy_colours, ink_on, response_map
from analysis.figures.style import canvas, picture

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=9)


def test_no_two_of_these_cells_look_alike() -> None:
    """Neither a tenth of a point at the top nor cells that hardly trained."""
    accuracies = pd.Series([0.10, 0.30, 0.55, 0.70, 0.80, 0.84, 0.87, 0.88, 0.885, 0.889, 0.89])
    shades = np.asarray(accuracy_colours(accuracies)(accuracies.to_numpy()))
    assert np.diff(shades).min() > 0.03
    assert shades[[0, -1]] == pytest.approx([0, 1])


@given(accuracies=SHARES)
def test_better_is_never_darker(accuracies: list[float]) -> None:
    shades = np.asarray(accuracy_colours(pd.Series(accuracies))(np.sort(accuracies)))
    assert (np.diff(shades) >= 0).all()
    assert shades[-1] == pytest.approx(1)
    assert shades[0] >= -1e-9


@given(accuracies=SHARES)
def test_the_way_back_from_a_colour(accuracies: list[float]) -> None:
    """The bar of colours needs it."""
    colours = accuracy_colours(pd.Series(accuracies))
    shades = np.linspace(0, 1, 7)
    assert np.asarray(colours(colours.inverse(shades))) == pytest.approx(shades, abs=1e-6)


@pytest.mark.parametrize("shown", [[0.8, 0.8], [0.8, np.nan], [np.nan, np.nan], [0.0, 1.0]])
def test_a_map_of_odd_cells(shown: list[float]) -> None:
    cells = pd.DataFrame(
        {
            "rate": [0.1, 0.3],
            "length": 0.0,
            "shown": shown,
            "text": "80.0",
            "hatched": [True, False],
        }
    )
    with canvas(height=2.0) as (figure, axes):
        response_map(axes[0, 0], cells, "rate", "length")
        assert picture(figure, "it", "alt", "caption").svg
        assert len(figure.axes) == 1 + any(~np.isnan(shown))  # a bar only where there is a colour
        assert [text.get_text() for text in axes[0, 0].get_xticklabels()] == ["0.1", "0.3"]


@pytest.mark.parametrize("shade", np.linspace(0, 1, 41))
def test_a_number_is_legible_on_every_colour(shade: float) -> None:
    fill = mpl.colormaps["viridis"](shade)
    light, dark = sorted((luminance(fill), luminance(ink_on(fill))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: object) -> float:
    """Relative luminance, as in WCAG 2."""
    red, green, blue = (
        each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4
        for each in to_rgb(colour)  # type: ignore[arg-type]
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
