"""Watched sources are asked, and what they bring becomes items.

Promises: a host is asked outside of every transaction; what its feed brought and how the source stands then are one
commit, so a kill between loses nothing and doubles nothing. The entries of the first look are known already, unless
staff say otherwise; later ones are news unless they are old. What has vanished from a feed stays, and what staff
withdrew does not come back. Refuses to watch what is no feed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from digest import intake, items, markup, news, publications
from digest.drafts import Draft
from digest.errors import Busy, Problem, Stale
from digest.fetch import Answer
from digest.home import Home
from digest.intake import Report, entries, look, polling, sources, ways
from digest.intake.feed import Feed
from digest.intake.look import Look, Looks
from digest.intake.polling import Standing
from digest.intake.sources import Source
from digest.publications import Digest

log = structlog.get_logger(__name__)

AT_ONCE = 4  # sources that are asked side by side; the rest come next
LONGEST_NAME = 120  # characters
PASSING = (Stale, Busy, OperationalError, InterfaceError)  # no fault of the source, nor of ours

Clock = Callable[[], datetime]
Tell = Callable[[Connection, Source, datetime], object]  # staff, that a source needs them


@dataclass(frozen=True)
class Wish:
    """What staff say of a new source. `as_new` makes the entries that it has already news."""

    address: str
    digest: str = ""  # whose rules its entries follow; empty: the first one's
    name: str = ""
    as_new: bool = False
    drafts: bool = False


@dataclass(frozen=True)
class Check:
    """What one look came to: the source as it stands then, and what came in; None when there was nothing to read."""

    source: Source
    report: Report | None


@dataclass(frozen=True)
class Asked:
    """Sources that somebody has set out to ask, by number, and the looks at them."""

    sources: Mapping[int, Source]
    looks: Looks


def add(home: Home, wish: Wish, *, clock: Clock) -> Check:
    """Reads a feed and watches it from then on. Raises BadInput for what is no feed, Refused when it is watched."""
    with home.db.reading() as conn:
        digest = publications.first(conn, wish.digest)
        sources.refuse_another(conn, wish.address)
    answer, found = look.first(home.settings, wish.address)
    return home.db.run(partial(_add, home, wish, digest, answer, found, clock()))


def check(home: Home, numbers: Sequence[int], *, clock: Clock, tell: Tell) -> list[Check]:
    """Looks at these sources now, be they due or not; one that had stopped is watched again if that goes well.

    They come back in the order of their numbers; what cannot be recorded is left out. Raises NotFound.
    """
    done: list[Check] = []
    for start in range(0, len(numbers), AT_ONCE):
        claims = (partial(sources.claim, number=one, now=clock()) for one in numbers[start : start + AT_ONCE])
        done += take_in(home, _asked(home, map(home.db.run, claims)), clock=clock, tell=tell)
    return sorted(done, key=lambda one: one.source.id)


def set_out(home: Home, *, now: datetime) -> Asked:
    """Begins to ask the sources that have been due for longest, a few at once; `take_in` hears them."""
    with home.db.reading() as conn:
        due = sources.due(conn, now)[:AT_ONCE]
    claims = (partial(sources.claim_due, number=one.id, now=now) for one in due)
    return _asked(home, filter(None, map(home.db.run, claims)))


def _asked(home: Home, claimed: Iterable[Source]) -> Asked:
    mine = {one.id: one for one in claimed}
    return Asked(mine, Looks(home.settings, {number: one.standing for number, one in mine.items()}))


def take_in(
    home: Home,
    asked: Asked,
    *,
    clock: Clock,
    tell: Tell,
    stopping: Callable[[], bool] = lambda: False,
    within: float = look.LATEST,
) -> list[Check]:
    """Brings in what those sources sent that answer within so many seconds. One that fails here keeps out no other."""
    done: list[Check] = []
    for number, seen in asked.looks.come(stopping, within):
        try:
            done.append(_record(home, asked.sources[number], seen, clock=clock, tell=tell))
        except PASSING as error:
            log.warning("a source was not recorded", source=number, reason=str(error).partition("\n")[0])
    for one in done:
        came = one.report or Report()
        facts = {"created": came.created, "changed": came.changed, "refused": came.refused, "news": came.news}
        log.info("source", source=one.source.id, failures=one.source.standing.failures, **facts)
    return done


# --- what a look brought ---------------------------------------------------------------------------------------


def _add(home: Home, wish: Wish, digest: Digest, answer: Answer, found: Feed, now: datetime, conn: Connection) -> Check:
    news.lock(conn)
    new = Standing(wish.address.strip(), checked_at=now, read_at=now, next_check_at=None)
    standing = polling.went_well(new, answer, every=_every(home), now=now)
    title = markup.line(wish.name) or markup.line(markup.to_text(markup.clean(found.title))) or standing.address
    source = sources.add(
        conn,
        standing,
        name=markup.shorten(title, LONGEST_NAME),
        origin=answer.url,
        digest_id=digest.id,
        drafts=wish.drafts,
        now=now,
    )
    report = _bring_in(conn, home, source, found, address=answer.url, now=now, known=not wish.as_new)
    return Check(sources.keep(conn, source, standing, _counts(found, report)), report)


def _record(home: Home, source: Source, seen: Look, *, clock: Clock, tell: Tell) -> Check:
    """Keeps what a look brought. A fault of ours counts as one of the source, so that it does not come every minute."""
    try:
        return home.db.run(partial(_keep, home, source, seen, clock(), tell))
    except PASSING:
        raise
    except Exception:
        log.exception("what a source brought cannot be kept", source=source.id)
        return home.db.run(partial(_keep, home, source, Look(why=look.FAULT), clock(), tell))


def _keep(home: Home, source: Source, seen: Look, now: datetime, tell: Tell, conn: Connection) -> Check:
    if seen.feed is not None:
        news.lock(conn)  # before the source's row, as everywhere
    sources.hold(conn, source)
    after = _standing(conn, home, source, seen, now)
    report = None
    if seen.feed is not None and seen.answer is not None and after.state == polling.WATCHED:
        report = _bring_in(conn, home, source, seen.feed, address=seen.answer.url, now=now)
    kept = sources.keep(conn, source, after, _counts(seen.feed, report) if seen.feed and report else None)
    if polling.needs_a_person(source.standing, after):
        tell(conn, kept, now)
    return Check(kept, report)


def _standing(conn: Connection, home: Home, source: Source, seen: Look, now: datetime) -> Standing:
    before = source.standing
    if seen.why or seen.answer is None:
        return polling.failed(before, seen.why, seen.answer, now=now)
    after = polling.went_well(before, seen.answer, every=_every(home), now=now)
    other = sources.at(conn, after.address)
    if other is None or other.id == source.id:
        return after
    return polling.stopped(before, f"It has moved to {after.address}, which is source {other.id}.", now=now)


def _bring_in(
    conn: Connection, home: Home, source: Source, found: Feed, *, address: str, now: datetime, known: bool | None = None
) -> Report:
    """Brings the entries in; which are known already is for their dates to say, but at the first look for staff.

    At the first look an item that is here, perhaps with more than a feed tells, stays as it is.
    """
    digest = publications.by_id(conn, source.digest_id)
    drafts = entries.drafts(
        found,
        address=address,
        origin=source.origin,
        now=now,
        rules=ways.rules_of(conn, digest),
        language=digest.languages[0],
        is_known=partial(items.is_known, conn),
    )
    zone, first = home.settings.site.time_zone, known is not None
    put = partial(intake.bring_in, conn, now=now, zone=zone, waiting=source.drafts, adopt=first)

    def is_known(entry: Draft | Problem) -> bool:
        return entries.is_old(entry, source.added_at) if known is None else known

    old = put(filter(is_known, drafts), known=True)
    return old + put(itertools.filterfalse(is_known, drafts))


def _counts(found: Feed, report: Report) -> dict[str, int]:
    return {"entries": len(found.entries), "created": report.created, "changed": report.changed}


def _every(home: Home) -> timedelta:
    return timedelta(minutes=home.settings.intake.check_minutes)
