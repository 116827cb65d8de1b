"""The book as a reader sees it: every page in a browser without a network, light and dark, wide and narrow."""

from __future__ import annotations

import csv
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from lifroles import book
from lifroles.backends import reference
from lifroles.gate import Layout, toc_pages
from lifroles.parameters import SCHEMAS
from lifroles.paths import project_root
from lifroles.variant import Reset

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No other host has an address, so that a page cannot reach one even where the machine could.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "switched": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
PAGES = toc_pages(Layout(project_root()))

# What axe-core is asked: everything in WCAG 2.1 A and AA, and in a second theme what depends on colours.
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="session")
def archive_book(require: Callable[[object, str], None]) -> Path:
    """Build the book from the archived runs, as `make book` does."""
    layout = Layout(project_root())
    require(all(layout.source(name).is_file() for name in SCHEMAS), "the notebooks are not there")
    require(any((layout.root / "results").rglob("DONE")), "there are no archived runs")
    return book.build(quiet=True).parent


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One headless browser for the session."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(archive_book: Path) -> Iterator[str]:
    """Serve the built book on loopback; yield its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            # A browser may look for an icon at the root of the host, which is not the book's to give.
            if self.path == "/favicon.ico":
                self.send_response(204)
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(archive_book))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Iterator[dict[str, BrowserContext]]:
    """The views that pages were opened in so far: one a view, so that scripts are fetched and compiled once."""
    made: dict[str, BrowserContext] = {}
    yield made
    for context in made.values():
        context.close()


Opened = tuple[Page, list[str]]


@pytest.fixture(scope="module")
def opened(
    browser: Browser, contexts: dict[str, BrowserContext], served: str, request: pytest.FixtureRequest
) -> Iterator[Opened]:
    """Open a page of the built book; yield it with all that went wrong so far."""
    name, view = request.param
    faults: list[str] = []

    def note(asked: Request) -> None:
        if urlsplit(asked.url).scheme not in ("data", "blob") and not asked.url.startswith(served):
            faults.append(f"asked for {asked.url}")

    def lost(asked: Request) -> None:
        # What a page that is being left had still asked for is no fault: the icon, mostly.
        if asked.failure != "net::ERR_ABORTED":
            faults.append(f"did not get {asked.url} ({asked.failure})")

    if view not in contexts:
        contexts[view] = browser.new_context(**VIEWS[view])
    page = contexts[view].new_page()
    page.on("request", note)
    page.on(
        "console",
        lambda message: (
            faults.append(f"{message.text} ({message.location['url']})") if message.type == "error" else None
        ),
    )
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lost)
    page.goto(f"{served}/{name}.html")
    page.wait_for_load_state("load")
    page.evaluate("() => window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => true) : true")
    yield page, faults
    page.close()


def _open(view: str) -> pytest.MarkDecorator:
    # The fixture outlives a test, so that all tests of one view share one opened page.
    return pytest.mark.parametrize("opened", [(name, view) for name in PAGES], indirect=True, ids=PAGES)


@_open("light")
def test_a_page_needs_no_network_and_reports_no_error(opened: Opened) -> None:
    _, faults = opened
    assert faults == []


@_open("light")
def test_equations_are_rendered(opened: Opened) -> None:
    page, _ = opened
    written = page.locator(".math").count()
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('mjx-container')].filter((e) => e.checkVisibility())"
        ".map((e) => [e.offsetWidth, e.offsetHeight])"
    )
    assert all(width > 0 and height > 0 for width, height in sizes)
    if written:
        assert sizes, "there are equations, and none is rendered"
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    text = page.locator("article").inner_text()
    assert "\\(" not in text, "an equation is shown as its source"
    assert "$$" not in text, "an equation is shown as its source"


def test_some_page_has_equations(archive_book: Path) -> None:
    assert any('class="math' in (archive_book / f"{name}.html").read_text() for name in PAGES)


def _assert_legible(page: Page, theme: str) -> None:
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.locator("article").inner_text().strip()
    broken = page.evaluate("[...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)")
    assert broken == []
    for image in page.locator("article .cell_output img, article .cell_output figure > svg").all():
        if image.is_visible():
            grey = np.asarray(Image.open(BytesIO(image.screenshot())).convert("L"), dtype=float)
            paper = np.median(grey)
            ink = max(np.percentile(grey, 99.9) - paper, paper - np.percentile(grey, 0.1))
            assert ink > 80, f"a figure is hardly visible in the {theme} theme"


@_open("light")
def test_a_page_is_legible_in_the_light_theme(opened: Opened) -> None:
    _assert_legible(opened[0], "light")


@_open("dark")
def test_a_page_is_legible_in_the_dark_theme(opened: Opened) -> None:
    _assert_legible(opened[0], "dark")


@pytest.fixture(scope="session")
def axe(require: Callable[[object, str], None]) -> str:
    """Return axe-core's script, which a package for Playwright carries."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed: make setup")
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def _assert_accessible(page: Page, axe: str, asked: dict[str, Any]) -> None:
    page.evaluate(axe)
    # Without preload: axe would fetch what style sheets import, by addresses that are wrong for all but its own page.
    run = "(asked) => axe.run({ ...asked, resultTypes: ['violations'], preload: false })"
    found = page.evaluate(run, asked)["violations"]
    said = [
        f"{fault['id']}: {node['html'][:120]} ({node['failureSummary'].splitlines()[-1].strip()})"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"][:3]
    ]
    assert said == []


