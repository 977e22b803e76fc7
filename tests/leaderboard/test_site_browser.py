"""The site as a reader meets it: in headless Chromium, from the disk."""

from __future__ import annotations

import json
import shutil
from importlib import resources

import pytest

from leaderboard.published import read
from tests.leaderboard.sites import HOSTILE, make_site, results

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if BROWSER is None or DRIVER is None:
    pytest.skip("no chromium and chromedriver on this machine", allow_module_level=True)

WFLW = "benchmark/wflw-test-nme-ioc.html"
PLAIN = ["vit_base", "resnet50", "STAR", "convnext_tiny"]
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("browser"), results())


@pytest.fixture(scope="module")
def chromium():
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


class Reader:
    """Opens pages; `close` asserts that none of them complained or asked for anything outside the folder."""

    def __init__(self, driver, site):
        self.driver, self.site = driver, site
        self.quiet()

    def open(self, path: str, *, scripts: bool = True):
        """Open a page, and wait for its script where it has one."""
        name, mark, state = path.partition("#")
        self.driver.get("about:blank")
        self.driver.get((self.site / name).as_uri() + mark + state)
        if scripts and self.all("script"):
            self.wait(lambda: "js" in self.run("return document.documentElement.className"))

    def wait(self, holds):
        WebDriverWait(self.driver, 20).until(lambda _: holds())

    def run(self, code: str, *arguments):
        return self.driver.execute_script(code, *arguments)

    def all(self, selector: str):
        return self.driver.find_elements("css selector", selector)

    def shown(self) -> list[str]:
        """Names of the rows that can be seen, top to bottom."""
        code = """return [...document.querySelectorAll('table[data-board] tr[data-row]')]
            .filter((row) => row.offsetParent !== null).map((row) => row.querySelector('th a').textContent)"""
        return self.run(code)

    def plain(self) -> list[str]:
        return [name for name in self.shown() if name in (*PLAIN, "swin_tiny")]

    def choose(self, name: str, value: str):
        code = """const field = document.querySelector(`[name="${arguments[0]}"]`);
            if (field.type === 'checkbox') field.checked = arguments[1] === field.value;
            else field.value = arguments[1];
            field.dispatchEvent(new Event('input', {bubbles: true}))"""
        self.run(code, name, value)

    def sort(self, key: str):
        (button,) = self.all(f'th[data-key="{key}"] button')
        button.click()

    def hash(self) -> str:
        return self.run("return location.hash")

    def quiet(self):
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


@pytest.fixture
def reader(chromium, site):
    reading = Reader(chromium, site)
    yield reading
    assert reading.complaints() == []
    asked = reading.requests()
    assert asked
    assert [url for url in asked if not url.startswith(site.as_uri()) and url != "about:blank"] == []


def test_rows_stand_best_first_inside_their_table(reader):
    reader.open(WFLW)
    names = reader.plain()
    assert [name for name in names if name != "swin_tiny"] == PLAIN


def test_sorting(reader):
    reader.open(WFLW)
    reader.sort("model")
    assert [n for n in reader.plain() if n != "swin_tiny"] == ["convnext_tiny", "resnet50", "STAR", "vit_base"]
    assert reader.hash() == "#sort=model"
    assert [cell.get_attribute("aria-sort") for cell in reader.all('th[data-key="model"]')] == ["ascending"]
    reader.sort("model")
    assert [n for n in reader.plain() if n != "swin_tiny"] == ["vit_base", "STAR", "resnet50", "convnext_tiny"]
    assert reader.hash() == "#sort=-model"
    reader.sort("value")
    assert [n for n in reader.plain() if n != "swin_tiny"] == PLAIN
    states = [cell.get_attribute("aria-sort") for cell in reader.all("th[aria-sort]")]
    assert sorted(set(states)) == ["ascending", "none"]
    assert states.count("ascending") == 1


def test_numbers_sort_as_numbers(reader):
    reader.open(f"{WFLW}#sort=-value")
    code = """return [...document.querySelectorAll('tr[data-row]')].map(
        (row) => [row.parentElement.dataset.group, row.cells[2].dataset.v])"""
    rows = reader.run(code)
    for group in {group for group, _ in rows}:
        values = [float(value) for name, value in rows if name == group]
        assert values == sorted(values, reverse=True)
    assert max(float(value) for _, value in rows) == 20.0, "as text, 9 would stand above 20"


