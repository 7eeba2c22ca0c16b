"""The pages lead somewhere: every relative link and anchor is there; README stays short."""

from __future__ import annotations

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_and_anchor_is_there(page: str) -> None:
    path = PAGES[page]
    for link in links(path):
        if link.startswith(("https://", "http://")):
            continue
        place, _, anchor = link.partition("#")
        target = path if not place else (path.parent / place).resolve()
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page}: {link}"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in links(PAGES["README.md"])}
    pages = {*PAGES, "docs/notebook.ipynb"} - {"README.md"}
    assert pages <= linked


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
