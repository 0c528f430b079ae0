"""Every page of the console as a browser shows it to an owner: found from the route table, over a home full of things.

`faults` says what is wrong with a page for somebody: what axe finds, what sticks out, words that are faint, controls
that the keyboard does not reach or that do not show it. The suite asks for each page once wide and light, and once
narrow and dark; run as a program all four are asked for whole, and pictures are kept:
`python -m tests.journeys.looks --out FOLDER`.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from digest.bench import routes
from digest.staff import accounts
from tests.digest.web import siege
from tests.digest.web.siege import Siege
from tests.journeys.test_pages import ARGUMENTS, AXE, CONTRAST, EVERYTHING, OVERFLOW

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 320, "height": 640}
EACH = 7  # things of one kind that are looked at
# Each control takes the focus in its turn, and shows that it has it.
FOCUS = """
() => {
  const wrong = [];
  for (const closed of document.querySelectorAll("details")) closed.open = true;
  const controls = document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']");
  for (const control of controls) {
    if (!control.getClientRects().length || control.disabled || control.closest("[aria-hidden=true]")) continue;
    if (control.tabIndex < 0) { wrong.push(`not in turn: ${control.outerHTML.slice(0, 80)}`); continue; }
    control.focus();
    const look = getComputedStyle(control);
    if (document.activeElement !== control) wrong.push(`takes no focus: ${control.outerHTML.slice(0, 80)}`);
    else if (look.outlineStyle === "none" || parseFloat(look.outlineWidth) < 2)
      wrong.push(`focus does not show: ${control.outerHTML.slice(0, 80)}`);
  }
  return wrong;
}
"""


def pages(laid: Siege, each: int = EACH) -> list[str]:
    """The addresses of the pages for staff."""
    found = []
    for route in routes.routes("GET"):
        if route.least in accounts.ROLES:
            found += route.addresses(laid.world.things)[:each]
    return found


def signed_in(browser: Browser, laid: Siege, **options: Any) -> BrowserContext:
    """Windows of an owner, in which axe is at hand."""
    context = browser.new_context(reduced_motion="reduce", **options)
    context.add_init_script(AXE_SCRIPT)
    cookie = {"name": "digest-staff", "value": laid.world.owner, "url": str(laid.client.base_url)}
    context.add_cookies([cookie])  # type: ignore[list-item]
    return context


def shown(page: Page, laid: Siege, address: str) -> bool:
    """Opens it; whether it is a page, and not a mail that stands in one, or a file."""
    try:
        answer = page.goto(f"{str(laid.client.base_url).rstrip('/')}{address}")
    except Error:  # a file, which is downloaded
        return False
    return answer is not None and "sandbox" not in answer.headers.get("content-security-policy", "")


def faults(page: Page, options: Any = EVERYTHING) -> Iterator[str]:
    """What is wrong with the page as it stands."""
    yield from (f"axe: {one}" for one in page.evaluate(AXE, options))
    yield from skin_faults(page)
    yield from _frame_faults(page)
    page.keyboard.press("Tab")
    yield from page.evaluate(FOCUS)


def skin_faults(page: Page) -> Iterator[str]:
    """What colors and widths can do wrong."""
    yield from (f"sticks out: {one}" for one in page.evaluate(OVERFLOW))
    yield from (f"faint: {one}" for one in page.evaluate(CONTRAST)["faults"])


def _frame_faults(page: Page) -> Iterator[str]:
    headings = page.locator("h1").count()
    if headings != 1:
        yield f"{headings} headings of the first rank"
    if not page.title().strip():
        yield "no title"
    if page.locator("main").count() != 1:
        yield "no main part"


def chromium() -> str | None:
    """Where it is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def main() -> None:
    """Looks at everything, and keeps pictures of it."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--only", default="")
    asked = words.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder, siege.laid(Path(folder)) as laid, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        count = 0
        for scheme in ("light", "dark"):
            for size in (WIDE, NARROW):
                with signed_in(browser, laid, color_scheme=scheme, viewport=size) as context:
                    page = context.new_page()
                    for address in pages(laid):
                        if asked.only not in address or not shown(page, laid, address):
                            continue
                        count += 1
                        name = address.removeprefix("/staff").strip("/").replace("/", "-") or "today"
                        file = asked.out / f"{name[:60]}-{scheme}-{size['width']}.png"
                        page.screenshot(path=file, full_page=True)
                        for fault in faults(page):
                            print(f"{address} {scheme} {size['width']}: {fault}", flush=True)
        browser.close()
    print(f"{count} pages looked at")


if __name__ == "__main__":
    main()
