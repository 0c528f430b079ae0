"""The clock: publish what is due -> compile -> plan -> deliver -> close -> tidy; `dispatch` for sends by hand.

Promises: an occurrence happens once, however many schedulers run (its row is unique and written with the edition);
after an outage one edition goes out, never two; a clock that was set back runs nothing twice. Killed anywhere, the
next pass goes on. A run that comes too late sends, skips or asks, as the series says. Refuses: to send while the
site's address or the postal address is not fit for it. docs/why/clock.md tells how time is handled.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from digest import config, editions, feeds, items, news, occurrences, publications, review, schedules, schema, tables
from digest.delivery import closing, leases, notices, planning, staff_mail
from digest.editions import Edition, Run
from digest.errors import Busy, DigestError, Refused, Stale
from digest.home import open_home
from digest.publications import Digest, Series
from subscribers import members, offices
from subscribers.offices import Office

log = structlog.get_logger(__name__)

IDLE = timedelta(seconds=5)  # how often a resident clock looks for what other processes asked for
PASSING = (Busy, Stale, SQLAlchemyError, OSError)  # failures of the surroundings, not of an edition: tried again

# --- one pass --------------------------------------------------------------------------------------------------


def one_pass(office: Office) -> None:
    """Everything that is due now, in order; what cannot be done yet stays for the next pass.

    What fails keeps nothing else from being done; the first failure is raised at the end.
    """
    failures: list[Exception] = []
    with offices.ending_gently(office):
        for step in (publish_due, compile_due, send_notices, carry_all_on, send_notices, tidy):
            try:
                step(office)
            except Exception as error:
                log.exception("step failed", step=step.__name__)
                failures.append(error)
    if failures:
        raise failures[0]


def send_notices(office: Office) -> None:
    """Mails about one affair that are due."""
    notices.deliver_due(office.home.db, office.transport, clock=office.clock, owner=office.owner)


def carry_all_on(office: Office) -> None:
    """Works on each edition under way; one that cannot be worked on stops and says so, and the others go on."""
    failures: list[Exception] = []
    for edition in under_way(office):
        try:
            carry_on(office, edition)
        except Exception as error:
            log.exception("edition failed", edition=edition.id)
            failures.append(error)
            if not isinstance(error, PASSING):
                office.home.db.run(partial(_halt, office, edition))
    if failures:
        raise failures[0]


def _halt(office: Office, edition: Edition, conn: Connection) -> None:
    now, why = office.clock(), "The program failed at it; the log of the program says how."
    with suppress(Refused):  # it has ended meanwhile
        staff_mail.stopped(office.home, conn, review.pause(conn, edition.id, why=why, now=now), now)


def publish_due(office: Office) -> None:
    """Items whose moment has come become news; people whose pause is over get mail again."""
    now = office.clock()
    for slug in office.home.db.run(partial(review.publish_due, now=now)):
        log.info("item published", item=slug)
    while office.home.db.run(partial(members.wake_due, now=now)):
        pass


def compile_due(office: Office) -> None:
    """Each series whose latest occurrence has not happened yet gets its edition, and only once."""
    home, now = office.home, office.clock()
    with home.db.reading() as conn:
        offered = [(digest, series) for digest in publications.all(conn) for series in _offered(conn, digest)]
    for digest, series in offered:
        home.db.run(partial(_compile_latest, office, digest, series, now))


def _offered(conn: Connection, digest: Digest) -> list[Series]:
    return [series for series in publications.series(conn, digest.id) if series.offered]


def _compile_latest(office: Office, digest: Digest, series: Series, now: datetime, conn: Connection) -> None:
    edition = occurrences.run_latest(conn, office.home.settings, digest, series, owed=office.people.owed, now=now)
    if edition is None:
        return
    log.info("run", digest=digest.slug, cadence=series.cadence, edition=edition.id, state=edition.state)
    if edition.state == editions.REVIEW:
        staff_mail.needs_approval(conn, office.home, edition, now=now)


def under_way(office: Office) -> list[Edition]:
    """Editions that are locked or sending, oldest first."""
    with office.home.db.reading() as conn:
        return editions.all_editions(conn, states=(editions.FROZEN, editions.SENDING))


def carry_on(office: Office, edition: Edition) -> None:
    """Plans, delivers and closes one edition as far as is possible now."""
    home, now = office.home, office.clock()
    if edition.cancelling:
        closing.finish_cancel(home.db, edition, office.people, now=now)
        return
    if edition.state == editions.FROZEN and not edition.paused_at:
        planning.plan(home.db, edition.id, office.people, now=now, owner=office.owner)
    office.sender.deliver(edition.id)
    while home.db.run(partial(leases.expire, edition_id=edition.id, owner=office.owner, now=office.clock())):
        pass
    closing.close(home.db, edition.id, office.people, now=office.clock())


def tidy(office: Office) -> None:
    """Feed files follow the items."""
    with office.home.db.reading() as conn:
        feeds.build(office.home.settings, conn, office.home.feeds)


# --- by hand, and to the end -----------------------------------------------------------------------------------


def dispatch(office: Office, slug: str, *, cadence: str = "", owed: bool = False) -> Edition:
    """An edition now, with what is new (`owed`: only what is owed to some); an open one is adopted.

    Raises Refused when there is nothing to send, or when the settings are not fit for sending.
    """
    faults = config.sending_faults(office.home.settings)
    if faults:
        raise Refused(" ".join(faults))
    return office.home.db.run(partial(_dispatch, office, slug, cadence, owed))


def _dispatch(office: Office, slug: str, cadence: str, owed: bool, conn: Connection) -> Edition:
    now = office.clock()
    news.counter(conn)
    digest = publications.find(conn, slug)
    offered = _offered(conn, digest)
    series = next((s for s in offered if s.cadence == (cadence or offered[0].cadence)), None)
    if series is None:
        raise Refused(f"{slug} has no {cadence} edition; it has {', '.join(s.cadence for s in offered)}.")
    carries = office.people.owed(conn, digest.id, series.cadence)
    run = Run(now=now, starts_at=now, by_hand=True, owed=owed, carries=carries)
    return editions.compile(conn, office.home.settings, digest, series, run)


def see_through(office: Office, number: int) -> Edition:
    """Works on one edition until it has ended or nothing can be done about it within two minutes."""
    with offices.ending_gently(office):
        return _see_through(office, number)


def _see_through(office: Office, number: int) -> Edition:
    while True:
        with office.home.db.reading() as conn:
            edition = editions.find(conn, number)
        if edition.state not in (editions.FROZEN, editions.SENDING) or edition.paused_at:
            return edition
        carry_on(office, edition)
        with office.home.db.reading() as conn:
            edition, wake = editions.find(conn, number), leases.next_due(conn, number)
        if edition.state in editions.ENDED or not offices.sleep_until(office, wake):
            return edition


def until_idle(office: Office) -> datetime | None:
    """Passes until nothing is due, leased or to be tried again within two minutes; returns the next due time."""
    while True:
        one_pass(office)
        wake = next_moment(office)
        if not offices.sleep_until(office, wake):
            return wake


def next_moment(office: Office) -> datetime | None:
    """When the next thing falls due: a run, a batch, a notice, an item."""
    return min(_moments(office), default=None)


def _moments(office: Office) -> Iterator[datetime]:
    now = office.clock()
    with office.home.db.reading() as conn:
        yield from filter(None, (leases.next_due(conn), notices.next_due(conn), items.next_publication(conn)))
        for digest in publications.all(conn):
            for series in _offered(conn, digest):
                schedule = editions.schedule(series, digest.zone)
                if schedule:
                    yield schedules.next_occurrence(schedule, now).at


# --- resident --------------------------------------------------------------------------------------------------


def run_forever(office: Office, *, stop: threading.Event | None = None) -> None:
    """The resident clock: a pass now, and one at each next moment, until SIGTERM or `stop`."""
    ended = stop or threading.Event()
    wakes = BackgroundScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None, "max_instances": 1})

    working = threading.Lock()

    def step() -> None:
        with working:
            if ended.is_set():
                return
            try:
                one_pass(office)
            except Exception:
                log.exception("pass failed; the next one tries again")
            wakes.add_job(step, DateTrigger(_next_wake(office), timezone=UTC))

    def end(*_: object) -> None:
        office.sender.stop()
        ended.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
    wakes.start()
    wakes.add_job(step, DateTrigger(offices.utc_now(), timezone=UTC))
    ended.wait()
    office.sender.stop()
    # Not wait=True: that holds the lock that a pass needs to plan the next one, and both would wait for ever.
    wakes.shutdown(wait=False)
    with working:
        pass


def _next_wake(office: Office) -> datetime:
    """The real time of the next pass: what falls due, or a look after a few seconds for what others asked for.

    A database that cannot be asked does not end the clock.
    """
    try:
        due = next_moment(office)
    except Exception:
        log.exception("what is due cannot be read; a look after a few seconds")
        due = None
    wait = IDLE if due is None else max(timedelta(milliseconds=50), min(due - office.clock(), IDLE))
    return offices.utc_now() + wait


def main() -> int:
    """`python scheduler.py`: the resident clock of the home that DIGEST_HOME names."""
    try:
        home = open_home(config.home_from())
        schema.upgrade(home.db, tables.metadata)
        office = offices.open_office(home)
    except DigestError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        run_forever(office)
    finally:
        office.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
