"""Every public page in a real browser: at 320 pixels, in light and dark, by keyboard, with scripts off."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, sync_playwright

from digest import items
from subscribers import members
from tests.conftest import NOW
from tests.digest.web import serving

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Walks up to the first opaque background; WCAG 2.2, relative luminance and contrast ratio.
CONTRAST = """
() => {
  const channels = (color) => {
    const parts = color.match(/[\\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.alpha === 1) return found.rgb;
    }
    return [255, 255, 255];
  };
  const faults = [];
  let looked = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !element.getClientRects().length) continue;
    looked += 1;
    const [one, other] = [channels(getComputedStyle(element).color).rgb, ground(element)].map(luminance);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faults.push(`${ratio.toFixed(2)}: ${texts.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return { looked, faults };
}
"""
# What sticks out to the right, apart from what scrolls inside a region of its own.
OVERFLOW = """
() => {
  const wide = document.documentElement.scrollWidth;
  return wide <= innerWidth ? [] : [`${wide}`, ...[...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))];
}
"""


# What axe looks at: everything once, in light at 320 pixels; then what colors and what width can change.
EVERYTHING: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
COLORS = EVERYTHING | {"runOnly": ["color-contrast", "link-in-text-block"]}
WIDTH = EVERYTHING | {"runOnly": ["color-contrast", "target-size", "scrollable-region-focusable", "region"]}
AXE = "options => axe.run(document, options).then(found => found.violations.map(one => one.id))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it, started once."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        missing = "There is no chromium. Install Debian's package chromium."
        if os.environ.get("CI") == "true":
            pytest.fail(f"A browser is needed with CI=true. {missing}")
        pytest.skip(f"NOT TESTED IN A BROWSER. {missing}")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The running site and the paths of one page of every sort, by name."""
    home = serving.filled(tmp_path_factory.mktemp("pages") / "home", sqlite_template)
    paths = {
        "home": "/",
        "earlier items": "/?before=told",
        "a topic and a kind": "/?kind=fact+sheet&topic=hiring",
        "a kind that is empty": "/?kind=poems",
        "item": "/items/backgrounder-jurisdictions-permitting-lpr-hiring",
        "long words": "/items/long",
        "updated": "/items/told",
        "withdrawn": "/items/taken-back",
        "no year": "/items/no-year",
        "topics": "/topics/",
        "topic": "/topics/hiring",
        "years": "/archive/",
        "year": "/archive/2026",
        "found": "/search?q=officer+hiring",
        "nothing found": "/search?q=xyzzy&kind=article",
        "feeds": "/feeds/",
        "editions": "/editions/",
        "edition": "/editions/1",
        "ask": "/ask",
        "privacy": "/privacy",
        "subscribe": "/subscribe",
        "sent": "/subscribe/sent",
        "confirm": serving.confirm_link(home),
        "unsubscribe": "/u/" + serving.token(home, "unsubscribe"),
        "preferences": "/p/" + serving.token(home, "preferences"),
        "broken link": "/u/broken",
        "not found": "/nope",
    }
    with home.db.transaction() as conn:
        items.revise(conn, "told", now=NOW, tell="Now with August too.", updated_on="2026-09-07")
        members.add(conn, home.keys, "leaver@example.org", digest_id=1, now=NOW)
    paths["unsubscribe of another"] = "/u/" + serving.token(home, "unsubscribe", 2)
    with serving.serve(home) as address:
        yield address, paths
    home.close()


def page_of(browser: Browser, **options: Any) -> Page:
    return browser.new_context(java_script_enabled=options.pop("scripts", True), **options).new_page()


def faults_of(page: Page) -> Iterator[str]:
    """What is wrong with the page as it stands: in light and dark at 320 pixels, then wide."""
    yield from (f"axe: {one}" for one in page.evaluate(AXE, EVERYTHING))
    yield from (f"sticks out: {one}" for one in page.evaluate(OVERFLOW))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrast = page.evaluate(CONTRAST)
        assert contrast["looked"] > 5
        yield from (f"faint in {scheme}: {one}" for one in contrast["faults"])
    yield from (f"axe in dark: {one}" for one in page.evaluate(AXE, COLORS))
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")
    yield from (f"axe at 1280: {one}" for one in page.evaluate(AXE, WIDTH))
    yield from (f"sticks out at 1280: {one}" for one in page.evaluate(OVERFLOW))


def test_every_page_is_for_everyone_and_keeps_to_itself(browser: Browser, site: tuple[str, dict[str, str]]) -> None:
    address, paths = site
    page = page_of(browser, reduced_motion="reduce")  # else colors are on their way for a moment
    page.add_init_script(AXE_SCRIPT)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if "Security Policy" in message.text else None)
    faults: dict[str, list[str]] = {}
    for name, path in paths.items():
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto(address + path)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(245, 247, 246)", path
        if found := [*complaints, *faults_of(page)]:  # what axe does itself may go against the policy: that comes after
            faults[name] = found
        complaints.clear()
    assert faults == {}
    assert [url for url in asked if not url.startswith(address)] == []


def test_every_stop_of_the_keyboard_is_visible(browser: Browser, site: tuple[str, dict[str, str]]) -> None:
    address, paths = site
    page = page_of(browser, viewport={"width": 1200, "height": 800})
    for name in ("home", "feeds", "unsubscribe"):
        page.goto(address + paths[name])
        stops = page.evaluate("document.querySelectorAll('a[href], button, input, [tabindex=\"0\"]').length")
        seen = set()
        for _ in range(min(stops, 40)):
            page.keyboard.press("Tab")
            look = page.evaluate(
                """() => { const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();
                return [s.outlineStyle, s.outlineWidth, b.left >= 0 && b.width > 0, e.outerHTML.slice(0, 90)]; }"""
            )
            assert look[:3] == ["solid", "3px", True], (name, look)
            seen.add(look[3])
        assert len(seen) > 3, name


def test_a_reader_without_scripts_finds_an_item_and_leaves(browser: Browser, site: tuple[str, dict[str, str]]) -> None:
    address, paths = site
    page = page_of(browser, scripts=False, viewport={"width": 390, "height": 800})
    page.goto(address + "/")
    page.get_by_role("link", name="Backgrounders 3").click()
    page.get_by_role("link", name="Jurisdictions Permitting LPR Hiring").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Backgrounder: Jurisdictions Permitting LPR Hiring"
    page.get_by_role("searchbox", name="Search for").fill("priorit")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Comparison of the Obama").click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("Comparison of the Obama, Trump, and Biden")
    page.goto(address + paths["unsubscribe of another"])
    page.get_by_role("button", name="Unsubscribe").click()
    assert page.get_by_role("heading", level=1).inner_text() == "You are unsubscribed"
    assert page.url == address + paths["unsubscribe of another"]


def test_an_item_prints_without_navigation(browser: Browser, site: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, paths = site
    page = page_of(browser, viewport={"width": 800, "height": 800}, color_scheme="dark")
    page.goto(address + paths["item"])
    page.emulate_media(media="print")
    for gone in ("nav", "form", ".sign-up", ".paper"):
        assert page.locator(gone).count(), gone
        assert not page.locator(gone).first.is_visible(), gone
    assert page.locator("article h1").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
