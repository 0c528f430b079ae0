"""The clock: publish -> ask sources -> compile -> plan -> deliver -> close -> tidy -> tell the hub; `dispatch` by hand.

Promises: an occurrence happens once, however many schedulers run (its row is unique and written with the edition);
after an outage one edition goes out, never two; a clock that was set back runs nothing twice. Killed anywhere, the
next pass goes on. A run that comes too late sends, skips or asks, as the series says. Refuses: to send while the
site's address or the postal address is not fit for it. docs/why/clock.md tells how time is handled.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from digest import (
    clock_passes,
    clock_watch,
    config,
    editions,
    feeds,
    items,
    occurrences,
    publications,
    review,
    rounds,
    schema,
    tables,
)
from digest.delivery import closing, leases, notices, planning, provider_sums, staff_mail
from digest.editions import Edition
from digest.errors import Busy, DigestError, Refused, Stale
from digest.feeds import websub
from digest.home import Home, open_home
from digest.intake import checking, look, sources
from digest.publications import Digest, Series
from digest.second_person import Colleague
from subscribers import arrivals, asking, by_hand, members, offices
from subscribers.offices import Office

log = structlog.get_logger(__name__)

SHORTEST = timedelta(milliseconds=500)  # between two rounds of a resident clock
PROMPT = 10.0  # seconds that a pass waits for sources before it goes on with the mail
IDLE = timedelta(seconds=5)  # how often a resident clock looks for what other processes asked for
TIDY = timedelta(hours=1)
CHECKED = timedelta(minutes=1)  # between two counts of what is under way
PASSING = (Busy, Stale, SQLAlchemyError, OSError)  # failures of the surroundings, not of an edition: tried again
FORESEEN = (Busy, Stale, OperationalError, InterfaceError, OSError)  # told in a line; others show where they come from

# --- one pass --------------------------------------------------------------------------------------------------


def one_pass(office: Office) -> None:
    """Everything that is due now, in order; what cannot be done yet stays for the next pass.

    What fails keeps nothing else from being done; the first failure is raised at the end.
    """
    with offices.ending_gently(office):
        _do(office, PASS)


def _do(office: Office, steps: Sequence[Callable[[Office], None]]) -> None:
    failures: list[Exception] = []
    for step in steps:
        try:
            step(office)
        except Exception as error:
            _report("step failed", error, step=step.__name__)
            failures.append(error)
    if failures:
        raise failures[0]


def _report(event: str, error: Exception, **facts: object) -> None:
    """A full disk or a database that is away is no fault of the program: its traceback would only hide the reason."""
    if isinstance(error, FORESEEN):
        log.error(event, reason=str(error).partition("\n")[0], **facts)
    else:
        log.exception(event, **facts)


def answer_asks(office: Office) -> None:
    """What people asked for at the site's forms; once an hour what is of no use any more is forgotten."""
    if office.jump:
        return
    now = office.clock()
    asking.work_off(office.home, now=now)
    if office.tidied is None or not timedelta(0) <= now - office.tidied < TIDY:
        office.home.db.run(partial(asking.tidy, settings=office.home.settings.sign_up, now=now))
        arrivals.forget(office.home, now=now)
        office.tidied = now


def send_notices(office: Office) -> None:
    """Mails about one affair that are due: before the bulk, and beside it, by a transport of their own."""
    notices.deliver_due(
        office.home.db,
        office.post,
        clock=office.clock,
        owner=office.owner,
        barred=office.people.barred,
        stopping=lambda: office.sender.stops_at is not None,
    )


def carry_all_on(office: Office) -> None:
    """Works on all editions under way; one that cannot be worked on stops and says so, and the others go on."""
    failures: dict[int, Exception] = {}
    numbers = [edition.id for edition in under_way(office)]
    _each(numbers, failures, partial(prepare, office))
    office.sender.deliver(*(number for number in numbers if number not in failures))
    failures |= office.sender.failed
    _each(numbers, failures, partial(conclude, office))
    for number, error in failures.items():
        if not isinstance(error, PASSING):
            office.home.db.run(partial(_halt, office, number, FAILED))
    if failures:
        raise next(iter(failures.values()))


