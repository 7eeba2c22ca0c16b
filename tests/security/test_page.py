"""The report of a hostile database in a browser: nothing runs, nothing is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from analysis.report import write_report
from tests.analysis.conftest import plant_stages, plant_study
from tests.analysis.test_page import NARROW, WIDE, browser, requests, show
from tests.analysis.test_report import OWN_SCRIPT
from tests.security.hostile import poison

__all__ = ["browser"]  # the fixture
NAME = "</title><script>alert(1)</script><img src=http://127.0.0.1:9/x.png onerror=alert(2)>"
TEXT = (
    '"\\"\'><script>alert(3)</script><img src=http://127.0.0.1:9/y.png onerror=alert(4)>'
    '<a href=javascript:alert(5)>$\\\\frac{$</a>"'
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    plant_study(folder / "planted.db", "cosine", 24, name=NAME)
    url = plant_stages(folder / "planted.db", NAME, seeds=2, top=1)
    for stage, trials in (("", 24), ("-confirm", 12), ("-test", 6)):
        poison(url, NAME + stage, TEXT, trials)
    return write_report(url, [NAME], folder / "out")


def has_dialog(browser: Chrome) -> bool:
    try:
        browser.switch_to.alert.dismiss()
    except NoAlertPresentException:
        return False
    return True


def test_a_dialog_and_a_request_would_be_seen(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><html><body>{NAME}</body></html>")
    browser.get_log("performance")
    show(browser, page, WIDE)
    assert has_dialog(browser)
    while has_dialog(browser):
        pass
    assert "http://127.0.0.1:9/x.png" in requests(browser)


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_nothing_runs_and_nothing_is_asked_for(browser: Chrome, written: Path, width: int) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    show(browser, written, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert not has_dialog(browser)
    asked = {url for url in requests(browser) if not url.startswith("data:")}
    assert asked == {written.as_uri()}
    assert browser.get_log("browser") == []
    assert browser.find_elements(By.CSS_SELECTOR, "object, iframe, base, form, img") == []
    scripts = browser.find_elements(By.TAG_NAME, "script")
    assert [each.get_property("textContent") for each in scripts] == [OWN_SCRIPT]
    for attribute in ("onerror", "onload", "onclick"):
        assert browser.find_elements(By.CSS_SELECTOR, f"[{attribute}]") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    pictures = browser.find_elements(By.CSS_SELECTOR, "figure > svg")
    assert all(picture.size["width"] > 100 for picture in pictures)
    assert NAME in browser.title


def test_a_picture_alone_runs_nothing_either(browser: Chrome, written: Path) -> None:
    browser.get_log("performance")
    pictures = sorted((written.parent / "figures").glob("*.svg"))
    assert len(pictures) > 5
    for picture in pictures:
        browser.get(picture.as_uri())
        assert not has_dialog(browser)
        assert browser.find_elements(By.CSS_SELECTOR, "script, image[href^='http']") == []
    assert all(url.startswith(("file:", "data:")) for url in requests(browser))