@_open("light")
def test_a_page_is_accessible(opened: Opened, axe: str) -> None:
    _assert_accessible(opened[0], axe, WCAG)


@_open("dark")
def test_a_page_has_enough_contrast_in_the_dark_theme(opened: Opened, axe: str) -> None:
    _assert_accessible(opened[0], axe, COLOURS)


@_open("phone")
def test_a_page_fits_a_phone(opened: Opened) -> None:
    page, _ = opened
    wide = page.evaluate(
        "() => document.documentElement.scrollWidth > innerWidth + 1 ? "
        "[...document.querySelectorAll('article *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
        ".map((e) => e.tagName + '.' + e.className).slice(0, 5) : []"
    )
    assert wide == []


@pytest.mark.parametrize("opened", [("book/index", "switched")], indirect=True, ids=["book/index"])
def test_the_theme_can_be_switched(opened: Opened) -> None:
    page, faults = opened
    themes = []
    for _ in range(3):
        page.locator("button.theme-switch-button").first.click()
        themes.append(page.evaluate("document.documentElement.dataset.theme"))
    assert set(themes) == {"light", "dark"}
    assert faults == []


@pytest.mark.parametrize("opened", [("search", "light")], indirect=True, ids=["search"])
def test_the_search_finds_what_is_there(opened: Opened, served: str) -> None:
    page, faults = opened
    page.goto(f"{served}/search.html?q=reset")
    page.locator("#search-results li a").first.wait_for()
    found = " ".join(page.locator("#search-results li").all_inner_texts())
    assert "reset" in found.lower()
    page.wait_for_load_state("networkidle")
    page.goto(f"{served}/search.html?q=zzzz")
    page.get_by_text("did not match any documents").wait_for()
    assert faults == []


@pytest.mark.parametrize("opened", [("book/notebooks/2_lif_neuron", "dark")], indirect=True)
def test_a_figure_is_saved_as_numbers_and_as_pictures(opened: Opened, tmp_path: Path) -> None:
    page, faults = opened
    card = page.locator("figure.lifroles .lifroles-card").first
    files = {}
    for kind, part in {
        "csv": card.locator("a[download]"),
        "svg": card.get_by_role("button", name="SVG"),
        "png": card.get_by_role("button", name="PNG"),
    }.items():
        with page.expect_download() as saving:
            part.click()
        files[kind] = tmp_path / saving.value.suggested_filename
        saving.value.save_as(files[kind])
    assert {path.suffix for path in files.values()} == {".csv", ".svg", ".png"}
    assert len({path.stem for path in files.values()}) == 1
    rows = list(csv.DictReader(files["csv"].read_text("utf-8").splitlines()))
    assert len(rows) > 50
    assert all(float(row["x"]) >= 0 for row in rows)
    root = ElementTree.parse(files["svg"]).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    with Image.open(files["png"]) as picture:
        assert picture.width == round(3 * float(root.attrib["width"]))
        grey = np.asarray(picture.convert("L"))
    assert np.median(grey) == 255  # black on white, whatever the page's theme
    assert grey.min() < 60
    assert faults == []


def test_every_figure_but_drawings_and_photographs_offers_its_numbers(archive_book: Path) -> None:
    without = [
        figure.svg["aria-label"]
        for name in PAGES
        for figure in BeautifulSoup((archive_book / f"{name}.html").read_text("utf-8"), "html.parser").select(
            "figure.lifroles"
        )
        if figure.svg and not figure.select_one("a[download]")
    ]
    assert "The attack" in {str(label).partition(":")[0] for label in without}
    assert len(without) <= 7  # recordings and images of the page on data


def _shown(page: Page, box: str) -> int:
    return page.locator(f"{box} .lifroles-item:visible").count()


@pytest.mark.parametrize("opened", [("book/notebooks/6_conclusion", "light")], indirect=True)
def test_the_ledger_of_claims_is_filtered_and_searched(opened: Opened) -> None:
    page, faults = opened
    every = _shown(page, ".lifroles-ledger")
    page.get_by_label("Part").select_option("reset")
    reset = _shown(page, ".lifroles-ledger")
    assert 0 < reset < every
    page.get_by_label("Verdict").select_option("reproduced")
    assert _shown(page, ".lifroles-ledger") < reset
    page.get_by_label("Verdict").select_option("")
    page.locator(".lifroles-ledger").get_by_label("Search").fill("spike RATE xor")
    assert _shown(page, ".lifroles-ledger") >= 1
    assert (
        page.locator(".lifroles-ledger output").inner_text() == f"{_shown(page, '.lifroles-ledger')} of {every} claims"
    )
    assert not faults


