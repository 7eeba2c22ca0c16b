"""Text that fits its picture: measured once a figure is laid out, and mended where it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox, ScaledTranslation

PAD = 0.05  # inches between a text and the edge of the picture
_POINTS = 72  # of an inch
_TRIES = 8  # steps up or down that a direct label may take
_LAYOUTS = 3
_ROW = 28  # characters in a line of the name of a row
_ROW_BESIDE = 20  # the same where another picture stands beside it


def fit(figure: Figure) -> None:
    """Lay the figure out, so that every text lies within it and no direct label on another text.

    Titles and labels that are longer than their place are broken into lines, and what is written
    beside a mark moves: into the picture, and away from other texts of its axes. The layout is then
    left as it is.
    """
    for axes in figure.axes:
        _break_rows(axes)
    for _ in range(_LAYOUTS):  # what is broken takes room from the axes
        figure.draw_without_rendering()
        changed = [_break(text, room) for text, room in _labels(figure)]
        if not any(changed):
            break
    figure.set_layout_engine("none")
    for legend in figure.legends:  # stay in the figure, though more than it may be saved
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
    for axes in figure.axes:
        _place(figure, axes)


def outside_legend(
    figure: Figure,
    *,
    ncols: int = 1,
    loc: Literal[
        "outside lower center", "outside lower left", "outside upper center"
    ] = "outside lower center",
    **options: Any,
) -> None:
    """A legend of the figure in at most ``ncols`` columns, as many as fit, its labels broken into
    lines where one column is too wide. The figure grows in height by what that takes."""
    room, heights = figure.bbox.width - 2 * PAD * figure.dpi, []
    for columns in range(ncols, 0, -1):
        legend = figure.legend(loc=loc, ncols=columns, **options)
        heights.append(legend.get_window_extent().height)
        if legend.get_window_extent().width <= room:
            break
        if columns > 1:
            legend.remove()
    else:
        texts = legend.get_texts()
        beside = legend.get_window_extent().width - max(map(_length, texts))
        for text in texts:
            _break(text, room - beside)
        heights.append(legend.get_window_extent().height)
    figure.set_figheight(figure.get_figheight() + (heights[-1] - heights[0]) / figure.dpi)


def _break_rows(axes: Axes) -> None:
    """Break the names of rows that would leave the rows themselves no room."""
    grid = axes.get_subplotspec()
    most = _ROW if grid is None or grid.get_gridspec().ncols == 1 else _ROW_BESIDE
    names = [text.get_text().replace("\n", " ") for text in axes.get_yticklabels()]
    if any(len(name.replace(r"\$", "$")) > most for name in names):
        axes.set_yticks(axes.get_yticks(), [broken(name, most) for name in names])


def _labels(figure: Figure) -> Iterator[tuple[Text, float]]:
    """Titles and labels of axes, each with the length in pixels that it may have along its line."""
    whole, pad = figure.bbox, 2 * PAD * figure.dpi
    for axes in figure.axes:
        grid = axes.get_subplotspec()
        rows, columns = grid.get_gridspec().get_geometry() if grid is not None else (1, 1)
        ends = axes.get_window_extent()
        yield axes.title, ends.width
        x, y = axes.xaxis.label, axes.yaxis.label
        alone = columns == 1 and not y.get_text()
        yield x, _reach(ends.x0, ends.x1, whole.width) - pad if alone else ends.width
        yield y, _reach(ends.y0, ends.y1, whole.height) - pad if rows == 1 else ends.height
    for text in figure.texts:
        yield text, (whole.height if text.get_rotation() == 90 else whole.width) - pad


def _reach(start: float, end: float, whole: float) -> float:
    """How long a text about the middle of two places may be."""
    centre = (start + end) / 2
    return 2 * min(centre, whole - centre)


def _length(text: Text) -> float:
    """Along its line, in pixels."""
    box = text.get_window_extent()
    return box.height if text.get_rotation() == 90 else box.width


def _break(text: Text, room: float) -> bool:
    """Break a text into lines no longer than ``room`` pixels; whether it was longer."""
    words = text.get_text()
    if not text.get_visible() or not words or _length(text) <= room:
        return False
    words = words.replace("\n", " ")
    for limit in range(len(words), 0, -1):
        text.set_text(broken(words, limit))
        if _length(text) <= room:
            break
    return True


def broken(words: str, limit: int) -> str:
    """The words in lines of at most ``limit`` characters, broken after spaces and commas, and
    within a word only where it is longer than a line."""
    lines = [""]
    for piece in re.findall(r"[^ ,]*[ ,]|[^ ,]+", words):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > limit:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > limit:
            lines[-1:] = [lines[-1][:limit], lines[-1][limit:]]
    return "\n".join(line.strip() for line in lines)


def _place(figure: Figure, axes: Axes) -> None:
    """Move the direct labels of the axes into the picture, and off other texts."""
    ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    others = (*ticks, axes.xaxis.label, axes.yaxis.label, axes.title)
    taken = [text.get_window_extent() for text in filter(_seen, others)]
    for text in filter(_seen, axes.texts):
        taken.append(_moved(figure, axes, text, taken))


def _seen(text: Text) -> bool:
    return text.get_visible() and bool(text.get_text().strip())


def _moved(figure: Figure, axes: Axes, text: Text, taken: list[Bbox]) -> Bbox:
    """The label's box after the least move that leaves it free; where none does, as it was."""
    box, pad = text.get_window_extent(), PAD * figure.dpi
    whole = Bbox([[pad, pad], [figure.bbox.width - pad, figure.bbox.height - pad]])
    for right, up in _moves(axes, text, box):
        right += _back(box.x0 + right, box.x1 + right, whole.x0, whole.x1)
        up += _back(box.y0 + up, box.y1 + up, whole.y0, whole.y1)
        there = box.translated(right, up)
        if not there.count_overlaps(taken):
            _shift(figure, text, right, up)
            return there
    return box


def _moves(axes: Axes, text: Text, box: Bbox) -> Iterator[tuple[float, float]]:
    """Ways in pixels to the right and up: none, to the other side of the mark, then ever further up
    and down on both sides."""
    sides = [0.0]
    if isinstance(text, Annotation):
        mark, _ = axes.transData.transform(text.xy)
        sides.append(2 * mark - box.x0 - box.x1)
    for step in range(_TRIES):
        for up in dict.fromkeys((step * box.height, -step * box.height)):
            for right in sides:
                yield right, up


def _back(start: float, end: float, first: float, last: float) -> float:
    """What moves start to end between first and last."""
    return max(first - start, 0.0) + min(last - end, 0.0)


def _shift(figure: Figure, text: Text, right: float, up: float) -> None:
    """Move a text by so many pixels, whatever its coordinates are."""
    inches = (right / figure.dpi, up / figure.dpi)
    if isinstance(text, Annotation):  # in offset points, as all of ours are
        x, y = text.xyann
        text.xyann = (x + _POINTS * inches[0], y + _POINTS * inches[1])
    else:
        move = ScaledTranslation(*inches, figure.dpi_scale_trans)
        text.set_transform(text.get_transform() + move)
