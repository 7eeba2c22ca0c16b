"""Measures the text of figures while they are rendered."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

Render = Callable[..., bytes]
_APART = 0.03  # inches, about a space
_LEAST = 1.0  # pixels of overlap or beyond the edge: less is the rounding of glyphs


def measuring(render: Render) -> Render:
    """``render`` that raises AssertionError where a text that it draws lies outside of the figure
    or on another text, or two tick labels of an axis run together."""

    def measured(figure: Figure, kind: str, source: str = "") -> bytes:
        drawn: dict[int, tuple[Text, Bbox, Bbox]] = {}
        draw = Text.draw

        def record(self: Text, renderer: Any, *arguments: Any, **options: Any) -> None:
            if self.get_visible() and self.get_text().strip():
                edge = figure.bbox.frozen()
                drawn[id(self)] = (self, self.get_window_extent(renderer), edge)
            draw(self, renderer, *arguments, **options)

        Text.draw = record  # type: ignore[method-assign]
        try:
            made = render(figure, kind, source)
        finally:
            Text.draw = draw  # type: ignore[method-assign]
        boxes = {text: box for text, box, _ in drawn.values()}
        faults = _faults(list(drawn.values())) + _run_together(figure, boxes)
        assert not faults, "\n".join(faults)
        return made

    return measured


def _faults(drawn: list[tuple[Text, Bbox, Bbox]]) -> list[str]:
    outside = [
        f"outside of the figure: {text.get_text()!r}"
        for text, box, edge in drawn
        if min(box.x0, box.y0, edge.x1 - box.x1, edge.y1 - box.y1) < -_LEAST
    ]
    pairs = itertools.combinations([(text, box) for text, box, _ in drawn], 2)
    over = [
        f"on each other: {a.get_text()!r}, {b.get_text()!r}"
        for (a, one), (b, other) in pairs
        if _common(one, other)
    ]
    return outside + over


def _run_together(figure: Figure, boxes: dict[Text, Bbox]) -> list[str]:
    """Neighbours on an axis in one line with less than _APART between them, which read as one."""
    axes = [axis for each in figure.axes for axis in (each.xaxis, each.yaxis)]
    found = []
    for axis in axes:
        labels = [text for text in axis.get_ticklabels() if text in boxes]
        for a, b in itertools.combinations(labels, 2):
            one, other = boxes[a], boxes[b]
            level = min(one.y1, other.y1) - max(one.y0, other.y0) > _LEAST
            between = max(one.x0, other.x0) - min(one.x1, other.x1)
            if level and between < _APART * figure.dpi:
                found.append(f"run together: {a.get_text()!r}, {b.get_text()!r}")
    return found


def _common(one: Bbox, other: Bbox) -> bool:
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > _LEAST and high > _LEAST
