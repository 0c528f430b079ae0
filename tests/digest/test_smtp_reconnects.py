"""When the next connection may be tried."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.transports.smtp.reconnects import Reconnects


def paced(pause: float = 1.0, longest: float = 60.0) -> Reconnects:
    return Reconnects(pause, longest, jitter=lambda: 0.5)


def test_the_first_try_is_alone_and_its_success_lets_all_others_come() -> None:
    pace = paced()
    assert pace.may(0, opening=0)
    assert not pace.may(0, opening=1)
    pace.opened(0, replaces=pace.began())
    assert pace.may(0, opening=5)


def test_pauses_grow_after_failures_and_end_with_a_success() -> None:
    pace, now = paced(), 0.0
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        pace.failed(now, now)
        assert not pace.may(now + pause - 0.01, opening=0)
        now += pause
        assert pace.may(now, opening=0)
    pace.opened(now, replaces=pace.began())
    assert pace.may(now, opening=3)
    pace.failed(now, now)
    assert pace.may(now + 1, opening=0)


def test_tries_side_by_side_that_fail_count_as_one() -> None:
    pace = paced()
    pace.opened(0, replaces=False)
    for _ in range(7):
        pace.failed(10, 10.1)
    assert pace.may(11.2, opening=0)


def test_one_that_had_delivered_is_replaced_without_the_long_pause_but_never_within_the_shortest() -> None:
    pace = paced()
    for moment in (0, 10, 20, 30):
        pace.failed(moment, moment)
    pace.earned()
    assert not pace.may(30.9, opening=0)
    assert pace.may(31, opening=0)
    assert pace.began()
    pace.opened(31, replaces=True)
    assert not pace.may(31, opening=0)  # that it could be replaced does not show room for more
    assert pace.may(38, opening=0)


def test_a_failure_takes_back_what_was_earned() -> None:
    pace = paced()
    pace.opened(0, replaces=False)
    pace.earned()
    pace.failed(1, 1)
    pace.failed(3, 3)
    assert not pace.may(4.5, opening=0)


def test_who_comes_after_giving_up_waits_for_the_shortest_pause_only() -> None:
    pace = paced()
    for moment in range(10):
        pace.failed(moment, moment)
    pace.start_over()
    assert not pace.may(9.9, opening=0)
    assert pace.may(10, opening=0)


@given(st.floats(0, 1))
def test_no_jitter_makes_a_pause_shorter_than_the_shortest(chance: float) -> None:
    pace = Reconnects(1.0, 60.0, jitter=lambda: chance)
    pace.failed(0, 0)
    assert not pace.may(0.99, opening=0)
