"""When a watched source is asked next, by what its host answered: a table of cases, and what holds for all of them."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.fetch import Answer
from digest.intake import polling
from digest.intake.polling import Standing
from tests.conftest import NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
URL = "https://site.example/feed/"
BEFORE = Standing(URL, checked_at=NOW - HOUR, read_at=NOW - HOUR, next_check_at=NOW, etag='"1"', last_modified="then")


def answer(status: int = 200, moved_to: str | None = None, **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Answer(status, named, b"", moved_to or URL, moved_to)


def well(given: Answer, before: Standing = BEFORE) -> Standing:
    return polling.went_well(before, given, every=HOUR, now=NOW)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("", HOUR),
        ("no-store", HOUR),
        ("max-age=60", HOUR),
        ("public, max-age=7200", 2 * HOUR),
        ('Max-Age = "7200"', 2 * HOUR),
        ("s-max-age=7200, x-max-age=7200", HOUR),
        ("max-age=31536000", DAY),
        ("max-age=99999999999999999999", HOUR),
        ("max-age=-7200", HOUR),
    ],
)
def test_the_next_look_comes_after_the_time_set_or_as_long_as_the_answer_keeps(said: str, wait: timedelta) -> None:
    assert well(answer(cache_control=said)).next_check_at == NOW + wait


def test_validators_are_those_of_the_last_answer_and_stay_when_nothing_has_changed() -> None:
    assert polling.validators(BEFORE) == {"If-None-Match": '"1"', "If-Modified-Since": "then"}
    assert polling.validators(well(answer(304))) == polling.validators(BEFORE)
    assert polling.validators(well(answer(304, etag='"2"'))) == {"If-None-Match": '"2"', "If-Modified-Since": "then"}
    assert polling.validators(well(answer(etag='W/"2"'))) == {"If-None-Match": 'W/"2"'}


@pytest.mark.parametrize("etag", ["a\r\n b", "\N{SNOWMAN}", "x" * 501, "  ", "\x00"])
def test_a_validator_that_cannot_be_sent_back_is_none(etag: str) -> None:
    assert polling.validators(well(answer(etag=etag))) == {}


def test_what_moved_for_good_is_asked_there_and_its_old_address_is_told() -> None:
    moved = well(answer(moved_to="https://new.example/feed/"))
    assert (moved.address, moved.moved_from) == ("https://new.example/feed/", URL)
    assert well(answer(), moved).moved_from == URL
    assert well(answer(moved_to=URL)).moved_from == ""


def test_failures_back_off_and_success_forgets_them() -> None:
    standing, waits = BEFORE, []
    for _ in range(12):
        standing = polling.failed(standing, "It is broken.", answer(500), now=NOW)
        waits.append(((standing.next_check_at or NOW) - NOW) // MINUTE)
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440, 1440]
    assert (standing.failures, standing.failing_since, standing.read_at) == (12, NOW, BEFORE.read_at)
    assert (standing.etag, standing.last_error) == ('"1"', "It is broken.")
    mended = well(answer(304), standing)
    assert (mended.failures, mended.failing_since, mended.last_error) == (0, None, "")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("7200", 2 * HOUR),
        ("1", 10 * MINUTE),
        ("Mon, 07 Sep 2026 14:00:00 GMT", 3 * HOUR),
        ("Mon, 07 Sep 2026 14:00:00", 3 * HOUR),
        ("Mon, 07 Sep 2020 14:00:00 GMT", 10 * MINUTE),
        ("999999999", 7 * DAY),
        ("soon", 10 * MINUTE),
        ("Mon, 99 Sep 2026 14:00:00 GMT", 10 * MINUTE),
        ("9" * 400, 10 * MINUTE),
    ],
)
def test_a_host_that_asks_for_patience_gets_it(status: int, said: str, wait: timedelta) -> None:
    after = polling.failed(BEFORE, "Not now.", answer(status, retry_after=said), now=NOW)
    assert after.next_check_at == NOW + wait


def test_what_is_gone_for_good_is_asked_no_more_and_staff_hear_of_it_once() -> None:
    gone = polling.failed(BEFORE, "Gone.", answer(410, retry_after="60"), now=NOW)
    assert (gone.state, gone.next_check_at, gone.last_error) == (polling.STOPPED, None, "Gone.")
    assert not polling.is_due(gone, NOW + 400 * DAY)
    assert polling.needs_a_person(BEFORE, gone)
    still = polling.failed(gone, "Away.", None, now=NOW + DAY)
    assert (still.state, still.next_check_at) == (polling.STOPPED, None)
    assert not polling.needs_a_person(gone, still)
    back = well(answer(), gone)
    assert (back.state, back.next_check_at) == (polling.WATCHED, NOW + HOUR)


@pytest.mark.parametrize(("days", "heard"), [(0, False), (6.9, False), (7, True), (30, True)])
def test_staff_hear_of_failures_after_a_week(days: float, heard: bool) -> None:
    first = polling.failed(BEFORE, "It is broken.", None, now=NOW)
    later = polling.failed(first, "It is broken.", None, now=NOW + days * DAY)
    assert polling.needs_a_person(first, later) is heard


def test_a_moment_that_a_wrong_clock_set_does_not_silence_a_source() -> None:
    assert polling.is_due(dataclasses.replace(BEFORE, next_check_at=NOW + 365 * DAY), NOW)
    assert not polling.is_due(dataclasses.replace(BEFORE, next_check_at=NOW + 7 * DAY), NOW)


texts = st.text(max_size=40) | st.integers(-10, 10**12).map(str)


@settings(max_examples=50)
@given(
    st.integers(100, 599), texts, texts, texts, texts, st.integers(0, 10**6),
    st.timedeltas(timedelta(minutes=5), timedelta(days=7)),
)  # fmt: skip
def test_no_host_can_raise_an_error_or_silence_a_source(
    status: int, ban: str, keeps: str, etag: str, date: str, failures: int, every: timedelta
) -> None:
    given = answer(status, retry_after=ban, cache_control=f"max-age={keeps}", etag=etag, last_modified=date)
    before = dataclasses.replace(BEFORE, failures=failures)
    standings = [polling.went_well(before, given, every=every, now=NOW)]
    standings += [polling.failed(before, "why", given, now=NOW)] if status != polling.GONE else []
    for one in standings:
        assert one.next_check_at is not None
        assert NOW + polling.FIRST_WAIT / 2 <= one.next_check_at <= NOW + polling.LONGEST_BAN < NOW + polling.FARTHEST
        assert polling.is_due(one, one.next_check_at)
        assert not polling.is_due(one, NOW)