@pytest.mark.parametrize("opened", [("book/notebooks/runs", "light")], indirect=True)
def test_a_run_is_found_in_the_list_and_its_page_opened(opened: Opened) -> None:
    page, faults = opened
    every = _shown(page, ".lifroles-runs")
    page.get_by_label("Benchmark").select_option("N-MNIST")
    page.get_by_label("Variant").select_option("Without reset")
    chosen = _shown(page, ".lifroles-runs")
    assert 0 < chosen < every
    assert page.locator(".lifroles-runs output").inner_text() == f"{chosen} of {every} runs"
    page.locator(".lifroles-runs tbody a:visible").first.click()
    assert page.locator("article h1").inner_text().startswith("N-MNIST: Without reset, seed ")
    assert page.locator("figure.lifroles svg").bounding_box() is not None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="all archived runs").click()
    assert _shown(page, ".lifroles-runs") == every
    assert not faults


@pytest.mark.parametrize("opened", [("book/notebooks/5_suggestions", "phone")], indirect=True)
def test_the_advisor_shows_what_a_task_needs(opened: Opened) -> None:
    page, faults = opened
    every = _shown(page, ".lifroles-advisor")
    page.get_by_label("few spikes").check()
    assert _shown(page, ".lifroles-advisor") == 1
    page.get_by_label("noisy input").check()
    assert _shown(page, ".lifroles-advisor") == 2
    page.get_by_label("few spikes").uncheck()
    page.get_by_label("noisy input").uncheck()
    assert _shown(page, ".lifroles-advisor") == every
    assert not faults


@pytest.mark.parametrize("opened", [("book/notebooks/4_2_generalisation", "dark")], indirect=True)
def test_every_point_of_fig_7_names_its_recording(opened: Opened) -> None:
    page, faults = opened
    explorer = page.locator(".lifroles-explorer")
    explorer.scroll_into_view_if_needed()
    total, wrong = map(int, re.findall(r"[0-9]+", explorer.locator("output").inner_text()))
    assert total >= 1000 > wrong > 0
    explorer.get_by_label("only wrong ones").check()
    assert explorer.locator("output").inner_text().startswith(f"{wrong} recordings, {wrong} of them")
    explorer.locator("canvas").press("ArrowRight")
    named = re.fullmatch(
        r"Test recording [0-9]+: digit ([0-9]), taken for ([0-9])", explorer.locator("output").inner_text()
    )
    assert named
    assert named[1] != named[2]
    explorer.get_by_label("picture").select_option("UMAP, 3 ms")
    assert explorer.locator("output").inner_text().startswith(f"{wrong} recordings")
    assert not faults


@pytest.mark.parametrize("opened", [("book/playground", "light")], indirect=True)
@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
def test_the_playground_computes_what_the_package_computes(opened: Opened, reset: Reset) -> None:
    page, _ = opened
    rng = np.random.default_rng(0)
    for k_tau, u_th, v in [(0.8, 1.0, 0.0), (1.0, 0.3, 0.0), (0.0, 0.5, 0.0), (0.9, 0.7, 0.4), (0.5, 0.7, -1.1)]:
        x = rng.uniform(-0.5, 1.0, 80)
        shown = page.evaluate(
            "([x, neuron]) => simulate(x, neuron)", [x.tolist(), dict(k_tau=k_tau, u_th=u_th, reset=reset, v=v)]
        )
        zero = torch.zeros(1, 1, dtype=torch.float64)
        o, u, _, _ = reference.run(
            torch.tensor(x)[:, None, None], zero, zero, k_tau=k_tau, reset=reset, u_th=u_th, keep_u=True,
            fire=lambda d: (d >= 0).double(), recurrent_weight=torch.full_like(zero, v) if v else None,
        )  # fmt: skip
        assert u is not None
        assert shown["u"] == u.flatten().tolist()
        assert shown["o"] == o.flatten().tolist()
        assert sum(shown["o"]) > 0


@pytest.mark.parametrize("opened", [("book/playground", "dark")], indirect=True)
def test_the_playground_follows_its_sliders(opened: Opened) -> None:
    page, faults = opened
    captions = page.locator(".lifroles-traces figcaption")
    assert captions.count() == 5
    before = captions.all_inner_texts()
    page.get_by_label("leakage coefficient").fill("0")
    said = dict(text.split(": ") for text in captions.all_inner_texts())
    assert said["Baseline"] == said["Complete leakage"] == said["Without reset"]
    page.get_by_label("threshold", exact=False).first.fill("0.1")
    page.locator("select[name=pattern]").select_option("constant")
    said = dict(text.split(": ") for text in captions.all_inner_texts())
    assert said["Baseline"] == "60 spikes in 60 steps"
    page.get_by_role("button", name="Start again").click()
    page.wait_for_function(
        "(text) => document.querySelector('.lifroles-traces figcaption').textContent === text", arg=before[0]
    )
    assert captions.all_inner_texts() == before
    assert not faults