def test_filtering(reader):
    reader.open(WFLW)
    everything = len(reader.shown())
    reader.choose("family", "ResNet")
    assert reader.shown() == ["resnet50"]
    assert reader.hash() == "#family=ResNet"
    assert reader.all(".count")[0].text == f"1 of {everything} rows"
    reader.choose("family", "")
    reader.choose("tier", "rescored")
    assert reader.shown() == ["STAR"]
    reader.choose("q", "no such model")
    assert reader.shown() == []
    reader.all("button[type=reset]")[0].click()
    reader.wait(lambda: len(reader.shown()) == everything)
    assert reader.hash() == ""


def test_a_deep_link_shows_the_same_view(reader):
    reader.open(f"{WFLW}#q=t&family=ViT&sort=-model")
    assert reader.shown() == ["vit_base"]
    reader.open(f"{WFLW}#q=_&tier=own+run&sort=-model&nonsense=1&protocol=unknown")
    # The table of swin_tiny stands first; inside the other, names fall.
    assert reader.plain() == ["swin_tiny", "vit_base", "convnext_tiny"]
    reader.run("location.hash = '#family=Swin'")
    reader.wait(lambda: reader.shown() == ["swin_tiny"])


def test_tables_are_ranked_together_only_when_asked(reader):
    ranks = """return Object.fromEntries([...document.querySelectorAll('tr[data-row]')].map((row) => [
        row.querySelector('th a').textContent,
        [...row.cells[0].querySelectorAll('.rank, .joint')].filter((e) => e.offsetParent)
            .map((e) => e.textContent).join()]))"""
    reader.open(WFLW)
    apart = reader.run(ranks)
    assert (apart["swin_tiny"], apart["vit_base"]) == ("1", "1")
    reader.choose("together", "1")
    joint = reader.run(ranks)
    # 3.0 of the other table, then 4.0 and 4.05; the floor and the incomplete row stay without a rank.
    assert [joint[name] for name in ("swin_tiny", "vit_base", "resnet50", "half", "floor")] == ["1", "2", "3", "–", "–"]
    assert reader.plain()[:3] == ["swin_tiny", "vit_base", "resnet50"]
    assert reader.all(".together-note")[0].is_displayed()
    reader.choose("together", "")
    assert reader.run(ranks) == apart


def test_a_signature_is_explained_on_hover_and_focus(reader):
    reader.open(WFLW)
    chip = reader.all(".chip")[0]
    tip = reader.all(".tip")[0]
    assert not tip.is_displayed()
    reader.run("arguments[0].focus()", chip)
    assert tip.is_displayed()
    assert chip.get_attribute("aria-describedby") == tip.get_attribute("id")
    assert "box" in tip.text


def compare(reader, first: str, second: str) -> str:
    names = {file.stem.rpartition("-")[0]: file.stem for file in (reader.site / "data").iterdir()}
    reader.open(f"compare.html#a={names[first]}&b={names[second]}")
    reader.wait(lambda: reader.all("[data-result] section"))
    return reader.all("[data-result]")[0].text


def test_two_models_are_compared_by_their_address(reader):
    text = compare(reader, "vit-base", "resnet50")
    assert "intervals overlap" in text
    assert "+0.05" in text, "4.05 - 4.00"
    assert "second is worse" in text, "F1 91 against 93, where higher is better"
    assert [link.text for link in reader.all("[data-result] h2 a")] == ["lapa test", "wflw test"]
    reader.all("[data-swap]")[0].click()
    reader.wait(lambda: "second is better" in reader.all("[data-result]")[0].text)
    assert reader.hash().startswith("#a=resnet50-")


def test_models_of_two_signatures_are_not_compared(reader):
    text = compare(reader, "vit-base", "swin-tiny")
    assert "May not be compared: not the same box (gt*1.25 against detector*1.25), sel (val against test)" in text


def test_a_compare_address_that_names_nobody_asks_again(reader):
    reader.open("compare.html#a=../../etc/passwd&b=javascript:alert(1)")
    assert reader.all("[data-result]")[0].text == "Choose two models."


def test_hostile_names_stay_names(reader):
    reader.open(WFLW)
    shown = reader.shown()
    assert [name for name in HOSTILE if name.isprintable() and name not in shown] == []
    slugs = [o.get_attribute("value") for o in reader.all("option")]
    assert slugs is not None
    for file in sorted((reader.site / "model").iterdir()):
        reader.open(f"model/{file.name}")
    for name in ("etc-passwd", "script-alert-1-script"):
        compare(reader, name, "vit-base")
    assert reader.driver.title.startswith("Compare")


