"""The wall clock jumps in the middle of a run: nobody has it twice, nobody is lost, and leases are not fooled."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from digest import review
from digest.db import Database
from digest.tables import State
from subscribers import offices
from tests.faults import runs, truth, wallclock
from tests.faults.conftest import Mailbox
from tests.faults.ground import EDITION, Ground

HOUR = timedelta(hours=1)
BATCHES = {"FAULTS_BATCH": "50"}  # so that some are leased before the jump, and others after it


@pytest.fixture
def clock(tmp_path: Path) -> wallclock.Clock:
    """A clock that is right as yet."""
    return wallclock.make(tmp_path)


STAFF = "staff@example.org"


def copies(mailbox: Mailbox) -> Counter[str]:
    """What readers have; staff may have been told something."""
    return Counter({address: number for address, number in mailbox.copies().items() if address != STAFF})


def jump_in_the_middle(
    here: Ground, folder: Path, mailbox: Mailbox, clock: wallclock.Clock, by: timedelta
) -> truth.Seen:
    """A run under a clock that jumps, as the run leaves the ledger."""
    environment = mailbox.environment | clock.environment | BATCHES
    with runs.start(here, folder, environment=environment) as run:
        run.until_under_way(mailbox)
        with run.standing_still():
            clock.jump(by)
            assert mailbox.total < here.readers
        run.end()
    seen = truth.look(here.url)
    truth.check(seen, copies(mailbox), here.addresses)
    assert not seen.who(State.UNSURE, State.TRYING)
    return seen


def test_a_run_takes_no_notice_of_an_hour_that_is_missing(
    tmp_path: Path, on_either: Ground, mailbox: Mailbox, clock: wallclock.Clock
) -> None:
    seen = jump_in_the_middle(on_either, tmp_path, mailbox, clock, HOUR)
    truth.check_end(seen, mailbox.copies(), on_either.addresses)


def test_what_is_not_due_yet_by_a_clock_set_back_waits_until_it_is(
    tmp_path: Path, on_either: Ground, mailbox: Mailbox, clock: wallclock.Clock
) -> None:
    seen = jump_in_the_middle(on_either, tmp_path, mailbox, clock, -2 * HOUR)
    assert seen.state == "sending"
    assert seen.who(State.PLANNED, State.ACCEPTED) == on_either.addresses
    clock.jump(timedelta(0))
    with runs.start(on_either, tmp_path, environment=mailbox.environment | clock.environment, pace=0) as run:
        run.end()
    truth.check_end(truth.look(on_either.url), mailbox.copies(), on_either.addresses)


def test_an_edition_stops_when_the_clock_goes_a_year_ahead_and_goes_on_when_it_is_right_again(
    tmp_path: Path, on_either: Ground, mailbox: Mailbox, clock: wallclock.Clock
) -> None:
    seen = jump_in_the_middle(on_either, tmp_path, mailbox, clock, timedelta(days=400))
    assert seen.state == "paused"
    assert "jumped 400 days ahead" in seen.paused_why
    assert seen.who(State.ACCEPTED, State.PLANNED) == on_either.addresses
    assert mailbox.copies()[STAFF] == 1
    clock.jump(timedelta(0))
    db = Database(on_either.url)
    db.run(partial(review.resume, number=EDITION))
    db.close()
    with runs.start(on_either, tmp_path, environment=mailbox.environment | clock.environment, pace=0) as run:
        run.end()
    truth.check_end(truth.look(on_either.url), copies(mailbox), on_either.addresses)


def send_what_is_owed(here: Ground, folder: Path, mailbox: Mailbox, owed: set[str]) -> None:
    """By the command that staff use; then everybody has one mail."""
    with runs.start(
        here, folder, "send", "weekly", "--owed", "--yes", "--wait", environment=mailbox.environment
    ) as run:
        run.end()
    assert truth.look(here.url, EDITION + 1).who(State.ACCEPTED) == owed
    assert mailbox.copies() == Counter(here.addresses)


def test_two_senders_never_deliver_the_same_row_when_the_clock_says_that_a_lease_is_over(
    tmp_path: Path, on_either: Ground, mailbox: Mailbox, clock: wallclock.Clock
) -> None:
    """On SQLite the clock of leases is this machine's: the second sender takes the batches of the first, whose rows are
    unsure until it wakes and tells which it had handed over; the others are owed, since the edition is closed by then.
    On PostgreSQL the clock is the server's, and the leases hold.
    """
    environment = mailbox.environment | clock.environment | BATCHES
    on_server = not on_either.url.startswith("sqlite")
    with runs.start(on_either, tmp_path, environment=environment) as first:
        first.until_under_way(mailbox)
        with first.standing_still(lambda: on_either.is_at_rest):
            held = truth.look(on_either.url).who(State.TRYING)
            assert held
            clock.jump(HOUR)
            with runs.start(on_either, tmp_path, "run", environment=environment, pace=0) as second:
                second.end()
            between = truth.look(on_either.url)
            truth.check(between, mailbox.copies(), on_either.addresses)
            assert between.who(State.TRYING if on_server else State.UNSURE) == held
            assert between.who(State.ACCEPTED, State.PLANNED) == on_either.addresses - held
        first.end()
    seen = truth.look(on_either.url)
    if on_server:
        truth.check_end(seen, mailbox.copies(), on_either.addresses)
        return
    truth.check(seen, mailbox.copies(), on_either.addresses)
    failed = seen.who(State.FAILED)
    assert failed < held
    assert seen.who(State.ACCEPTED) | failed == on_either.addresses
    clock.jump(timedelta(0))
    send_what_is_owed(on_either, tmp_path, mailbox, failed)


def test_a_resident_clock_that_was_set_back_goes_on_at_once(
    tmp_path: Path, on_sqlite: Ground, mailbox: Mailbox, clock: wallclock.Clock
) -> None:
    clock.jump(2 * HOUR)
    db = Database(on_sqlite.url)
    db.run(partial(review.pause, number=EDITION, why="The staff have lunch.", now=offices.utc_now()))
    environment = mailbox.environment | clock.environment | {"FAULTS_IDLE": "1"}
    with runs.start(on_sqlite, tmp_path, "scheduler", environment=environment, pace=0) as resident:
        resident.until((on_sqlite.home / "feeds" / "all.rss").exists, "the first round is over")
        with resident.standing_still(lambda: on_sqlite.is_at_rest):
            clock.jump(timedelta(0))
            db.run(partial(review.resume, number=EDITION))
            db.close()
        resident.until(lambda: mailbox.total == on_sqlite.readers, "everybody has it")
        resident.terminate()
        resident.end()
    truth.check(truth.look(on_sqlite.url), mailbox.copies(), on_sqlite.addresses)
