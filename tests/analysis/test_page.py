"""The report in a browser: headless Chromium, driven by selenium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from analysis.report import write_report
from tests.analysis.conftest import plant_stages, plant_study

NARROW, WIDE = 390, 1280

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a confirmed study, one that was only searched, and a name that is markup."""
    folder = tmp_path_factory.mktemp("page")
    path = folder / "planted.db"
    plant_study(path, "fixed_rate", 24)
    plant_stages(path, "fixed_rate")
    plant_study(path, "cosine", 12, name='<img src="http://127.0.0.1:9/x.png">')
    url = f"sqlite:///{path}"
    return write_report(url, ["fixed_rate", '<img src="http://127.0.0.1:9/x.png">'], folder / "out")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium without a window, its console and its requests logged."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        if os.environ.get("LRSTUDY_BROWSER") == "required":
            pytest.fail("chromium and chromedriver are not installed")
        pytest.skip("needs chromium and chromedriver")
    options = ChromeOptions()
    options.binary_location = binary
    for word in (
        *("headless", "no-sandbox", "disable-gpu", "disable-sync", "disable-dev-shm-usage"),
        *("disable-background-networking", "disable-component-update", "hide-scrollbars"),
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


def show(browser: Chrome, page: Path, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())


def requests(browser: Chrome) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_nothing_leaves_the_page_and_the_console_is_silent(browser: Chrome, written: Path) -> None:
    browser.get_log("performance")
    show(browser, written, WIDE)
    asked = requests(browser)
    assert written.as_uri() in asked
    assert {url for url in asked if not url.startswith("data:")} == {written.as_uri()}
    assert browser.get_log("browser") == []


def test_every_picture_shows(browser: Chrome, written: Path) -> None:
    show(browser, written, WIDE)
    pictures = browser.find_elements(By.TAG_NAME, "img")
    assert len(pictures) >= 8
    for picture in pictures:
        assert int(picture.get_property("naturalWidth")) > 0
        assert picture.size["width"] > 200


def test_links_lead_to_the_rows_of_trials(browser: Chrome, written: Path) -> None:
    show(browser, written, WIDE)
    targets = {
        str(link.get_attribute("href")).partition("#")[2]
        for link in browser.find_elements(By.CSS_SELECTOR, "a[href^='#']")
    }
    stages = {target.split("-")[-2] for target in targets if target[-1].isdigit()}
    assert stages >= {"search", "confirm", "test"}
    for target in targets:
        assert len(browser.find_elements(By.ID, target)) == 1, target
    target = next(name for name in sorted(targets) if "-confirm-" in name)
    row = browser.find_element(By.ID, target)
    assert not row.is_displayed()  # folded away
    link = browser.find_element(By.CSS_SELECTOR, f"a[href='#{target}']")
    browser.execute_script("arguments[0].click()", link)
    assert row.is_displayed()


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_nothing_scrolls_sideways(browser: Chrome, written: Path, width: int) -> None:
    show(browser, written, width)
    assert browser.execute_script("return document.documentElement.clientWidth") == width
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
