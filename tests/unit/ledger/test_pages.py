"""The pages in a real browser: no error, sorted and filtered by hand, readable on a telephone, no scripts of others."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger_cases import evaluation, make_run, report
from surefoot import commands
from surefoot.ledger.champions import history
from surefoot.ledger.pages import index_page
from surefoot.ledger.questions import Filters, listing
from surefoot.ledger.store import FILE_NAME, Ledger, run_folders

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">'\""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """200 runs; of one of two tasks, with scores that fall, and one that was not measured."""
    root = tmp_path / "runs"
    for number in range(200):
        scored = [evaluation(round(1 - number / 200, 3))] if number != 7 else []
        started = f"2026-11-{1 + number % 28:02d}T10:00:00+0000"
        make_run(root, f"run{number}", task=f"Task-{number % 2}", evaluations=scored, started=started)
    ledger = Ledger(str(root / FILE_NAME))
    ledger.add(run_folders([root]))
    page = tmp_path / "ledger.html"
    page.write_text(index_page(listing(ledger, Filters(), limit=1000), history(ledger)))
    return page


def opened(browser: Any, page: Path, width: int = 1280) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get_log("browser")
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    # Wide tables scroll inside themselves; the page does not.
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def visible(browser: Any, column: int = 1) -> list[str]:
    script = (
        "return [...document.querySelectorAll('#runs tbody tr')].filter(r=>!r.hidden).map(r=>r.cells[%d].textContent)"
    )
    return browser.execute_script(script % column)


def test_the_index_is_sorted_filtered_and_compares_two(browser: Any, many: Path):
    opened(browser, many)
    assert len(visible(browser)) == 200
    loaded = browser.execute_script("return performance.getEntriesByType('navigation')[0].domComplete")
    print(f"complete after {loaded:.0f} ms")
    assert 0 < loaded < 8000  # 2 s on a machine that does nothing else
    score = browser.find_element("xpath", "//table[@id='runs']//button[text()='score']")
    score.send_keys("\ue007")  # Enter: the keyboard is enough
    assert visible(browser)[0] == "run0" and visible(browser)[-1] == "run7"  # not measured is last
    score.click()
    assert visible(browser)[0] == "run199" and visible(browser)[-1] == "run7"
    assert score.find_element("xpath", "./..").get_attribute("aria-sort") == "ascending"
    browser.find_element("id", "filter").send_keys("task-1 run19")
    assert set(visible(browser)) == {"run19", *(f"run{n}" for n in range(191, 200, 2))}
    assert browser.find_element("id", "status").text == "6 of 200 runs"
    ticks = [row for row in browser.find_elements("css selector", "#runs tbody input") if row.is_displayed()]
    for tick in ticks[:2]:
        tick.send_keys(" ")
    two = browser.find_element("id", "two").text
    assert "run199" in two and "run197" in two and "cannot be compared" not in two


def test_on_a_telephone(browser: Any, many: Path):
    opened(browser, many, width=390)
    assert len(visible(browser)) == 200


@pytest.mark.parametrize("width", [1280, 390])
def test_a_run_has_a_page_and_others_scripts_are_text(browser: Any, width: int, tmp_path: Path):
    root = tmp_path / "runs"
    run = make_run(root, "a", evaluations=[evaluation(0.5, status="fault", reasons=[HOSTILE]) | {"score": None}])
    report(run, {HOSTILE: 1.0, "ice": 0.25, "payload": 0.5})
    alert = {"iteration": 3, "kind": HOSTILE, "subject": HOSTILE, "action": "log", "message": HOSTILE}
    (run / "alerts.jsonl").write_text(json.dumps(alert) + "\n")
    commands.main(["report", str(run)])
    opened(browser, run / "report.html", width)
    assert browser.title == "a"
    text = browser.find_element("tag name", "body").text
    assert "not asked about this run" in text and HOSTILE[:20] in text and "58.3%" in text
    cells = browser.find_elements("css selector", "#cells tbody tr td:first-child")
    assert [cell.text for cell in cells][:2] == ["ice", "payload"]  # the worst first
    assert not browser.find_elements("css selector", "body script, img[src='x']")
    assert (run / "report.html").stat().st_size < 8e6
