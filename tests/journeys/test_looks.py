"""Every page of the console is for everyone: wide and light, narrow and dark, by keyboard, and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser

from digest.errors import Refused
from tests.digest.web import siege
from tests.digest.web.siege import Siege
from tests.journeys import looks
from tests.journeys.test_pages import COLORS, browser

pytestmark = pytest.mark.browser

__all__ = ["browser"]


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with siege.laid(tmp_path_factory.mktemp("looks")) as found:
        yield found


def test_every_page_is_whole_for_eyes_ears_and_keyboard(browser: Browser, laid: Siege) -> None:
    found: dict[str, list[str]] = {}
    complaints: list[str] = []
    with looks.signed_in(browser, laid, viewport=looks.WIDE) as context:
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
        for address in looks.pages(laid, 1):
            if looks.shown(page, laid, address):
                found[address] = [*complaints, *looks.faults(page)]
                complaints.clear()
    assert len(found) > 25
    assert {address: wrong for address, wrong in found.items() if wrong} == {}


def test_every_page_is_whole_narrow_and_dark(browser: Browser, laid: Siege) -> None:
    found: dict[str, list[str]] = {}
    with looks.signed_in(browser, laid, viewport=looks.NARROW, color_scheme="dark") as context:
        page = context.new_page()
        for address in looks.pages(laid, 1):
            if looks.shown(page, laid, address):
                found[address] = [*looks.skin_faults(page)]
    assert len(found) > 25
    assert {address: wrong for address, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("break_it", ["color: #777; background: #888", "width: 1500px", "outline: none !important"])
def test_what_is_wrong_with_a_page_is_seen(browser: Browser, laid: Siege, break_it: str) -> None:
    with looks.signed_in(browser, laid, viewport=looks.WIDE, bypass_csp=True) as context:
        page = context.new_page()
        assert looks.shown(page, laid, "/staff/activity")
        page.add_style_tag(content=f"main, main * {{ {break_it} }}")
        assert [*looks.faults(page, COLORS)] != []


def test_a_page_of_the_table_with_a_new_parameter_is_not_forgotten(laid: Siege) -> None:
    world = laid.world
    fewer = {name: things for name, things in world.things.items() if name != "letters/{id}"}
    with pytest.raises(Refused, match="name real things for"):
        looks.pages(replace(laid, world=replace(world, things=fewer)))