def _each(numbers: list[int], failures: dict[int, Exception], step: Callable[[int], object]) -> None:
    """Does the step for each edition that has not failed yet, and notes those that fail at it."""
    for number in numbers:
        if number not in failures:
            try:
                step(number)
            except Exception as error:
                _report("edition failed", error, edition=number)
                failures[number] = error


FAILED = "The program failed at it; the log of the program says how."
DIFFERENT = "Its numbers do not add up: rows and counters differ. Whoever looks after the server should see the log."


def check_sums(office: Office) -> None:
    """Once a minute: an edition whose rows are not as many as its counters say stops until someone has looked."""
    now = office.clock()
    if office.summed is not None and timedelta(0) <= now - office.summed < CHECKED:
        return
    office.summed = now
    for edition in under_way(office):
        if edition.state == editions.SENDING and not edition.paused_at and not edition.cancelling:
            with office.home.db.reading() as conn:
                counted = provider_sums.count(conn, edition.id)
            if not counted.adds_up:
                rows = provider_sums.of(counted.sums)
                log.error("numbers do not add up", edition=edition.id, counted=str(counted.totals), rows=str(rows))
                office.home.db.run(partial(_halt, office, edition.id, DIFFERENT))


def _halt(office: Office, number: int, why: str, conn: Connection) -> None:
    now = office.clock()
    with suppress(Refused):  # it has ended meanwhile
        staff_mail.stopped(office.home, conn, review.pause(conn, number, why=why, now=now), now)


def watch(office: Office) -> None:
    """Compares the clock with the machine's steady one; after a jump of more than a day everything asks."""
    if office.steady is not None:
        office.jump = clock_watch.look(office.home, office.steady, now=office.clock())


def accept_clock(office: Office) -> None:
    """Somebody says that the clock is right as it is."""
    if office.steady is not None:
        office.home.db.run(partial(clock_watch.accept, steady=office.steady, now=office.clock()))
        office.jump = None


def publish_due(office: Office) -> None:
    """Items whose moment has come become news; people whose pause is over get mail again."""
    if office.jump:
        return
    now = office.clock()
    for slug in office.home.db.run(partial(review.publish_due, now=now)):
        log.info("item published", item=slug)
    while office.home.db.run(partial(members.wake_due, now=now)):
        pass


def ask_sources(office: Office) -> None:
    """Asks the watched sources that are due; what they answer promptly is news before editions are compiled."""
    if not office.jump:
        office.asked = checking.set_out(office.home, now=office.clock())
        _take_in(office, within=PROMPT)


def hear_sources(office: Office) -> None:
    """Waits for the sources that are slow: the mail that is due has gone by now."""
    _take_in(office, within=look.LATEST)
    office.asked = None


def _take_in(office: Office, within: float) -> None:
    if office.asked is not None:
        checking.take_in(
            office.home,
            office.asked,
            clock=office.clock,
            tell=partial(staff_mail.source_ails, office.home),
            stopping=lambda: office.sender.stops_at is not None,
            within=within,
        )


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
    ask = f"{office.jump} {clock_watch.HELP}" if office.jump else ""
    edition = occurrences.run_latest(
        conn, office.home.settings, digest, series, owed=office.people.owed, now=now, ask=ask
    )
    if edition is None:
        return
    log.info("run", digest=digest.slug, cadence=series.cadence, edition=edition.id, state=edition.state)
    if edition.state == editions.REVIEW:
        staff_mail.needs_approval(conn, office.home, edition, now=now)


def under_way(office: Office) -> list[Edition]:
    """Editions that are locked or sending, oldest first."""
    with office.home.db.reading() as conn:
        return editions.all_editions(conn, states=(editions.FROZEN, editions.SENDING))


