"""The pace: rates, blocks, sending hours and warm-up, as arithmetic and as rows that processes share."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from digest.config import PaceSection
from digest.db import Database, tuples
from digest.delivery import slots
from digest.delivery.local_days import Hours, WarmUp
from digest.delivery.pace import Grant, Pace
from digest.delivery.slots import SECOND, SKEW, Bucket
from digest.tables import EPOCH, micros, pace_buckets
from tests.conftest import NOW

T = TypeVar("T")

ZONE = "America/New_York"
AT = micros(NOW)
GMAIL, SMALL = "gmail.com", "small.example"

rates = st.floats(0.01, 5_000) | st.sampled_from([0.5, 1.0, 3.0, 20.0, 200.0])
gaps = st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 300)), min_size=1, max_size=40)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pace(zone: str = ZONE, **settings: Any) -> Pace:
    return Pace(PaceSection(**settings), zone=zone, carrier="smtp")


class Desk:
    """A pace at work in a database: each call is a transaction."""

    def __init__(self, db: Database, **settings: Any) -> None:
        self.db, self.pace = db, pace(**settings)

    def grant(self, wanted: int, now: datetime = NOW, *, hours: bool = True) -> Grant:
        return self.db.run(lambda conn: self.pace.grant(conn, wanted, now, hours=hours))

    def rows(self, wanted: int, now: datetime = NOW) -> int:
        return self.grant(wanted, now).rows

    def refund(self, rows: int, now: datetime = NOW) -> None:
        self.db.run(lambda conn: self.pace.refund(conn, rows, now))

    def admit(self, domains: list[str], now: datetime = NOW, *, paced: bool = False) -> list[float | None]:
        """Seconds after NOW, or None."""
        waits = self.db.run(lambda conn: self.pace.admit(conn, domains, now, paced=paced))
        return [None if wait is None else (wait - NOW).total_seconds() for wait in waits]

    def fail(self, now: datetime = NOW, *, wait: float = 0.0, domain: str = "", why: str = "421 busy") -> float:
        """Seconds from `now` to the end of the block."""
        until = self.db.run(lambda conn: self.pace.failed(conn, why, now, wait=wait, domain=domain))
        return (until - now).total_seconds()

    def work(self, now: datetime = NOW, domain: str = "") -> None:
        self.db.run(lambda conn: self.pace.worked(conn, now, domain=domain))

    def blocked(self, now: datetime = NOW, *, hours: bool = True) -> Grant | None:
        with self.db.reading() as conn:
            return self.pace.blocked(conn, now, hours=hours)

    def names(self) -> list[str]:
        with self.db.reading() as conn:
            return sorted(row[0] for row in tuples(conn.execute(sa.select(pace_buckets.c.name))))


Open = Callable[..., Desk]


@pytest.fixture
def desk(either_db: Database) -> Open:
    """Makes paces that share a database, as processes do."""
    return lambda **settings: Desk(either_db, **settings)


@pytest.fixture
def second(either_db: Database) -> Iterator[Database]:
    """The same database through connections of its own."""
    database = Database(either_db.url.render_as_string(hide_password=False))
    yield database
    database.close()


def statements(db: Database, step: Callable[[Connection], object]) -> list[str]:
    """The first words of what `step` executes in one transaction."""
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement.split()[0])

    with db.transaction() as conn:
        sa.event.listen(conn, "before_cursor_execute", note)
        step(conn)
    return seen


# --- arithmetic ------------------------------------------------------------------------------------------------


def busiest_excess(went: list[int], rate: slots.Rate) -> int:
    """The most rows beyond one each interval, in any stretch of time between two of them."""
    most = lowest = 0
    for n, moment in enumerate(went):
        due = n * rate.interval - moment
        lowest = min(lowest, due) if n else due
        most = max(most, due + rate.interval - lowest)
    return -(-most // rate.interval)


@settings(max_examples=150, deadline=None)
@given(rates, gaps)
def test_in_any_stretch_of_time_no_more_goes_than_the_rate_and_one_seconds_rows(per_second: float, steps: Any) -> None:
    rate = slots.rate(per_second)
    assert rate is not None
    assert rate.interval * per_second >= SECOND * (1 - 1e-12)
    assert rate.depth <= max(1, per_second)
    bucket, now = Bucket(), AT
    went: list[int] = []
    for gap, wanted in steps:
        now += gap
        rows, bucket = slots.take(bucket, rate, wanted, now)
        went += [now] * rows
    assert busiest_excess(went, rate) <= rate.depth


@settings(max_examples=150, deadline=None)
@given(rates, gaps)
def test_slots_lie_one_interval_apart_and_are_never_given_twice(per_second: float, steps: Any) -> None:
    rate = slots.rate(per_second)
    assert rate is not None
    bucket, now = Bucket(), AT
    given_slots: list[int] = []
    went: list[int] = []
    for gap, rows in steps:
        now += gap
        times, bucket = slots.reserve(bucket, rate, rows, now)
        kept = [slot for slot in times if slot < now + slots.HORIZON]
        given_slots += kept
        went += [max(slot, now) for slot in kept]
        assert len(kept) == rows or times[-1] == now + slots.HORIZON
    assert all(later - earlier >= rate.interval for earlier, later in itertools.pairwise(given_slots))
    assert busiest_excess(sorted(went), rate) <= rate.depth


@settings(max_examples=100, deadline=None)
@given(rates, gaps, st.integers(0, 20))
def test_what_was_granted_and_given_back_was_never_granted(per_second: float, steps: Any, back: int) -> None:
    rate = slots.rate(per_second)
    assert rate is not None
    bucket, now = Bucket(), AT
    for gap, wanted in steps:
        now += gap
        rows, taken = slots.take(bucket, rate, wanted, now)
        unused = min(rows, back)
        refunded = taken._replace(next_slot=(taken.next_slot or 0) - unused * rate.interval)
        assert slots.take(refunded, rate, 10**6, now)[0] == slots.take(bucket, rate, 10**6, now)[0] - rows + unused
        bucket = refunded


@settings(max_examples=200, deadline=None)
@given(rates, gaps, st.integers(-400 * slots.DAY, 400 * slots.DAY))
def test_a_clock_that_jumps_leaves_no_longer_wait_than_there_was(per_second: float, steps: Any, jump: int) -> None:
    rate = slots.rate(per_second)
    assert rate is not None
    carrier, domain, now = Bucket(), Bucket(), AT
    for gap, wanted in steps:
        now += gap
        carrier = slots.take(carrier, rate, wanted, now)[1]
        domain = slots.reserve(domain, rate, wanted, now)[1]
    ahead = max(0, (domain.next_slot or 0) - now)
    now += jump
    assert slots.first_free(carrier, rate, now, ahead=1) <= now + rate.interval + SKEW
    assert slots.first_free(domain, rate, now, ahead=domain.used) <= now + ahead + rate.interval + SKEW
    assert slots.take(carrier, rate, 10**6, now)[0] <= rate.depth
    assert slots.reserve(domain, rate, 1, now)[0][0] >= now - rate.depth * rate.interval


@pytest.mark.parametrize("waits", [slots.CARRIER_WAITS, slots.DOMAIN_WAITS])
def test_a_block_from_before_the_clock_was_set_back_ends(waits: tuple[int, ...]) -> None:
    bucket = Bucket()
    for _ in range(8):
        bucket = slots.block(bucket, "busy", bucket.blocked_until or AT, 0.0, waits)
        told = (bucket.blocked_until or 0) - waits[min(bucket.failures, len(waits)) - 1] * SECOND
        assert slots.blocked(bucket, told, waits) == bucket.blocked_until
        assert slots.blocked(bucket, told - SECOND, waits) == bucket.blocked_until
        assert slots.blocked(bucket, told - 7200 * SECOND, waits) is None
        assert slots.blocked(bucket, told + 3600 * SECOND, waits) is None


def test_odd_rates_are_bounded() -> None:
    assert slots.rate(0.0) is None
    assert slots.rate(float("nan")) is None
    assert slots.rate(float("inf")) == slots.Rate(1, SECOND)
    assert slots.rate(5e-324) == slots.Rate(slots.DAY, 1)
    times, bucket = slots.reserve(Bucket(), slots.Rate(slots.DAY, 1), 10_000, AT)
    assert times[-1] == AT + slots.HORIZON
    assert bucket.next_slot == AT + 2 * slots.DAY


# --- hours and days --------------------------------------------------------------------------------------------

CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),  # by half an hour
    ("America/Havana", datetime(2026, 3, 8, 5, tzinfo=UTC)),  # midnight is missing
    ("Atlantic/Azores", datetime(2026, 10, 25, 1, tzinfo=UTC)),  # midnight comes twice
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole date is missing
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CHANGES), st.integers(0, 23), st.integers(1, 24), st.integers(-30 * 60, 30 * 60))
def test_the_next_opening_is_the_first_minute_that_the_wall_clock_allows(
    change: tuple[str, datetime], first: int, length: int, minutes: int
) -> None:
    zone, moment = change
    hours = Hours(first, min(24, first + length), zone)
    now = moment + timedelta(minutes=minutes)

    def opens(at: datetime) -> bool:
        return hours.first <= at.astimezone(ZoneInfo(zone)).hour < hours.last

    told = hours.opening(now)
    minute = now
    while not opens(minute):
        minute += timedelta(minutes=1)
    assert (told is None) == opens(now)
    assert told is None or told == minute


@pytest.mark.parametrize(("zone", "moment"), CHANGES)
def test_a_day_of_the_warm_up_ends_when_the_local_date_changes(zone: str, moment: datetime) -> None:
    warm_up = WarmUp(((1, 10),), zone)
    for hour in range(-30, 30):
        now = moment + timedelta(hours=hour)
        midnight = warm_up.midnight(now)
        assert warm_up.today(midnight) > warm_up.today(now) == warm_up.today(midnight - timedelta(seconds=1))


def test_the_table_holds_until_its_last_day() -> None:
    warm_up = WarmUp(((2, 200), (4, 500)), "UTC")
    assert [warm_up.volume(day) for day in range(1, 7)] == [200, 200, 200, 500, None, None]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 200), st.integers(0, 50)), max_size=30))
def test_no_day_gets_more_than_its_volume_while_days_go_forward(steps: list[tuple[int, int, int]]) -> None:
    warm_up = WarmUp(((1, 100), (8, 300)), "UTC")
    bucket, day = Bucket(), date(2026, 9, 7)
    net: dict[str, int] = {}
    for days, wanted, back in steps:
        day += timedelta(days=max(0, days))
        today = day.isoformat()
        volume = warm_up.volume(warm_up.number(bucket, today))
        if volume is None:
            break
        rows = min(wanted, volume - warm_up.used(bucket, today))
        bucket = warm_up.give_back(warm_up.add(bucket, rows, today), min(rows, back), today)
        net[today] = net.get(today, 0) + rows - min(rows, back)
        assert net[today] == warm_up.used(bucket, today) <= volume
        assert bucket.first_day in (None, min(on for on, sum_ in net.items() if sum_ or on == today))


# --- without settings ------------------------------------------------------------------------------------------


def test_without_settings_everything_goes_and_each_call_reads_once_at_most(either_db: Database) -> None:
    free = pace()
    domains = [GMAIL] * 200
    assert free.window == 200
    assert statements(either_db, lambda conn: free.worked(conn, NOW)) == ["SELECT"]
    assert statements(either_db, lambda conn: free.grant(conn, 200, NOW)) == ["SELECT"]
    assert statements(either_db, lambda conn: free.admit(conn, domains, NOW, paced=False)) == ["SELECT"]
    assert statements(either_db, lambda conn: free.worked(conn, NOW, domain=GMAIL)) == []
    assert statements(either_db, lambda conn: free.refund(conn, 5, NOW)) == []
    desk = Desk(either_db)
    assert desk.grant(200) == Grant(200, None, "")
    assert desk.admit(domains) == [None] * 200
    assert desk.blocked() is None
    assert desk.names() == []


def test_the_window_is_one_second_of_the_rate() -> None:
    assert [pace(per_second=rate).window for rate in (0, 0.2, 5, 14.9, 200, 9_000)] == [200, 1, 5, 14, 200, 200]


# --- the carrier's rate ----------------------------------------------------------------------------------------


def test_processes_share_one_rate(desk: Open) -> None:
    one, other = desk(per_second=20), desk(per_second=20)
    assert one.rows(15) == 15
    assert other.rows(15) == 5
    told = one.grant(15)
    assert (told.rows, told.wait) == (0, after(0.05))
    assert "20 mails a second" in told.why
    assert other.rows(15, after(0.05)) == 1
    assert one.rows(200, after(0.5)) == 9
    assert one.rows(200, after(3600)) == 20
    assert one.blocked(after(3600)) is None


def test_what_is_given_back_is_granted_again(desk: Open) -> None:
    one = desk(per_second=20)
    assert one.rows(20) == 20
    one.refund(7)
    assert one.rows(20) == 7
    one.refund(20)
    assert one.rows(200, after(60)) == 20


def test_two_senders_at_once_never_get_more_than_the_rate(either_db: Database, second: Database) -> None:
    moments = [after(n / 10) for n in range(15)]  # as far apart as clocks may be
    desks = [Desk(database, per_second=50) for database in (either_db, second)]
    got: list[int] = []

    def work(mine: Desk) -> None:
        got.append(sum(mine.rows(3, moment) for moment in moments for _ in range(2)))

    together([partial(work, one) for one in desks])
    assert 90 <= sum(got) <= 50 * 1.4 + 50


def test_two_senders_at_once_never_get_the_same_slot(either_db: Database, second: Database) -> None:
    desks = [Desk(database, per_domain={"*": 10}) for database in (either_db, second)]
    seen: list[tuple[int, float]] = []

    def work(mine: Desk) -> None:
        for turn in range(30):
            domains = [SMALL, GMAIL, "b.org"] if turn % 2 else ["b.org", GMAIL, SMALL]
            seen.extend(
                zip((len(name) for name in domains), (wait or 0.0 for wait in mine.admit(domains)), strict=True)
            )

    together([partial(work, one) for one in desks])
    waits = [moment for moment in seen if moment[1]]
    assert len(waits) == 3 * (60 - 10)
    assert len(set(waits)) == len(waits)


def together(steps: list[Callable[[], object]]) -> None:
    """Runs each step in a thread, and raises what one of them raised."""
    faults: list[BaseException] = []
    start = threading.Barrier(len(steps))

    def run(step: Callable[[], object]) -> None:
        try:
            start.wait()
            step()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


# --- domains ---------------------------------------------------------------------------------------------------


def test_each_row_of_a_slow_domain_gets_its_slot_and_the_others_go(desk: Open) -> None:
    one, other = desk(per_domain={GMAIL: 2}), desk(per_domain={"Gmail.com": 2})
    assert one.admit([GMAIL, SMALL, "GMAIL.com", SMALL, GMAIL]) == [None, None, None, None, 0.5]
    assert other.admit([GMAIL, GMAIL]) == [1.0, 1.5]
    assert one.admit([GMAIL, GMAIL], after(0.5), paced=True) == [None, None]
    assert one.admit([GMAIL], after(0.5)) == [2.0]
    assert one.admit([GMAIL, GMAIL, GMAIL], after(60)) == [None, None, 60.5]


def test_a_star_is_the_rate_of_each_domain_that_is_not_named(desk: Open) -> None:
    one = desk(per_domain={"*": 1, GMAIL: 2})
    assert one.admit([SMALL, GMAIL, "b.example", SMALL, GMAIL, GMAIL]) == [None, None, None, 1.0, None, 0.5]


def test_slots_end_at_the_horizon(desk: Open) -> None:
    one = desk(per_domain={GMAIL: 1 / 36_000})
    assert one.admit([GMAIL] * 5) == [None, 36_000, 72_000, 86_400, 86_400]
    assert one.admit([GMAIL], after(36_000)) == [108_000]


def test_domains_that_nothing_goes_to_are_forgotten_after_a_day(desk: Open) -> None:
    one = desk(per_domain={"*": 1})
    one.admit([SMALL, GMAIL])
    one.fail(domain="down.example")
    one.admit([GMAIL], after(86_300))
    assert one.names() == ["smtp", "smtp down.example", "smtp gmail.com", "smtp small.example"]
    one.admit([GMAIL], after(90_000))
    assert one.names() == ["smtp", "smtp gmail.com"]


# --- blocks ----------------------------------------------------------------------------------------------------


def test_a_carrier_that_takes_nobody_is_asked_again_later_and_later(desk: Open) -> None:
    one, other = desk(), desk()
    now, waits = NOW, []
    for _ in range(7):
        waits.append(one.fail(now))
        closed = other.grant(200, now)
        assert (closed.rows, closed.wait) == (0, now + timedelta(seconds=waits[-1]))
        assert closed.why.endswith("421 busy")
        assert one.blocked(now) == closed
        now += timedelta(seconds=waits[-1])
        assert other.rows(200, now) == 200
    assert waits == [15, 30, 60, 120, 300, 600, 600]
    other.work(now)
    assert one.fail(now) == 15


def test_a_person_may_have_the_carrier_asked_again_at_once(either_db: Database) -> None:
    pace = Pace(PaceSection(), zone="UTC", carrier="smtp")

    def ask(conn: Connection) -> bool:
        return pace.ask_again(conn, NOW)

    assert not either_db.run(ask)
    either_db.run(lambda conn: pace.failed(conn, "421 busy", NOW))
    closed = either_db.run(lambda conn: pace.blocked(conn, NOW))
    assert closed is not None
    assert closed.carrier
    assert either_db.run(ask)
    assert either_db.run(lambda conn: pace.blocked(conn, NOW)) is None
    again = either_db.run(lambda conn: pace.failed(conn, "421 busy", NOW))
    assert again == NOW + timedelta(seconds=30)  # it counts on


def test_a_domain_that_defers_waits_and_the_others_go_on(desk: Open) -> None:
    one, other = desk(), desk()
    now, waits = NOW, []
    for _ in range(5):
        waits.append(one.fail(now, domain="Gmail.com"))
        until = (now - NOW).total_seconds() + waits[-1]
        assert other.admit([GMAIL, SMALL], now) == other.admit([GMAIL, SMALL], now, paced=True) == [until, None]
        now += timedelta(seconds=waits[-1])
        assert other.admit([GMAIL, SMALL], now) == [None, None]
    assert waits == [60, 300, 900, 3600, 3600]
    assert one.rows(200, now) == 200
    other.work(now, domain=GMAIL)
    assert one.fail(now, domain=GMAIL) == 60


def test_failures_told_within_a_block_count_once(desk: Open) -> None:
    one, other = desk(), desk()
    assert one.fail() == 15
    assert other.fail(after(1)) == 14
    assert other.fail(after(2), wait=60) == 60
    assert one.fail(after(61.9)) == pytest.approx(0.1)
    assert one.fail(after(62)) == 30


def test_a_wait_that_was_asked_for_is_kept_up_to_five_minutes(desk: Open) -> None:
    one = desk()
    assert one.fail(wait=42.5) == 42.5
    assert one.fail(after(60), wait=86_400) == 300
    assert one.rows(1, after(359)) == 0
    assert one.rows(1, after(360)) == 1


def test_that_it_works_again_forgets_the_block_and_writes_only_then(either_db: Database) -> None:
    one, other = Desk(either_db), Desk(either_db)
    other.admit([GMAIL])
    one.fail(domain=GMAIL)
    one.fail()
    assert statements(either_db, lambda conn: other.pace.worked(conn, NOW)) == []  # it saw no failure yet
    assert other.rows(9) == 0
    other.work()
    assert other.rows(9) == 9
    assert other.admit([GMAIL]) == [60.0]
    other.work(domain="GMAIL.COM")
    assert statements(either_db, lambda conn: other.pace.worked(conn, NOW, domain=GMAIL)) == []
    assert other.admit([GMAIL]) == [None]
    assert other.fail(domain=GMAIL) == 60
    other.work(domain=GMAIL)
    assert other.fail(domain=GMAIL) == 60
    fresh = Desk(either_db)
    fresh.work(domain=GMAIL)
    assert fresh.admit([GMAIL]) == [None]


def test_a_block_of_one_carrier_is_not_anothers(either_db: Database) -> None:
    one = Desk(either_db)
    other = Pace(PaceSection(), zone=ZONE, carrier="sendgrid")
    one.fail()
    one.fail(domain=GMAIL)
    with either_db.transaction() as conn:
        assert other.grant(conn, 5, NOW).rows == 5
        assert other.admit(conn, [GMAIL], NOW, paced=False) == [None]


def test_after_a_block_the_slots_of_a_domain_are_spread_at_its_rate(desk: Open) -> None:
    one = desk(per_domain={GMAIL: 2})
    assert one.admit([GMAIL] * 3) == [None, None, 0.5]
    one.fail(domain=GMAIL)
    assert one.admit([GMAIL, SMALL, GMAIL], after(1)) == [60.0, None, 60.5]
    assert one.admit([GMAIL, SMALL], after(1), paced=True) == [61.0, None]
    assert one.admit([GMAIL], after(60), paced=True) == [None]


# --- clocks that jump ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1, -2, 400 * 24, -400 * 24])
def test_a_jump_of_the_clock_neither_bursts_nor_silences(desk: Open, hours: int) -> None:
    one = desk(per_second=10, per_domain={GMAIL: 2})
    assert one.rows(200) == 10
    assert one.admit([GMAIL] * 3) == [None, None, 0.5]
    one.fail(domain=SMALL)
    one.fail()
    then = after(hours * 3600)
    assert 1 <= one.rows(200, then) <= 10
    first, second, third = one.admit([GMAIL] * 3, then)
    assert first is None
    assert third is not None
    assert third - hours * 3600 <= 1.0
    assert second is None or second - hours * 3600 <= 0.5
    assert one.admit([SMALL], then) == [None]
    assert one.rows(200, then + timedelta(seconds=5)) == 10


def test_a_raised_rate_counts_at_once(desk: Open) -> None:
    slow = desk(per_second=0.01, per_domain={GMAIL: 0.01})
    assert slow.rows(5) == 1
    assert slow.grant(1).wait == after(100)
    assert slow.admit([GMAIL] * 3) == [None, 100, 200]
    fast = desk(per_second=10, per_domain={GMAIL: 10})
    assert fast.rows(5, after(1)) == 1
    assert fast.admit([GMAIL, GMAIL], after(1)) == [None, 1.1]


# --- sending hours and warm-up ---------------------------------------------------------------------------------


def test_outside_the_sending_hours_nothing_goes_until_they_open(desk: Open) -> None:
    one = desk(hours="8-20")
    eight = NOW.astimezone(ZoneInfo(ZONE)).replace(hour=8, minute=0).astimezone(UTC)
    closed = one.grant(5)
    assert (closed.rows, closed.wait) == (0, eight)
    assert "8:00" in closed.why
    assert ZONE in closed.why
    assert one.blocked() == closed
    assert one.grant(5, hours=False).rows == 5
    assert one.blocked(hours=False) is None
    assert one.rows(5, eight) == 5
    assert one.rows(5, eight + timedelta(hours=11, minutes=59)) == 5
    assert one.grant(5, eight + timedelta(hours=12)).wait == eight + timedelta(days=1)


def test_of_several_reasons_the_longest_is_told(desk: Open) -> None:
    one = desk(hours="8-20")
    one.fail()
    assert "8:00" in one.grant(5).why
    assert one.grant(5, hours=False).wait == after(15)


def test_a_warm_up_grants_each_days_volume_and_ends(desk: Open) -> None:
    one, other = desk(warm_up=((1, 20), (3, 50))), desk(warm_up=((1, 20), (3, 50)))
    midnight = (NOW.astimezone(ZoneInfo(ZONE)) + timedelta(days=1)).replace(hour=0, minute=0).astimezone(UTC)
    assert one.rows(15) == 15
    assert other.rows(15) == 5
    shut = one.grant(15)
    assert (shut.rows, shut.wait) == (0, midnight)
    assert "20 mails of day 1" in shut.why
    assert one.blocked() == shut
    one.refund(4)
    assert other.rows(15) == 4
    assert one.rows(200, midnight - timedelta(seconds=1)) == 0
    assert [one.rows(200, midnight + timedelta(days=n)) for n in range(4)] == [20, 50, 200, 200]


def test_a_first_day_on_which_all_was_given_back_was_none(desk: Open) -> None:
    one = desk(warm_up=((1, 20), (2, 50)))
    assert one.rows(20) == 20
    one.refund(20)
    assert one.rows(200, NOW + timedelta(days=1)) == 20
    one.refund(5, NOW + timedelta(days=2))  # of yesterday: today's is not touched
    assert one.rows(200, NOW + timedelta(days=2)) == 50


def test_a_clock_set_back_counts_on_and_grants_no_volume_twice(desk: Open) -> None:
    one = desk(warm_up=((1, 20), (2, 50)))
    tomorrow = NOW + timedelta(days=1)
    assert one.rows(5) == 5
    assert one.rows(200, tomorrow) == 50
    assert one.rows(200) == 0
    assert one.rows(200, tomorrow) == 50  # a day begins when the clock shows it


def test_a_clock_once_weeks_ahead_withholds_no_volume_after_the_next_midnight(desk: Open) -> None:
    one = desk(warm_up=((1, 20), (2, 50), (30, 500)))
    assert one.rows(5) == 5
    assert one.rows(500, NOW + timedelta(days=29)) == 500
    assert one.rows(200) == 0
    assert one.rows(200, NOW + timedelta(days=1)) == 50
    assert one.rows(200, NOW - timedelta(days=100)) == 0
    assert one.rows(200, NOW - timedelta(days=99)) == 20  # before its first day, a warm-up begins anew


def test_a_clock_once_a_year_ahead_changes_nothing_afterwards(desk: Open) -> None:
    one = desk(warm_up=((1, 20), (2, 50)))
    assert one.rows(5) == 5
    assert one.rows(500, NOW + timedelta(days=400)) == 500  # by that clock the warm-up is over
    assert one.rows(200) == 15


def test_the_rate_and_the_warm_up_both_hold(desk: Open) -> None:
    one = desk(per_second=10, warm_up=((1, 15),))
    assert [one.rows(200, after(n)) for n in range(3)] == [10, 5, 0]
    one.refund(3, after(2))
    assert one.rows(200, after(2)) == 3


def test_nothing_is_asked_for_nothing(desk: Open) -> None:
    one = desk(per_second=10)
    assert one.grant(0) == Grant(0)
    assert one.admit([]) == []
    one.refund(0)
    assert one.names() == []


def test_moments_are_aware_and_utc(desk: Open) -> None:
    one = desk(per_domain={GMAIL: 1})
    waits = one.db.run(lambda conn: one.pace.admit(conn, [GMAIL] * 2, NOW, paced=False))
    assert waits[1] is not None
    assert waits[1].tzinfo is UTC
    assert waits[1] - EPOCH == NOW - EPOCH + timedelta(seconds=1)
