"""A small storm against one mailbox, and what the statistics of the timing attack are worth."""

from __future__ import annotations

from pathlib import Path

from subscribers import limits, suppression
from tests.attacks import storm, timing
from tests.stage import KEYS


def test_a_storm_brings_its_victim_one_mail(tmp_path: Path) -> None:
    with storm.new_home(tmp_path) as home:
        found = storm.storm(home, asks=200, different=100)
    assert found.answers == {303: 200}
    assert found.mails == 1


def test_forged_headers_make_no_other_network(tmp_path: Path) -> None:
    with storm.new_home(tmp_path, limits="") as home:
        found = storm.storm(home, asks=60)
    assert found.answers == {303: 20, 429: 40}


def test_the_spellings_are_one_mailbox() -> None:
    found = storm.spellings(500)
    assert len(set(found)) == 500
    assert len({limits.of_address(KEYS, suppression.address(one)) for one in found}) == 1


def test_the_statistic_tells_apart_what_differs_and_only_that() -> None:
    steady = [1.0 + n % 7 / 100 for n in range(600)]
    assert abs(timing.welch(steady, steady[::-1])) < timing.LIMIT
    assert timing.welch([value + 0.01 for value in steady], steady) > timing.LIMIT
