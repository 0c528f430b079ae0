"""A server that is killed half-way through a send from the browser: nothing lost, nothing doubled, and a page that
tells the truth all the while."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.journeys import big_send
from tests.journeys.big_send import Look, Told
from tests.journeys.test_pages import browser

pytestmark = [pytest.mark.browser, pytest.mark.crash]
N = 60  # from 51 on the number is typed

__all__ = ["browser"]


def test_a_send_goes_on_after_its_server_was_killed(browser: Browser, tmp_path: Path) -> None:
    big_send.make_home(tmp_path / "home", N, per_second=20)
    told = big_send.run(tmp_path / "home", N, browser)
    assert N // 2 <= told.mails_at_kill < N
    assert (told.doubled, told.lost, told.strangers) == (0, 0, 0)
    assert told.looks[-1].state == "sent"
    assert told.looks[-1].parts == {"planned": N, "accepted": N}


def test_a_page_that_claims_too_much_or_does_not_add_up_is_seen() -> None:
    Look(1.0, "sending", {"planned": 10, "accepted": 4, "still to go": 6}, mails=4).check()
    with pytest.raises(AssertionError):
        Look(1.0, "sending", {"planned": 10, "accepted": 4, "still to go": 6}, mails=3).check()
    with pytest.raises(AssertionError):
        Look(1.0, "sending", {"planned": 10, "accepted": 4, "still to go": 5}, mails=4).check()


def test_mails_are_counted_by_their_addresses(tmp_path: Path) -> None:
    (tmp_path / "mail" / "new").mkdir(parents=True)
    for name, to in (("a", "reader-0@example.org"), ("b", "Rita <reader-0@example.org>"), ("c", "other@example.org")):
        (tmp_path / "mail" / "new" / name).write_text(f"Subject: x\nTo: {to}\n\nTo: nobody@example.org\n")
    told = Told(2)
    big_send.count(tmp_path, told)
    assert (told.doubled, told.lost, told.strangers) == (1, 1, 1)