def carry_on(office: Office, number: int) -> None:
    """Plans, delivers and closes one edition as far as is possible now."""
    prepare(office, number)
    office.sender.deliver(number)
    if error := office.sender.failed.get(number):
        raise error
    conclude(office, number)


def prepare(office: Office, number: int) -> None:
    """Plans an edition that is locked; ends one that is canceled."""
    edition = _now(office, number)
    if edition.cancelling:
        closing.finish_cancel(office.home.db, edition, office.people, now=office.clock())
    elif edition.state == editions.FROZEN and not edition.paused_at:
        planning.plan(office.home.db, number, office.people, now=office.clock(), owner=office.owner)


def conclude(office: Office, number: int) -> None:
    """Fails what is past its deadline, and closes the edition when nothing of it is left to go."""
    watch(office)
    if office.jump:
        return
    while office.home.db.run(partial(leases.expire, edition_id=number, owner=office.owner, now=office.clock())):
        pass
    closing.close(office.home.db, number, office.people, now=office.clock())


def _now(office: Office, number: int) -> Edition:
    with office.home.db.reading() as conn:
        return editions.find(conn, number)


def tidy(office: Office) -> None:
    """Feed files follow the items."""
    feeds.follow(office.home.settings, office.home.db, office.home.feeds)


def note_pass(office: Office) -> None:
    """Leaves a sign of life, for whoever looks whether the clock goes."""
    now = office.clock()
    if office.passed is None or abs(now - office.passed) >= clock_passes.EVERY:
        office.home.db.run(partial(clock_passes.note, now=now))
        office.passed = now


def tell_hub(office: Office) -> None:
    """The hub learns which feeds have changed. Last of all, and beside the rest where there is one: no mail waits."""
    done = websub.announce(
        office.home.settings,
        office.home.feeds,
        now=office.clock(),
        stopping=lambda: office.sender.stops_at is not None,
    )
    if done.taken or done.refused or done.why:
        log.info("hub told", taken=len(done.taken), refused=list(done.refused), why=done.why)


# --- by hand, and to the end -----------------------------------------------------------------------------------


def dispatch(
    office: Office, slug: str, *, cadence: str = "", owed: bool = False, sender: Colleague | None = None
) -> Edition:
    """An edition now, with what is new (`owed`: only what is owed to some); an open one is adopted.

    Where a second person approves what is sent, it waits for that. Raises Refused when there is nothing to send, or
    when the settings are not fit for sending.
    """
    watch(office)
    if office.jump:
        raise Refused(f"{office.jump} {clock_watch.HELP}")
    how = {"cadence": cadence, "owed": owed, "sender": sender}
    return office.home.db.run(partial(_dispatch, office, slug, how))


def _dispatch(office: Office, slug: str, how: dict[str, Any], conn: Connection) -> Edition:
    now = office.clock()
    return by_hand.send(conn, office.home, office.people, slug, **how, starts_at=now, now=now)


def see_through(office: Office, number: int) -> Edition:
    """Works on one edition until it has ended or nothing can be done about it within two minutes."""
    with offices.ending_gently(office):
        return _see_through(office, number)


def _see_through(office: Office, number: int) -> Edition:
    while True:
        edition = _now(office, number)
        if edition.state not in (editions.FROZEN, editions.SENDING) or edition.paused_at:
            return edition
        carry_on(office, number)
        with office.home.db.reading() as conn:
            edition, wake = editions.find(conn, number), _no_sooner(office, leases.next_due(conn, number), conn)
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
    """When the next thing falls due: a run, a batch, a notice, an item, a source."""
    return min(_moments(office), default=None)


def _moments(office: Office) -> Iterator[datetime]:
    now = office.clock()
    with office.home.db.reading() as conn:
        bulk = _no_sooner(office, leases.next_due(conn), conn)
        coming = () if office.jump else (items.next_publication(conn), sources.next_check(conn, now))
        yield from filter(None, (bulk, notices.next_due(conn), *coming))
        for digest in publications.all(conn):
            for series in _offered(conn, digest):
                if series.cadence != "instant":
                    yield occurrences.coming(conn, digest, series, now).at
                elif alert := occurrences.next_alert(conn, series):
                    yield alert


