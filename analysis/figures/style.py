"""The look of every figure: theme, a colour for each schedule family, shared axes, saving.

Figures are built from `matplotlib.figure.Figure` inside a context of rc parameters, so that neither
pyplot's state nor a user's settings change. Sizes suit one column of print and a phone alike: text
that is legible when 5 inches are shown 360 pixels wide.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from analysis.figures.fitting import PAD, fit, outside_legend
from search_spaces.schedules.base import FAMILIES
from study.terminal import printable

WIDTH = 5.0  # inches
DPI = 150
INK = "#333333"
PALE = "#b8b8b8"
QUIET = "#777777"
# Okabe & Ito (2008) without its yellow, then Tol's muted colours, then others; told apart with any
# colour vision where a few appear together, and each family has its own mark besides.
_COLOURS = (
    *("#4d4d4d", "#009e73", "#e69f00", "#cc79a7", "#d55e00", "#0072b2", "#56b4e9"),
    *("#332288", "#882255", "#999933", "#44aa99", "#aa4499", "#661100"),
    *("#117733", "#bbcc33", "#cc6677", "#6699cc", "#aa7744", "#7a5195"),
)
_MARKS = (
    *("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "*", "p", "d", "H", "8"),
    *(r"$\clubsuit$", r"$\spadesuit$"),
)
# Whose places in the palette stay, whatever families join; the next ones take the next places.
_PLACES = (
    *("constant", "factor", "multi_factor", "inverse_power", "polynomial", "cosine"),
    *("warmup_cosine", "cosine_restarts", "warmup_stable_decay", "one_cycle"),
    *("table", "torch", "plateau"),
)
# Runs of the spaces that are no schedules, or called otherwise there.
_LIKE = {
    "square_root": "inverse_power",
    "sgd": "constant",
    "sgld": "polynomial",
    "swa": "factor",
    "snapshots": "warmup_cosine",
    "cyclical": "cosine",
}
_FOOT = 0.2  # inches below a figure, for the line that names its source
_SOURCE, _LEAST_SOURCE = 90, 8  # characters in that line
_LABEL = re.compile(r": | then ")  # of a schedule that a user gave, not a family's name alone
_THEME: dict[str, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=1.25),
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "font.sans-serif": ["DejaVu Sans"],
    "pdf.fonttype": 42,  # TrueType, which journals take; type 3 they often refuse
    "svg.hashsalt": "lrstudy",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Picture:
    """A finished figure. name: letters, digits and dashes; alt: what it shows, for who cannot see
    it; caption: how to read it. svg: as on a page, which says by itself what it belongs to."""

    name: str
    alt: str
    caption: str
    svg: bytes
    figure: Figure = field(compare=False, repr=False)

    def file(self, kind: str, source: str) -> bytes:
        """As a file of its own, with what it belongs to (any text) small in a line below it; the
        same bytes every time. kind: ``png``, ``svg`` or, for a paper, ``pdf``: vectors, its fonts
        embedded."""
        with mpl.rc_context(_THEME):  # type: ignore[arg-type]  # stubs want each key literally
            return render(self.figure, kind, source)


_told_apart: ContextVar[tuple[str, ...]] = ContextVar("told apart", default=())


@contextmanager
def told_apart(families: Iterable[str]) -> Iterator[None]:
    """Where `style` gives each of those families and labels a colour that no other one of them has,
    as long as the palette has one. Within another such context its families come first and keep
    their colours, so that a report opens one for all of its figures."""
    token = _told_apart.set((*_told_apart.get(), *map(str, families)))
    try:
        yield
    finally:
        _told_apart.reset(token)


def style(family: str) -> tuple[str, str]:
    """Colour and mark of a schedule family. A variant (``cosine/as-published``) has its run's. A
    schedule with settings of its own (``cosine: warmup=5``), and a sequence, has those of its first
    family where no other one in `told_apart` has them, else free ones."""
    name = _run(family)
    names = list(dict.fromkeys(map(_run, (*_told_apart.get(), name))))
    own = {each: place for each in names if (place := _own_place(each)) is not None}
    if name not in own:
        return INK, "o"
    places = {each: place for each, place in own.items() if each in _palette()[: len(_COLOURS)]}
    for each, place in own.items():
        if each not in places:
            places[each] = _free(place, {*places.values()})
    return _COLOURS[places[name]], _MARKS[places[name] % len(_MARKS)]


def _run(family: str) -> str:
    """The name that has a place in the palette."""
    run = family if _LABEL.search(family) else family.partition("/")[0]
    return _LIKE.get(run, run)


def _palette() -> list[str]:
    """The families in the order of their places."""
    return [*_PLACES, *(each for each in FAMILIES if each not in _PLACES)]


def _own_place(name: str) -> int | None:
    """Of its family, of the first one in a sequence; None where that is not known."""
    family = re.split(r"[: ]", name)[0] if _LABEL.search(name) else name
    palette = _palette()
    return palette.index(family) % len(_COLOURS) if family in palette else None


def _free(place: int, taken: set[int]) -> int:
    """The place, or the first free one where it is taken; itself where none is free."""
    free = [each for each in range(len(_COLOURS)) if each not in taken]
    return place if place in free or not free else free[0]


@contextmanager
def canvas(
    rows: int = 1, columns: int = 1, height: float = 3.2, width: float = WIDTH, **options: Any
) -> Iterator[tuple[Figure, npt.NDArray[Any]]]:
    """A figure in the theme, so many inches high and wide, and its axes (rows x columns). options:
    those of ``Figure.subplots``. Save it before the context ends."""
    with mpl.rc_context(_THEME):  # type: ignore[arg-type]  # stubs want each key literally
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)


@contextmanager
def panels(n: int, height: float = 2.0) -> Iterator[tuple[Figure, list[Axes]]]:
    """``n`` axes that share their scales, two in a row; a single one is as large as a figure."""
    columns = min(n, 2)
    rows = -(-n // columns)
    tall = 3.2 if n == 1 else 0.5 + height * rows
    with canvas(rows, columns, tall, sharex=True, sharey=True) as (figure, axes):
        flat = list(axes.flat)
        for spare in flat[n:]:
            spare.set_visible(False)
            flat[flat.index(spare) - columns].xaxis.set_tick_params(labelbottom=True)
        yield figure, flat[:n]


def picture(figure: Figure, name: str, alt: str, caption: str) -> Picture:
    """Lays the figure out and saves it as SVG, in memory; the same figure gives the same bytes."""
    fit(figure)
    return Picture(name, alt, caption, render(figure, "svg"), figure)


def render(figure: Figure, kind: str, source: str = "") -> bytes:
    """The figure's bytes; kind: ``png``, ``svg`` or ``pdf``; source: any text, which a small line
    below the figure shows."""
    buffer = io.BytesIO()
    dates = {"svg": "Date", "pdf": "CreationDate"}  # without them the same bytes every time
    metadata = {dates[kind]: None} if kind in dates else None
    with _signed(figure, source) as area:
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata, bbox_inches=area)
    return buffer.getvalue()


@contextmanager
def _signed(figure: Figure, source: str) -> Iterator[Bbox | None]:
    """The area to save, in inches, with a line for the source below the figure, where it has one;
    what is in the figure stays where it is."""
    if not source:
        yield None
        return
    width, height = figure.get_size_inches()
    line = figure.text(1 - PAD / width, (PAD - _FOOT) / height, "", fontsize=7, color=QUIET)
    line.set(ha="right", va="bottom")
    for most in range(_SOURCE, _LEAST_SOURCE, -1):
        line.set_text(drawable(source, most))
        if line.get_window_extent().width <= (width - 2 * PAD) * figure.dpi:
            break
    try:
        yield Bbox([[0, -_FOOT], [width, height]])
    finally:
        line.remove()


def on(ax: Axes | None) -> Axes:
    """Those axes, or the ones that pyplot draws on at present, as pandas and seaborn do it."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt  # which a report does without

    return plt.gca()