def test_the_table_can_be_read_without_a_script(reader):
    reader.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        reader.open(WFLW, scripts=False)
        table = reader.all("table[data-board]")[0].text
        assert not reader.all("form.filters")[0].is_displayed()
    finally:
        reader.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "4.00" in table
    assert "[3.90, 4.10]" in table


@pytest.mark.parametrize("page", ["index.html", WFLW, "model", "compare.html", "about.html"])
def test_no_page_is_wider_than_a_phone(reader, page):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    reader.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        reader.open(_some(reader, page))
        assert reader.run("return document.documentElement.scrollWidth") <= 390
    finally:
        reader.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", WFLW, "model", "compare", "about.html"])
def test_axe_finds_nothing_serious(reader, page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    if page == "compare":
        compare(reader, "vit-base", "resnet50")
    else:
        reader.open(_some(reader, page))
    reader.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert axe_on(reader) == []


def axe_on(reading) -> list:
    """Serious findings of axe on the page that is open."""
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    reading.run(resources.files(axe).joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = reading.driver.execute_async_script("axe.run().then(arguments[0])")
    assert found["passes"], "axe ran"
    serious = [v for v in found["violations"] if v["impact"] in SERIOUS]
    return [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in serious]


def test_axe_does_find_what_is_wrong(reader):
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    reader.open("about.html")
    reader.run("document.documentElement.removeAttribute('lang')")
    reader.run(resources.files(axe).joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = reader.driver.execute_async_script("axe.run().then(arguments[0])")
    assert "html-has-lang" in [v["id"] for v in found["violations"] if v["impact"] in SERIOUS]


def test_the_page_allows_no_script_but_its_own(chromium, site):
    reading = Reader(chromium, site)
    reading.open("about.html")
    code = """const s = document.createElement('script'); s.textContent = 'window.broken = 1'; document.body.append(s);
        return window.broken || 0"""
    assert reading.run(code) == 0
    assert any("Content Security Policy" in text for text in reading.complaints())


@pytest.fixture(scope="module")
def literature(tmp_path_factory):
    """The same site with every published result."""
    return make_site(tmp_path_factory.mktemp("literature"), results(), read())


@pytest.fixture
def scholar(chromium, literature):
    reading = Reader(chromium, literature)
    yield reading
    assert reading.complaints() == []


def test_published_results_are_ranked_apart_until_asked(scholar):
    scholar.open(WFLW)
    code = """return [...document.querySelectorAll('tbody')].map((body) => [...body.querySelectorAll('tr[data-row]')]
        .map((row) => row.dataset.tier))"""
    groups = [set(tiers) for tiers in scholar.run(code) if tiers]
    assert groups[-1] <= {"claimed", "reproduced"}
    assert not [tiers for tiers in groups[:-1] if tiers & {"claimed", "reproduced"}]
    scholar.choose("tier", "claimed")
    assert "ORFormer" in scholar.shown()
    assert "vit_base" not in scholar.shown()
    scholar.choose("tier", "")
    scholar.choose("together", "1")
    names = scholar.shown()
    assert names.index("ORFormer") < names.index("vit_base"), "3.86 before 4.0, now that somebody asked"


def test_published_results_can_be_searched(scholar):
    scholar.open("published.html#q=faceptor&dataset=lapa&sort=-value")
    code = """return [...document.querySelectorAll('tr[data-row]')].filter((row) => !row.hidden)
        .map((row) => [row.textContent, Number(row.cells[2].dataset.v)])"""
    rows = scholar.run(code)
    assert rows
    assert all("faceptor" in text.lower() and "lapa/" in text for text, _ in rows)
    values = [value for _, value in rows]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("page", [WFLW, "benchmark/300w-test-nme-ioc.html", "index.html"])
def test_axe_finds_nothing_serious_among_published_results(scholar, page):
    scholar.open(page)
    assert axe_on(scholar) == []


def test_the_page_of_all_numbers_is_readable_on_a_phone(scholar):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    scholar.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        scholar.open("published.html#q=faceptor")
        assert scholar.run("return document.documentElement.scrollWidth") <= 390
    finally:
        scholar.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _some(reader, page: str) -> str:
    if page != "model":
        return page
    (file,) = (reader.site / "model").glob("vit-base-*.html")
    return f"model/{file.name}"
