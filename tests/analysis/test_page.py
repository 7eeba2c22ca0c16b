"""The report in a browser: headless Chromium, driven by selenium."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.selenium import Axe
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from analysis.page.tables import NONE
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


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_every_picture_shows(browser: Chrome, written: Path, width: int) -> None:
    show(browser, written, width)
    pictures = browser.find_elements(By.CSS_SELECTOR, "figure > svg")
    assert len(pictures) >= 8
    for picture in pictures:
        assert picture.aria_role == "image"
        assert len(picture.accessible_name) > 20
        assert picture.size["width"] > 200
        assert picture.size["height"] > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_everyone_can_read_it(browser: Chrome, written: Path, width: int, scheme: str) -> None:
    """By the rules of WCAG 2 and good practice; of a picture its name alone, not its marks."""
    colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
    show(browser, written, width)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(browser, context={"exclude": [["svg > *"]]})
    failed = {each["id"]: each["nodes"][0]["html"] for each in found["violations"]}
    # The links of marks are a pointer's shortcut to rows that the keyboard reaches in their tables.
    failed.pop("nested-interactive")
    assert failed == {}
    assert len(found["passes"]) > 20


def test_the_keyboard_goes_from_the_top_to_the_bottom(browser: Chrome, written: Path) -> None:
    show(browser, written, WIDE)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    tops = []
    for _ in range(12):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        tops.append(browser.switch_to.active_element.location["y"])
    assert tops == sorted(tops)
    assert len(set(tops)) > 3


def cells(browser: Chrome, place: int) -> list[str]:
    """The texts of a column of the first leaderboard, from the top."""
    return browser.execute_script(
        "const rows = document.querySelector('.leaderboard').tBodies[0].rows;"
        "return [...rows].map(row => row.cells[arguments[0]].firstChild.data.trim())",
        place,
    )


def test_a_leaderboard_is_sorted_by_a_click_and_by_keyboard(browser: Chrome, written: Path) -> None:
    show(browser, written, WIDE)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    board = browser.find_element(By.CLASS_NAME, "leaderboard")
    headings = board.find_elements(By.TAG_NAME, "th")
    names = [each.text.split(" \n")[0].strip() for each in headings]
    rate, rank = names.index("base rate"), names.index("rank")
    best_first = cells(browser, names.index("trial"))
    assert headings[rank].get_attribute("aria-sort") == "ascending"
    assert NONE in cells(browser, rank)

    headings[rate].find_element(By.TAG_NAME, "button").click()
    rising = [float(each) for each in cells(browser, rate)]
    assert rising == sorted(rising)
    assert headings[rate].get_attribute("aria-sort") == "ascending"
    assert headings[rank].get_attribute("aria-sort") is None

    headings[rate].find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert [float(each) for each in cells(browser, rate)] == rising[::-1]
    assert headings[rate].get_attribute("aria-sort") == "descending"

    button = headings[rank].find_element(By.TAG_NAME, "button")
    for key in (Keys.SPACE, Keys.SPACE, Keys.SPACE):
        button.send_keys(key)
        known = [each for each in cells(browser, rank) if each != NONE]
        assert cells(browser, rank)[len(known) :] == [NONE] * (len(best_first) - len(known))
        falling = headings[rank].get_attribute("aria-sort") == "descending"
        assert known == sorted(known, key=int, reverse=falling)
    assert cells(browser, names.index("trial"))[: len(known)] == best_first[: len(known)]


def test_equal_values_keep_their_order(browser: Chrome, written: Path) -> None:
    show(browser, written, WIDE)
    board = browser.find_element(By.CLASS_NAME, "leaderboard")
    headings = [each.get_property("textContent") for each in board.find_elements(By.TAG_NAME, "th")]
    state, trial = headings.index("state"), headings.index("trial")
    before = dict.fromkeys(cells(browser, state))
    numbers = list(zip(cells(browser, state), cells(browser, trial), strict=True))
    browser.execute_script(f"document.querySelectorAll('.leaderboard th button')[{state}].click()")
    after = list(zip(cells(browser, state), cells(browser, trial), strict=True))
    assert len(before) > 1
    assert after == sorted(numbers, key=lambda pair: pair[0])


def links_at(browser: Chrome, css: str) -> list[tuple[str, str, str]]:
    """Of every link of a figure that the selector finds: where it leads, and what a pointer on it,
    in the middle of its line or its mark, would show and follow."""
    return browser.execute_script(
        """
        return [...document.querySelectorAll(arguments[0])].map(link => {
          const shape = link.querySelector("path, use");
          shape.scrollIntoView({block: "center"});
          const box = shape.getBoundingClientRect();
          let x = box.x + box.width / 2, y = box.y + box.height / 2;
          if (shape.style.fill === "none") {
            const middle = shape.getPointAtLength(shape.getTotalLength() / 2);
            ({x, y} = middle.matrixTransform(shape.getScreenCTM()));
          }
          const met = document.elementFromPoint(x, y).closest("a");
          const target = each => each.getAttribute("href").slice(1);
          return [target(link), met.querySelector("title").textContent, target(met)];
        });
        """,
        css,
    )


def test_a_row_leads_to_its_curve_and_the_curve_back(browser: Chrome, written: Path) -> None:
    show(browser, written, WIDE)
    link = browser.find_element(By.CSS_SELECTOR, ".leaderboard a[href$='-curve']")
    curve = str(link.get_attribute("href")).partition("#")[2]
    width = f"return getComputedStyle(document.querySelector('#{curve} path')).strokeWidth"
    before = browser.execute_script(width)
    browser.execute_script("arguments[0].closest('details').open = true", link)
    link.click()
    assert browser.current_url.endswith(f"#{curve}")
    assert browser.execute_script(width) == "3px" != before
    ((_, title, target),) = links_at(browser, f"#{curve} a")
    row = browser.find_element(By.ID, target)
    assert curve == f"{row.get_attribute('id')}-curve"
    number, accuracy = re.fullmatch(r"trial (\d+): constant, ([\d.]+) %", title).groups()
    assert row.text.split()[:2] == ["1", number]
    assert accuracy in row.text
    browser.execute_script("arguments[0].closest('details').open = false", row)
    point = browser.execute_script(
        "const line = document.querySelector(arguments[0]), at = line.getPointAtLength(9);"
        "line.scrollIntoView({block: 'center'});"
        "const {x, y} = at.matrixTransform(line.getScreenCTM()); return [x, y]",
        f"#{curve} path",
    )
    pointer = ActionBuilder(browser)
    pointer.pointer_action.move_to_location(*map(round, point)).click()
    pointer.perform()
    assert browser.current_url.endswith(f"#{row.get_attribute('id')}")
    assert row.is_displayed()


def test_marks_name_their_trials_and_lead_to_their_rows(browser: Chrome, written: Path) -> None:
    """But for those that lie under a neighbour, which name that one."""
    show(browser, written, WIDE)
    for stage in ("search", "confirm", "test"):
        links = links_at(browser, f"figure a[href^='#fixed_rate-{stage}-']")
        assert sum(own == met for own, _, met in links) > len(links) / 2 > 1
        for _, title, met in links:
            number = met.rpartition("-")[2]
            assert title.startswith(f"trial {number}: constant, ")


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_nothing_scrolls_sideways(browser: Chrome, written: Path, width: int) -> None:
    show(browser, written, width)
    assert browser.execute_script("return document.documentElement.clientWidth") == width
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