def by_family(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of `lrstudy.load`, whose column ``schedule`` holds the family, as one of a study."""
    return frame if "family" in frame else frame.rename(columns={"schedule": "family"})


def family_legend(figure: Figure, families: Sequence[str]) -> None:
    """Below the axes: the families with their marks; nothing where there is but one."""
    if len(families) < 2:
        return
    handles = [family_mark(name) for name in families]
    outside_legend(figure, handles=handles, ncols=min(3, len(handles)))


def family_mark(family: str) -> Line2D:
    """A family's entry in a legend."""
    colour, mark = style(family)
    return Line2D([], [], linestyle="", color=colour, marker=mark, label=spoken(family))


def line_style(family: str) -> str:
    """Of a family's line: dashed for the variant that was published, else whole."""
    return "--" if family.partition("/")[2] == "as-published" else "-"


def spoken(family: str) -> str:
    """A family's name for a person, ``multi_factor`` as ``multi-factor``; what a user wrote after
    it as it is."""
    name, colon, written = family.partition(":")
    return name.replace("_", "-").replace("/", ", ") + colon + written


def drawable(text: str, most: int) -> str:
    """Any text as a figure can show it, in one line of at most so many characters, else its
    beginning and its end: what the font lacks as Python writes it, e.g. ``\\u5b66``, and dollar
    signs that begin no formula."""
    font = get_font(findfont(_THEME["font.sans-serif"][0]))
    shown = "".join(
        each if font.get_char_index(ord(each)) else each.encode("unicode_escape").decode()
        for each in printable(text)
    )
    if len(shown) > most:
        shown = f"{shown[: most // 2 - 1]}…{shown[-(most // 2) :]}"
    return shown.replace("$", r"\$")


def plain(family: str) -> str:
    """A family's name as part of the name of a file: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", family.lower()).strip("-")


ABSENT = {"stalled": "d", "pruned": "|", "diverged": "x"}