def _no_sooner(office: Office, due: datetime | None, conn: Connection) -> datetime | None:
    """When bulk mail can go on: what is due waits while the carrier takes nobody, or the pace allows nothing."""
    closed = office.sender.closed_until(conn)
    return due if due is None or closed is None else max(due, closed)


# --- resident --------------------------------------------------------------------------------------------------


PASS = (
    *(watch, publish_due, answer_asks, ask_sources, compile_due, send_notices, check_sums, carry_all_on, send_notices),
    *(hear_sources, tidy, note_pass, tell_hub),
)
# Beside the sending, which may take hours.
CLOCK = (watch, publish_due, answer_asks, compile_due, send_notices, check_sums, tidy, note_pass)
SENDING = (watch, carry_all_on)
SOURCES = (watch, ask_sources, hear_sources)  # beside both, since a host may be slow
TELLING = (tell_hub,)


def reside(home: Home) -> None:
    """The resident clock of a home until SIGTERM; it takes up changed settings without being started again.

    Raises Refused when the settings name no transport that can be opened; if they come to name such a one later, the
    log says so, and nothing is sent until they change.
    """
    office = offices.open_office(home)
    again = True
    while again:
        try:
            again = run_forever(office)
        finally:
            office.transport.close()
            office.post.close()
        if again:
            office = _anew(home)


def _anew(home: Home) -> Office:
    """The office with the settings as they are now."""
    log.info("the settings have changed; the sending begins again with them")
    while True:
        try:
            return offices.open_office(home)
        except DigestError as error:
            log.error("nothing is sent with these settings", reason=str(error))
            time.sleep(IDLE.total_seconds())
            home.follow()


def run_forever(office: Office, *, stop: threading.Event | None = None) -> bool:
    """The resident clock: its steps now and at each next moment, the sending beside them.

    Until SIGTERM or `stop`; or, and then True, until the settings that the office was opened with have changed.
    """
    ended, told, outdated = stop or threading.Event(), threading.Event(), threading.Event()
    kept = offices.opened_with(office.home)

    def end(*_: object) -> None:
        office.sender.stop()
        told.set()
        ended.set()

    def look_out(steps: Sequence[Callable[[Office], None]]) -> datetime:
        office.home.follow()
        if offices.opened_with(office.home) != kept:
            office.sender.stop()
            outdated.set()
            ended.set()
            return office.clock()
        return _round(office, steps)

    telling = (TELLING,) if office.home.settings.feeds.hub else ()
    with _signals(end):
        works = [partial(look_out, steps) for steps in (CLOCK, SENDING, SOURCES, *telling)]
        rounds.keep_on(works, ended, look=IDLE, ending=office.sender.stop)
    return outdated.is_set() and not told.is_set()


@contextmanager
def _signals(end: Callable[..., None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C do `end`; afterwards they do again what they did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _round(office: Office, steps: Sequence[Callable[[Office], None]]) -> datetime:
    """Does the steps, and says when to do them again."""
    try:
        _do(office, steps)
    except Exception as error:
        _report("a round failed; the next one tries again", error)
    return _next_wake(office)


def _next_wake(office: Office) -> datetime:
    """The real time of the next round: what falls due, or a look after a few seconds for what others asked for.

    A database that cannot be asked does not end the clock.
    """
    try:
        due = next_moment(office)
    except Exception as error:
        _report("what is due cannot be read; a look after a few seconds", error)
        due = None
    wait = IDLE if due is None else max(SHORTEST, min(due - office.clock(), IDLE))
    return offices.utc_now() + wait


def main() -> int:
    """`python scheduler.py`: the resident clock of the home that DIGEST_HOME names."""
    try:
        home = open_home(config.home_from())
        schema.upgrade(home.db, tables.metadata)
        reside(home)
    except DigestError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
