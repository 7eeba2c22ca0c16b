"""The SVG of a figure as part of a page, its marks linked to the rows of their trials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from xml.etree import ElementTree as ET

from markupsafe import Markup

_REFERRING = ("href", "clip-path", "style")  # attributes
_REFERENCE = re.compile(r"(?<=url\(#)[^)]+|(?<=^#).+")  # the id in url(#id) or #id


class Mark(NamedTuple):
    """A trial on the page. row: the anchor of its row; curve: of its learning curve; title: what
    its marks say of it."""

    row: str
    curve: str
    title: str


def inline(svg: bytes, alt: str, prefix: str, marks: Mapping[str, Mark]) -> Markup:
    """The ``<svg>`` element for a page, named ``alt`` for who cannot see it.

    prefix: begins every id in it, so that those of several pictures differ. marks: by what the
    figure calls a trial (`analysis.figures.marks.tag`); other marks stay without a link.
    """
    root = ET.fromstring(svg)  # noqa: S314 - matplotlib wrote it a moment ago
    _simplify(root)
    _rename(root, prefix, marks)
    for link in root.findall(".//a"):
        _link(link, marks)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": alt}
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - which escapes every text


def _simplify(root: ET.Element) -> None:
    """Drop what HTML does not need, namespaces, indentation and metadata, and the style, which
    would apply to the whole page."""
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): value for name, value in element.attrib.items()}
        element.text = element.tail = None
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style"):
                parent.remove(child)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _rename(root: ET.Element, prefix: str, marks: Mapping[str, Mark]) -> None:
    """The prefix before every reference and every id that one refers to; the others are dropped,
    but for those of learning curves, which become their anchors."""
    referred = set()
    for element in root.iter():
        for name in _REFERRING if element.tag != "a" else ():
            value = element.get(name, "")
            referred.update(_REFERENCE.findall(value))
            if value:
                element.set(name, _REFERENCE.sub(rf"{prefix}\g<0>", value))
    for element in root.iter():
        name = element.attrib.pop("id", "")
        if name in marks:
            element.set("id", marks[name].curve)
        elif name in referred:
            element.set("id", prefix + name)


def _link(link: ET.Element, marks: Mapping[str, Mark]) -> None:
    """The link of a trial's marks: to its row, with a title that shows while a pointer rests on it.
    The keyboard passes it by: the rows say the same."""
    mark = marks.get(link.attrib["href"].removeprefix("#"))
    link.attrib = {}  # matplotlib's links open a window
    if mark is None:
        link.tag = "g"
        return
    link.attrib = {"href": f"#{mark.row}", "tabindex": "-1"}
    for path in link.findall("path"):
        if "fill: none" in path.get("style", ""):
            _within_reach(link, path)
    title = ET.Element("title")
    title.text = mark.title
    link.insert(0, title)


def _within_reach(link: ET.Element, line: ET.Element) -> None:
    """A thin or dotted line is hard to point at: the page gives this copy a width that no eye sees
    but a pointer meets."""
    attributes = {name: value for name, value in line.attrib.items() if name not in ("id", "style")}
    ET.SubElement(link, "path", {**attributes, "class": "reach"})
